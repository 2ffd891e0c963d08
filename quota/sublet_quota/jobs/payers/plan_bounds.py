"""The limits as one plan of the queue meets them, with what it has given away so far."""

from dataclasses import dataclass

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.lendable_room import Kinds, LendableGpu
from sublet_quota.jobs.payers.job_limits import JobLimits, MetLimit, amounts_of
from sublet_quota.jobs.waiting_job import WaitingJob


@dataclass(slots=True)
class PlanBounds:
    """The limits of one plan, as far as there are any."""

    limits: JobLimits | None

    def within(self, job: WaitingJob, kinds: Kinds) -> Kinds:
        """Return the kinds on which the job passes no limit."""
        return {kind: name for kind, name in kinds.items() if self.met(job, kind, name) is None}

    def met(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> MetLimit | None:
        """Return the limit that the job would pass, or ``None``."""
        if self.limits is None or not job.fits_on(kind):
            return None
        return self.limits.in_the_way(job, kind, gpu_type)

    def keep_full(self, job: WaitingJob, kinds: Kinds) -> None:
        """Keep what comes free below full limits for a job, of one kind on which it can begin."""
        if self.limits is not None:
            limits = self.limits
            any(limits.keep_full(job, kind, name) for kind, name in kinds.items())

    def keep(self, job: WaitingJob, gpu: LendableGpu) -> None:
        """Keep room below limits for a job that waits for a GPU."""
        if self.limits is not None:
            self.limits.keep(job, gpu.facts.kind, gpu.gpu_type)

    def are_shared(self, one: WaitingJob, other: WaitingJob) -> bool:
        """Whether there is a limit in which both jobs count."""
        if one.owner == other.owner:
            return True
        if self.limits is None:
            return False
        groups = self.limits.groups_with_limits(one)
        return not set(groups).isdisjoint(self.limits.groups_with_limits(other))

    def may_pay(self, payer: WaitingJob, job: WaitingJob) -> bool:
        """Whether a group pays for a job: the one that let it in, or another that lets in."""
        return payer is job or self.limits is None or self.limits.lets_in(payer)

    def take(self, job: WaitingJob, gpu: LendableGpu) -> None:
        """Count a job that is placed."""
        if self.limits is not None:
            self.limits.take(job, gpu.facts.kind, gpu.gpu_type)

    def give_back(self, job: WaitingJob, gpu: LendableGpu) -> None:
        """Count a job no longer that was placed."""
        if self.limits is not None:
            amounts = amounts_of(job, gpu.facts.kind, gpu.gpu_type)
            self.limits.recharge(amounts, job, None)
