"""The GPUs of one kind by when each lends how much to jobs of a class.

The first that does is found without a look at each. Where a job of this plan was placed, or
somebody fills in for the very job, GPUs are looked at one by one (``reservation``).
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.jobs.backfill.card_times import CardTimes, OfClass
from sublet_quota.jobs.backfill.first_fit import FirstFit
from sublet_quota.jobs.lent_room.card_lists import Entry, entry_of
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.names.ids import GpuId, NodeId


@dataclass(slots=True)
class KindTimes:
    """From when on GPUs of one kind lend how much to jobs of a class, and who makes way for it."""

    of_class: OfClass
    steps: list[tuple[datetime, int, NodeId, int, GpuId]]
    first: FirstFit
    ways: list[Entry]
    """Those where a lower class might make way, by what they lend then at most."""
    places: dict[GpuId, list[int]] = field(default_factory=dict)

    def drop(self, gpu_id: GpuId) -> None:
        """Let a GPU be found no more by when it lends."""
        for place in self.places.pop(gpu_id, ()):
            self.first.drop(place)

    @property
    def most_by_way_mib(self) -> int:
        """The most that one lends once a lower class has made way."""
        return self.ways[-1][0] if self.ways else 0

    def ways_with(self, need_mib: int, most: int) -> list[Entry]:
        """Return those that may lend so much once others make way, the tightest, no more."""
        first = bisect_left(self.ways, (need_mib,))
        return self.ways[first : first + most] if need_mib > 0 else []


def times_of_kind(gpus: Iterable[LendableGpu], times: CardTimes, of_class: OfClass) -> KindTimes:
    """Return the GPUs of one kind, by what they lend to any job of a class that nobody passed."""
    steps: list[tuple[datetime, int, NodeId, int, GpuId]] = []
    ways: list[Entry] = []
    for gpu in gpus:
        if not times.has_jobs(gpu):
            continue
        facts = gpu.facts
        lower = [each.memory_mib for each in times.on(gpu) if each.makes_way_for(of_class)]
        if lower:
            ways.append(entry_of(gpu, gpu.lendable_mib + sum(lower)))
        if times.lends_as_before(gpu):
            steps += (
                (at, room_mib, facts.node, facts.index, facts.gpu_id)
                for at, room_mib in times.steps(gpu, of_class)
            )
    steps.sort()
    ways.sort()
    found = KindTimes(of_class, steps, FirstFit([max(0, step[1]) for step in steps]), ways)
    for place, step in enumerate(steps):
        found.places.setdefault(step[4], []).append(place)
    return found
