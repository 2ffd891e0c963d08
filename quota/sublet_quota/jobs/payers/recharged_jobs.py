"""Which running job may be charged to another group of its owner's, so that a waiting one starts.

Only whose owner named no group, one job, one step; the newest first. None for which the other
group's rights, or a limit, say no, or whose hours there are over, and none that would be entitled
less for it: that would let others take what a group is guaranteed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.job_limits import JobLimits, amounts_of
from sublet_quota.jobs.turns.job_order import Guarantees
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.residency.snapshot import Rank

_MOST_TRIED: Final = 16
"""For how many charges to other groups it is asked whether the waiting job then starts."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that has its place, on one GPU, and those of its owner's groups that could pay."""

    job: WaitingJob
    """The job with who pays, its rank, and the same at the expense of others (``instead``)."""
    slice_id: SliceId
    kind: GpuKind
    gpu_type: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Recharge:
    """A running job, and the group that would pay for it."""

    running: RunningJob
    to: WaitingJob

    @property
    def told(self) -> tuple[SliceId, GroupName]:
        """The slice, and who pays for it then."""
        return self.running.slice_id, self.to.group or GroupName("")


class RechargedJobs:
    """The running jobs, with those that one plan of the queue has charged to other groups."""

    def __init__(
        self, holdings: Holdings, limits: JobLimits, running: Iterable[RunningJob]
    ) -> None:
        self._holdings = holdings
        self._limits = limits
        self._filling = Guarantees(holdings, with_jobs=True)
        newest_first = sorted(running, key=lambda each: (-each.since.timestamp(), each.slice_id))
        self._left = [each for each in newest_first if each.job.instead and each.job.gpus == 1]

    def tried(self, waiting: WaitingJob) -> Iterator[Recharge]:
        """Yield each change that makes room below a limit of a waiting job's payer, made already.

        The one that is yielded last stays, unless the next is asked for, or the iterator's end.
        """
        for change in islice(self._changes(waiting), _MOST_TRIED):
            amounts = amounts_of(change.running.job, change.running.kind, change.running.gpu_type)
            self._limits.recharge(amounts, change.running.job, None)
            if self._may_pay(change):
                self._limits.recharge(amounts, None, change.to)
                yield change
                self._limits.recharge(amounts, change.to, None)
            self._limits.recharge(amounts, None, change.running.job)

    def keep(self, change: Recharge) -> None:
        """Note that a change is made for good: a job is charged to another group once in a plan."""
        self._left.remove(change.running)

    def _changes(self, waiting: WaitingJob) -> Iterator[Recharge]:
        for running in self._left:
            if not self._limits.have_limits_in_common(running.job, waiting):
                continue
            for to in running.job.instead:
                if to.group is not None and to.may_run_on(running.kind):
                    yield Recharge(running, to)

    def _may_pay(self, change: Recharge) -> bool:
        running, to = change.running, change.to
        if self._holdings.is_spent(to.group, to.owner):
            return False
        if self._limits.in_the_way(to, running.kind, running.gpu_type) is not None:
            return False
        if running.job.rank is Rank.BORROWED:
            return True
        leaf = self._holdings.leaf_for(to.group, to.owner)
        asked = (to.job_id, leaf, to.cards_on(running.kind))
        then = self._filling.fill(running.gpu_type, (asked,)).get(to.job_id, Rank.BORROWED)
        return then <= running.job.rank
