"""Limits of jobs as one would reckon them first: every slice added up anew, every part compared."""

from collections.abc import Iterator

from sublet_quota.admission.met_limits import paying_groups
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.payers.job_limits import JobLimits, MetLimit, is_by_right
from sublet_quota.jobs.payers.known_limits import Level
from sublet_quota.jobs.payers.limit_rooms import amounts_of
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.shares.limits import Amounts, Bound, bounds

NOTHING = Amounts()


class PlainLimits(JobLimits):
    """The same limits: nothing that was found before is used again, and nothing is left out."""

    def is_passed_by(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> bool:
        return self.in_the_way(job, kind, gpu_type) is not None

    def may_be_freed(self, *_: object) -> bool:
        """Return that it may, always: every change is made to see whether it helps."""
        return True

    def in_the_way(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> MetLimit | None:
        by_right, asked = is_by_right(job, gpu_type), amounts_of(job, kind, gpu_type)
        levels = self._known.of(job, by_right=by_right)
        met = [(level, bound) for level in levels for bound in self._met(level, asked)]
        by_room = sorted(met, key=lambda each: each[1].room / each[1].asked)
        for level, bound in by_room:
            if not bound.allows:
                return _told(level, bound, kept=False)
        for level, bound in met:
            part = level.node, bound.kind, bound.gpu_type
            if self._kept.leaves(part, bound.room, by_right=by_right) < bound.asked:
                return _told(level, bound, kept=True)
        return None

    def _met(self, level: Level, asked: Amounts) -> Iterator[Bound]:
        runs, away = self._added_up(level)
        limits = {level.node: level.limit}
        with_all = bounds(limits, {level.node: runs + away}, (level.node,), asked)
        for bound in bounds(limits, {level.node: runs}, (level.node,), asked):
            same = (one for one in with_all if _part(one) == _part(bound))
            waits = next(same)
            yield waits if waits.room < 0 else bound

    def _added_up(self, level: Level) -> tuple[Amounts, Amounts]:
        """What runs below a limit, and what stands still there."""
        held, runs, away = self._holdings, NOTHING, NOTHING
        of_group_by_right = level.by_right and level.group is not None
        for one in held.slices():
            if not self._counts(level, one):
                continue
            if one.held_back and not of_group_by_right:
                away += held.amounts_of(one)
            elif self._runs(level, one):
                runs += held.amounts_of(one)
        if of_group_by_right and not level.jobs_alone:
            runs += held.entitled_inside(level.node)
        taken = self._taken_by_right if of_group_by_right else self._taken
        return runs + taken.get(level.node, NOTHING), away

    def _runs(self, level: Level, one: Holding) -> bool:
        if level.by_right and level.group is not None:
            return one.entitled_job
        return not (one.is_notebook and level.jobs_alone)

    def _counts(self, level: Level, one: Holding) -> bool:
        if level.group is None:
            return one.owner == level.owner
        return level.node in paying_groups(self._holdings, one.group)


def _part(bound: Bound) -> tuple[object, ...]:
    return bound.kind, bound.gpu_type


def _told(level: Level, bound: Bound, *, kept: bool) -> MetLimit:
    line = level.lines[bound.gpu_type or bound.kind.value]
    return MetLimit(level.group, bound, line, kept=kept)
