"""Who pays for a job: the group that is named; else one that is due it; else who has most room."""

from collections.abc import Mapping
from math import inf

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.turns.job_order import Guarantees, fitting
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.residency.snapshot import Rank


def best_payer(
    holdings: Holdings, choices: tuple[WaitingJob, ...], kinds: Mapping[GpuKind, str]
) -> WaitingJob:
    """Return the job at the expense of the group that fits best, of the same job's several.

    One where the job is entitled goes first, then one whose budget is not over, then the most room
    below limits; of equal ones, in the order of the installation's lots, the job's lot decides.
    There is at least one.
    """
    limits = JobLimits(holdings)
    filling = Guarantees(holdings, with_jobs=True)

    def fitness(job: WaitingJob) -> tuple[Rank, bool, float]:
        rank, room = Rank.BORROWED, -inf
        for kind in fitting(job, kinds):
            gpu_type = kinds[kind]
            asked = (job.job_id, holdings.leaf_for(job.group, job.owner), job.cards_on(kind))
            found = filling.fill(gpu_type, (asked,)).get(job.job_id, Rank.BORROWED)
            rank = min(rank, found)
            room = max(room, _room(limits, job, kind, gpu_type))
        return rank, holdings.is_spent(job.group, job.owner), -room

    found = [(fitness(job), job) for job in choices]
    best = min(fit for fit, _ in found)
    alike = sorted(
        (job for fit, job in found if fit == best), key=lambda job: holdings.lot(job.group or "")
    )
    return alike[alike[0].lot % len(alike)]


def _room(limits: JobLimits, job: WaitingJob, kind: GpuKind, gpu_type: str) -> float:
    """Return how many jobs like this one the tightest limit has room for."""
    met = limits.met(job, kind, gpu_type)
    return float(met[0].bound.room / met[0].bound.asked) if met else inf
