"""What is kept in memory of jobs that are over: what decisions reckon with, and nothing else.

What an owner gave such a job (its parameters, its files) and why it ended is in the database alone,
and read when somebody asks: so an owner's thousand ended jobs take half a MiB, whatever they were.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId, UserName

from sublet_hub.ledger.records import JobRecord

MOST_ENDED_JOBS: Final = 1000
"""How many ended jobs of one owner are remembered."""
_NEWEST_STAY: Final = 100


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that is over, as far as the queue, the usual wait and the figures need to know it."""

    job_id: JobId
    owner: UserName
    groups: tuple[str, ...]
    state: JobState
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    gpus_held: float
    attempts: int
    server: str | None
    """The notebook server that it was promoted from."""

    @classmethod
    def of(cls, job: JobRecord) -> "EndedJob":
        """Return what is kept of a job that has ended."""
        return cls(**{name: getattr(job, name) for name in cls.__slots__})


JobFacts = JobRecord | EndedJob
"""A job, whole while it lives."""


class EndedJobs(Mapping[JobId, EndedJob]):
    """The ended jobs that are remembered, by id, by owner and by the server they came from."""

    def __init__(self) -> None:
        self._by_id: dict[JobId, EndedJob] = {}
        self._by_owner: dict[UserName, dict[JobId, EndedJob]] = {}
        self._ends: dict[tuple[UserName, str], list[datetime]] = {}
        """When jobs ended that had begun, by the server that each was promoted from; sorted."""

    def add(self, job: EndedJob) -> None:
        """Remember one more."""
        before = self._by_id.get(job.job_id)
        if before is not None:
            self._forget_end(before)
        if job.server is not None and job.attempts > 0 and job.ended_at is not None:
            insort(self._ends.setdefault((job.owner, job.server), []), job.ended_at)
        self._by_id[job.job_id] = job
        self._by_owner.setdefault(job.owner, {})[job.job_id] = job

    def drop(self, job_id: JobId) -> EndedJob | None:
        """Forget a job, and return it; ``None`` where it is not known."""
        job = self._by_id.pop(job_id, None)
        if job is not None:
            self._forget_end(job)
            held = self._by_owner[job.owner]
            del held[job_id]
            if not held:
                del self._by_owner[job.owner]
        return job

    def of_owner(self, owner: UserName) -> Collection[EndedJob]:
        """Return one owner's."""
        return self._by_owner.get(owner, {}).values()

    def last_end(self, owner: UserName, server: str) -> datetime | None:
        """Return when the last job ended that was promoted from an owner's server, and had begun.

        ``None``: none is remembered.
        """
        ends = self._ends.get((owner, server))
        return None if ends is None else ends[-1]

    def _forget_end(self, job: EndedJob) -> None:
        if job.server is not None and job.attempts > 0 and job.ended_at is not None:
            ends = self._ends[job.owner, job.server]
            del ends[bisect_left(ends, job.ended_at)]
            if not ends:
                del self._ends[job.owner, job.server]

    def __getitem__(self, job_id: JobId) -> EndedJob:
        return self._by_id[job_id]

    def __iter__(self) -> Iterator[JobId]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)


class WholeJobs(Mapping[JobId, JobRecord]):
    """All jobs with all that is known of them: those that live as they are, the ended read anew.

    To look an ended one up is a question to the database: never go through all of them.
    """

    def __init__(
        self,
        live: Mapping[JobId, JobRecord],
        ended: Mapping[JobId, EndedJob],
        read: Callable[[Collection[JobId]], Mapping[JobId, JobRecord]],
    ) -> None:
        self._live = live
        self._ended = ended
        self._read = read

    def several(self, job_ids: Collection[JobId]) -> tuple[JobRecord, ...]:
        """Return the jobs of these ids that there are, in this order, by one question at most."""
        over = [job_id for job_id in job_ids if job_id in self._ended]
        read = self._read(over) if over else {}
        found = (self._live.get(job_id) or read.get(job_id) for job_id in job_ids)
        return tuple(job for job in found if job is not None)

    def __getitem__(self, job_id: JobId) -> JobRecord:
        if job_id in self._live:
            return self._live[job_id]
        if job_id not in self._ended:
            raise KeyError(job_id)
        return self._read((job_id,))[job_id]

    def __iter__(self) -> Iterator[JobId]:
        yield from self._live
        yield from self._ended

    def __len__(self) -> int:
        return len(self._live) + len(self._ended)


def to_forget(ended: Collection[EndedJob]) -> list[JobId]:
    """Return those of one owner's ended jobs that are too many, the oldest first.

    How long jobs take, and usually wait, is reckoned from those that ran: they go last, or that
    could be wiped out by jobs that are submitted and cancelled. The newest are kept whatever they
    were.
    """
    surplus = len(ended) - MOST_ENDED_JOBS
    if surplus <= 0:
        return []
    by_age = sorted(ended, key=lambda job: job.ended_at or job.submitted_at)
    older = by_age[: len(by_age) - _NEWEST_STAY]
    older.sort(key=lambda job: job.started_at is not None)
    return [job.job_id for job in older[:surplus]]
