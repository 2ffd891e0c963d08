"""Limits as jobs meet them: of their payer, of all groups above it, and of their owner.

A limit counts slices and running jobs together; where ``jobs.limit`` is said, that counts the jobs
and nothing else does. What nobody said (the slices that a person may have by default) bounds
notebooks alone. All bind, and the one with least room is named first.

A job that is held back counts nothing, as nothing does that waits; but where its limit has no room
for it beside what runs, nobody who comes later takes what there is.

What a job waits for below a limit, or on a card that is kept for it, is kept from those behind.

For a job that is within its group's guarantee a group's limit counts only what is entitled below
it, slices and jobs; of a limit that counts slices, too, cards are no matter then, as guarantees are
never above limits. Where it starts, the newest borrowed jobs below a limit make way for it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from sublet_quota.admission.ended_budgets import budget_that_refuses
from sublet_quota.admission.jobs_below_limits import held_back_amounts, own_node
from sublet_quota.admission.jobs_held_back import ComingJob, jobs_to_hold_back_for_job
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.group_limits import group_job_limits, group_limits, source_of
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import PersonLimit, Rights, Source
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.payers.kept_limits import KeptLimits, Part
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Bound, Limit, LimitKind, bounds

NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class MetLimit:
    """A limit as one job meets it."""

    group: GroupName | None
    """Whose limit it is; ``None``: the owner's own."""
    bound: Bound
    line: DocumentLine
    """Where the quota document says it."""
    kept: bool = False
    """Whether it has room, which is kept for jobs that come before."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The limit of one group, or of the owner."""

    group: GroupName | None
    limit: Limit
    jobs_alone: bool
    """Whether it counts jobs and no slices."""
    lines: Mapping[str, DocumentLine] = field(default_factory=dict)
    """Where each part is said: by GPU type, and by the kind of the limit."""


class KnownLimits:
    """The limits of groups and owners under one document, each looked up once."""

    def __init__(self, document: QuotaDocument) -> None:
        self.document = document
        self._groups: dict[GroupName, tuple[_Level, ...]] = {}
        self._owners: dict[tuple[UserName, tuple[str, ...]], tuple[_Level, ...]] = {}
        self._limiting: dict[GroupName | None, tuple[GroupName, ...]] = {}

    def groups_of(self, group: GroupName | None) -> tuple[GroupName, ...]:
        """Return the groups whose limits count what a group pays for."""
        if group not in self._limiting:
            levels = self._of_group(group)
            self._limiting[group] = tuple(one.group for one in levels if one.group is not None)
        return self._limiting[group]

    def of(self, job: WaitingJob) -> tuple[_Level, ...]:
        """Return the limits of a job's payer and owner."""
        return (*self._of_group(job.group), *self._of_owner(job.owner, job.hub_groups))

    def _of_group(self, group: GroupName | None) -> tuple[_Level, ...]:
        if group is None or group not in self.document.all_groups:
            return ()
        if group not in self._groups:
            self._groups[group] = tuple(_group_levels(self.document, group))
        return self._groups[group]

    def _of_owner(self, owner: UserName, hub_groups: tuple[str, ...]) -> tuple[_Level, ...]:
        key = owner, hub_groups
        if key not in self._owners:
            self._owners[key] = tuple(_own_levels(rights_of(self.document, owner, hub_groups)))
        return self._owners[key]


class _Held(NamedTuple):
    """What counts in one limit."""

    runs: Amounts
    """What slices have, and jobs that are not held back."""
    held_back: Amounts


_NOTHING_HELD: Final = _Held(NOTHING, NOTHING)


