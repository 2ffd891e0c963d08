"""Who pays for a job whose owner has left the group that paid.

What runs stays within the rights and limits of who pays then; where no group has room nobody's
pays: nothing is ended. What waits is charged as if it were submitted now.
"""

from collections.abc import Mapping

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.job_payer import best_payer
from sublet_quota.jobs.payers.limit_rooms import amounts_of
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.turns.job_order import Guarantees, fitting
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.lots import lot_of


def payer_of_waiting(
    holdings: Holdings, job: WaitingJob, kinds: Mapping[GpuKind, str]
) -> GroupName | None:
    """Return which of an owner's groups (``instead``) pays for a job that waits; ``None``: none.

    One whose rights let the job run on any of these kinds goes before the others.
    """
    able = tuple(each for each in job.instead if any(True for _ in fitting(each, kinds)))
    choices = able or job.instead
    return best_payer(holdings, choices, kinds).group if choices else None


def payer_of_running(holdings: Holdings, running: RunningJob) -> GroupName | None:
    """Return which of an owner's groups (``instead``) pays for a job that has its place.

    One whose hours are not over goes before others, then one that is guaranteed the job, then a lot
    decides; ``None``: of none do rights and limits let the job stay.
    """
    job, gpu_type = running.job, running.gpu_type
    cards = job.cards_on(running.kind)
    limits, filling = JobLimits(holdings), Guarantees(holdings, with_jobs=True)
    limits.recharge(amounts_of(job, running.kind, gpu_type), job, None)
    filling.count(gpu_type, holdings.leaf_for(job.group, job.owner), -cards)

    def turn(to: WaitingJob) -> tuple[bool, Rank, int]:
        asked = to.job_id, holdings.leaf_for(to.group, to.owner), cards
        rank = filling.fill(gpu_type, (asked,)).get(to.job_id, Rank.BORROWED)
        lot = lot_of(f"{running.slice_id} {to.group}")
        return holdings.is_spent(to.group, to.owner), rank, lot

    may_pay = (
        to
        for to in job.instead
        if to.group in holdings.document.all_groups
        and to.may_run_on(running.kind)
        and limits.in_the_way(to, running.kind, gpu_type) is None
    )
    best = min(may_pay, key=turn, default=None)
    return None if best is None else best.group
