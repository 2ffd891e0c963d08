"""Lent room in units of the resource ``sublet.dev/lent``.

Agent and service count alike, or the cluster's scheduler would see room that is not there.
"""

from typing import Final

RESOURCE: Final = "sublet.dev/lent"


def units_for(memory_mib: int, usable_mib: int, unit_mib: int) -> int:
    """Return how many units a slice of this size takes on a card that gives ``usable_mib``.

    Whole units, but never more than the card has: a job that wants the whole card takes all of its
    units, and the rest that is no unit.
    """
    if unit_mib < 1:
        message = f"a unit of {unit_mib} MiB is none: give 1 or more"
        raise ValueError(message)
    return max(1, min(-(-memory_mib // unit_mib), usable_mib // unit_mib))
