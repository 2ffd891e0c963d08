"""Jobs that wait, and those that have their place, on H100 cards that may be kept for the first."""

from datetime import timedelta

from sublet_quota.jobs.backfill.jobs_there import (
    NO_END,
    JobsThere,
    JobThere,
    by_gpu,
)
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank

from tests.support.quota_cases import H100, NOON, gpu

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WHOLE = None


def waits(  # noqa: PLR0913 - a builder
    name: str,
    need_gib: int | None = WHOLE,
    *,
    came: timedelta = -HOUR,
    max_run: timedelta | None = HOUR,
    priority: int = 0,
    gpus: int = 1,
) -> WaitingJob:
    """A job that came so long after now; less than none: before."""
    return WaitingJob(
        job_id=JobId(name),
        owner=UserName("ada"),
        memory_mib=None if need_gib is None else need_gib * 1024,
        compute_milli=1000,
        gpu_type=None,
        priority=priority,
        submitted_at=NOON + came,
        max_run=max_run,
        gpus=gpus,
    )


def runs(  # noqa: PLR0913 - a builder
    name: str,
    on: str,
    has_gib: int = 79,
    *,
    since: timedelta = -2 * HOUR,
    ends: timedelta | None = HOUR,
    priority: int = 0,
    rank: Rank = Rank.BORROWED,
    fills_in_for: tuple[str, ...] = (),
    stays: bool = False,
) -> tuple[GpuId, JobThere]:
    """A job that ends by its bound so long after now; ``None``: it has none."""
    there = JobThere(
        slice_id=SliceId(name),
        job_id=JobId(name),
        memory_mib=has_gib * 1024,
        since=NOON + since,
        ends=NO_END if ends is None else NOON + ends,
        priority=priority,
        rank=rank,
        fills_in_for=tuple(map(JobId, fills_in_for)),
        stays=stays,
    )
    return GpuId(on), there


def plan(
    jobs: list[WaitingJob],
    there: list[tuple[GpuId, JobThere]],
    cards: int = 1,
    a_node: int = 8,
    owners_gib: int = 0,
) -> QueuePlan:
    """What comes of jobs on H100 cards, where the jobs that are there leave the rest."""
    on = by_gpu(there, NOON)
    return plan_queue(
        jobs,
        [lends(n, on, a_node, owners_gib) for n in range(cards)],
        lending=True,
        beside=BesideOthers(there=on),
    )


def lends(n: int, there: JobsThere, a_node: int, owners_gib: int) -> LendableGpu:
    facts = gpu(f"g{n}", H100, f"node-{n // a_node}", n % a_node)
    jobs = there.on.get(facts.gpu_id, ())
    jobs_mib = sum(each.memory_mib for each in jobs)
    run_mib = sum(each.memory_mib for each in jobs if not each.held_back)
    left_mib = H100.usable_mib - run_mib - owners_gib * 1024
    return LendableGpu(facts, PoolName("p"), H100.type, max(0, left_mib), jobs_mib)


def begun(found: QueuePlan) -> dict[str, JobPlacement]:
    return {each.job.job_id: each for each in found.placements}


def kept(found: QueuePlan) -> dict[str, str]:
    return {job.job_id: gpu_id for gpu_id, job in found.kept.items()}
