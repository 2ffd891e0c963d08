"""The parts of a simulated hub that servers and jobs share."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from sublet_quota.closed_loop.asks.asked import Manner
from sublet_quota.closed_loop.card.all_cards import Cards
from sublet_quota.closed_loop.clock import Clock
from sublet_quota.closed_loop.record.records import PlaceChanged, Record
from sublet_quota.closed_loop.service.charged_uses import Charge, ChargedUses
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.past_uses import PastUse, UsedBy
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.placement.called_back import called_back_for_jobs
from sublet_quota.placement.finding.moving import Moves
from sublet_quota.placement.reserved_room import ReservedRoom
from sublet_quota.placement.return_pauses import ReturnPauses
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.fair_order import ranks
from sublet_quota.shares.fair_turns import FairTurns
from sublet_quota.shares.past_use import NO_TIME


class Deciding(Protocol):
    """What a decision on a slice, or on a job, makes of others."""

    @property
    def calls_back(self) -> tuple[SliceId, ...]:
        """The slices that lose their place."""

    @property
    def recharged(self) -> tuple[tuple[SliceId, GroupName], ...]:
        """The slices that another group pays for from now on."""


@dataclass(slots=True)
class Parts:
    """Clock, holdings, cards, and what is noted down."""

    clock: Clock
    manner: Manner
    record: Record
    holdings: Holdings
    """The product's own; another under each new document."""
    uses: ChargedUses
    cards: Cards
    turns: FairTurns
    """To whom odd cards go where more is guaranteed than there is."""
    pauses: ReturnPauses = field(default_factory=ReturnPauses)
    left_for: dict[SliceId, GroupName | None] = field(default_factory=dict)
    """For whose slices those that are called back lost their place."""
    kept: Mapping[GpuId, ReservedRoom] = field(default_factory=dict)
    """The cards that are kept for reservations now."""
    makes_way: set[SliceId] = field(default_factory=set)
    """Those on their way to another card, out of others' way."""
    asking: dict[str, Callable[[], Iterable[UsedBy]]] = field(default_factory=dict)
    """Who waits, as each that keeps some waiting tells."""

    def past(self) -> PastUse:
        """Return what everybody used, with lag written off beside all who wait for room."""
        past = self.uses.past(
            self.holdings, self._all_asking, self.cards.off_since(), self.clock.now
        )
        self.turns.replace(ranks(self.holdings.groups, past.used))
        return past

    def _all_asking(self) -> Collection[UsedBy]:
        return {each for tell in self.asking.values() for each in tell()}

    def call_back(self, slice_id: SliceId, group: GroupName | None) -> None:
        """Let a slice lose its place on its card, for a group's; one on its way stays there."""
        self._lose_place(slice_id, group)
        self.cards.changes.stay(slice_id)
        self._lay(slice_id, self.cards.where(slice_id), called_back=True)

    def move(self, slice_id: SliceId, to: GpuId, group: GroupName | None) -> None:
        """Let a slice go to another card out of the way of a group's: it has its place there."""
        self._lay(slice_id, to, called_back=False)
        if to == self.cards.where(slice_id):
            # It was to move away from there, and has not yet.
            self.cards.changes.stay(slice_id)
            self.is_there(slice_id)
            return
        self._lose_place(slice_id, group)
        self.makes_way.add(slice_id)
        self.cards.changes.begin(slice_id, to)

    def go_home(self, slice_id: SliceId, to: GpuId) -> None:
        """Let an entitled slice go to a card that is laid out for it."""
        self._lay(slice_id, to, called_back=False)
        self.cards.changes.begin(slice_id, to)

    def is_there(self, slice_id: SliceId) -> None:
        """Note that a slice is on the card where it has its place."""
        if slice_id in self.makes_way:
            self.makes_way.remove(slice_id)
            self.left_for.pop(slice_id, None)
            change = PlaceChanged(slice_id, self.clock.now, called_back=False)
            self.record.places.append(change)
        self.tell_rank(slice_id)

    def _lose_place(self, slice_id: SliceId, group: GroupName | None) -> None:
        self.left_for[slice_id] = group
        self.pauses.note(slice_id, self.clock.now)
        if slice_id in self.makes_way:
            self.makes_way.remove(slice_id)
            return
        self.record.places.append(PlaceChanged(slice_id, self.clock.now, called_back=True))

    def _lay(self, slice_id: SliceId, gpu_id: GpuId, *, called_back: bool) -> None:
        holding = self.holdings.slice(slice_id)
        if holding is not None:
            self.holdings.put(replace(holding, gpu_id=gpu_id, called_back=called_back))

    def forget(self, slice_id: SliceId) -> None:
        """Forget what was remembered of a slice that has gone."""
        self.pauses.forget(slice_id)
        self.left_for.pop(slice_id, None)
        self.makes_way.discard(slice_id)

    def others_change(self, decided: Deciding, group: GroupName | None, moves: Moves = ()) -> None:
        """Let become true what a decision makes of others' slices, for one that a group pays."""
        for slice_id, other in decided.recharged:
            holding = self.holdings.slice(slice_id)
            if holding is not None:
                charged = replace(holding, group=other)
                self.holdings.put(charged)
                self.charge_anew(charged)
        card_of = dict(moves)
        for slice_id in decided.calls_back:
            if slice_id in card_of:
                self.move(slice_id, card_of[slice_id], group)
            else:
                self.call_back(slice_id, group)

    def hold_back(self, slice_ids: Iterable[SliceId], *, held_back: bool) -> None:
        """Let jobs stand still below a limit or on their card, or go on."""
        for slice_id in slice_ids:
            # A card's time passes as it is told: another job may have ended there by now.
            if self.holdings.slice(slice_id) is None:
                continue
            self.holdings.hold_back(slice_id, held_back=held_back)
            self.cards.hold_back(slice_id, held_back=held_back)
            if held_back:
                self.pauses.note(slice_id, self.clock.now)

    def tell_rank(self, slice_id: SliceId) -> None:
        """Tell the agent of a notebook's slice how it stands now.

        Who is called back for jobs alone takes turns with these.
        """
        holding, rank = self.holdings.slice(slice_id), self.holdings.rank(slice_id)
        if holding is None or not holding.is_notebook:
            return
        if slice_id in self.makes_way:
            rank = Rank.CALLED_BACK
        elif rank is Rank.CALLED_BACK:
            for_jobs = called_back_for_jobs(self.holdings, holding.gpu_id)
            rank = Rank.BORROWED if slice_id in for_jobs else rank
        self.cards.rank(slice_id, rank)

    def charge_anew(self, holding: Holding) -> None:
        """Charge a slice to who pays for it from now on."""
        estimate = self.uses.estimate_of(holding.slice_id)
        self.uses.end(holding.slice_id, self.holdings, self.clock.now)
        self.cards.pays(holding.slice_id, holding.group)
        self.charge(holding, estimate)

    def charge(self, holding: Holding, estimate: timedelta = NO_TIME) -> None:
        """Charge a slice from now on; ``estimate``: how long it is thought to last."""
        facts = self.holdings.gpu(holding.gpu_id)
        gpu_type = self.holdings.type_of(holding.gpu_id)
        if facts is None or gpu_type is None:
            message = f"{holding.slice_id} lies on {holding.gpu_id}, which is not there"
            raise SubletQuotaError(message)
        cards = cards_on(holding.amount, facts.kind)
        payer = holding.group, holding.owner
        self.uses.begin(holding.slice_id, Charge(payer, gpu_type, cards, self.clock.now, estimate))
