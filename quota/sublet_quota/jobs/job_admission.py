"""The admission of training jobs: who pays, and what could never run or is too much.

A job waits for room as long as it takes, also for a limit that other work fills now. Refused at
once is what the GPUs or the limits can never take, one job too many, and what would go before what
is fair without an admin's word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction

from sublet_quota.amounts.gpu_amounts import BEYOND_ALL_GPUS, WHOLE_GPU_MILLI
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.rights import PayerRights, Rights, rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_limits import JobLimits, MetLimit, line_of
from sublet_quota.jobs.job_order import open_kinds
from sublet_quota.jobs.job_payer import best_payer
from sublet_quota.jobs.job_rights import UNSAID_MAX_RUN, RightsOfJobs, kinds_allowed
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import GroupName, JobId, UserName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule
from sublet_quota.reasons.helping import ADMIN, Help, HelpKind
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.facts import Fact
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.shares.limits import LimitKind

_LESS = (Help(HelpKind.LESS),)
_THIS = JobId("this")


@dataclass(frozen=True, slots=True)
class RequestedJob:
    """A wish to submit a training job."""

    owner: str
    groups: tuple[str, ...] = ()
    """The owner's groups in the hub."""
    memory_mib: int | None = None
    """The memory on each GPU; ``None``: the whole GPU."""
    compute_milli: int = WHOLE_GPU_MILLI
    gpus: int = 1
    """The number of GPUs, each with as much of its memory and compute."""
    gpu_type: str | None = None
    """A type of the quota document, the model's name, or a pattern for it."""
    priority: int = 0
    may_go_first: bool = False
    """Whether an admin submits it."""
    group: str | None = None
    """The group of the quota document that is to pay; ``None``: whichever fits best."""
    max_run: timedelta | None = None
    """How long one attempt may run; ``None``: as long as is allowed, or 24 h."""
    lot: int = 0
    """Drawn for the job, and kept: decides exact ties."""


@dataclass(frozen=True, slots=True)
class JobCounts:
    """The jobs that wait or run."""

    of_owner: int = 0
    of_group: Mapping[GroupName, int] = field(default_factory=dict)
    """Those charged to each group, or to a group in it."""
    own_of_group: Mapping[GroupName, int] = field(default_factory=dict)
    """The owner's among these."""


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
    refusal = _refuse_amount(wish) or _refuse_going_first(wish)
    if refusal is not None:
        return refusal
    rights = rights_of(holdings.document, UserName(wish.owner), wish.groups)
    refusal = _refuse_too_many(wish, rights, counts) or _refuse_what_never_fits(holdings, wish)
    if refusal is not None:
        return refusal
    return _Decision(holdings, wish, rights, counts, now).decide()


