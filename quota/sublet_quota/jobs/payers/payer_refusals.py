"""Why a group cannot pay for a job: its rights, the jobs that it has, and limits that never do.

A limit that running work fills now is no such reason: the job waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from sublet_quota.admission.ended_budgets import denied_by_budget
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.group_limits import group_jobs_most
from sublet_quota.document.right_values import BUILT_IN, PayerRights
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.job_limits import JobLimits, MetLimit
from sublet_quota.jobs.payers.job_rights import RightsOfJobs, kinds_allowed
from sublet_quota.jobs.payers.known_limits import line_of
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.jobs.turns.job_order import fitting, open_kinds
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, Rule
from sublet_quota.reasons.helping import ADMIN, Help, HelpKind
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.budgets import BudgetRefusal
from sublet_quota.reasons.refusals.facts import Fact
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.shares.limits import Bound, LimitKind

_LESS: Final = (Help(HelpKind.LESS),)
_NEVER: Final = {
    LimitKind.TYPE: JobRefusal.NEVER_OF_TYPE,
    LimitKind.CARDS: JobRefusal.NEVER_SO_MANY_CARDS,
    LimitKind.MEMORY: JobRefusal.NEVER_SO_MUCH_MEMORY,
    LimitKind.SLICES: JobRefusal.NEVER_SO_MANY_GPUS,
}
_OWN_NEVER: Final = {
    LimitKind.TYPE: JobRefusal.OWN_NEVER_OF_TYPE,
    LimitKind.CARDS: JobRefusal.OWN_NEVER_SO_MANY_CARDS,
    LimitKind.MEMORY: JobRefusal.OWN_NEVER_SO_MUCH_MEMORY,
    LimitKind.SLICES: JobRefusal.OWN_NEVER_SO_MANY_GPUS,
}
"""The same for one person's limit."""
_TYPES, _SIZE, _RUN, _COUNT, _LIMIT, _BUDGET = range(6)


@dataclass(frozen=True, slots=True)
class CannotPay:
    """Why a group cannot pay for a job."""

    stage: int
    """How far the job came: of several refusals that one is told which came furthest."""
    code: JobRefusal | BudgetRefusal
    why: Derivation
    helps: tuple[Help, ...]
    facts: Mapping[str, Fact]
    most: tuple[Fraction | int, int] = (0, 0)
    """How much the group would let a job have where it refused this one: of several refusals that
    came as far that one is told which leaves most.
    """

    def refusal(self, others: tuple[Help, ...]) -> Refusal:
        """Return it in words; ``others``: which other groups could pay."""
        facts: Mapping[str, Any] = self.facts
        if isinstance(self.code, BudgetRefusal):
            return refuse(self.code, why=self.why, **facts)
        helps = others if others and self.helps == ADMIN else (*others, *self.helps)
        return refuse(self.code, why=self.why, helps=helps, **facts)


def charge(
    holdings: Holdings, wish: RequestedJob, payer: PayerRights, counts: JobCounts, now: datetime
) -> WaitingJob | CannotPay:
    """Return the job at a group's expense, or why that cannot be."""
    rights = RightsOfJobs(payer, holdings.document)
    job = wish.charged_to(payer.group, now)
    kinds = open_kinds(holdings)
    there = {kind: kinds[kind] for kind in fitting(job, kinds)}
    job = replace(job, kinds=kinds_allowed(rights, job, there))
    return (
        _refuse_types(rights, there, wish)
        or _refuse_size(rights, job, there)
        or _refuse_long_run(wish, payer)
        or _refuse_one_too_many(holdings, payer.group, counts)
        or _refuse_for_good(holdings, job, there)
        or _refuse_spent(holdings, job)
        or job
    )


def _refuse_types(
    rights: RightsOfJobs, there: Mapping[GpuKind, str], wish: RequestedJob
) -> CannotPay | None:
    if any(rights.may_use(gpu_type) for gpu_type in there.values()):
        return None
    group, types = rights.payer.group, tuple(sorted(rights.types or ()))
    line = line_of(rights.source_of_types)
    why = Derivation(Rule.RIGHT, group, (line,))
    facts: dict[str, Fact] = {"payer": group, "line": line}
    if not types:
        return CannotPay(_TYPES, JobRefusal.NO_TYPES, why, ADMIN, facts)
    asked = wish.gpu_type or ", ".join(sorted(set(there.values())))
    facts |= {"types": types, "asked_type": asked}
    return CannotPay(_TYPES, JobRefusal.OTHER_TYPES, why, ADMIN, facts, (len(types), 0))


