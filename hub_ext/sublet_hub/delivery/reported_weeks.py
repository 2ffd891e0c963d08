"""The weeks whose report goes out: each is made once, however often the service restarts.

Of weeks that were over before reports were set, none is made. What was due while the service was
down is made when it is there again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.wire.deliveries import ReportsInfo

from sublet_hub.ledger.week_reports import ReportedWeek, ReportedWeekStore
from sublet_hub.settings import WeekReportSettings

_SENT_FOR: Final = timedelta(days=5)
"""Who becomes a receiver so long after it was made is sent it, too."""
_KEPT_AFTER: Final = timedelta(days=40)
MOST_MISSED: Final = 4
"""So many weeks that were missed are made up for."""


class ReportedWeeks:
    """The weeks, and how the settings say that they are sent."""

    def __init__(
        self, store: ReportedWeekStore, settings: WeekReportSettings, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self.settings = settings
        self._now = now
        self.told = ReportsInfo()
        """What admins are told of it, as whoever makes the reports says."""

    def missing(self, due: Sequence[str]) -> tuple[str, ...]:
        """Return the weeks that are to be made; ``due``: those that are due, the oldest first.

        ``LedgerWriteError``.
        """
        if not due:
            return ()
        if not self._store.kept:
            now = self._now()
            self._store.add(ReportedWeek(due[-1], now, now, ""))
        last = max(self._store.kept)
        return tuple(each for each in due if each > last)

    def take(self, week: str, report: str) -> None:
        """Keep a week's report, to be sent. ``LedgerWriteError``."""
        now = self._now()
        self._store.add(ReportedWeek(week, now, now + _SENT_FOR, report))
        last = max(self._store.kept)
        old = (
            each.week
            for each in self._store.kept.values()
            if each.week != last and each.until + _KEPT_AFTER < now
        )
        self._store.drop(*tuple(old))

    def live(self) -> tuple[ReportedWeek, ...]:
        """Return the weeks that are sent now."""
        now = self._now()
        return tuple(each for each in self._store.kept.values() if each.report and each.until > now)

    @property
    def last(self) -> ReportedWeek | None:
        """The last week that was made."""
        made = [each for each in self._store.kept.values() if each.report]
        return max(made, key=lambda each: each.week, default=None)