@dataclass(frozen=True, slots=True)
class _Decision:
    """One wish, looked at with each of the groups that could pay."""

    holdings: Holdings
    wish: RequestedJob
    rights: Rights
    counts: JobCounts
    now: datetime

    def decide(self) -> AdmittedJob | Refusal:
        payers = self.rights.payers
        wish = self.wish
        named = [payer for payer in payers if payer.group == wish.group]
        if wish.group is not None and not named:
            groups = tuple(payer.group for payer in payers if payer.group is not None)
            return refuse(
                JobRefusal.NO_GROUP_OF_YOURS, asked_group=wish.group, groups_to_choose=groups
            )
        tried = payers if wish.group is None else tuple(named)
        found = {payer.group: self._with(payer) for payer in tried}
        admitted = tuple(each for each in found.values() if isinstance(each, WaitingJob))
        if not admitted:
            refused = [each for each in found.values() if isinstance(each, _Why)]
            return max(refused, key=lambda why: why.stage).refusal(self._who_else())
        kinds = open_kinds(self.holdings)
        best = best_payer(self.holdings, admitted, kinds)
        payer = next(each for each in tried if each.group == best.group)
        return AdmittedJob(
            group=best.group,
            named=wish.group is not None,
            member_of=tuple(each.group for each in payers if each.group is not None),
            max_run=_max_run(wish, payer),
        )

    def _who_else(self) -> tuple[Help, ...]:
        """Return whether another of the owner's groups would pay, where one was named."""
        if self.wish.group is None:
            return ()
        others = (payer for payer in self.rights.payers if payer.group != self.wish.group)
        able = [p.group for p in others if p.group and isinstance(self._with(p), WaitingJob)]
        return (Help(HelpKind.OTHER_GROUP, tuple(able)),) if able else ()

    def _with(self, payer: PayerRights) -> "WaitingJob | _Why":
        """Return the job at a group's expense, or why it cannot be."""
        rights = RightsOfJobs(payer, self.holdings.document)
        wish = self.wish
        job = WaitingJob(
            job_id=_THIS,
            owner=UserName(wish.owner),
            memory_mib=wish.memory_mib,
            compute_milli=wish.compute_milli,
            gpu_type=wish.gpu_type,
            priority=wish.priority,
            submitted_at=self.now,
            gpus=wish.gpus,
            hub_groups=wish.groups,
            group=payer.group,
            lot=wish.lot,
        )
        there = {
            kind: gpu_type
            for kind, gpu_type in open_kinds(self.holdings).items()
            if job.fits_on(kind) and is_of_type(kind, gpu_type, wish.gpu_type)
        }
        job = replace(job, kinds=kinds_allowed(rights, job, there))
        return (
            _refuse_types(rights, there, wish)
            or _refuse_size(rights, job, there)
            or _refuse_long_run(wish, payer)
            or self._refuse_full_group(payer)
            or self._refuse_for_good(job, there)
            or job
        )

    def _refuse_full_group(self, payer: PayerRights) -> "_Why | None":
        document = self.holdings.document
        path: tuple[str, ...] = ()
        for name in () if payer.group is None else document.path_of(payer.group):
            path = (*path, "groups", name)
            most = document.all_groups[name].jobs.most
            jobs = self.counts.of_group.get(name, 0)
            if not isinstance(most, int) or jobs < most:
                continue
            where = (*path, "jobs", "most")
            line = DocumentLine(".".join(where), document.line_of(where))
            why = Derivation(Rule.LIMIT, name, (line,), {"jobs": jobs, "most_jobs": most})
            if most == 0:
                return _Why(3, JobRefusal.GROUP_NO_JOBS, why, ADMIN, {"group": name, "line": line})
            own = self.counts.own_of_group.get(name, 0)
            helps = (Help(HelpKind.CANCEL_JOB if own else HelpKind.LATER),)
            facts: dict[str, Fact] = {"jobs": jobs, "most_jobs": most, "group": name, "line": line}
            return _Why(3, JobRefusal.GROUP_JOBS, why, helps, facts)
        return None

    def _refuse_for_good(self, job: WaitingJob, there: Mapping[GpuKind, str]) -> "_Why | None":
        limits = JobLimits(self.holdings)
        met = [
            limits.never_fits(job, kind, gpu_type)
            for kind, gpu_type in there.items()
            if job.may_run_on(kind)
        ]
        never = [each for each in met if each is not None]
        return _of_limit(never[0], job) if never and len(never) == len(met) else None


@dataclass(frozen=True, slots=True)
class _Why:
    """Why a group cannot pay for a job."""

    stage: int
    """How far the job came: of several refusals the one that is told is that which came furthest.
    """
    code: JobRefusal
    why: Derivation
    helps: tuple[Help, ...]
    facts: Mapping[str, Fact]

    def refusal(self, others: tuple[Help, ...]) -> Refusal:
        helps = others if others and self.helps == ADMIN else (*others, *self.helps)
        return refuse(self.code, why=self.why, helps=helps, **self.facts)


def _max_run(wish: RequestedJob, payer: PayerRights) -> timedelta:
    allowed = payer.job_max_run.value or UNSAID_MAX_RUN
    return allowed if wish.max_run is None else wish.max_run


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
    return refuse(LimitRefusal.JOBS, why=why, owner=wish.owner, **numbers)


def _refuse_what_never_fits(holdings: Holdings, wish: RequestedJob) -> Refusal | None:
    lending = [name for name, pool in holdings.document.pools.items() if pool.lend]
    if not lending:
        return refuse(JobRefusal.NO_POOL_LENDS)
    everywhere = open_kinds(holdings)
    if not everywhere:
        return refuse(JobRefusal.NO_GPU)
    kinds = [kind for kind, name in everywhere.items() if is_of_type(kind, name, wish.gpu_type)]
    if not kinds:
        types = tuple(sorted(set(everywhere.values())))
        return refuse(JobRefusal.NO_GPU_OF_TYPE, asked_type=wish.gpu_type, types=types)
    largest = max(kinds, key=lambda kind: (kind.usable_mib, kind.type))
    if (wish.memory_mib or 1) <= largest.usable_mib:
        return _refuse_too_few_gpus(holdings, wish, frozenset(lending), frozenset(kinds))
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


