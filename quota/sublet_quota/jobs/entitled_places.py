"""Where jobs have the room that their groups are guaranteed, whatever others borrow there.

That is on a card laid out for the group, beside what is entitled there already, slices or jobs:
entitled jobs overcommit nobody who is entitled. Of a part of a card the group's own jobs have their
share; another group's have theirs of another part. Borrowed slices that no longer fit beside are
called back, as for a slice; with those that stay the job takes turns.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.lent_room.lendable_room import Kinds
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.shares.group_tree import NodeName


@dataclass(frozen=True, slots=True)
class EntitledPlace:
    """A card on which a job has its place by right."""

    gpu_id: GpuId
    calls_back: tuple[SliceId, ...]
    """The borrowed slices that lose their place there."""


_Taken = tuple[NodeName, GpuAmount]
"""What a job has, and the leaf where it counts."""


@dataclass(frozen=True, slots=True)
class _Found:
    place: EntitledPlace
    moved_mib: int
    """How much memory those who are called back may hold."""
    begins_now: bool
    """Whether the job fits in what is lent there now."""
    left_mib: int
    facts: GpuFacts

    @property
    def turn(self) -> tuple[int, bool, int, str, int, GpuId]:
        """What the best place has the least of: what has to move, then what is left over."""
        facts = self.facts
        first = self.moved_mib, not self.begins_now, self.left_mib
        return (*first, facts.node, facts.index, facts.gpu_id)


class EntitledPlaces:
    """The places by right, less what one plan of the queue has given away."""

    def __init__(self, holdings: Holdings, lendable_mib: Mapping[GpuId, int]) -> None:
        """``lendable_mib``: what each card lends now on which jobs can run; others are none."""
        self._holdings = holdings
        self._lendable_mib = lendable_mib
        self._taken: defaultdict[GpuId, list[_Taken]] = defaultdict(list)
        self._called_back: set[SliceId] = set()

    def find(self, job: WaitingJob, kinds: Kinds) -> EntitledPlace | None:
        """Return the place of a job on a card of these kinds; ``None``: it is due none now."""
        gpu_type = job.entitled_on
        if gpu_type is None or job.gpus != 1:
            return None
        leaf = self._holdings.leaf_for(job.group, job.owner)
        usable = self._holdings.layout(gpu_type).usable_by(leaf)
        reached = [gpu_id for gpu_id in usable if gpu_id in self._lendable_mib]
        found = self._found(job, leaf, reached, kinds)
        best = min(found, key=lambda each: each.turn, default=None)
        return None if best is None else best.place

    def take(self, place: EntitledPlace, job: WaitingJob, amount: GpuAmount) -> None:
        """Give a place away."""
        leaf = self._holdings.leaf_for(job.group, job.owner)
        self._taken[place.gpu_id].append((leaf, amount))
        self._called_back.update(place.calls_back)

    def _found(
        self, job: WaitingJob, leaf: NodeName, gpu_ids: Collection[GpuId], kinds: Kinds
    ) -> Iterator[_Found]:
        holdings = self._holdings
        for gpu_id in gpu_ids:
            facts, pool = holdings.gpu(gpu_id), holdings.pool_of(gpu_id)
            if facts is None or pool is None or not holdings.document.pools[pool].lend:
                continue
            if facts.kind not in kinds or job.node not in {None, facts.node}:
                continue
            amount, room = job.amount_on(facts.kind), self._room(facts, leaf)
            if not amount.fits_in(room):
                continue
            taken = _sum(each for _, each in self._taken[gpu_id])
            way = holdings.making_way(gpu_id, leaf, amount, taken)
            if way.in_the_way:
                continue
            calls_back = tuple(one for one in way.called_back if one not in self._called_back)
            place = EntitledPlace(gpu_id, calls_back)
            lends_mib = self._lendable_mib[gpu_id] - taken.memory_mib
            yield _Found(
                place,
                moved_mib=self._memory_of(calls_back),
                begins_now=amount.memory_mib <= lends_mib,
                left_mib=room.memory_mib - amount.memory_mib,
                facts=facts,
            )

    def _room(self, facts: GpuFacts, leaf: NodeName) -> GpuAmount:
        """Return what a job may have on a card beside all who are entitled there."""
        holdings, gpu_id = self._holdings, facts.gpu_id
        jobs = tuple(self._jobs_on(gpu_id))
        entitled, fixed_mib = NOTHING, 0
        for holding in holdings.slices_on(gpu_id):
            piece = holdings.piece(holding.slice_id)
            if piece is not None and piece.entitled and not holding.called_back:
                entitled += holding.amount
            elif holding.unsuspendable:
                fixed_mib += holding.amount.memory_mib
        layout = holdings.layout(holdings.type_of(gpu_id) or "")
        paths = layout.tree.paths
        parts = {part.node for part in layout.on(gpu_id)}.intersection(paths[leaf])
        own = _sum(each for one, each in jobs if not parts.isdisjoint(paths[one]))
        of_layout = holdings.room_for_entitled(gpu_id, leaf).left_by(own)
        whole = GpuAmount(facts.kind.usable_mib, WHOLE_GPU_MILLI)
        there = entitled + _sum(each for _, each in jobs) + GpuAmount(fixed_mib, 0)
        return of_layout.lesser(whole.left_by(there))

    def _jobs_on(self, gpu_id: GpuId) -> Iterator[_Taken]:
        """Yield what entitled jobs have on a card, or were given there."""
        for holding in self._holdings.slices_on(gpu_id):
            if holding.entitled_job:
                yield self._holdings.leaf_for(holding.group, holding.owner), holding.amount
        yield from self._taken[gpu_id]

    def _memory_of(self, slice_ids: Collection[SliceId]) -> int:
        held = (self._holdings.slice(slice_id) for slice_id in slice_ids)
        return sum(holding.amount.memory_mib for holding in held if holding is not None)


def _sum(amounts: Iterable[GpuAmount]) -> GpuAmount:
    return sum(amounts, NOTHING)
