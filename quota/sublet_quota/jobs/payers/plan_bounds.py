"""The limits as one plan of the queue meets them, with what it has given away so far."""

from collections.abc import Iterator
from dataclasses import dataclass

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import Kinds
from sublet_quota.jobs.payers.job_limits import JobLimits, MetLimit
from sublet_quota.jobs.payers.limit_rooms import amounts_of
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, UserName


@dataclass(slots=True)
class PlanBounds:
    """The limits of one plan, as far as there are any."""

    limits: JobLimits | None

    @property
    def kept(self) -> int:
        """How often something was kept below a limit so far."""
        return 0 if self.limits is None else self.limits.kept

    def within(self, job: WaitingJob, kinds: Kinds) -> Kinds:
        """Return the kinds on which the job passes no limit."""
        limits = self.limits
        if limits is None:
            return kinds
        return {
            kind: name
            for kind, name in kinds.items()
            if not (job.fits_on(kind) and limits.is_passed_by(job, kind, name))
        }

    def is_met(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> bool:
        """Whether the job would pass a limit."""
        if self.limits is None or not job.fits_on(kind):
            return False
        return self.limits.is_passed_by(job, kind, gpu_type)

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

    def shared_by(self, job: WaitingJob) -> Iterator[tuple[UserName | None, GroupName | None]]:
        """Yield by what a job counts in limits with others: its owner, and groups with limits."""
        yield job.owner, None
        if self.limits is not None:
            for group in self.limits.groups_with_limits(job):
                yield None, group

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
