"""The room on GPUs that lend to jobs, less what a plan of the queue has given away.

A job's GPU is one on which nobody's work stops it or slows it down, as far as there is any
(``card_company``), and of these the one on which the least is left over.

No GPU lends more than its node's host memory could take once a job there is suspended, as far as
that is reckoned (``holdings.host_memory``).
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.host_memory import HostMemory
from sublet_quota.jobs.lent_room.card_company import Company
from sublet_quota.jobs.lent_room.card_lists import CardLists, Entry, Turn, entry_of
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import GpuId, GroupName, NodeId
from sublet_quota.shares.lots import lot_of

Kinds = Mapping[GpuKind, str]
"""Kinds of GPU, each with the type of which its GPUs are cards."""


_FEW: Final = 64
"""So many GPUs are looked at one by one."""


@dataclass(slots=True)
class _Lists:
    """The GPUs of one kind, by what they lend."""

    lendable: CardLists
    idle: list[Entry] = field(default_factory=list)
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
        self._company: dict[GpuId, Company] = {}
        self._lists: defaultdict[GpuKind, _Lists] = defaultdict(
            lambda: _Lists(CardLists(self._company.__getitem__))
        )
        self._types: dict[GpuKind, str] = {}
        self._kinds_for_type: dict[object, dict[GpuKind, str]] = {}
        self._on_node: defaultdict[NodeId, list[LendableGpu]] = defaultdict(list)
        self._kept: dict[GpuId, tuple[LendableGpu, GroupName | None]] = {}
        """The GPUs that are kept, and for whose job."""
        self._largest_kept: dict[GpuKind, tuple[LendableGpu, GroupName | None]] = {}
        self._of_kind: defaultdict[GpuKind, list[LendableGpu]] = defaultdict(list)
        for gpu in gpus:
            self._of_kind[gpu.facts.kind].append(gpu)
        for kind, of_kind in self._of_kind.items():
            self._enter(of_kind, self._lists[kind])
            self._types[kind] = of_kind[-1].gpu_type
        for lists in self._lists.values():
            lists.lendable.be_in_order()
            lists.idle.sort()

    def _enter(self, gpus: Iterable[LendableGpu], lists: _Lists) -> None:
        """Enter all GPUs of a kind."""
        for gpu in gpus:
            gpu_id, node = gpu.facts.gpu_id, gpu.facts.node
            self._gpus[gpu_id] = gpu
            self._on_node[node].append(gpu)
            host_mib = self._host_at_first.get(node)
            left_mib = gpu.lendable_mib if host_mib is None else min(gpu.lendable_mib, host_mib)
            self._left[gpu_id] = left_mib
            self._company[gpu_id] = gpu.company
            lists.lendable.begin_with(entry_of(gpu, left_mib))
            if host_mib is not None:
                self._idle_left[gpu_id] = gpu.lendable_mib
                lists.idle.append(entry_of(gpu, gpu.lendable_mib))

    def kinds_for(self, job: WaitingJob, *, anywhere: bool = False) -> Kinds:
        """Return the kinds of GPU that the job takes, where it may run, smallest first.

        ``anywhere``: also those where rights do not let it.
        """
        if job.node is not None:
            there = self._on_node.get(job.node, ())
            found = {g.facts.kind: g.gpu_type for g in there if _is_wanted(job, g)}
        else:
            return self._kinds_of_type(job.gpu_type, None if anywhere else job.kinds)
        return found if anywhere else {k: v for k, v in found.items() if job.may_run_on(k)}

    def fitting_kinds(self, job: WaitingJob) -> Kinds:
        """Return those of these kinds on which the job fits, whatever limits say now."""
        kinds = self.kinds_for(job)
        return kinds if all(map(job.fits_on, kinds)) else _those_it_fits(job, kinds)

    def _kinds_of_type(
        self, wished: str | None, allowed: frozenset[GpuKind] | None
    ) -> dict[GpuKind, str]:
        if (wished, allowed) not in self._kinds_for_type:
            kinds = [k for k in self._lists if is_of_type(k, self._types[k], wished)]
            kinds.sort(key=lambda kind: (kind.usable_mib, self._lot(kind.type)))
            found = {k: self._types[k] for k in kinds if allowed is None or k in allowed}
            self._kinds_for_type[wished, allowed] = found
        return self._kinds_for_type[wished, allowed]

    def best_fit(self, job: WaitingJob, kinds: Kinds) -> LendableGpu | None:
        """Return the GPU of these kinds that is best for a job, or ``None``.

        The least is left over on it of those on which nobody's work is in the job's way.
        """
        found: list[Turn] = []
        if job.node is not None:
            for gpu in self.there(job, kinds):
                left_mib, need = self._left[gpu.facts.gpu_id], job.amount_on(gpu.facts.kind)
                if 0 < need.memory_mib <= left_mib:
                    lists = self._lists[gpu.facts.kind].lendable
                    found.append(lists.turn_of(entry_of(gpu, left_mib), need))
        else:
            for kind in kinds:
                need = job.amount_on(kind)
                turn = self._lists[kind].lendable.best(need) if need.memory_mib > 0 else None
                if turn is not None:
                    found.append(turn)
        return self._gpus[min(found)[-1][3]] if found else None

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
            need_mib = min(job.memory_on(kind) for kind in there)
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
            need = bisect_left(idle, (job.memory_on(kind),))
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
            < job.memory_on(gpu.facts.kind)
            <= self._idle_left.get(gpu.facts.gpu_id, 0)
            for gpu in self._on_node.get(node, ())
        )

    def keep(self, gpu: LendableGpu, job: WaitingJob) -> None:
        """Keep a GPU for a job, which begins there once jobs that are there have ended."""
        self._drop(gpu, job.group)
        # The jobs there leave theirs; the rest nobody may take meanwhile.
        rest_mib = job.amount_on(gpu.facts.kind).memory_mib - gpu.jobs_mib
        if rest_mib > 0 and gpu.facts.node in self._host_left:
            self._keep_host_memory(gpu.facts.node, rest_mib, job.group)

    def take_kept(self, gpu: LendableGpu, memory_mib: int) -> None:
        """Give away room on a GPU that is kept for somebody."""
        self._left[gpu.facts.gpu_id] -= memory_mib
        self._take_host_memory(gpu.facts.node, memory_mib)

    def take_all(self, gpu: LendableGpu, job: WaitingJob) -> None:
        """Give a GPU away as a whole to a job for which others are suspended there."""
        self._drop(gpu, job.group)
        self._take_host_memory(gpu.facts.node, job.amount_on(gpu.facts.kind).memory_mib)

    def has_host_memory(self, gpu: LendableGpu, memory_mib: int) -> bool:
        """Whether a GPU's node could take so much more that is suspended."""
        return memory_mib <= self._host_left.get(gpu.facts.node, memory_mib)

    def kept_for_others(self, job: WaitingJob, kinds: Kinds) -> tuple[GroupName | None, ...]:
        """Return whose jobs have GPUs kept, or host memory, that this job would fit on."""
        found: dict[GroupName | None, None] = {}
        for gpu, group in self._kept.values() if job.node else self._largest_kept.values():
            kind = gpu.facts.kind
            elsewhere = job.node is not None and gpu.facts.node != job.node
            if kind not in kinds or elsewhere:
                continue
            if 0 < job.memory_on(kind) <= self._without_jobs(gpu):
                found[group] = None
        for node, group in self._host_kept.items():
            if job.node in {None, node} and self._lacks_it(job, node, kinds):
                found[group] = None
        return tuple(found)

    def most_lendable(self, job: WaitingJob, kinds: Kinds) -> int:
        """Return the most that one GPU of these kinds lends now."""
        if job.node is not None:
            there = self.there(job, kinds)
            return max((self._left[gpu.facts.gpu_id] for gpu in there), default=0)
        return max((self._lists[kind].lendable.most_mib() for kind in kinds), default=0)

    def there(self, job: WaitingJob, kinds: Kinds) -> list[LendableGpu]:
        """Return the GPUs of these kinds on the one node on which the job can run."""
        return [
            gpu
            for gpu in ([] if job.node is None else self._on_node.get(job.node, []))
            if gpu.facts.gpu_id not in self._kept and gpu.facts.kind in kinds
        ]

    def gpus(self, kinds: Iterable[GpuKind]) -> Iterator[LendableGpu]:
        """Yield the GPUs of these kinds."""
        return chain.from_iterable(self._of_kind.get(kind, ()) for kind in kinds)

    def gpu(self, gpu_id: GpuId) -> LendableGpu | None:
        """Return a GPU of those that lend, or ``None``."""
        return self._gpus.get(gpu_id)

    def company(self, gpu: LendableGpu) -> Company:
        """Return who is on a GPU beside a job, with those that this plan has placed."""
        return self._company[gpu.facts.gpu_id]

    def take_away(self, gpu: LendableGpu, amount: GpuAmount) -> None:
        """Give away room on a GPU by right, whatever is left there, and for whomever it is kept.

        Its host memory is the guarantee's.
        """
        memory_mib = min(amount.memory_mib, self._left[gpu.facts.gpu_id])
        if gpu.facts.gpu_id in self._kept:
            self._left[gpu.facts.gpu_id] -= memory_mib
        else:
            self._take(gpu, GpuAmount(memory_mib, amount.compute_milli))

    def take(self, gpu: LendableGpu, amount: GpuAmount) -> None:
        """Give away room on a GPU that is lent there."""
        self._take(gpu, amount)
        self._take_host_memory(gpu.facts.node, amount.memory_mib)

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

    def give_back(self, gpu: LendableGpu, amount: GpuAmount) -> None:
        """Have room again on a GPU, with its part of the host memory, that ``take`` gave away."""
        gpu_id, node, memory_mib = gpu.facts.gpu_id, gpu.facts.node, amount.memory_mib
        self._lend(gpu, self._left[gpu_id], -amount.compute_milli)
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
        del entries[bisect_left(entries, entry_of(gpu, self._idle_left[gpu.facts.gpu_id]))]
        self._idle_left[gpu.facts.gpu_id] = idle_mib
        insort(entries, entry_of(gpu, idle_mib))

    def _have_left_on_host(self, node: NodeId, left_mib: int) -> None:
        del self._by_host[bisect_left(self._by_host, (self._host_left[node], node))]
        insort(self._by_host, (left_mib, node))
        self._host_left[node] = left_mib

    def _take(self, gpu: LendableGpu, amount: GpuAmount) -> None:
        gpu_id, memory_mib = gpu.facts.gpu_id, amount.memory_mib
        self._lend(gpu, self._left[gpu_id] - memory_mib, amount.compute_milli)
        if gpu_id in self._idle_left:
            self._could_lend(gpu, self._idle_left[gpu_id] - memory_mib)

    def _lend(self, gpu: LendableGpu, left_mib: int, more_milli: int = 0) -> None:
        """Let a GPU lend so much from now on, beside jobs of so much more compute."""
        gpu_id, lendable = gpu.facts.gpu_id, self._lists[gpu.facts.kind].lendable
        lendable.take_out(entry_of(gpu, self._left[gpu_id]))
        self._left[gpu_id] = left_mib
        self._company[gpu_id] = self._company[gpu_id].with_more(more_milli)
        lendable.put(entry_of(gpu, left_mib))

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
        entry = entry_of(gpu, self._left[gpu.facts.gpu_id])
        lists.lendable.take_out(entry)
        if gpu.facts.gpu_id in self._idle_left:
            entry = entry_of(gpu, self._idle_left[gpu.facts.gpu_id])
            del lists.idle[bisect_left(lists.idle, entry)]


def _those_it_fits(job: WaitingJob, kinds: Kinds) -> Kinds:
    return {kind: name for kind, name in kinds.items() if job.fits_on(kind)}


def _is_wanted(job: WaitingJob, gpu: LendableGpu) -> bool:
    return is_of_type(gpu.facts.kind, gpu.gpu_type, job.gpu_type)
