"""The jobs that have not ended, whole, with what they take of the memory: by owner, and in all."""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from sublet_quota.names.ids import JobId, UserName

from sublet_hub.ledger.records import JobRecord

_OF_A_RECORD: Final = 2048
"""What a job takes whose owner has chosen nothing long: measured, and rounded up."""
_OF_A_TEXT: Final = 24
"""And a text of a list, beside itself."""


class LiveJobs:
    """The jobs that wait or run, by id and by owner."""

    def __init__(self, jobs: Iterable[JobRecord]) -> None:
        self._by_id: dict[JobId, JobRecord] = {}
        self._by_owner: dict[UserName, dict[JobId, JobRecord]] = {}
        self._bytes: Counter[UserName] = Counter()
        self.bytes = 0
        """What all of them take."""
        for job in jobs:
            self.put(job)

    @property
    def by_id(self) -> Mapping[JobId, JobRecord]:
        """All of them."""
        return MappingProxyType(self._by_id)

    def of_owner(self, owner: UserName) -> Collection[JobRecord]:
        """Return one owner's."""
        return self._by_owner.get(owner, {}).values()

    def bytes_of(self, owner: UserName) -> int:
        """Return what one owner's take."""
        return self._bytes[owner]

    def put(self, job: JobRecord) -> None:
        """Take a job in, or what has become of it."""
        self.drop(job.job_id)
        self._by_id[job.job_id] = job
        self._by_owner.setdefault(job.owner, {})[job.job_id] = job
        size = bytes_of(job)
        self._bytes[job.owner] += size
        self.bytes += size

    def drop(self, job_id: JobId) -> JobRecord | None:
        """Forget a job, and return it; ``None`` where it is not one of these."""
        job = self._by_id.pop(job_id, None)
        if job is None:
            return None
        held = self._by_owner[job.owner]
        del held[job_id]
        size = bytes_of(job)
        self._bytes[job.owner] -= size
        self.bytes -= size
        if not held:
            del self._by_owner[job.owner]
            del self._bytes[job.owner]
        return job


def bytes_of(job: JobRecord) -> int:
    """Return about how much memory a job takes while it lives."""
    chosen = (job.notebook, *job.take_along, *job.groups)
    texts = sum(sys.getsizeof(text) + _OF_A_TEXT for text in chosen)
    return _OF_A_RECORD + len(job.parameters.text) + texts
