"""The GPUs that a plan of the queue keeps for jobs, found by what each lends meanwhile."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.lent_room.card_lists import Entry
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId


@dataclass(slots=True)
class Kept:
    """A GPU that is kept."""

    job: WaitingJob
    gpu: LendableGpu
    at: datetime
    spare_mib: int
    """How much is left there beside the job for which it is kept."""
    entry: Entry
    """By what it lends meanwhile."""


class KeptGpus:
    """The GPUs that are kept so far."""

    def __init__(self) -> None:
        self._kept: dict[GpuId, Kept] = {}
        self._by_room: defaultdict[GpuKind, list[Entry]] = defaultdict(list)

    def add(self, kept: Kept) -> None:
        """Keep a GPU."""
        self._kept[kept.gpu.facts.gpu_id] = kept
        insort(self._by_room[kept.gpu.facts.kind], kept.entry)

    def find(self, gpu_id: GpuId) -> Kept | None:
        """Return a GPU that is kept; ``None``: it is not."""
        return self._kept.get(gpu_id)

    def now_lends(self, kept: Kept, entry: Entry) -> None:
        """Let a GPU be found by what it lends from now on."""
        entries = self._by_room[kept.gpu.facts.kind]
        del entries[bisect_left(entries, kept.entry)]
        kept.entry = entry
        insort(entries, entry)

    def most_mib(self, kind: GpuKind) -> int:
        """Return the most that one of a kind lends meanwhile."""
        entries = self._by_room.get(kind)
        return entries[-1][0] if entries else 0

    def that_lend(self, kind: GpuKind, need_mib: int, most: int) -> Iterator[Kept]:
        """Yield those of a kind that lend so much, the tightest first, and no more than ``most``.

        None may be changed meanwhile.
        """
        entries = self._by_room.get(kind, [])
        first = bisect_left(entries, (need_mib,))
        return (self._kept[entry[3]] for entry in islice(entries, first, first + most))

    def for_whom(self) -> dict[GpuId, WaitingJob]:
        """Return for whom GPUs are kept."""
        return {gpu_id: kept.job for gpu_id, kept in self._kept.items()}
