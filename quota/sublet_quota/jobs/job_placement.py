"""Where a plan of the queue lets a job begin, and what that makes of others."""

from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, GroupName, JobId, PoolName, SliceId


@dataclass(frozen=True, slots=True)
class JobPlacement:
    """The GPU that a waiting job goes to."""

    job: WaitingJob
    """The job, with who pays: another of its owner's groups than before where that let it in."""
    gpu_id: GpuId
    pool: PoolName
    amount: GpuAmount
    calls_back: tuple[SliceId, ...] = ()
    """The borrowed slices that lose their place on the GPU to an entitled job."""
    recharged: tuple[tuple[SliceId, GroupName], ...] = ()
    """Slices that another of their owners' groups pays for from now on, to let the job in."""
    holds_back: tuple[SliceId, ...] = ()
    """The slices of jobs that are suspended, as they make way on the GPU."""
    fills_in_for: tuple[JobId, ...] = ()
    """The jobs for which it makes way once they can begin: those that it passes on its GPUs."""
    beside: tuple[GpuId, ...] = ()
    """The other GPUs of the same node, where a job of several has as much of each."""
