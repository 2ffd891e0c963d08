"""Why each waiting job waits, and its place in the queue: found anew in each round."""

from collections.abc import Iterable

from sublet_quota.ids import JobId
from sublet_quota.job_queue import JobWait


class WaitingReasons:
    """What the last round of the queue found."""

    def __init__(self) -> None:
        self._waits: dict[JobId, JobWait] = {}

    def replace(self, waits: Iterable[JobWait]) -> None:
        """Take a new round's."""
        self._waits = {wait.job_id: wait for wait in waits}

    def find(self, job_id: JobId) -> JobWait | None:
        """One job's."""
        return self._waits.get(job_id)
