"""Builders for the tests of jobs: a job that waits, and cards that lend, in one line each."""

from collections.abc import Iterable
from datetime import timedelta
from textwrap import dedent

from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs, RunningJob
from sublet_quota.jobs.turns.job_order import NOTHING_HELD, HeldCards, JobOrder
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE, PastUse
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, GroupName, JobId, UserName

from tests.support.quota_cases import NOON, holdings

TYPES = """
gpu_types:
  H100: {match: "*H100*", rate: 4}
  L4: {match: "*L4*"}
"""


def a_job(  # noqa: PLR0913 - a builder
    name: str,
    group: str | None = None,
    gib: int | None = None,
    *,
    owner: str = "ada",
    compute_milli: int = 1000,
    gpu_type: str | None = None,
    priority: int = 0,
    minute: float = 0,
    lot: int = 0,
    estimate_h: float = 1,
    gpus: int = 1,
    instead: tuple[WaitingJob, ...] = (),
) -> WaitingJob:
    """A job of so much memory, or of whole GPUs, since so many minutes past noon."""
    return WaitingJob(
        job_id=JobId(name),
        owner=UserName(owner),
        memory_mib=None if gib is None else gib * 1024,
        compute_milli=compute_milli,
        gpu_type=gpu_type,
        priority=priority,
        submitted_at=NOON + timedelta(minutes=minute),
        gpus=gpus,
        hub_groups=() if group is None else (group,),
        group=None if group is None else GroupName(group),
        lot=lot,
        estimate=timedelta(hours=estimate_h),
        instead=instead,
    )


def ordered(
    held: Holdings,
    *jobs: WaitingJob,
    past: PastUse = NO_PAST_USE,
    placed: tuple[WaitingJob, ...] = (),
    have: HeldCards = NOTHING_HELD,
) -> tuple[WaitingJob, ...]:
    return order_of(held, past).waiting(jobs, placed, have)


def order_of(held: Holdings, past: PastUse = NO_PAST_USE) -> JobOrder:
    return JobOrder(held, past)


def names(jobs: tuple[WaitingJob, ...]) -> str:
    return " ".join(job.job_id for job in jobs)


def planned(
    held: Holdings, *jobs: WaitingJob, lends_gib: int = 1000, running: Iterable[RunningJob] = ()
) -> QueuePlan:
    """What comes of jobs in this order where each card lends so much."""
    lends = {GpuId(gpu.gpu_id): lends_gib * 1024 for gpu in held.gpus()}
    return plan_queue(
        jobs,
        lendable_gpus(held, lends),
        lending=True,
        limits=(limits := JobLimits(held)),
        beside=BesideOthers(
            EntitledPlaces(held, lends),
            RechargedJobs(held, limits, running),
            held.host_memory,
            held.lot,
        ),
    )


def under(text: str, *entries: GpuFacts | Holding) -> Holdings:
    """Holdings under a document that has the types H100 and L4."""
    return holdings(TYPES + dedent(text), *entries)
