"""A wish to submit a training job, and the jobs that there are already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, JobId, UserName


@dataclass(frozen=True, slots=True)
class RequestedJob:
    """A wish to submit a training job."""

    owner: str
    groups: tuple[str, ...] = ()
    """The owner's groups in the hub."""
    memory_mib: int | None = None
    """The memory on each GPU; ``None``: the whole GPU."""
    compute_milli: int = WHOLE_GPU_MILLI
    gpus: int = 1
    """The number of GPUs, each with as much of its memory and compute."""
    gpu_type: str | None = None
    """A type of the quota document, the model's name, or a pattern for it."""
    priority: int = 0
    may_go_first: bool = False
    """Whether an admin submits it."""
    group: str | None = None
    """The group of the quota document that is to pay; ``None``: whichever fits best."""
    max_run: timedelta | None = None
    """How long one attempt may run; ``None``: as long as is allowed, or 24 h."""
    lot: int = 0
    """Drawn for the job, and kept: decides exact ties."""

    def charged_to(self, group: GroupName | None, now: datetime) -> WaitingJob:
        """Return the job as it would wait if that group paid."""
        return WaitingJob(
            job_id=JobId("requested"),
            owner=UserName(self.owner),
            memory_mib=self.memory_mib,
            compute_milli=self.compute_milli,
            gpu_type=self.gpu_type,
            priority=self.priority,
            submitted_at=now,
            gpus=self.gpus,
            hub_groups=self.groups,
            group=group,
            lot=self.lot,
        )


@dataclass(frozen=True, slots=True)
class JobCounts:
    """The jobs that wait or run."""

    of_owner: int = 0
    of_group: Mapping[GroupName, int] = field(default_factory=dict)
    """Those charged to each group, or to a group in it."""
    own_of_group: Mapping[GroupName, int] = field(default_factory=dict)
    """The owner's among these."""