def _refuse_types(
    rights: RightsOfJobs, there: Mapping[GpuKind, str], wish: RequestedJob
) -> _Why | None:
    if any(rights.may_use(gpu_type) for gpu_type in there.values()):
        return None
    group, types = rights.payer.group, tuple(sorted(rights.types or ()))
    line = line_of(rights.source_of_types)
    why = Derivation(Rule.RIGHT, group, (line,))
    facts: dict[str, Fact] = {"payer": group, "line": line}
    if not types:
        return _Why(0, JobRefusal.NO_TYPES, why, ADMIN, facts)
    asked = wish.gpu_type or ", ".join(sorted(set(there.values())))
    return _Why(0, JobRefusal.OTHER_TYPES, why, ADMIN, {**facts, "types": types, "asked_type": asked})


def _refuse_size(
    rights: RightsOfJobs, job: WaitingJob, there: Mapping[GpuKind, str]
) -> _Why | None:
    if job.kinds:
        return None
    most = [
        (amount, gpu_type, kind)
        for kind, gpu_type in there.items()
        if rights.may_use(gpu_type) and (amount := rights.largest_on(kind, gpu_type)) is not None
    ]
    largest, gpu_type, kind = max(most, key=lambda each: (each[0].memory_mib, each[0].compute_milli))
    group, line = rights.payer.group, line_of(rights.payer.sizes.source)
    why = Derivation(Rule.RIGHT, group, (line,))
    facts: dict[str, Fact] = {"payer": group, "line": line, "gpu_type": gpu_type}
    if largest.memory_mib == 0:
        return _Why(1, JobRefusal.NO_SIZE_ON_TYPE, why, ADMIN, facts)
    amounts = {"asked": job.amount_on(kind), "largest": largest}
    return _Why(1, JobRefusal.LARGER_THAN_SIZES, why, _LESS, {**facts, **amounts})


def _refuse_long_run(wish: RequestedJob, payer: PayerRights) -> _Why | None:
    most = payer.job_max_run.value
    # What nobody says bounds nobody who says how long.
    if most is None or payer.job_max_run.source.line is None or wish.max_run is None:
        return None
    if wish.max_run <= most:
        return None
    line = line_of(payer.job_max_run.source)
    asked_s, most_s = (int(time.total_seconds()) for time in (wish.max_run, most))
    numbers = {"asked_s": asked_s, "most_s": most_s}
    why = Derivation(Rule.LIMIT, payer.group, (line,), numbers)
    facts: dict[str, Fact] = {"payer": payer.group, "line": line, **numbers}
    return _Why(2, JobRefusal.RUNS_TOO_LONG, why, _LESS, facts)


def _of_limit(met: MetLimit, job: WaitingJob) -> _Why:
    bound = met.bound
    whose = f"'{job.owner}'" if met.group is None else f"Group '{met.group}'"
    helps = _LESS if bound.limit > 0 else ADMIN
    common: dict[str, Fact] = {"whose": whose, "line": met.line}
    numbers = dict(_amounts(bound.kind, bound.asked, bound.limit))
    why = Derivation(
        Rule.LIMIT,
        met.group,
        (met.line,),
        {"asked_thousandths": int(bound.asked * 1000), "limit_thousandths": int(bound.limit * 1000)},
    )
    match bound.kind:
        case LimitKind.TYPE:
            code, more = JobRefusal.NEVER_OF_TYPE, {"gpu_type": bound.gpu_type}
        case LimitKind.CARDS:
            code, more = JobRefusal.NEVER_SO_MANY_CARDS, {}
        case LimitKind.MEMORY:
            code, more = JobRefusal.NEVER_SO_MUCH_MEMORY, {}
        case LimitKind.SLICES:
            code, more = JobRefusal.NEVER_SO_MANY_GPUS, {}
    return _Why(4, code, why, helps, {**common, **numbers, **more})


def _amounts(kind: LimitKind, asked: Fraction, limit: Fraction) -> Iterator[tuple[str, Fact]]:
    match kind:
        case LimitKind.MEMORY:
            yield from (("asked_mib", int(asked)), ("limit_mib", int(limit)))
        case LimitKind.SLICES:
            yield from (("asked_gpus", int(asked)), ("limit_gpus", int(limit)))
        case LimitKind.TYPE | LimitKind.CARDS:
            yield from (("asked_cards", asked), ("limit_cards", limit))
