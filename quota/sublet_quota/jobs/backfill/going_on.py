"""Which jobs stand still on as their GPU has no room for them, and who makes way for who goes on.

The first go on first: none before those for which it makes way itself, of the others the oldest;
one of several GPUs on all at once, or not.
Who began there meanwhile, and passed one that stands still, makes way for it as for one that waits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sublet_quota.admission.jobs_going_on import GoingOn
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.backfill.jobs_there import JobsThere, JobThere, who_makes_way
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, SliceId


@dataclass(frozen=True, slots=True)
class RoomToGoOn:
    """What GPUs have room for of the jobs that stand still there."""

    without: frozenset[SliceId] = frozenset()
    """The slices of those that do not go on yet."""
    makes_way: Mapping[SliceId, tuple[SliceId, ...]] = field(default_factory=dict)
    """By the slice of one that goes on: which stand still then."""


def room_to_go_on(
    holdings: Holdings,
    there: JobsThere,
    kept: Mapping[GpuId, WaitingJob],
    pausing: Iterable[SliceId] = (),
) -> RoomToGoOn:
    """Return for which jobs that were held back there is room on their GPUs.

    There is none where it lacks beside the jobs on their GPU, but for those that make way, and
    those that went on before; or where the GPU is kept, by the plan before, for a job for which
    they would make way and that has room by now, on all that are kept for it: until then they go
    on. ``pausing``: those that do not go on whatever room there is, and keep none.
    """
    stand: defaultdict[JobId, dict[GpuId, JobThere]] = defaultdict(dict)
    for gpu_id, jobs in there.on.items():
        for each in jobs:
            if each.held_back:
                stand[each.job_id][gpu_id] = each
    cards = _Cards(holdings, there, kept)
    cannot, without = frozenset(pausing), set[SliceId]()
    makes_way: dict[SliceId, tuple[SliceId, ...]] = {}
    for name in _in_order(stand):
        parts = stand[name]
        slices = [each.slice_id for each in parts.values()]
        way = None if not cannot.isdisjoint(slices) else cards.go_on(parts)
        if way is None:
            without.update(slices)
        elif way:
            makes_way[slices[0]] = way
    return RoomToGoOn(frozenset(without), makes_way)


FindRoom = Callable[[frozenset[SliceId]], RoomToGoOn]
"""Finds who has room on their GPUs, where these slices go on in no case."""
ByLimits = Callable[[frozenset[SliceId], Mapping[SliceId, tuple[SliceId, ...]]], GoingOn]
"""Finds who goes on by the limits, but for these slices, and who makes way for them."""


def who_goes_on(
    holdings: Holdings, find_room: FindRoom, by_limits: ByLimits, pausing: frozenset[SliceId]
) -> GoingOn:
    """Return which jobs that were held back go on: those that GPUs and limits have room for.

    One that a limit keeps back keeps no room on its GPU meanwhile: nobody stands still for it, nor
    goes on in room that others would have left to it.
    """
    stand = frozenset(each.slice_id for each in holdings.held_back())
    limited, before = frozenset[SliceId](), GoingOn()
    while True:
        room = find_room(pausing | limited)
        cannot = pausing | (room.without - limited)
        going = by_limits(cannot, room.makes_way)
        if not limited.isdisjoint(going.slices):
            return before
        more = stand - cannot - limited - frozenset(going.slices)
        if going.holds_back or not more:
            return going
        limited, before = limited | more, going


class _Cards:
    """Who runs on each GPU, with those that go on."""

    def __init__(
        self, holdings: Holdings, there: JobsThere, kept: Mapping[GpuId, WaitingJob]
    ) -> None:
        self._holdings = holdings
        self._there = there
        self._kept = kept
        self._run: dict[GpuId, list[JobThere]] = {}
        self._stopped: set[SliceId] = set()

    def go_on(self, parts: Mapping[GpuId, JobThere]) -> tuple[SliceId, ...] | None:
        """Let a job go on, all its slices or none; return which others stand still for it.

        ``None``: it has no room.
        """
        stop: dict[SliceId, None] = {}
        for gpu_id, job in parts.items():
            facts, waiting = self._holdings.gpu(gpu_id), self._kept.get(gpu_id)
            if facts is None:
                return None
            if waiting is not None and job.comes_after(waiting) and self._begins(waiting):
                return None
            run = self._on(gpu_id)
            has_mib = job.memory_mib + sum(each.memory_mib for each in run)
            way = who_makes_way(run, job, has_mib - facts.kind.usable_mib)
            if way is None:
                return None
            stop.update((slice_id, None) for each in way for slice_id in each.slices)
        self._stopped.update(stop)
        for gpu_id, job in parts.items():
            self._run[gpu_id] = [*self._on(gpu_id), replace(job, held_back=False)]
        return tuple(stop)

    def _begins(self, waiting: WaitingJob) -> bool:
        """Whether a job has room on all its GPUs once all that make way for it stand still."""
        kept = (gpu_id for gpu_id, job in self._kept.items() if job.job_id == waiting.job_id)
        return all(self._begins_on(gpu_id, waiting) for gpu_id in kept)

    def _begins_on(self, gpu_id: GpuId, waiting: WaitingJob) -> bool:
        facts = self._holdings.gpu(gpu_id)
        if facts is None:
            return False
        there = self._there.on.get(gpu_id, ())
        stay = (job for job in there if not (job.held_back or job.makes_way_for(waiting)))
        needs_mib = waiting.memory_on(facts.kind)
        return sum(job.memory_mib for job in stay) + needs_mib <= facts.kind.usable_mib

    def _on(self, gpu_id: GpuId) -> list[JobThere]:
        run = self._run.get(gpu_id)
        if run is None:
            run = [each for each in self._there.on.get(gpu_id, ()) if not each.held_back]
        return [each for each in run if each.slice_id not in self._stopped]


def _in_order(stand: Mapping[JobId, Mapping[GpuId, JobThere]]) -> list[JobId]:
    """Return jobs that stand still, the higher class first; who makes way for another after it."""
    first = {name: next(iter(parts.values())) for name, parts in stand.items()}
    left = sorted(
        first, key=lambda name: (first[name].priority, -first[name].since.timestamp(), name)
    )
    found: dict[JobId, None] = {}
    seen: set[JobId] = set()
    while left:
        name = left[-1]
        passed = [each for each in first[name].fills_in_for if each in first and each not in seen]
        if name not in seen and passed:
            seen.add(name)
            left += passed
            continue
        seen.add(name)
        found[left.pop()] = None
    return list(found)
