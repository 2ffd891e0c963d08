"""How soon jobs could be out of owners' way, card by card, and which jobs never could in time.

A card's agent lets no job begin that might be in an owner's way and could not leave within the
pool's ``give_back_within``, at the speed measured there (``residency.lending``). Where that is so
on each card that a job may have, waiting for idle slices is in vain, and the job is told so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu, lendable_gpus
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.reasons.slow_give_back import SlowGiveBack


@dataclass(frozen=True, slots=True)
class _Card:
    """A card, by what it could ever lend to one job."""

    gpu: LendableGpu
    within: timedelta
    """How soon jobs must be able to leave."""
    mib_per_s: int
    """The rate at which bytes leave it, measured there."""
    most_mib: int
    """The largest job that could begin there when all slices are idle and no other job is there:
    one that is out in time, or in nobody's way.
    """

    def lends_more_than(self, other: "_Card") -> bool:
        """Whether it could lend more than another one, or as much and be quicker back."""
        return (self.most_mib, self.mib_per_s) > (other.most_mib, other.mib_per_s)


@dataclass(slots=True)
class GiveBacks:
    """The cards that lend, by what they could ever lend: added up when that is first asked."""

    holdings: Holdings
    suspend_mib_per_s: Callable[[], Mapping[GpuId, int]]
    """Tells the rate at which bytes leave each card, as its agent measured it."""
    _best: dict[tuple[NodeId | None, GpuKind], _Card] | None = field(default=None, init=False)
    """The card of each kind that could lend most, of all nodes and of each."""

    def too_slow(self, job: WaitingJob, kinds: Iterable[GpuKind]) -> SlowGiveBack | None:
        """Return why a job could never begin on cards of these kinds; ``None``: it could.

        It could, too, where nothing is known of one.
        """
        if self._best is None:
            self._best = self._added_up()
        best = {kind: self._best.get((job.node, kind)) for kind in kinds}
        needs = {card: job.amount_on(kind).memory_mib for kind, card in best.items() if card}
        if len(needs) < len(best) or any(mib <= card.most_mib for card, mib in needs.items()):
            return None
        largest = max(needs, key=lambda card: card.most_mib, default=None)
        if largest is None:
            return None
        return SlowGiveBack(
            node=largest.gpu.facts.node,
            pool=largest.gpu.pool,
            takes_s=needs[largest] / largest.mib_per_s,
            within_s=largest.within.total_seconds(),
            most_mib=largest.most_mib,
        )

    def _added_up(self) -> dict[tuple[NodeId | None, GpuKind], _Card]:
        found: dict[tuple[NodeId | None, GpuKind], _Card] = {}
        unknown: set[tuple[NodeId | None, GpuKind]] = set()
        rates = self.suspend_mib_per_s()
        for gpu in lendable_gpus(self.holdings, {}):
            card = self._card(gpu, rates.get(gpu.facts.gpu_id))
            for key in ((None, gpu.facts.kind), (gpu.facts.node, gpu.facts.kind)):
                if card is None:
                    unknown.add(key)
                elif key not in found or card.lends_more_than(found[key]):
                    found[key] = card
        return {key: card for key, card in found.items() if key not in unknown}

    def _card(self, gpu: LendableGpu, rate: int | None) -> _Card | None:
        if rate is None:
            return None
        within = self.holdings.document.pools[gpu.pool].give_back_within
        owners_mib = self.holdings.load(gpu.facts.gpu_id).notebooks.memory_mib
        usable_mib = gpu.facts.kind.usable_mib
        in_time_mib = int(rate * within.total_seconds())
        most_mib = min(usable_mib, max(in_time_mib, usable_mib - owners_mib))
        return _Card(gpu, within, rate, most_mib)
