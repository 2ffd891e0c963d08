"""What the cards' lists of processes say about whether a process can be suspended."""

from collections.abc import Mapping
from dataclasses import dataclass

from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable


@dataclass(frozen=True, slots=True)
class Listed:
    """A process as one card lists it."""

    memory_mib: int | None
    """``None``: the card does not tell."""
    is_mps: bool = False

    def with_more(self, other: "Listed") -> "Listed":
        """Return this process as another list of the same card has it, too."""
        known = (self.memory_mib, other.memory_mib)
        told = [mib for mib in known if mib is not None]
        return Listed(
            max(told) if len(told) == len(known) else None, is_mps=self.is_mps or other.is_mps
        )


def why_listed_not_suspendable(pid: int, on: Mapping[int, Listed]) -> Unsuspendable | None:
    """Return why a process cannot be suspended, from the cards that list it, or ``None``.

    ``on`` has the cards by their place among the node's.
    """
    if any(listed.is_mps for listed in on.values()):
        return Unsuspendable(Obstacle.MPS, "it is an MPS client")
    if len(on) > 1:
        *most, last = sorted(on)
        where = f"{', '.join(str(index) for index in most)} and {last}"
        detail = f"process {pid} uses more than one GPU ({where})"
        return Unsuspendable(Obstacle.SEVERAL_GPUS, detail)
    if any(listed.memory_mib is None for listed in on.values()):
        detail = f"the GPU does not tell how much memory process {pid} holds"
        return Unsuspendable(Obstacle.MEMORY_UNKNOWN, detail)
    return None
