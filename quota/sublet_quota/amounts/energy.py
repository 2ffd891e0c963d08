"""The split of a GPU's energy, as its counter says, over its slices.

Energy above idle goes by each slice's share of the time in which the GPU computed, so of slices
that take turns to each as its turns were; idle energy by what each has reserved, suspended slices
none of it. What is left is nobody's: nobody computed, what belongs to no slice did, or not all is
reserved. With that the parts are what the counter says, to the last mJ.
"""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class EnergyParts:
    """Whose a GPU's energy was, in mJ: all of it in all."""

    of_slices: dict[SliceId, int]
    nobodys: int


def split_energy(
    total_mj: int, idle_mj: int, uses: Sequence[SliceUse], foreign_ms: int = 0
) -> EnergyParts:
    """Return each slice's part of what the counter says, in mJ, and nobody's.

    ``idle_mj`` of it the GPU would have used in any case. ``foreign_ms``: how long the GPU computed
    for what belongs to no slice, as far as that is told.
    """
    total = max(0, total_mj)
    idle = max(0, min(total, idle_mj))
    busy_ms = [*(max(0, use.busy_ms) for use in uses), max(0, foreign_ms)]
    reserved = [0 if use.suspended else max(0, use.reserved_milli) for use in uses]
    unreserved = max(0, _WHOLE_GPU_MILLI - sum(reserved))
    *active_parts, _ = _divided(total - idle, busy_ms) if any(busy_ms) else [0] * len(busy_ms)
    *idle_parts, _ = _divided(idle, [*reserved, unreserved])
    parts = {
        use.slice_id: active + idle
        for use, active, idle in zip(uses, active_parts, idle_parts, strict=True)
    }
    return EnergyParts(parts, total - sum(parts.values()))


def _divided(amount: int, weights: Sequence[int]) -> list[int]:
    """Return an amount by weight, in whole parts that come to all of it; not all weigh nothing."""
    whole = sum(weights)
    parts = [amount * weight // whole for weight in weights]
    short = sorted(range(len(weights)), key=lambda i: -(amount * weights[i] % whole))
    for index in short[: amount - sum(parts)]:
        parts[index] += 1
    return parts
