"""Which of the jobs that wait would be started, or wait for something else: by the queue's plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.give_backs import GiveBacks
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs, RunningJob
from sublet_quota.jobs.turns.job_order import HeldCards, JobOrder, open_kinds
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE, past_use_of
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, JobId, UserName
from sublet_quota.preview.present_state import JobsNow
from sublet_quota.reasons.waiting import QueueWait
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job that waits, and of which something else would come than now."""

    job_id: JobId
    owner: UserName
    group: GroupName | None
    """Who would pay."""
    before: QueueWait | None
    """Why it would wait on as things are; ``None``: it would start."""
    after: QueueWait | None

    @property
    def starts(self) -> bool:
        """Whether it would start."""
        return self.after is None


def job_changes(
    jobs: JobsNow, before: Holdings, after: Holdings, now: datetime
) -> tuple[JobChange, ...]:
    """Return the jobs of which something else would come, in their order under the new document."""
    was, becomes = _outcomes(jobs, before, now), _outcomes(jobs, after, now)
    return tuple(
        JobChange(job_id, job.owner, job.group, was[job_id][1], why)
        for job_id, (job, why) in becomes.items()
        if _kind(was[job_id][1]) != _kind(why)
    )


def _kind(wait: QueueWait | None) -> object:
    return None if wait is None else wait.reason


_Outcomes = Mapping[JobId, tuple[WaitingJob, QueueWait | None]]


def _outcomes(jobs: JobsNow, holdings: Holdings, now: datetime) -> _Outcomes:
    """Return what comes of each job in the next round; ``None``: it starts."""
    plan = _plan(jobs, holdings, now)
    by_id = {job.job_id: job for job in jobs.waiting}
    started = ((each.job.job_id, (each.job, None)) for each in plan.placements)
    return {**dict(started), **{w.job_id: (by_id[w.job_id], w.why) for w in plan.waits}}


def _plan(jobs: JobsNow, holdings: Holdings, now: datetime) -> QueuePlan:
    document = holdings.document
    half_life = document.fair_share.half_life
    past = past_use_of(holdings.groups, jobs.past, jobs.written_off, now, half_life)
    rights, kinds = KnownRights(document), open_kinds(holdings)
    waiting = (_allowed(job, rights, kinds) for job in jobs.waiting)
    placed = tuple(_allowed(job, rights, kinds) for job in jobs.placed)
    ordered = JobOrder(holdings, past).waiting(waiting, placed, _held(jobs, holdings))
    running = _rechargeable(jobs, holdings, rights)
    limits = JobLimits(holdings)
    return plan_queue(
        ordered,
        lendable_gpus(holdings, jobs.lendable_mib, now),
        lending=jobs.lending,
        limits=limits,
        beside=BesideOthers(
            EntitledPlaces(holdings, jobs.lendable_mib),
            RechargedJobs(holdings, limits, running),
            holdings.host_memory,
            holdings.lot,
            GiveBacks(holdings, lambda: jobs.suspend_mib_per_s),
            jobs.there,
        ),
    )


def _rechargeable(jobs: JobsNow, holdings: Holdings, rights: KnownRights) -> Iterator[RunningJob]:
    """Yield the jobs that other groups could pay, as rights and guarantees have them then."""
    if not jobs.rechargeable:
        return
    kinds = open_kinds(holdings)
    placed = (_allowed(job, rights, kinds) for job in jobs.placed)
    by_right = JobOrder(holdings, NO_PAST_USE).placed(placed, _held(jobs, holdings))
    ranks = {job.job_id: job.rank for job in by_right}
    for running in jobs.rechargeable:
        holding = holdings.slice(running.slice_id)
        gpu_type = None if holding is None else holdings.type_of(holding.gpu_id)
        if gpu_type is not None:
            job = _allowed(running.job, rights, kinds)
            rank = ranks.get(job.job_id, Rank.BORROWED)
            yield replace(running, job=replace(job, rank=rank), gpu_type=gpu_type)


def _held(jobs: JobsNow, holdings: Holdings) -> HeldCards:
    """Return what jobs have which have their place, by the types of the document that would be."""
    types = {each.job_id: holdings.type_of(each.gpu_id) for each in holdings.slices()}
    return {
        job_id: (types.get(job_id) or gpu_type, cards)
        for job_id, (gpu_type, cards) in jobs.held.items()
    }


def _allowed(job: WaitingJob, rights: KnownRights, kinds: Mapping[GpuKind, str]) -> WaitingJob:
    """Return a job with where its payer, and those who could pay instead, let it run."""
    return replace(
        job,
        kinds=rights.kinds_for(job, kinds),
        instead=tuple(_allowed(other, rights, kinds) for other in job.instead),
    )
