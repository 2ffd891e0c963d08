"""Pieces of cards that somebody has until they give them back, and what is noted of them."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, CardChange, CardVerb
from sublet_quota.closed_loop.asks.change_text import cards_after
from sublet_quota.closed_loop.baselines.own_cards import OwnCards
from sublet_quota.closed_loop.clock import Clock
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.record.records import HeldSlice, Ran, Record, Who
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, SliceId, UserName
from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.residency.snapshot import Holder

TIME_MAY_BRING: Final = frozenset(
    {
        RefusalReason.NO_ROOM,
        RefusalReason.USER_LIMIT,
        RefusalReason.GROUP_LIMIT,
        RefusalReason.TOO_MANY_SLICES,
        RefusalReason.GPU_CLOSED,
    }
)
"""Why somebody has nothing now who may have it later."""


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of a card that somebody could have now."""

    gpu_id: GpuId
    amount: GpuAmount
    group: GroupName | None


@dataclass(slots=True)
class Held:
    """A piece of a card that somebody has."""

    holding: Holding
    who: Who
    began: datetime
    runs_since: datetime | None = None


class Pieces:
    """Who has which piece, by the rights and limits of the document of the beginning."""

    def __init__(self, scenario: Scenario, clock: Clock, record: Record) -> None:
        self._clock = clock
        self._record = record
        self.holdings = Holdings(scenario.document.at(scenario.begins), scenario.cards)
        self.cards = OwnCards(self.holdings)
        self.held: dict[SliceId, Held] = {}

    def take(
        self,
        asked: Asked,
        gpu_id: GpuId,
        amount: GpuAmount,
        group: GroupName | None,
        slice_id: SliceId | None = None,
    ) -> Held:
        """Give somebody a piece of a card; ``slice_id``: its name, where it is not who asks."""
        now, is_job = self._clock.now, isinstance(asked, AskedJob)
        holding = Holding(
            slice_id=slice_id or SliceId(asked.name),
            owner=UserName(asked.owner),
            holder=Holder.JOB if is_job else Holder.NOTEBOOK,
            gpu_id=gpu_id,
            pool=self.cards.pool_of(gpu_id),
            amount=amount,
            group=group,
            since=now,
        )
        self.cards.take(gpu_id, amount)
        self.holdings.put(holding)
        held = Held(holding, Who(holding.owner, group, is_job=is_job), now)
        self.held[holding.slice_id] = held
        return held

    def give_back(self, slice_id: SliceId) -> None:
        """Have a piece again."""
        self.ran(slice_id)
        held, now = self.held.pop(slice_id), self._clock.now
        holding = held.holding
        self.cards.give_back(holding.gpu_id, holding.amount)
        self.holdings.remove(slice_id)
        if held.began < now:
            gpu_type, cards = self.part_of(holding)
            self._record.held_slices.append(
                HeldSlice(slice_id, held.who, gpu_type, cards, held.began, now)
            )

    def ran(self, slice_id: SliceId) -> None:
        """Note for how long a slice computed up to now."""
        held, now = self.held[slice_id], self._clock.now
        began, held.runs_since = held.runs_since, None
        if began is not None and began < now:
            gpu_type, cards = self.part_of(held.holding)
            self._record.runs.append(Ran(slice_id, held.who, gpu_type, cards, began, now))

    def part_of(self, holding: Holding) -> tuple[str, Fraction]:
        """Return the type of a slice's card, and which part of it the slice is."""
        gpu_id = holding.gpu_id
        return self.cards.type_of(gpu_id), cards_on(holding.amount, self.cards.kind_of(gpu_id))

    def change(self, change: CardChange) -> tuple[SliceId, ...]:
        """Take over what becomes of cards; return who has a piece there, where cards came not."""
        for card in cards_after(tuple(self.holdings.gpus_as_told()), _closing(change)):
            self.holdings.put_gpu(card)
        self.cards.come_under(self.holdings)
        if change.verb is CardVerb.ADD:
            return ()
        meant = {card.gpu_id for card in change.cards}
        return tuple(name for name, each in self.held.items() if each.holding.gpu_id in meant)

    def forget(self, change: CardChange) -> None:
        """Forget the cards that were taken away."""
        for card in change.cards if change.verb is CardVerb.TAKE else ():
            self.holdings.remove_gpu(card.gpu_id)
            self.cards.take_out(card.gpu_id)


def _closing(change: CardChange) -> CardChange:
    """Return the change by which cards that are taken are closed first."""
    if change.verb is not CardVerb.TAKE:
        return change
    return CardChange(change.at, CardVerb.FAIL, change.cards)
