"""How much each may have of a room that is too small for what all have: as much as the others."""

from collections.abc import Collection


def fair_share(amounts: Collection[int], most: int) -> int:
    """Return up to how much each may keep, so that all together keep ``most`` at most.

    Who has less keeps all of it, and leaves the rest to the others. Where there is room for
    everything, that is all of it.
    """
    left, others = most, len(amounts)
    for amount in sorted(amounts):
        if amount * others > left:
            return max(0, left // others)
        left -= amount
        others -= 1
    return max(0, most)
