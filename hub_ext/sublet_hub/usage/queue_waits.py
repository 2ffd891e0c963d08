"""The waits of jobs lately: what an expected wait is reckoned from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from sublet_hub.ledger.ledger import Ledger

_LATELY: Final = timedelta(days=7)
_LEAST: Final = 3
"""The number of jobs below which their waits say nothing."""
_MOST: Final = 50
_KEPT: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class UsualWait:
    """The median of the last jobs' waits."""

    length: timedelta
    jobs: int

    @property
    def basis(self) -> str:
        """The jobs that the wait is reckoned from, in words."""
        return f"the median wait of the last {self.jobs} jobs that started within a week"


class QueueTimes:
    """The usual wait, reckoned anew twice a minute."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._kept: UsualWait | None = None
        self._kept_at: datetime | None = None

    def usual_wait(self) -> UsualWait | None:
        """Return the usual wait of a job that does not start at once; ``None`` where few have."""
        now = self._now()
        if self._kept_at is None or now - self._kept_at > _KEPT:
            self._kept, self._kept_at = self._reckon(now), now
        return self._kept

    def _reckon(self, now: datetime) -> UsualWait | None:
        started = sorted(
            (
                (job.started_at, job.started_at - job.submitted_at)
                for job in self._ledger.all_job_facts()
                # One that was begun anew has waited, run and waited again.
                if job.started_at is not None
                and job.attempts == 1
                and now - job.started_at < _LATELY
            ),
            reverse=True,
        )[:_MOST]
        if len(started) < _LEAST:
            return None
        middle_s = median(wait.total_seconds() for _, wait in started)
        return UsualWait(timedelta(seconds=middle_s), len(started))
