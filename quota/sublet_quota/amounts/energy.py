"""The split of a GPU's energy, as its counter says, over its slices.

Energy above idle goes by each slice's share of the time in which the GPU computed; idle energy by
what each has reserved, suspended slices none of it. What is left (nobody computed, not all is
reserved, fractions) is nobody's: the parts are never more than the counter says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import SliceId

_WHOLE_GPU_MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class SliceUse:
    """The use that one slice made of a GPU in a stretch of time."""

    slice_id: SliceId
    reserved_milli: int
    """The slice's compute share."""
    busy_ms: int
    """How long the GPU computed for the slice."""
    suspended: bool


def split_energy(total_mj: int, idle_mj: int, uses: Sequence[SliceUse]) -> Mapping[SliceId, int]:
    """Return each slice's part of what the counter says, in mJ.

    ``idle_mj`` of it the GPU would have used in any case.
    """
    idle = max(0, min(total_mj, idle_mj))
    active = max(0, total_mj) - idle
    busy_ms = sum(max(0, use.busy_ms) for use in uses)
    reserved = {u.slice_id: 0 if u.suspended else max(0, u.reserved_milli) for u in uses}
    whole = max(_WHOLE_GPU_MILLI, sum(reserved.values()))
    return {
        use.slice_id: (active * max(0, use.busy_ms) // busy_ms if busy_ms else 0)
        + idle * reserved[use.slice_id] // whole
        for use in uses
    }
