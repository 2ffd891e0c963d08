"""The parts of a simulated hub that servers and jobs share."""

from dataclasses import dataclass
from datetime import timedelta

from sublet_quota.closed_loop.asks.asked import Manner
from sublet_quota.closed_loop.card.all_cards import Cards
from sublet_quota.closed_loop.clock import Clock
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.closed_loop.service.charged_uses import Charge, ChargedUses
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.shares.past_use import NO_TIME


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

    def charge_anew(self, holding: Holding) -> None:
        """Charge a slice to who pays for it from now on."""
        self.uses.end(holding.slice_id, self.holdings, self.clock.now)
        self.cards.pays(holding.slice_id, holding.group)
        self.charge(holding)

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
