"""The jobs that have their place on GPUs: when each ends at the latest, and for whom it makes way.

A job makes way, suspended and never ended, for one of a higher class, and for those that it passed
when it began: it fills in on GPUs that are kept for these (``reservation``), or where these stand
still (``passed_jobs``). One that is within a guarantee, at least in part, makes way for nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, SliceId
from sublet_quota.residency.snapshot import Rank

NO_END: Final = datetime.max.replace(tzinfo=UTC)
"""When a job ends of which nothing bounds how long it runs."""


class Coming(Protocol):
    """A job for which others may make way."""

    @property
    def job_id(self) -> JobId:
        """Its id."""

    @property
    def priority(self) -> int:
        """Its class."""


@dataclass(frozen=True, slots=True)
class JobThere:
    """A job's slice on a GPU."""

    slice_id: SliceId
    job_id: JobId
    memory_mib: int
    since: datetime
    """When it came there."""
    ends: datetime = NO_END
    """When it ends at the latest, by how long it may run."""
    priority: int = 0
    rank: Rank = Rank.BORROWED
    fills_in_for: tuple[JobId, ...] = ()
    """The jobs that it passed when it began: its GPUs were kept for these, or they stood still."""
    held_back: bool = False
    """Whether it stands still already, as another has taken its place."""
    stays: bool = False
    """Whether it cannot be suspended."""
    with_others: tuple[SliceId, ...] = ()
    """All slices of the job, where it has several."""

    def makes_way_for(self, job: Coming) -> bool:
        """Whether it is suspended where that lets a job begin."""
        return not self.held_back and self.comes_after(job)

    def comes_after(self, job: Coming) -> bool:
        """Whether it makes way for a job, or would if it ran."""
        if self.priority > job.priority:
            return False
        is_before = self.priority < job.priority or job.job_id in self.fills_in_for
        return is_before and self.rank is Rank.BORROWED and not self.stays

    @property
    def slices(self) -> tuple[SliceId, ...]:
        """The slices that stand still where the job does."""
        return self.with_others or (self.slice_id,)


def who_makes_way(
    there: Iterable[JobThere], job: Coming, lacks_mib: int
) -> tuple[JobThere, ...] | None:
    """Return which jobs on a GPU make way where another lacks so much; ``None``: not enough do.

    The lowest class first, of one class the newest, and none that is not needed.
    """
    able = [each for each in there if each.makes_way_for(job)]
    able.sort(key=lambda each: (each.priority, -each.since.timestamp(), each.slice_id))
    chosen: list[JobThere] = []
    made_mib = 0
    for each in able:
        if made_mib < lacks_mib:
            chosen.append(each)
            made_mib += each.memory_mib
    if made_mib < lacks_mib:
        return None
    for each in tuple(chosen):
        if made_mib - each.memory_mib >= lacks_mib:
            chosen.remove(each)
            made_mib -= each.memory_mib
    return tuple(chosen)


def job_there(
    holding: Holding,
    job_id: JobId,
    priority: int,
    ends: datetime,
    with_others: tuple[SliceId, ...] = (),
) -> JobThere:
    """Return a job's slice as others find it there."""
    return JobThere(
        slice_id=holding.slice_id,
        job_id=job_id,
        memory_mib=holding.amount.memory_mib,
        since=holding.since,
        ends=ends,
        priority=priority,
        rank=holding.job_rank,
        fills_in_for=holding.fills_in_for,
        held_back=holding.held_back,
        stays=holding.unsuspendable,
        with_others=with_others,
    )


@dataclass(frozen=True, slots=True)
class JobsThere:
    """The jobs that have their place, by GPU, at a moment."""

    now: datetime
    on: Mapping[GpuId, tuple[JobThere, ...]] = field(default_factory=dict)

    def end_of(self, job: WaitingJob) -> datetime:
        """Return when a job ends at the latest that begins now."""
        return NO_END if job.max_run is None else end_after(self.now, job.max_run)


def end_after(since: datetime, max_run: timedelta) -> datetime:
    """Return when that may run so long which began at a moment."""
    return NO_END if max_run >= NO_END - since else since + max_run


def by_gpu(there: Iterable[tuple[GpuId, JobThere]], now: datetime) -> JobsThere:
    """Return jobs by the GPUs on which they are."""
    on: dict[GpuId, list[JobThere]] = {}
    for gpu_id, job in there:
        on.setdefault(gpu_id, []).append(job)
    return JobsThere(now, {gpu_id: tuple(jobs) for gpu_id, jobs in on.items()})


NOBODY_KNOWN: Final = JobsThere(NO_END)
"""Where nothing is known of the jobs there: each is thought to have no end."""