def _refuse_size(
    rights: RightsOfJobs, job: WaitingJob, there: Mapping[GpuKind, str]
) -> CannotPay | None:
    if job.kinds:
        return None
    bounds = [
        (most.memory_mib, most.compute_milli, gpu_type, kind, most)
        for kind, gpu_type in there.items()
        if rights.may_use(gpu_type) and (most := rights.largest_on(kind, gpu_type)) is not None
    ]
    *_, gpu_type, kind, largest = max(bounds, key=lambda each: each[:3])
    group, line = rights.payer.group, line_of(rights.payer.sizes.source)
    why = Derivation(Rule.RIGHT, group, (line,))
    facts: dict[str, Fact] = {"payer": group, "line": line, "gpu_type": gpu_type}
    if largest.memory_mib == 0:
        return CannotPay(_SIZE, JobRefusal.NO_SIZE_ON_TYPE, why, ADMIN, facts)
    facts |= {"asked": job.amount_on(kind), "largest": largest}
    less = (Help(HelpKind.LESS, amount=largest),)
    leaves = largest.memory_mib, largest.compute_milli
    return CannotPay(_SIZE, JobRefusal.LARGER_THAN_SIZES, why, less, facts, leaves)


def _refuse_long_run(wish: RequestedJob, payer: PayerRights) -> CannotPay | None:
    most = payer.job_max_run
    # What holds when nobody says it holds for who says nothing, too.
    if most.source == BUILT_IN or wish.max_run is None or wish.max_run <= most.value:
        return None
    line = line_of(most.source)
    numbers = {
        "asked_s": int(wish.max_run.total_seconds()),
        "most_s": int(most.value.total_seconds()),
    }
    why = Derivation(Rule.LIMIT, payer.group, (line,), numbers)
    facts: dict[str, Fact] = {"payer": payer.group, "line": line, **numbers}
    longest = numbers["most_s"], 0
    return CannotPay(_RUN, JobRefusal.RUNS_TOO_LONG, why, _LESS, facts, longest)


def _refuse_one_too_many(
    holdings: Holdings, group: GroupName | None, counts: JobCounts
) -> CannotPay | None:
    for node, most in group_jobs_most(holdings.document, group).items():
        name = GroupName(node)
        jobs = counts.of_group.get(name, 0)
        if jobs < most.value:
            continue
        line = line_of(most.source)
        numbers = {"jobs": jobs, "most_jobs": most.value}
        why = Derivation(Rule.LIMIT, name, (line,), numbers)
        facts: dict[str, Fact] = {"group": name, "line": line}
        if most.value == 0:
            return CannotPay(_COUNT, JobRefusal.GROUP_NO_JOBS, why, ADMIN, facts)
        own = counts.own_of_group.get(name, 0)
        helps = (Help(HelpKind.CANCEL_JOB if own else HelpKind.LATER),)
        facts |= numbers
        return CannotPay(_COUNT, JobRefusal.GROUP_JOBS, why, helps, facts, (most.value, 0))
    return None


def _refuse_for_good(
    holdings: Holdings, job: WaitingJob, there: Mapping[GpuKind, str]
) -> CannotPay | None:
    limits = JobLimits(holdings)
    met = [
        limits.never_fits(job, kind, gpu_type)
        for kind, gpu_type in there.items()
        if job.may_run_on(kind)
    ]
    never = [each for each in met if each is not None]
    if not never or len(never) < len(met):
        return None
    return _of_limit(max(never, key=lambda each: _part_of(each.bound)), job)


def _refuse_spent(holdings: Holdings, job: WaitingJob) -> CannotPay | None:
    denied = denied_by_budget(holdings, job.group, job.owner)
    if denied is None or not isinstance(denied.code, BudgetRefusal):
        return None
    why = Derivation(denied.rule, denied.group, denied.lines)
    return CannotPay(_BUDGET, denied.code, why, (), denied.facts)


def _of_limit(met: MetLimit, job: WaitingJob) -> CannotPay:
    bound = met.bound
    is_own = met.group is None
    facts: dict[str, Fact] = {
        "whose": f"'{job.owner}'" if is_own else f"Group '{met.group}'",
        "line": met.line,
    }
    asked, limit = int(bound.asked), int(bound.limit)
    match bound.kind:
        case LimitKind.TYPE:
            facts |= {"asked_cards": bound.asked, "limit_cards": bound.limit}
            facts["gpu_type"] = bound.gpu_type
        case LimitKind.CARDS:
            facts |= {"asked_cards": bound.asked, "limit_cards": bound.limit}
        case LimitKind.MEMORY:
            facts |= {"asked_mib": asked, "limit_mib": limit}
        case LimitKind.SLICES:
            facts |= {"asked_gpus": asked, "limit_gpus": limit}
    code = (_OWN_NEVER if is_own else _NEVER)[bound.kind]
    numbers = {
        "asked_thousandths": int(bound.asked * 1000),
        "limit_thousandths": int(bound.limit * 1000),
    }
    why = Derivation(Rule.LIMIT, met.group, (met.line,), numbers)
    helps = _LESS if bound.limit > 0 else ADMIN
    return CannotPay(_LIMIT, code, why, helps, facts, (_part_of(bound), 0))


def _part_of(bound: Bound) -> Fraction:
    """Return which part of what is asked for a limit lets somebody have."""
    return Fraction(bound.limit) / bound.asked
