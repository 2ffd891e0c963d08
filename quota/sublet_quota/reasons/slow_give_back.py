"""A job that could not leave in time for owners who come back: the numbers of that, and its words.

Waiting until slices are idle is then in vain: it never begins beside them.
"""

from dataclasses import dataclass
from math import ceil

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.names.ids import NodeId, PoolName
from sublet_quota.reasons.refusal import quoted


@dataclass(frozen=True, slots=True)
class SlowGiveBack:
    """The GPU beside whose slices most could be lent, and how long the job would take to leave."""

    node: NodeId
    pool: PoolName
    takes_s: float
    within_s: float
    """How long it may take, by the pool's ``give_back_within``."""
    most_mib: int
    """The largest job that could begin there."""


def slow_clause(slow: SlowGiveBack | None, there: str, *, is_whole: bool) -> str:
    """Return why a job never begins beside owners' slices, to stand behind what it needs.

    ``there``: where it has to run, such as " of node-a"; empty: anywhere.
    """
    where = "without slices" if is_whole else "whose slices leave it so much"
    why = ", which could not leave in time for owners who come back: "
    begins = f"it begins on a GPU{there} {where}"
    if slow is None:
        return why + begins
    return (
        f"{why}that takes {ceil(slow.takes_s)} s by what was measured on {slow.node}, and may take "
        f"{slow.within_s:g} s in pool {quoted(slow.pool)}; beside owners' slices a job may have "
        f"{format_memory(slow.most_mib)} at most, and {begins}"
    )
