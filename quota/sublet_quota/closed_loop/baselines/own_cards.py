"""Cards of which each piece is one slice's, or one job's, until it ends."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, PoolName


@dataclass(slots=True)
class _Card:
    facts: GpuFacts
    pool: PoolName
    gpu_type: str
    free_mib: int
    free_milli: int
    is_open: bool = True

    def has(self, amount: GpuAmount) -> bool:
        fits = amount.memory_mib <= self.free_mib and amount.compute_milli <= self.free_milli
        return self.is_open and fits


class OwnCards:
    """What is free on each card."""

    def __init__(self, holdings: Holdings) -> None:
        """All are free, of those that are open and in a pool."""
        self._cards: dict[GpuId, _Card] = {}
        self.come_under(holdings)

    def come_under(self, holdings: Holdings) -> None:
        """Take over which cards there are, and which of them take something new."""
        for facts in holdings.gpus():
            pool, gpu_type = holdings.pool_of(facts.gpu_id), holdings.type_of(facts.gpu_id)
            known = self._cards.get(facts.gpu_id)
            if known is not None:
                known.is_open = facts.closed is None
            elif pool is not None and gpu_type is not None and facts.closed is None:
                self._cards[facts.gpu_id] = _Card(
                    facts, pool, gpu_type, facts.kind.usable_mib, WHOLE_GPU_MILLI
                )

    def take_out(self, gpu_id: GpuId) -> None:
        """Forget a card, of which nobody has a piece."""
        self._cards.pop(gpu_id, None)

    def pool_of(self, gpu_id: GpuId) -> PoolName:
        """Return the pool of a card."""
        return self._cards[gpu_id].pool

    def type_of(self, gpu_id: GpuId) -> str:
        """Return the type of a card."""
        return self._cards[gpu_id].gpu_type

    def kind_of(self, gpu_id: GpuId) -> GpuKind:
        """Return the kind of a card."""
        return self._cards[gpu_id].facts.kind

    def best_fit(
        self, amounts: Mapping[GpuKind, GpuAmount], pools: Iterable[PoolName]
    ) -> GpuId | None:
        """Return the card on which what is asked for fits most tightly; ``None``: on none."""
        among = frozenset(pools)
        found = [
            (card.free_mib, card.free_milli, card.facts.gpu_id)
            for card in self._cards.values()
            if card.pool in among
            and (amount := amounts.get(card.facts.kind)) is not None
            and card.has(amount)
        ]
        return min(found)[2] if found else None

    def together(
        self, amounts: Mapping[GpuKind, GpuAmount], pools: Iterable[PoolName], number: int
    ) -> tuple[GpuId, ...]:
        """Return so many cards of one node and kind, of the one with the fewest that fit."""
        among = frozenset(pools)
        found: defaultdict[tuple[NodeId, GpuKind], list[GpuId]] = defaultdict(list)
        for card in self._cards.values():
            amount = amounts.get(card.facts.kind)
            if card.pool in among and amount is not None and card.has(amount):
                found[card.facts.node, card.facts.kind].append(card.facts.gpu_id)
        enough = [each for each in found.values() if len(each) >= number]
        return tuple(min(enough, key=len, default=[])[:number])

    def take(self, gpu_id: GpuId, amount: GpuAmount) -> None:
        """Give away a piece of a card."""
        card = self._cards[gpu_id]
        card.free_mib -= amount.memory_mib
        card.free_milli -= amount.compute_milli

    def give_back(self, gpu_id: GpuId, amount: GpuAmount) -> None:
        """Have a piece of a card again."""
        card = self._cards[gpu_id]
        card.free_mib += amount.memory_mib
        card.free_milli += amount.compute_milli
