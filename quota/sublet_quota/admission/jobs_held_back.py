"""Which running jobs a slice takes the place of, below the limits of who pays.

Where a limit counts slices and running jobs together, a slice is let in whatever jobs have there.
The newest of those jobs are held back then, those within a guarantee last, suspended and never
ended, until all that run are within the limit again (``jobs_going_on``). Meanwhile they count in no
limit, as nothing does that waits. So what is decided on its own result changes nothing. Nothing is
held back because a limit became less: what runs goes on.

A job within its group's guarantee takes the place of borrowed jobs alike, and of no others. What is
borrowed takes the place of no such job: it is not let in then (``met_limits``).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.admission.jobs_below_limits import (
    NOTHING,
    Part,
    PlacedJob,
    apart_of_payer,
    held_at,
    held_back_at,
    jobs_at,
    jobs_of,
    limits_of_payer,
    limits_of_person,
    name_of,
    own_node,
    parts_of,
    passed_parts,
)
from sublet_quota.admission.met_limits import Without, paying_groups
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit


@dataclass(frozen=True, slots=True)
class ComingJob:
    """A job that takes its place within its group's guarantee."""

    group: GroupName | None
    amounts: Amounts
    """The job as limits count it."""
    entitled: Callable[[], AbstractSet[str]]
    """Finds the names of the jobs that are within a guarantee beside it, at least in part."""
    goes_on: str | None = None
    """Its own name, where it stands still so far."""


def jobs_to_hold_back(
    holdings: Holdings,
    rights: Rights,
    group: GroupName | None,
    asked: Amounts,
    recharged: tuple[tuple[Holding, GroupName], ...] = (),
) -> tuple[SliceId, ...]:
    """Return the slices of jobs that a new slice takes the place of, which a group pays.

    ``asked``: the slice as limits count it; ``rights``: its owner's. ``recharged``: slices that
    another group pays for from now on, of others to let it in, or (beside none that is new) alone.
    """
    owner = rights.owner
    world = Without(holdings, recharged=recharged)
    news = {own_node(owner), *paying_groups(holdings, group)}
    more: defaultdict[NodeName, Amounts] = defaultdict(Amounts, dict.fromkeys(news, asked))
    limits = {**limits_of_payer(holdings, group), **limits_of_person(rights)}
    payers = {group}
    for holding, to in recharged:
        payers.add(to)
        limits |= limits_of_payer(holdings, to)
        for node in paying_groups(holdings, to):
            more[node] += holdings.amounts_of(holding)
    runs: dict[NodeName, Amounts] = {}
    for node in limits:
        slices, jobs = held_at(world, node)
        if jobs.slices:
            runs[node] = slices + jobs + (asked if node in news else NOTHING)
    return _chosen(holdings, limits, runs, _Coming(more, payers))


def jobs_to_hold_back_for_job(
    holdings: Holdings, job: ComingJob, recharged: Iterable[tuple[Holding, GroupName]] = ()
) -> tuple[SliceId, ...]:
    """Return the slices of borrowed jobs that a job within its group's guarantee displaces.

    ``recharged``: jobs that another group pays for from now on. Limits that count jobs alone are
    kept to alike.
    """
    group, asked = job.group, job.amounts
    apart = apart_of_payer(holdings, group)
    limits = {**limits_of_payer(holdings, group), **apart}
    world = Without(holdings)
    runs: dict[NodeName, Amounts] = {}
    for node in limits:
        slices, jobs = held_at(world, node)
        if jobs.slices:
            runs[node] = asked + (jobs if node in apart else slices + jobs)
    changed = list(recharged)
    for holding, to in changed:
        amounts = holdings.amounts_of(holding)
        for node in runs.keys() & set(paying_groups(holdings, holding.group)):
            runs[node] -= amounts
        for node in runs.keys() & set(paying_groups(holdings, to)):
            runs[node] += amounts
    charged = frozenset(name_of(holding) for holding, _ in changed)
    more = dict.fromkeys(runs, asked)
    coming = _Coming(more, {group}, lambda: charged | job.entitled(), job.goes_on)
    return _chosen(holdings, limits, runs, coming)


