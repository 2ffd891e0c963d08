"""The budgets of a service: what is held is metered and stored, and then looked at."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.capacity import Capacity
from sublet_hub.usage.budgets.meter import BudgetMeter
from sublet_hub.usage.budgets.standings import Budgets

_LONGEST_BUDGET: Final = timedelta(days=367)
"""The longest period of a budget, and an hour of it that counts in part."""


class BudgetAccounting:
    """The meter, what it stored, and how budgets stand."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        capacity: Capacity,
        now: Callable[[], datetime],
    ) -> None:
        """``LedgerReadError``, ``LedgerWriteError``."""
        self.stored = ChargedHourStore(database)
        self.meter = BudgetMeter(ledger, capacity, self.stored, now)
        self.budgets = Budgets(ledger, capacity, self.stored, now)
        self.meter.listen(self.budgets.take)

    async def look(self) -> None:
        """Store what was held by now, and look how budgets stand then."""
        await self.meter.store()
        await self.budgets.look()

    def forget_before(self, cutoff: datetime, now: datetime) -> None:
        """Forget what was held before a time, as far as no budget counts it."""
        self.stored.forget_before(min(cutoff, now - _LONGEST_BUDGET))
