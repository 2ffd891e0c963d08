"""What is wished for with a simulated job, and how many jobs there are beside it."""

from collections import Counter
from collections.abc import Iterable

from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.service.servers import part_of_a_card
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.lots import lot_of


def job_wish_of(holdings: Holdings, asked: AskedJob) -> RequestedJob:
    """Return what is wished for with a job."""
    memory_mib, compute_milli = part_of_a_card(holdings, asked.cards, asked.gpu_type)
    return RequestedJob(
        owner=asked.owner,
        groups=asked.groups,
        memory_mib=None if asked.cards >= 1 else memory_mib,
        compute_milli=compute_milli,
        gpus=asked.gpus,
        gpu_type=asked.gpu_type,
        priority=asked.priority,
        group=asked.group,
        max_run=asked.max_run,
        lot=lot_of(asked.name),
        may_go_first=asked.priority > 0,
    )


def job_counts(holdings: Holdings, jobs: Iterable[WaitingJob], owner: str) -> JobCounts:
    """Return how many jobs wait or run, of these."""
    of_group: Counter[GroupName] = Counter()
    own: Counter[GroupName] = Counter()
    of_owner = 0
    for job in jobs:
        is_own = job.owner == owner
        of_owner += is_own
        for name in holdings.document.path_of_payer(job.group):
            of_group[name] += 1
            own[name] += is_own
    return JobCounts(of_owner, of_group, own)
