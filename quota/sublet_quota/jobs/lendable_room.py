"""The GPUs that lend to jobs, and the room there: less what a plan of the queue has given away.

No GPU lends more than its node's host memory could take once a job there is suspended, as far as
that is reckoned (``holdings.host_memory``).
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.host_memory import HostMemory
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName
from sublet_quota.shares.lots import lot_of

Kinds = Mapping[GpuKind, str]
"""Kinds of GPU, each with the type of which its GPUs are cards."""


@dataclass(frozen=True, slots=True)
class LendableGpu:
    """A GPU of a pool that lends, and how large a job could begin there now."""

    facts: GpuFacts
    pool: PoolName
    gpu_type: str
    """The type of the quota document of which it is a card."""
    lendable_mib: int
    jobs_mib: int
    """The memory that jobs have there already: it could be lent again once they are done."""


def lendable_gpus(holdings: Holdings, lendable_mib: Mapping[GpuId, int]) -> tuple[LendableGpu, ...]:
    """Return the open GPUs of pools that lend.

    ``lendable_mib`` is what the agents report, less the jobs placed since; a GPU that is not in
    it lends nothing now.
    """
    found = []
    for facts in holdings.gpus():
        pool, gpu_type = holdings.pool_of(facts.gpu_id), holdings.type_of(facts.gpu_id)
        if pool is None or gpu_type is None or facts.closed is not None:
            continue
        if not holdings.document.pools[pool].lend:
            continue
        lendable = min(lendable_mib.get(facts.gpu_id, 0), facts.kind.usable_mib)
        jobs_mib = holdings.load(facts.gpu_id).jobs.memory_mib
        found.append(LendableGpu(facts, pool, gpu_type, lendable, jobs_mib))
    return tuple(found)


_Entry = tuple[int, NodeId, int, GpuId]
_FEW: Final = 64
"""So many GPUs are looked at one by one."""


@dataclass(slots=True)
class _Lists:
    """The GPUs of one kind, by what they lend and by what they could lend without jobs."""

    lendable: list[_Entry] = field(default_factory=list)
    without_jobs: list[_Entry] = field(default_factory=list)
    idle: list[_Entry] = field(default_factory=list)
    """Those on nodes whose host memory is reckoned, by what they could lend but for that."""


class LendableRoom:
    """The room that can be lent, less what this plan has given away."""

    def __init__(
        self,
        gpus: Iterable[LendableGpu],
        host_memory: HostMemory | None = None,
        lot: Callable[[str], int] = lot_of,
    ) -> None:
        """``host_memory``: what suspended jobs may take; ``None``: as much as they need.

        ``lot``: that of a model, by which kinds that are alike come in an order.
        """
        self._lot = lot
        host_rooms = {} if host_memory is None else host_memory.rooms()
        self._host_at_first = {node: room.free_mib for node, room in host_rooms.items()}
        """The host memory that is left on nodes, where it bounds anything, before this plan."""
        self._host_without_jobs = {
            node: room.told_mib - room.of_guarantees_mib - room.borrowed_mib
            for node, room in host_rooms.items()
        }
        """What would be left if no jobs on lent room were there."""
        self._host_kept: dict[NodeId, GroupName | None] = {}
        """The nodes whose host memory is kept, and for whose job."""
        self._host_left = dict(self._host_at_first)
        """The same less what this plan has given away."""
        self._by_host = sorted((left_mib, node) for node, left_mib in self._host_left.items())
        self._idle_left: dict[GpuId, int] = {}
        """What GPUs of such nodes could lend if there were host memory enough."""
        self._gpus: dict[GpuId, LendableGpu] = {}
        self._left: dict[GpuId, int] = {}
        self._given: set[GpuId] = set()
        """The GPUs on which this plan has given room away."""
        self._lists: defaultdict[GpuKind, _Lists] = defaultdict(_Lists)
        self._types: dict[GpuKind, str] = {}
        self._kinds_for_type: dict[str | None, dict[GpuKind, str]] = {}
        self._on_node: defaultdict[NodeId, list[LendableGpu]] = defaultdict(list)
        self._kept: dict[GpuId, tuple[LendableGpu, GroupName | None]] = {}
        """The GPUs that are kept, and for whose job."""
        self._largest_kept: dict[GpuKind, tuple[LendableGpu, GroupName | None]] = {}
        for gpu in gpus:
            self._gpus[gpu.facts.gpu_id] = gpu
            self._on_node[gpu.facts.node].append(gpu)
            host_mib = self._host_at_first.get(gpu.facts.node, gpu.lendable_mib)
            self._left[gpu.facts.gpu_id] = left_mib = min(gpu.lendable_mib, host_mib)
            self._types[gpu.facts.kind] = gpu.gpu_type
            lists = self._lists[gpu.facts.kind]
            lists.lendable.append(_entry(gpu, left_mib))
            if gpu.facts.node in self._host_at_first:
                self._idle_left[gpu.facts.gpu_id] = gpu.lendable_mib
                lists.idle.append(_entry(gpu, gpu.lendable_mib))
            if gpu.jobs_mib:
                lists.without_jobs.append(_entry(gpu, self._without_jobs(gpu)))
        for lists in self._lists.values():
            lists.lendable.sort()
            lists.without_jobs.sort()
            lists.idle.sort()

    def kinds_for(self, job: WaitingJob, *, anywhere: bool = False) -> Kinds:
        """Return the kinds of GPU that the job takes, where it may run, smallest first.

        ``anywhere``: also those where rights do not let it.
        """
        if job.node is not None:
            there = self._on_node.get(job.node, ())
            found = {g.facts.kind: g.gpu_type for g in there if _is_wanted(job, g)}
        else:
            found = self._kinds_of_type(job.gpu_type)
        return found if anywhere else {k: v for k, v in found.items() if job.may_run_on(k)}

    def fitting_kinds(self, job: WaitingJob) -> Kinds:
        """Return those of these kinds on which the job fits, whatever limits say now."""
        return {k: name for k, name in self.kinds_for(job).items() if job.fits_on(k)}

    def _kinds_of_type(self, wished: str | None) -> dict[GpuKind, str]:
        if wished not in self._kinds_for_type:
            kinds = [k for k in self._lists if is_of_type(k, self._types[k], wished)]
            kinds.sort(key=lambda kind: (kind.usable_mib, self._lot(kind.type)))
            self._kinds_for_type[wished] = {kind: self._types[kind] for kind in kinds}
        return self._kinds_for_type[wished]

    def best_fit(self, job: WaitingJob, kinds: Kinds) -> LendableGpu | None:
        """Return the GPU of these kinds on which the least is left over, or ``None``."""
        if job.node is not None:
            left = self._left
            there = self._there(job, kinds)
            return _tightest_of(job, [(gpu, left[gpu.facts.gpu_id]) for gpu in there])
        return self._first_of(job, [(k, self._lists[k].lendable) for k in kinds])

    def most_in_host_memory(self, job: WaitingJob, kinds: Kinds) -> int | None:
        """Return how much host memory is left where a job fits but for that, in MiB.

        The most of all such nodes; ``None``: there is none, it is not that which lacks.
        """
        node = next(self._nodes_lacking_it(job, kinds), None)
        return None if node is None else self._host_left[node]

    def keep_host_memory_for(self, job: WaitingJob, kinds: Kinds) -> None:
        """Keep the host memory of a node where a job has enough once the jobs there are done."""
        for node in islice(self._nodes_lacking_it(job, kinds), _FEW):
            there = (gpu.facts.kind for gpu in self._on_node[node] if gpu.facts.kind in kinds)
            need_mib = min(job.amount_on(kind).memory_mib for kind in there)
            if need_mib <= self._host_without_jobs[node]:
                self._keep_host_memory(node, need_mib, job.group)
                return

    def _keep_host_memory(self, node: NodeId, memory_mib: int, group: GroupName | None) -> None:
        self._host_kept[node] = group
        self._take_host_memory(node, memory_mib)

    def _nodes_lacking_it(self, job: WaitingJob, kinds: Kinds) -> Iterator[NodeId]:
        """Yield the nodes on which a job fits but for their host memory, the most left first."""
        if job.node is not None:
            nodes: Iterable[NodeId] = {job.node} & self._host_left.keys()
            return (node for node in nodes if self._lacks_it(job, node, kinds))
        large = []
        for kind in kinds:
            idle = self._lists[kind].idle
            need = bisect_left(idle, (job.amount_on(kind).memory_mib,))
            large += idle[need : need + _FEW + 1]
        # The nodes with most host memory are asked first: of many hardly any other is.
        nodes = (node for _, node in reversed(self._by_host))
        if len(large) <= _FEW:
            few = {entry[1] for entry in large}
            nodes = sorted(few, key=lambda node: (self._host_left[node], node), reverse=True)
        return (node for node in nodes if self._lacks_it(job, node, kinds))

    def _lacks_it(self, job: WaitingJob, node: NodeId, kinds: Kinds) -> bool:
        """Whether a job fits on a GPU of a node but for its host memory."""
        return any(
            gpu.facts.kind in kinds
            and gpu.facts.gpu_id not in self._kept
            and self._left[gpu.facts.gpu_id]
            < job.amount_on(gpu.facts.kind).memory_mib
            <= self._idle_left.get(gpu.facts.gpu_id, 0)
            for gpu in self._on_node.get(node, ())
        )

    def keep_for(self, job: WaitingJob, kinds: Kinds) -> LendableGpu | None:
        """Keep and return a GPU on which the job fits once the jobs there are done, or ``None``."""
        if job.node is not None:
            there = self._there(job, kinds)
            busy = [(gpu, self._without_jobs(gpu)) for gpu in there if self._has_jobs(gpu)]
            gpu = _tightest_of(job, busy)
        else:
            gpu = self._first_of(job, [(k, self._lists[k].without_jobs) for k in kinds])
        if gpu is not None:
            self._drop(gpu, job.group)
            # The jobs there leave theirs; the rest nobody may take meanwhile.
            rest_mib = job.amount_on(gpu.facts.kind).memory_mib - gpu.jobs_mib
            if rest_mib > 0 and gpu.facts.node in self._host_left:
                self._keep_host_memory(gpu.facts.node, rest_mib, job.group)
        return gpu

    def kept_for_others(self, job: WaitingJob, kinds: Kinds) -> tuple[GroupName | None, ...]:
        """Return whose jobs have GPUs kept, or host memory, that this job would fit on."""
        found: dict[GroupName | None, None] = {}
        for gpu, group in self._kept.values() if job.node else self._largest_kept.values():
            kind = gpu.facts.kind
            elsewhere = job.node is not None and gpu.facts.node != job.node
            if kind not in kinds or elsewhere:
                continue
            if 0 < job.amount_on(kind).memory_mib <= self._without_jobs(gpu):
                found[group] = None
        for node, group in self._host_kept.items():
            if job.node in {None, node} and self._lacks_it(job, node, kinds):
                found[group] = None
        return tuple(found)

    def most_lendable(self, job: WaitingJob, kinds: Kinds) -> int:
        """Return the most that one GPU of these kinds lends now."""
        if job.node is not None:
            there = self._there(job, kinds)
            return max((self._left[gpu.facts.gpu_id] for gpu in there), default=0)
        lists = (self._lists[kind].lendable for kind in kinds)
        return max((entries[-1][0] for entries in lists if entries), default=0)

    def _there(self, job: WaitingJob, kinds: Kinds) -> list[LendableGpu]:
        """Return the GPUs of these kinds on the one node on which the job can run."""
        return [
            gpu
            for gpu in ([] if job.node is None else self._on_node.get(job.node, []))
            if gpu.facts.gpu_id not in self._kept and gpu.facts.kind in kinds
        ]

    def _has_jobs(self, gpu: LendableGpu) -> bool:
        """Whether jobs are there, or come there by this plan."""
        return gpu.jobs_mib > 0 or gpu.facts.gpu_id in self._given

    def gpu(self, gpu_id: GpuId) -> LendableGpu | None:
        """Return a GPU of those that lend, or ``None``."""
        return self._gpus.get(gpu_id)

    def take_away(self, gpu: LendableGpu, memory_mib: int) -> None:
        """Give away room on a GPU by right, whatever is left there, and for whomever it is kept.

        Its host memory is the guarantee's.
        """
        if gpu.facts.gpu_id not in self._kept:
            self._take(gpu, min(memory_mib, self._left[gpu.facts.gpu_id]))

    def take(self, gpu: LendableGpu, memory_mib: int) -> None:
        """Give away room on a GPU that is lent there."""
        self._take(gpu, memory_mib)
        self._take_host_memory(gpu.facts.node, memory_mib)

    def _take_host_memory(self, node: NodeId, memory_mib: int) -> None:
        before_mib = self._host_left.get(node)
        if before_mib is not None:
            left_mib = max(0, before_mib - memory_mib)
            self._have_left_on_host(node, left_mib)
            self._lend_no_more(node, left_mib)

    def lends(self, gpu: LendableGpu) -> bool:
        """Whether a GPU lends to whom it is not kept for."""
        return gpu.facts.gpu_id not in self._kept

    def left(self, gpu: LendableGpu) -> int:
        """Return what a GPU lends now."""
        return self._left[gpu.facts.gpu_id]

    def give_back(self, gpu: LendableGpu, memory_mib: int) -> None:
        """Have room again on a GPU, with its part of the host memory, that ``take`` gave away."""
        gpu_id, node = gpu.facts.gpu_id, gpu.facts.node
        host_mib = self._host_left.get(node)
        if host_mib is None:
            self._lend(gpu, self._left[gpu_id] + memory_mib)
            return
        idle = self._idle_left
        bounded = [
            other
            for other in self._on_node[node]
            if (name := other.facts.gpu_id) not in self._kept
            and self._left[name] == min(idle[name], host_mib)
        ]
        self._have_left_on_host(node, host_mib + memory_mib)
        self._could_lend(gpu, idle[gpu_id] + memory_mib)
        for other in bounded:
            self._lend(other, min(idle[other.facts.gpu_id], host_mib + memory_mib))
        if gpu not in bounded:
            self._lend(gpu, self._left[gpu_id] + memory_mib)

    def _could_lend(self, gpu: LendableGpu, idle_mib: int) -> None:
        """Let a GPU lend so much where there is host memory enough."""
        entries = self._lists[gpu.facts.kind].idle
        del entries[bisect_left(entries, _entry(gpu, self._idle_left[gpu.facts.gpu_id]))]
        self._idle_left[gpu.facts.gpu_id] = idle_mib
        insort(entries, _entry(gpu, idle_mib))

    def _have_left_on_host(self, node: NodeId, left_mib: int) -> None:
        del self._by_host[bisect_left(self._by_host, (self._host_left[node], node))]
        insort(self._by_host, (left_mib, node))
        self._host_left[node] = left_mib

    def _take(self, gpu: LendableGpu, memory_mib: int) -> None:
        gpu_id = gpu.facts.gpu_id
        self._given.add(gpu_id)
        self._lend(gpu, self._left[gpu_id] - memory_mib)
        if gpu_id in self._idle_left:
            self._could_lend(gpu, self._idle_left[gpu_id] - memory_mib)
        without_jobs = self._lists[gpu.facts.kind].without_jobs
        entry = _entry(gpu, self._without_jobs(gpu))
        place = bisect_left(without_jobs, entry)
        if without_jobs[place : place + 1] != [entry]:
            without_jobs.insert(place, entry)

    def _lend(self, gpu: LendableGpu, left_mib: int) -> None:
        """Let a GPU lend so much from now on."""
        lendable = self._lists[gpu.facts.kind].lendable
        del lendable[bisect_left(lendable, _entry(gpu, self._left[gpu.facts.gpu_id]))]
        self._left[gpu.facts.gpu_id] = left_mib
        insort(lendable, _entry(gpu, left_mib))

    def _without_jobs(self, gpu: LendableGpu) -> int:
        """Return what a GPU lent if no jobs were there: they leave their host memory, too."""
        host_mib = self._host_at_first.get(gpu.facts.node, gpu.lendable_mib)
        return min(gpu.lendable_mib, host_mib) + gpu.jobs_mib

    def _lend_no_more(self, node: NodeId, most_mib: int) -> None:
        """Let no GPU of a node lend more than its host memory."""
        for gpu in self._on_node[node]:
            gpu_id = gpu.facts.gpu_id
            if gpu_id not in self._kept and self._left[gpu_id] > most_mib:
                self._lend(gpu, most_mib)

    def _drop(self, gpu: LendableGpu, group: GroupName | None) -> None:
        kept = gpu, group
        self._kept[gpu.facts.gpu_id] = kept
        largest, _ = self._largest_kept.get(gpu.facts.kind, kept)
        if self._without_jobs(gpu) >= self._without_jobs(largest):
            self._largest_kept[gpu.facts.kind] = kept
        lists = self._lists[gpu.facts.kind]
        entry = _entry(gpu, self._left[gpu.facts.gpu_id])
        del lists.lendable[bisect_left(lists.lendable, entry)]
        entry = _entry(gpu, self._without_jobs(gpu))
        del lists.without_jobs[bisect_left(lists.without_jobs, entry)]
        if gpu.facts.gpu_id in self._idle_left:
            entry = _entry(gpu, self._idle_left[gpu.facts.gpu_id])
            del lists.idle[bisect_left(lists.idle, entry)]

    def _first_of(
        self, job: WaitingJob, lists: Iterable[tuple[GpuKind, list[_Entry]]]
    ) -> LendableGpu | None:
        found: list[tuple[int, _Entry]] = []
        for kind, entries in lists:
            need = job.amount_on(kind).memory_mib
            place = bisect_left(entries, (need,))
            if place < len(entries) and need > 0:
                found.append((entries[place][0] - need, entries[place]))
        return self._gpus[min(found)[1][3]] if found else None


def _is_wanted(job: WaitingJob, gpu: LendableGpu) -> bool:
    return is_of_type(gpu.facts.kind, gpu.gpu_type, job.gpu_type)


def _tightest_of(job: WaitingJob, gpus: Iterable[tuple[LendableGpu, int]]) -> LendableGpu | None:
    """Return the GPU on which the least is left over, of a few, each with its room."""
    found = []
    for gpu, room_mib in gpus:
        need = job.amount_on(gpu.facts.kind).memory_mib
        if 0 < need <= room_mib:
            found.append((room_mib - need, _entry(gpu, room_mib), gpu))
    return min(found, key=lambda each: each[:2])[2] if found else None


def _entry(gpu: LendableGpu, room_mib: int) -> _Entry:
    return (room_mib, gpu.facts.node, gpu.facts.index, gpu.facts.gpu_id)
