"""The admission of training jobs: who pays, and what could never run or is too much.

A job waits for room as long as it takes, also for a limit that other work fills now. Refused at
once is what the GPUs or the limits can never take, one job too many, and what would go before what
is fair without an admin's word.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.amounts.gpu_amounts import BEYOND_ALL_GPUS, WHOLE_GPU_MILLI
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.right_values import PayerRights, Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.job_payer import best_payer
from sublet_quota.jobs.payers.known_limits import line_of
from sublet_quota.jobs.payers.payer_refusals import CannotPay, charge
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.names.nearest_name import nearest_name
from sublet_quota.reasons.derivation import Derivation, Rule
from sublet_quota.reasons.helping import Help, HelpKind
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.refuse import refuse


@dataclass(frozen=True, slots=True)
class AdmittedJob:
    """A job may wait for room: at whose expense, and for how long an attempt of it may run."""

    group: GroupName | None
    named: bool
    """Whether the owner named the group: then no other one pays."""
    member_of: tuple[GroupName, ...]
    """The groups that could pay instead, ``group`` among them."""
    max_run: timedelta


def admit_job(
    holdings: Holdings, wish: RequestedJob, counts: JobCounts, now: datetime
) -> AdmittedJob | Refusal:
    """Return who pays for the job, or why it is refused."""
    rights = rights_of(holdings.document, UserName(wish.owner), wish.groups)
    refusal = (
        _refuse_amount(wish)
        or _refuse_going_first(wish)
        or _refuse_too_many(wish, rights, counts)
        or _refuse_what_never_fits(holdings, wish)
        or _refuse_group(wish, rights)
    )
    if refusal is not None:
        return refusal
    payers = tuple(p for p in rights.payers if wish.group is None or p.group == wish.group)
    found = [charge(holdings, wish, payer, counts, now) for payer in payers]
    able = tuple(each for each in found if isinstance(each, WaitingJob))
    if not able:
        cannot = (each for each in found if isinstance(each, CannotPay))
        others = _others_that_pay(holdings, wish, rights, counts, now)
        return max(cannot, key=lambda each: (each.stage, each.most)).refusal(others)
    best = best_payer(holdings, able, open_kinds(holdings))
    return AdmittedJob(
        group=best.group,
        named=wish.group is not None,
        member_of=rights.groups,
        max_run=_max_run(wish, rights.payer(best.group)),
    )


def _others_that_pay(
    holdings: Holdings, wish: RequestedJob, rights: Rights, counts: JobCounts, now: datetime
) -> tuple[Help, ...]:
    """Return which of the owner's other groups would pay, where one was named."""
    others = [p for p in rights.payers if p.group != wish.group] if wish.group else []
    able = tuple(
        payer.group
        for payer in others
        if payer.group and isinstance(charge(holdings, wish, payer, counts, now), WaitingJob)
    )
    return (Help(HelpKind.OTHER_GROUP, able),) if able else ()


def _max_run(wish: RequestedJob, payer: PayerRights) -> timedelta:
    return payer.job_max_run.value if wish.max_run is None else wish.max_run


def _refuse_amount(wish: RequestedJob) -> Refusal | None:
    if not 1 <= wish.compute_milli <= WHOLE_GPU_MILLI:
        return refuse(JobRefusal.BAD_COMPUTE)
    memory = wish.memory_mib
    if memory is not None and memory < 1:
        return refuse(JobRefusal.NO_MEMORY)
    if memory is not None and memory > BEYOND_ALL_GPUS:
        return refuse(JobRefusal.MEMORY_BEYOND_ALL_GPUS)
    return None


def _refuse_going_first(wish: RequestedJob) -> Refusal | None:
    if wish.priority <= 0 or wish.may_go_first:
        return None
    return refuse(JobRefusal.GOING_FIRST, asked=wish.priority, most=0)


def _refuse_too_many(wish: RequestedJob, rights: Rights, counts: JobCounts) -> Refusal | None:
    most = rights.jobs_most.value
    if most is None or counts.of_owner < most:
        return None
    line = line_of(rights.jobs_most.source)
    numbers = {"jobs": counts.of_owner, "most_jobs": most}
    why = Derivation(Rule.LIMIT, None, (line,), numbers)
    if most == 0:
        return refuse(LimitRefusal.NO_JOBS, why=why, owner=wish.owner, line=line)
    return refuse(
        LimitRefusal.JOBS, why=why, owner=wish.owner, jobs=counts.of_owner, most_jobs=most
    )


def _refuse_group(wish: RequestedJob, rights: Rights) -> Refusal | None:
    if wish.group is None or wish.group in rights.groups:
        return None
    return refuse(
        JobRefusal.NO_GROUP_OF_YOURS, asked_group=wish.group, groups_to_choose=rights.groups
    )


def _refuse_what_never_fits(holdings: Holdings, wish: RequestedJob) -> Refusal | None:
    lending = frozenset(name for name, pool in holdings.document.pools.items() if pool.lend)
    if not lending:
        return refuse(JobRefusal.NO_POOL_LENDS)
    everywhere = open_kinds(holdings)
    if not everywhere:
        return refuse(JobRefusal.NO_GPU)
    kinds = [kind for kind, name in everywhere.items() if is_of_type(kind, name, wish.gpu_type)]
    if not kinds:
        types, asked = tuple(sorted(set(everywhere.values()))), wish.gpu_type or ""
        near = nearest_name(asked, types)
        return refuse(JobRefusal.NO_GPU_OF_TYPE, asked_type=asked, nearest=near, types=types)
    largest = max(kinds, key=lambda kind: (kind.usable_mib, kind.type))
    if (wish.memory_mib or 1) <= largest.usable_mib:
        return _refuse_too_few_gpus(holdings, wish, lending, frozenset(kinds))
    return refuse(
        JobRefusal.LARGER_THAN_GPU,
        asked_mib=wish.memory_mib or 0,
        largest_mib=largest.usable_mib,
        gpu_type=largest.type,
    )


def _refuse_too_few_gpus(
    holdings: Holdings, wish: RequestedJob, lending: frozenset[str], kinds: frozenset[GpuKind]
) -> Refusal | None:
    if wish.gpus <= 1:
        return None
    there = sum(
        gpu.kind in kinds
        and (wish.memory_mib or 1) <= gpu.kind.usable_mib
        and holdings.pool_of(gpu.gpu_id) in lending
        for gpu in holdings.gpus()
    )
    if wish.gpus <= there:
        return None
    return refuse(JobRefusal.TOO_FEW_GPUS, asked_gpus=wish.gpus, most_gpus=there)
