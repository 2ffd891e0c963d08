"""The ledger's table of the weeks whose report was made to be sent: each week once."""

from dataclasses import dataclass
from datetime import datetime

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.kept_records import KeptRecords
from sublet_hub.ledger.tables import WEEK_REPORTS


@dataclass(frozen=True, slots=True)
class ReportedWeek:
    """A week with its report, of all groups."""

    week: str
    """Such as ``2026-W48``."""
    made_at: datetime
    until: datetime
    """Till when it is sent to those who have not had it."""
    report: str
    """A ``WeekReport`` as JSON; empty: none is sent of this week, reports begin after it."""


class ReportedWeekStore(KeptRecords[str, ReportedWeek]):
    """The weeks by their names."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, WEEK_REPORTS, ReportedWeek, ("week",))
