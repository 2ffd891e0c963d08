"""The parts of a simulated hub that servers and jobs share."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.placement.called_back import called_back_for_jobs
from sublet_quota.residency.snapshot import Rank
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

    def others_change(self, decided: Deciding) -> None:
        """Let become true what a decision makes of others' slices.

        Those that could move are called back like any others: no agent moves any yet.
        """
        for slice_id, group in decided.recharged:
            holding = self.holdings.slice(slice_id)
            if holding is not None:
                charged = replace(holding, group=group)
                self.holdings.put(charged)
                self.charge_anew(charged)
        for slice_id in decided.calls_back:
            self.holdings.mark_called_back(slice_id, called_back=True)
            self.record.places.append(PlaceChanged(slice_id, self.clock.now, called_back=True))

    def hold_back(self, slice_ids: Iterable[SliceId], *, held_back: bool) -> None:
        """Let jobs stand still below a limit, or go on."""
        for slice_id in slice_ids:
            self.holdings.hold_back(slice_id, held_back=held_back)
            self.cards.hold_back(slice_id, held_back=held_back)

    def tell_rank(self, slice_id: SliceId) -> None:
        """Tell the agent of a notebook's slice how it stands now.

        Who is called back for jobs alone takes turns with these.
        """
        holding, rank = self.holdings.slice(slice_id), self.holdings.rank(slice_id)
        if holding is None or not holding.is_notebook:
            return
        if rank is Rank.CALLED_BACK:
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