@dataclass(frozen=True, slots=True)
class _Coming:
    """What comes below limits, and who makes no way for it."""

    more: Mapping[NodeName, Amounts]
    """By group and person."""
    payers: AbstractSet[GroupName | None]
    spares: Callable[[], AbstractSet[str]] = frozenset
    """Finds the names of the jobs that are held back for nobody."""
    goes_on: str | None = None
    """The name of a job that stands still so far, and comes itself."""

    def turn(self, job: PlacedJob) -> tuple[bool, bool, tuple[datetime, int]]:
        """What who goes on first has the least of: within a guarantee, then the oldest.

        First are those of other groups, wholly within their guarantees.
        """
        of_others = job.slices[0].group not in self.payers
        return not (of_others and job.is_by_right), not job.is_entitled, job.age


def _chosen(
    holdings: Holdings,
    limits: Mapping[NodeName, Limit],
    runs: dict[NodeName, Amounts],
    coming: _Coming,
) -> tuple[SliceId, ...]:
    """Return the slices of the jobs that stand still for what comes.

    ``runs``: what counts then in each limit that counts jobs which are there.
    """
    runs = {node: amounts - held_back_at(holdings, node) for node, amounts in runs.items()}
    if not any(passed_parts(node, limits[node], NOTHING, runs[node]) for node in runs):
        return ()
    choice = _Choice(holdings, limits, runs, coming, coming.spares())
    for node in runs:
        choice.hold_back(node, coming.more.get(node, NOTHING))
    return choice.told()


@dataclass(slots=True)
class _Choice:
    """The jobs that stand still, while they are chosen limit by limit."""

    holdings: Holdings
    limits: Mapping[NodeName, Limit]
    runs: dict[NodeName, Amounts]
    """What slices hold, and jobs that do not stand still, where jobs count at all."""
    coming: _Coming
    spares: AbstractSet[str]
    held: dict[str, PlacedJob] = field(default_factory=dict)
    """By their names."""

    def hold_back(self, node: NodeName, more: Amounts) -> None:
        """Let the newest jobs stand still until what runs is within a limit where there is more."""
        limit = self.limits[node]
        parts = passed_parts(node, limit, NOTHING, self.runs[node]) & set(
            parts_of(node, limit, more)
        )
        if not parts:
            return
        found = (each for each in jobs_at(self.holdings, node) if not each.held_back)
        for job in sorted(jobs_of(self.holdings, found), key=self.coming.turn, reverse=True):
            if job.name in self.held or job.name in self.spares:
                continue
            others = self.runs[node] - job.amounts
            if not parts.isdisjoint(passed_parts(node, limit, others, job.amounts)):
                self.held[job.name] = job
                for each in self._nodes_of(job):
                    self.runs[each] -= job.amounts

    def told(self) -> tuple[SliceId, ...]:
        """Return who stands still: not whom one limit holds back, and others leave room again.

        They do where they hold back older ones.
        """
        blocked: set[Part] = set()
        spared: set[str] = set()
        stand = jobs_of(self.holdings, self.holdings.held_back())
        before = (job for job in stand if job.name != self.coming.goes_on)
        for job in sorted((*before, *self.held.values()), key=self.coming.turn):
            nodes, passed, parts = self._nodes_of(job), set[Part](), set[Part]()
            for node in nodes:
                passed |= passed_parts(node, self.limits[node], self.runs[node], job.amounts)
                parts |= set(parts_of(node, self.limits[node], job.amounts))
            if passed or not blocked.isdisjoint(parts):
                blocked |= passed
            elif job.name in self.held:
                spared.add(job.name)
                for node in nodes:
                    self.runs[node] += job.amounts
        held = (job for name, job in self.held.items() if name not in spared)
        return tuple(slice_id for job in held for slice_id in job.slice_ids)

    def _nodes_of(self, job: PlacedJob) -> AbstractSet[NodeName]:
        return self.runs.keys() & set(job.nodes(self.holdings))
