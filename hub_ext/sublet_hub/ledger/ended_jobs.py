"""What is kept in memory of jobs that are over: what decisions reckon with, and nothing else.

What an owner gave such a job (its parameters, its files) and why it ended is in the database alone,
and read when somebody asks: so an owner's thousand ended jobs take half a MiB, whatever they were.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId, UserName

from sublet_hub.ledger.records import JobRecord


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
    """The ended jobs that are remembered, by id and by owner."""

    def __init__(self) -> None:
        self._by_id: dict[JobId, EndedJob] = {}
        self._by_owner: dict[UserName, dict[JobId, EndedJob]] = {}

    def add(self, job: EndedJob) -> None:
        """Remember one more."""
        self._by_id[job.job_id] = job
        self._by_owner.setdefault(job.owner, {})[job.job_id] = job

    def drop(self, job_id: JobId) -> EndedJob | None:
        """Forget a job, and return it; ``None`` where it is not known."""
        job = self._by_id.pop(job_id, None)
        if job is not None:
            held = self._by_owner[job.owner]
            del held[job_id]
            if not held:
                del self._by_owner[job.owner]
        return job

    def of_owner(self, owner: UserName) -> Collection[EndedJob]:
        """Return one owner's."""
        return self._by_owner.get(owner, {}).values()

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