class JobLimits:
    """The limits, with what one round has placed so far."""

    def __init__(self, holdings: Holdings, known: KnownLimits | None = None) -> None:
        """``known``: the limits under the document of ``holdings``, from round to round."""
        self._holdings = holdings
        self._known = KnownLimits(holdings.document) if known is None else known
        self._taken: defaultdict[NodeName, Amounts] = defaultdict(Amounts)
        self._taken_by_right: defaultdict[NodeName, Amounts] = defaultdict(Amounts)
        self._away: Mapping[NodeName, Amounts] | None = None
        """What jobs that are held back have, by group and owner, once that was asked for."""
        self._holds: dict[tuple[NodeName, bool, bool], _Held] = {}
        self._kept = KeptLimits()
        self._found: dict[object, MetLimit | None] = {}
        """What was found since something was placed last; so are the amounts in ``_holds``."""

    def in_the_way(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> MetLimit | None:
        """Return the limit with least room that the job would pass now; ``None``: it fits in."""
        by_right = is_by_right(job, gpu_type)
        asked = amounts_of(job, kind, gpu_type)
        who = job.owner, job.hub_groups, job.group, by_right
        key = (*who, gpu_type, asked.cards[gpu_type], asked.memory_mib, asked.slices)
        if key not in self._found:
            # Most jobs pass none: what is not passed is found more quickly than what is.
            held = partial(self._held, owner=job.owner, by_right=by_right)
            levels = self._levels(job, by_right=by_right)
            passed = [each for each in levels if _is_passed(each, held(each), asked)]
            found = _first(passed, asked, held)
            self._found[key] = found or self._kept_from(job, levels, asked, by_right=by_right)
        return self._found[key]

    def never_fits(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> MetLimit | None:
        """Return a limit that the job would pass even if nothing else ran."""
        asked = amounts_of(job, kind, gpu_type)
        return _first(self._known.of(job), asked, lambda _: _NOTHING_HELD)

    def keep(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> None:
        """Keep room below all limits for a job that waits for a card alone."""
        by_right, asked = is_by_right(job, gpu_type), amounts_of(job, kind, gpu_type)
        for level in self._levels(job, by_right=by_right):
            for bound in _bounds(level, _NOTHING_HELD, asked):
                self._kept.add(_part(level.group, bound, job), bound.asked, by_right=by_right)
                self._found.clear()

    def keep_full(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> bool:
        """Keep what comes free below full limits, where a job has room once jobs there are done.

        Where its owner's own are full, those alone. Returns whether it has room then.
        """
        by_right, asked = is_by_right(job, gpu_type), amounts_of(job, kind, gpu_type)
        met = self.in_the_way(job, kind, gpu_type)
        if not met or self._kept.has(_part(met.group, met.bound, job), by_right=by_right):
            return True
        full: dict[GroupName | None, tuple[Bound, ...]] = {}
        for level in self._levels(job, by_right=by_right):
            slices = self._slices_at(level, job.owner, by_right=by_right)
            if _is_passed(level, _Held(slices, NOTHING), asked):
                return False
            every = _bounds(level, self._held(level, job.owner, by_right=by_right), asked)
            full[level.group] = tuple(bound for bound in every if not bound.allows)
        for group in [None] if full.get(None) else full:
            for bound in full[group]:
                self._kept.add_first(_part(group, bound, job), bound.asked, by_right=by_right)
        self._found.clear()
        return True

    def met(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> tuple[MetLimit, ...]:
        """Return all limits that the job meets, the least room first."""
        by_right = is_by_right(job, gpu_type)
        held = partial(self._held, owner=job.owner, by_right=by_right)
        levels = self._levels(job, by_right=by_right)
        return _met(levels, amounts_of(job, kind, gpu_type), held)

    def lets_in(self, job: WaitingJob) -> bool:
        """Whether no budget of a job's payer that is over refuses what is new."""
        return budget_that_refuses(self._holdings, job.group, job.owner) is None

    def take(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> None:
        """Count a job that was placed."""
        amounts = amounts_of(job, kind, gpu_type)
        self._count(job, amounts, self._taken)
        if is_by_right(job, gpu_type):
            self._count(job, amounts, self._taken_by_right)

    def recharge(self, amounts: Amounts, former: WaitingJob | None, to: WaitingJob | None) -> None:
        """Count a running job no longer at the expense of one payer, and at another's instead."""
        if former is not None:
            self._count(former, NOTHING - amounts, self._taken)
        if to is not None:
            self._count(to, amounts, self._taken)

    def groups_with_limits(self, job: WaitingJob) -> tuple[GroupName, ...]:
        """Return the groups whose limits count a job."""
        return self._known.groups_of(job.group)

    def _kept_from(
        self, job: WaitingJob, levels: Iterable[_Level], asked: Amounts, *, by_right: bool
    ) -> MetLimit | None:
        """Return a limit of which what is left is kept for jobs before this one, or ``None``."""
        for level in () if self._kept.is_empty else levels:
            counted = self._held(level, job.owner, by_right=by_right)
            for bound in _bounds(level, counted, asked):
                part = _part(level.group, bound, job)
                if self._kept.leaves(part, bound.room, by_right=by_right) < bound.asked:
                    line = level.lines[bound.gpu_type or bound.kind.value]
                    return MetLimit(level.group, bound, line, kept=True)
        return None

    def _slices_at(self, level: _Level, owner: UserName, *, by_right: bool) -> Amounts:
        """Return what of a limit notebooks have."""
        if level.jobs_alone:
            return NOTHING
        if by_right and level.group is not None:
            return self._holdings.entitled_inside(NodeName(level.group))
        return self._of_level(level, owner)[1]

    def _count(
        self, job: WaitingJob, amounts: Amounts, taken: defaultdict[NodeName, Amounts]
    ) -> None:
        for level in self._known.of(job):
            taken[_node(level, job.owner)] += amounts
        self._found.clear()
        self._holds.clear()

    def _levels(self, job: WaitingJob, *, by_right: bool) -> tuple[_Level, ...]:
        """Return the limits that a job meets, by what they bound it."""
        levels = self._known.of(job)
        return tuple(map(_less_guaranteed, levels)) if by_right else levels

    def _held(self, level: _Level, owner: UserName, *, by_right: bool) -> _Held:
        key = _node(level, owner), level.jobs_alone, by_right
        if key not in self._holds and by_right and level.group is not None:
            node = key[0]
            runs = self._taken_by_right.get(node, NOTHING) + self._holdings.entitled_jobs_held(node)
            if not level.jobs_alone:
                runs += self._holdings.entitled_inside(node)
            self._holds[key] = _Held(runs, NOTHING)
        if key not in self._holds:
            if self._away is None:
                self._away = held_back_amounts(self._holdings)
            away = self._away.get(key[0], NOTHING)
            jobs, slices = self._of_level(level, owner)
            runs = self._taken.get(key[0], NOTHING) + jobs - away
            self._holds[key] = _Held(runs if level.jobs_alone else runs + slices, away)
        return self._holds[key]

    def _of_level(self, level: _Level, owner: UserName) -> tuple[Amounts, Amounts]:
        """Return what jobs have and what slices have, of the group or of the owner."""
        holdings = self._holdings
        if level.group is None:
            return holdings.jobs_held_by(owner), holdings.held_by(owner)
        node = NodeName(level.group)
        return holdings.jobs_held(node), holdings.held(node)


def is_by_right(job: WaitingJob, gpu_type: str) -> bool:
    """Whether a job is wholly within its group's guarantee on cards of a type."""
    return job.rank is Rank.ENTITLED and job.entitled_on == gpu_type


def jobs_that_make_way(
    holdings: Holdings, placement: JobPlacement, entitled: Callable[[], AbstractSet[str]]
) -> tuple[SliceId, ...]:
    """Return the slices of jobs that stand still for one that starts within a guarantee.

    ``entitled``: finds the ids of the jobs that are within one once it is there.
    """
    job, gpu_type = placement.job, holdings.type_of(placement.gpu_id)
    facts = holdings.gpu(placement.gpu_id)
    if facts is None or gpu_type is None or not is_by_right(job, gpu_type):
        return ()
    asked = amounts_of(job, facts.kind, gpu_type)
    changed = ((holdings.slice(slice_id), to) for slice_id, to in placement.recharged)
    recharged = [(holding, to) for holding, to in changed if holding is not None]
    return jobs_to_hold_back_for_job(holdings, ComingJob(job.group, asked, entitled), recharged)


def _less_guaranteed(level: _Level) -> _Level:
    """Return what a limit bounds of what is within a guarantee, which is never above it."""
    if level.group is None or level.jobs_alone:
        return level
    return replace(level, limit=replace(level.limit, types={}, cards=None))


def _is_passed(level: _Level, counted: _Held, asked: Amounts) -> bool:
    if counted.held_back.slices:
        return not all(bound.allows for bound in _bounds(level, counted, asked))
    held, limit = counted.runs, level.limit
    ((gpu_type, cards),) = asked.cards.items()
    of_type = limit.types.get(gpu_type)
    return (
        (of_type is not None and held.cards.get(gpu_type, NO_CARD) + cards > of_type)
        or (limit.cards is not None and total(held.cards.values()) + cards > limit.cards)
        or (limit.memory_mib is not None and held.memory_mib + asked.memory_mib > limit.memory_mib)
        or (limit.slices is not None and held.slices + asked.slices > limit.slices)
    )


def amounts_of(job: WaitingJob, kind: GpuKind, gpu_type: str) -> Amounts:
    """Return a job as limits count it: on each card it counts as one slice."""
    memory_mib = job.amount_on(kind).memory_mib * job.gpus
    return Amounts({gpu_type: job.cards_on(kind)}, memory_mib, job.gpus)


def _first(
    levels: Iterable[_Level], asked: Amounts, held: Callable[[_Level], _Held]
) -> MetLimit | None:
    return next((met for met in _met(levels, asked, held) if not met.bound.allows), None)


def _met(
    levels: Iterable[_Level], asked: Amounts, held: Callable[[_Level], _Held]
) -> tuple[MetLimit, ...]:
    met = [
        MetLimit(level.group, bound, level.lines[bound.gpu_type or bound.kind.value])
        for level in levels
        for bound in _bounds(level, held(level), asked)
    ]
    return tuple(sorted(met, key=lambda each: each.bound.room / each.bound.asked))


def _bounds(level: _Level, held: _Held, asked: Amounts) -> Iterator[Bound]:
    """Yield the parts of a limit; a job that is held back counts where it waits for room."""
    node = NodeName(level.group or "")
    met = bounds({node: level.limit}, {node: held.runs}, (node,), asked)
    if not held.held_back.slices:
        yield from met
        return
    every = bounds({node: level.limit}, {node: held.runs + held.held_back}, (node,), asked)
    with_all = {(bound.kind, bound.gpu_type): bound for bound in every}
    for bound in met:
        waits = with_all[bound.kind, bound.gpu_type]
        yield waits if waits.room < 0 else bound


def _node(level: _Level, owner: UserName) -> NodeName:
    """Return by which name a level's amounts are kept: no group's ends like a person's."""
    return own_node(owner) if level.group is None else NodeName(level.group)


def _part(group: GroupName | None, bound: Bound, job: WaitingJob) -> Part:
    node = own_node(job.owner) if group is None else NodeName(group)
    return node, bound.kind, bound.gpu_type


def _group_levels(document: QuotaDocument, group: GroupName) -> Iterator[_Level]:
    apart = group_job_limits(document, group)
    for node, together in group_limits(document, group).items():
        name = GroupName(node)
        limit = apart.get(node, together)
        where = ("jobs", "limit") if node in apart else ("limit",)
        path = (*key_path(document.path_of(name)), *where)
        lines = {key: line_of(source_of(document, (*path, key))) for key in _keys(limit)}
        if lines:
            yield _Level(name, limit, node in apart, lines)


def _own_levels(rights: Rights) -> Iterator[_Level]:
    apart = rights.job_limit
    person = rights.limit_with_jobs if apart is None else apart.with_jobs
    said = person.limit
    lines = {key: line_of(_source(person, key)) for key in _keys(said)}
    if lines:
        yield _Level(None, said, apart is not None, lines)


def _keys(limit: Limit) -> Iterator[str]:
    """Yield what a limit says, by the keys of the document."""
    yield from limit.types
    counted = {
        LimitKind.CARDS: limit.cards,
        LimitKind.MEMORY: limit.memory_mib,
        LimitKind.SLICES: limit.slices,
    }
    yield from (kind.value for kind, most in counted.items() if most is not None)


def _source(person: PersonLimit, key: str) -> Source:
    if key in person.types:
        return person.source(LimitKind.TYPE, key)
    return person.source(LimitKind(key))


def line_of(source: Source) -> DocumentLine:
    """Return where a right is said, as it is told."""
    return DocumentLine(source.key, source.line)
