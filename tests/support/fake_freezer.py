"""A freezer that notes what is asked of it, for tests of the moves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sublet_agent.cgroups.freezer import FrozenNeighbours
from sublet_quota.names.ids import GpuId, SliceId


@dataclass
class FakeFreezer:
    """Freezes the pids that the test names; ``told`` is what happened, in order."""

    told: list[tuple[str, object]]
    frozen: set[int] = field(default_factory=set)
    problem: str = ""
    strangers: list[int] = field(default_factory=list)
    when_frozen: Callable[[], object] = lambda: None

    def set_apart(self, slice_id: SliceId, pids: Sequence[int]) -> None:
        self.told.append(("set apart", (slice_id, *pids)))

    def note_stranger(self, _gpu_id: GpuId, pid: int) -> None:
        self.strangers.append(pid)

    @contextmanager
    def freeze_neighbours(
        self, _gpu_id: GpuId, _slice_id: SliceId, pids: Sequence[int], _within_s: float
    ) -> Iterator[FrozenNeighbours]:
        self.told.append(("freeze", tuple(pids)))
        self.when_frozen()
        try:
            yield FrozenNeighbours(self.problem, lambda pid: pid in self.frozen)
        finally:
            self.told.append(("thaw", ()))
