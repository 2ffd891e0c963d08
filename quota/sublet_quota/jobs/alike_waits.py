"""Why jobs wait that are alike: found once, and true of each behind until the plan changes.

Of a thousand jobs that one person has sent off alike, the first that finds no room is looked at
closely; the others wait for the same as long as nothing was placed, moved or kept since. One for
which somebody fills in is looked at itself.
"""

from collections.abc import Callable, Hashable
from typing import Final

from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.reasons.waiting import QueueReason, QueueWait

_KEEPS: Final = frozenset({QueueReason.GPU_KEPT, QueueReason.HOST_MEMORY})
"""Where a job waits for one of these, a GPU or host memory may be kept for it from now on."""


class AlikeWaits:
    """What one plan has found of jobs that wait."""

    def __init__(
        self, changes: Callable[[], Hashable], is_passed: Callable[[WaitingJob], bool]
    ) -> None:
        """``changes``: what is another whenever a plan has given away or kept something.

        ``is_passed``: whether others make way for a job as they do for none that is alike.
        """
        self._changes = changes
        self._is_passed = is_passed
        self._kept = 0
        self._waits: dict[Hashable, QueueWait] = {}
        self._at = self._now()
        """As of when the waits are true."""
        self._is_looked_at = False
        """Whether a job was looked at since: then something may be another."""

    def find(self, job: WaitingJob) -> QueueWait | None:
        """Return why a job waits as one before it does; ``None``: it is to be looked at."""
        if self._is_looked_at:
            self._is_looked_at = False
            now = self._now()
            if now != self._at:
                self._at = now
                self._waits.clear()
        is_alike = bool(self._waits) and not self._is_passed(job)
        found = self._waits.get(job.wish) if is_alike else None
        self._is_looked_at = found is None
        return found

    def note(self, job: WaitingJob, why: QueueWait) -> None:
        """Note why a job waits that was looked at since it was asked for."""
        self._kept += why.reason in _KEEPS
        if self._now() == self._at:
            self._waits[job.wish] = why

    def _now(self) -> Hashable:
        return self._kept, self._changes()
