"""Rounds of the queue over H100 cards: jobs come, run for a while, make way and go on."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sublet_quota.jobs.backfill.free_gpus import still_kept
from sublet_quota.jobs.backfill.going_on import room_to_go_on
from sublet_quota.jobs.backfill.jobs_there import JobsThere, JobThere, by_gpu, end_after
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.job_queue import BesideOthers, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, PoolName, SliceId

from tests.support.quota_cases import H100, NOON, gpu, holdings

STEP = timedelta(minutes=10)


@dataclass
class Began:
    """A job as it began."""

    job: WaitingJob
    works: timedelta
    ran: timedelta = timedelta()
    slices: tuple[SliceId, ...] = ()
    before: frozenset[JobId] = frozenset()
    """Who was before it in line, and waited."""


@dataclass
class CardRounds:
    """What a queue makes of jobs, round after round."""

    cards: int
    a_node: int = 4
    now: datetime = NOON
    line: list[tuple[WaitingJob, timedelta]] = field(default_factory=list)
    """Who waits, in their order, and how long each works."""
    there: dict[SliceId, tuple[GpuId, JobThere]] = field(default_factory=dict)
    began: dict[JobId, Began] = field(default_factory=dict)
    since_held: defaultdict[JobId, set[JobId]] = field(default_factory=lambda: defaultdict(set))
    """Who began while a job stood still."""
    kept: dict[GpuId, WaitingJob] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have empty cards."""
        facts = [gpu(f"g{n}", H100, f"n{n // self.a_node}", n % self.a_node) for n in self._all()]
        self._empty = holdings("", *facts)

    def _all(self) -> range:
        return range(self.cards)

    def on(self) -> JobsThere:
        """Return who has a place now."""
        return by_gpu(
            ((on, replace(each, ends=self._end(each))) for on, each in self.there.values()),
            self.now,
        )

    def _end(self, each: JobThere) -> datetime:
        began = self.began[each.job_id]
        return end_after(self.now, (began.job.max_run or timedelta()) - began.ran)

    def pass_time(self) -> None:
        """Let those that run work on; who is done leaves."""
        self.now += STEP
        for job_id, began in tuple(self.began.items()):
            if self.there[began.slices[0]][1].held_back:
                continue
            began.ran += STEP
            if began.ran >= began.works:
                del self.began[job_id]
                self.since_held.pop(job_id, None)
                for slice_id in began.slices:
                    del self.there[slice_id]

    def go_on(self) -> None:
        """Let those go on for which there is room."""
        waiting = {job.job_id for job, _ in self.line}
        for _ in range(2 * len(self.there) + 2):
            room = room_to_go_on(self._empty, self.on(), still_kept(self.kept, waiting))
            going = {
                slice_id
                for slice_id, (_, each) in self.there.items()
                if each.held_back and slice_id not in room.without
            }
            if not going:
                return
            for slice_id in going:
                self.since_held.pop(self.there[slice_id][1].job_id, None)
                self.hold_back(slice_id, held_back=False)
            for slice_id in going:
                for other in room.makes_way.get(slice_id, ()):
                    self.hold_back(other, held_back=True)
        raise AssertionError("jobs go on, and stand still again, for ever")

    def hold_back(self, slice_id: SliceId, *, held_back: bool) -> None:
        """Let a job's slice stand still, or go on."""
        on, each = self.there[slice_id]
        self.there[slice_id] = on, replace(each, held_back=held_back)

    def place(self) -> tuple[JobPlacement, ...]:
        """Place what can be placed, and return it."""
        on = self.on()
        found = plan_queue(
            [job for job, _ in self.line],
            [self._lends(n) for n in self._all()],
            lending=True,
            beside=BesideOthers(there=on),
        )
        self.kept = dict(found.kept)
        for placement in found.placements:
            for slice_id in placement.holds_back:
                self.hold_back(slice_id, held_back=True)
        for placement in found.placements:
            self._begin(placement)
        return found.placements

    def _lends(self, n: int) -> LendableGpu:
        jobs = [each for on, each in self.there.values() if on == f"g{n}"]
        runs_mib = sum(each.memory_mib for each in jobs if not each.held_back)
        facts = self._empty.gpu(GpuId(f"g{n}"))
        assert facts is not None
        assert runs_mib <= H100.usable_mib, f"too much runs on g{n}"
        of_all_mib = sum(each.memory_mib for each in jobs)
        return LendableGpu(facts, PoolName("p"), H100.type, H100.usable_mib - runs_mib, of_all_mib)

    def _begin(self, placement: JobPlacement) -> None:
        job_id, cards = placement.job.job_id, (placement.gpu_id, *placement.beside)
        names = [job.job_id for job, _ in self.line]
        works = self.line.pop(names.index(job_id))[1]
        slices = tuple(SliceId(f"{job_id}#{n}") for n in range(len(cards)))
        before = frozenset(names[: names.index(job_id)]) & {job.job_id for job, _ in self.line}
        self.began[job_id] = Began(placement.job, works, slices=slices, before=before)
        for slice_id, on in zip(slices, cards, strict=True):
            one = JobThere(
                slice_id=slice_id,
                job_id=job_id,
                memory_mib=placement.amount.memory_mib,
                since=self.now,
                priority=placement.job.priority,
                fills_in_for=placement.fills_in_for,
                with_others=slices if len(slices) > 1 else (),
            )
            self.there[slice_id] = on, one
        for _, each in self.there.values():
            if each.held_back:
                self.since_held[each.job_id].add(job_id)

    def comes_after(self, job_id: JobId, other: JobId) -> bool:
        """Whether a job makes way for another, or for one that does."""
        seen, left = {job_id}, [job_id]
        while left:
            began = self.began.get(left.pop())
            passed = () if began is None else self.there[began.slices[0]][1].fills_in_for
            if other in passed:
                return True
            left += [name for name in passed if name not in seen]
            seen.update(passed)
        return False
