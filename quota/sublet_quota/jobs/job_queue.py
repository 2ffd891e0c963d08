"""The queue of jobs: which goes to which GPU now, and why each of the others waits.

Jobs are served in their order, each on the tightest GPU that can lend what it needs. One that fits
nowhere now does not hold up those behind it, with one exception: a GPU on which it would fit but
for the jobs that run there is kept for it, so that small jobs never starve a large one. A job that
can run on one node alone is placed there, or waits for that node.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.fair_share import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, NodeId, PoolName
from sublet_quota.reasons.waiting import KeptGpu, QueueReason, QueueWait


@dataclass(frozen=True, slots=True)
class LendableGpu:
    """A GPU of a pool that lends, and how large a job could begin there now."""

    facts: GpuFacts
    pool: PoolName
    lendable_mib: int
    jobs_mib: int
    """The memory that jobs have there already: it could be lent again once they are done."""


@dataclass(frozen=True, slots=True)
class JobPlacement:
    """The GPU that a waiting job goes to."""

    job: WaitingJob
    gpu_id: GpuId
    pool: PoolName
    amount: GpuAmount


@dataclass(frozen=True, slots=True)
class JobWait:
    """A job's place in the queue, and why it waits."""

    job_id: JobId
    place: int
    """The place in the queue; 1 for the next."""
    why: QueueWait


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The plan for the waiting jobs: who is placed, and why the others wait."""

    placements: tuple[JobPlacement, ...] = ()
    waits: tuple[JobWait, ...] = ()


def lendable_gpus(holdings: Holdings, lendable_mib: Mapping[GpuId, int]) -> tuple[LendableGpu, ...]:
    """Return the open GPUs of pools that lend.

    ``lendable_mib`` is what the agents report, less the jobs placed since; a GPU that is not in
    it lends nothing now.
    """
    found = []
    for facts in holdings.gpus():
        pool = holdings.pool_of(facts.gpu_id)
        if pool is None or facts.closed is not None or not holdings.document.pools[pool].lend:
            continue
        lendable = min(lendable_mib.get(facts.gpu_id, 0), facts.kind.usable_mib)
        jobs_mib = holdings.load(facts.gpu_id).jobs.memory_mib
        found.append(LendableGpu(facts, pool, lendable, jobs_mib))
    return tuple(found)


def plan_queue(
    jobs: Sequence[WaitingJob], gpus: Iterable[LendableGpu], *, lending: bool
) -> QueuePlan:
    """Return what can be placed of ``jobs``, which are in their order, and why others wait."""
    room = _Room(gpus)
    placements: list[JobPlacement] = []
    waits: list[JobWait] = []
    for job in jobs:
        gpu = room.best_fit(job) if lending else None
        if gpu is not None:
            amount = GpuAmount(_need_on(job, gpu.facts.kind), job.compute_milli)
            placements.append(JobPlacement(job, gpu.facts.gpu_id, gpu.pool, amount))
            room.take(gpu, amount.memory_mib)
        else:
            waits.append(_wait(job, len(waits) + 1, room, lending=lending))
    return QueuePlan(tuple(placements), tuple(waits))


def _need_on(job: WaitingJob, kind: GpuKind) -> int:
    return kind.usable_mib if job.memory_mib is None else job.memory_mib


def _wait(job: WaitingJob, place: int, room: "_Room", *, lending: bool) -> JobWait:
    return JobWait(job.job_id, place, _why(job, room, lending=lending))


def _why(job: WaitingJob, room: "_Room", *, lending: bool) -> QueueWait:
    kinds = room.kinds_for(job)
    large_enough = [kind for kind in kinds if 0 < _need_on(job, kind) <= kind.usable_mib]
    need = min((_need_on(job, kind) for kind in large_enough or kinds), default=job.memory_mib)
    of_all = QueueWait(
        reason=QueueReason.TOO_LITTLE_IDLE,
        need_mib=need,
        most_mib=room.most_lendable(job),
        is_whole=job.memory_mib is None,
        gpu_type=job.gpu_type,
        node=job.node,
    )
    if not lending:
        return replace(of_all, reason=QueueReason.LENDING_OFF)
    if not kinds:
        return replace(of_all, reason=QueueReason.NO_GPU)
    if not large_enough:
        largest = max(kind.usable_mib for kind in kinds)
        return replace(of_all, reason=QueueReason.LARGER_THAN_GPU, largest_mib=largest)
    kept = room.keep_for(job)
    if kept is None and room.is_kept_for_others(job):
        return replace(of_all, reason=QueueReason.BEHIND_OTHERS)
    if kept is None:
        return of_all
    return replace(
        of_all,
        reason=QueueReason.GPU_KEPT,
        need_mib=_need_on(job, kept.facts.kind),
        kept=KeptGpu(kept.facts.node, kept.facts.index),
    )


_Entry = tuple[int, str, int, GpuId]


@dataclass(slots=True)
class _Lists:
    """The GPUs of one kind, by what they lend and by what they could lend without jobs."""

    lendable: list[_Entry] = field(default_factory=list)
    without_jobs: list[_Entry] = field(default_factory=list)


class _Room:
    """The room that can be lent, less what this plan has given away."""

    def __init__(self, gpus: Iterable[LendableGpu]) -> None:
        self._gpus: dict[GpuId, LendableGpu] = {}
        self._left: dict[GpuId, int] = {}
        self._lists: defaultdict[GpuKind, _Lists] = defaultdict(_Lists)
        self._kinds_for_type: dict[str | None, tuple[GpuKind, ...]] = {}
        self._on_node: defaultdict[NodeId, list[LendableGpu]] = defaultdict(list)
        self._kept: set[GpuId] = set()
        self._most_kept: dict[GpuKind, int] = {}
        for gpu in gpus:
            self._gpus[gpu.facts.gpu_id] = gpu
            self._on_node[gpu.facts.node].append(gpu)
            self._left[gpu.facts.gpu_id] = gpu.lendable_mib
            lists = self._lists[gpu.facts.kind]
            lists.lendable.append(_entry(gpu, gpu.lendable_mib))
            if gpu.jobs_mib:
                lists.without_jobs.append(_entry(gpu, _without_jobs(gpu)))
        for lists in self._lists.values():
            lists.lendable.sort()
            lists.without_jobs.sort()

    def kinds_for(self, job: WaitingJob) -> tuple[GpuKind, ...]:
        """Return the kinds of GPU that the job takes."""
        wished = job.gpu_type
        if job.node is not None:
            there = {gpu.facts.kind for gpu in self._on_node.get(job.node, ())}
            return tuple(kind for kind in there if kind.is_type(wished))
        if wished not in self._kinds_for_type:
            kinds = [kind for kind in self._lists if kind.is_type(wished)]
            kinds.sort(key=lambda kind: (kind.usable_mib, kind.type))
            self._kinds_for_type[wished] = tuple(kinds)
        return self._kinds_for_type[wished]

    def best_fit(self, job: WaitingJob) -> LendableGpu | None:
        """Return the GPU on which the least is left over, or ``None``."""
        if job.node is not None:
            left = self._left
            return _tightest_of(job, [(gpu, left[gpu.facts.gpu_id]) for gpu in self._there(job)])
        return self._tightest(job, [(k, self._lists[k].lendable) for k in self.kinds_for(job)])

    def keep_for(self, job: WaitingJob) -> LendableGpu | None:
        """Keep and return a GPU on which the job fits once the jobs there are done, or ``None``."""
        if job.node is not None:
            busy = [(gpu, _without_jobs(gpu)) for gpu in self._there(job) if self._has_jobs(gpu)]
            gpu = _tightest_of(job, busy)
        else:
            lists = [(k, self._lists[k].without_jobs) for k in self.kinds_for(job)]
            gpu = self._tightest(job, lists)
        if gpu is not None:
            self._drop(gpu)
        return gpu

    def is_kept_for_others(self, job: WaitingJob) -> bool:
        """Whether the job would fit on a GPU that this plan keeps, once the jobs there are done."""
        if job.node is None:
            rooms = ((kind, self._most_kept.get(kind, 0)) for kind in self.kinds_for(job))
        else:
            rooms = (
                (gpu.facts.kind, _without_jobs(gpu))
                for gpu in self._on_node.get(job.node, ())
                if gpu.facts.gpu_id in self._kept and gpu.facts.kind.is_type(job.gpu_type)
            )
        return any(0 < _need_on(job, kind) <= room_mib for kind, room_mib in rooms)

    def most_lendable(self, job: WaitingJob) -> int:
        """Return the most that one GPU that the job takes lends now."""
        if job.node is not None:
            return max((self._left[gpu.facts.gpu_id] for gpu in self._there(job)), default=0)
        lists = (self._lists[kind].lendable for kind in self.kinds_for(job))
        return max((entries[-1][0] for entries in lists if entries), default=0)

    def _there(self, job: WaitingJob) -> list[LendableGpu]:
        """Return the GPUs of the one node on which the job can run, of a type that it takes."""
        return [
            gpu
            for gpu in ([] if job.node is None else self._on_node.get(job.node, []))
            if gpu.facts.gpu_id not in self._kept and gpu.facts.kind.is_type(job.gpu_type)
        ]

    def _has_jobs(self, gpu: LendableGpu) -> bool:
        """Whether jobs are there, or come there by this plan."""
        return gpu.jobs_mib > 0 or self._left[gpu.facts.gpu_id] != gpu.lendable_mib

    def take(self, gpu: LendableGpu, memory_mib: int) -> None:
        """Give away room on a GPU."""
        lendable = self._lists[gpu.facts.kind].lendable
        del lendable[bisect_left(lendable, _entry(gpu, self._left[gpu.facts.gpu_id]))]
        self._left[gpu.facts.gpu_id] -= memory_mib
        insort(lendable, _entry(gpu, self._left[gpu.facts.gpu_id]))
        without_jobs = self._lists[gpu.facts.kind].without_jobs
        entry = _entry(gpu, _without_jobs(gpu))
        place = bisect_left(without_jobs, entry)
        if without_jobs[place : place + 1] != [entry]:
            without_jobs.insert(place, entry)

    def _drop(self, gpu: LendableGpu) -> None:
        self._kept.add(gpu.facts.gpu_id)
        kind = gpu.facts.kind
        self._most_kept[kind] = max(self._most_kept.get(kind, 0), _without_jobs(gpu))
        lists = self._lists[gpu.facts.kind]
        entry = _entry(gpu, self._left[gpu.facts.gpu_id])
        del lists.lendable[bisect_left(lists.lendable, entry)]
        del lists.without_jobs[bisect_left(lists.without_jobs, _entry(gpu, _without_jobs(gpu)))]

    def _tightest(
        self, job: WaitingJob, lists: Iterable[tuple[GpuKind, list[_Entry]]]
    ) -> LendableGpu | None:
        found: list[tuple[int, _Entry]] = []
        for kind, entries in lists:
            need = _need_on(job, kind)
            place = bisect_left(entries, (need,))
            if place < len(entries) and need > 0:
                found.append((entries[place][0] - need, entries[place]))
        return self._gpus[min(found)[1][3]] if found else None


def _tightest_of(job: WaitingJob, gpus: Iterable[tuple[LendableGpu, int]]) -> LendableGpu | None:
    """Return the GPU on which the least is left over, of a few, each with its room."""
    found = []
    for gpu, room_mib in gpus:
        need = _need_on(job, gpu.facts.kind)
        if 0 < need <= room_mib:
            found.append((room_mib - need, _entry(gpu, room_mib), gpu))
    return min(found, key=lambda each: each[:2])[2] if found else None


def _entry(gpu: LendableGpu, room_mib: int) -> _Entry:
    return (room_mib, gpu.facts.node, gpu.facts.index, gpu.facts.gpu_id)


def _without_jobs(gpu: LendableGpu) -> int:
    return gpu.lendable_mib + gpu.jobs_mib
