"""Which running jobs a slice takes the place of, below the limits of who pays; and until when.

Where a limit counts slices and running jobs together, a slice is let in whatever jobs have there.
The newest of those jobs are held back then, those within a guarantee last, suspended and never
ended, until all that run are within the limit again. They go on in the order of their age, each as
soon as it passes no limit; a younger one never in the room that an older one waits for. Meanwhile
they count in no limit, as nothing does that waits. So what is decided on its own result changes
nothing. Who was held back again and again pauses before it goes on (``placement.return_pauses``).
Nothing is held back because a limit became less: what runs goes on.

A job within its group's guarantee takes the place of borrowed jobs alike, and of no others.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.admission.met_limits import Without, paying_groups
from sublet_quota.document.group_limits import group_job_limits, group_limits
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit, LimitKind, bounds

RightsOf = Callable[[UserName], Rights]
"""What one person may have."""
_Part = tuple[NodeName, LimitKind, str | None]
"""One part of a limit: of cards, of a type, of memory, of slices."""
_NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class _Job:
    """A job that has its place, with all its slices: it runs on all of them, or on none."""

    slices: tuple[Holding, ...]
    amounts: Amounts

    @property
    def name(self) -> str:
        """The id of the job; of its slice where it is not known."""
        return self.slices[0].job_id or self.slices[0].slice_id

    @property
    def age(self) -> tuple[datetime, int]:
        """What the oldest has the least of."""
        return min(each.age for each in self.slices)

    @property
    def turn(self) -> tuple[bool, tuple[datetime, int]]:
        """What who goes on first has the least of: within a guarantee, then the oldest."""
        return not all(each.entitled_job for each in self.slices), self.age

    @property
    def slice_ids(self) -> tuple[SliceId, ...]:
        """The ids of the slices, sorted."""
        return tuple(sorted(each.slice_id for each in self.slices))

    def nodes(self, holdings: Holdings) -> tuple[NodeName, ...]:
        """Return where the job counts: the groups that pay, and its owner."""
        first = self.slices[0]
        return *paying_groups(holdings, first.group), own_node(first.owner)


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
    more: defaultdict[NodeName, Amounts] = defaultdict(Amounts)
    for node in (*paying_groups(holdings, group), own_node(owner)):
        more[node] += asked
    limits = {**_of_payer(holdings, group), **_of_person(rights)}
    for holding, to in recharged:
        limits |= _of_payer(holdings, to)
        for node in paying_groups(holdings, to):
            more[node] += holdings.amounts_of(holding)
    news = {own_node(owner), *paying_groups(holdings, group)}
    runs: dict[NodeName, Amounts] = {}
    for node in limits:
        slices, jobs = _held(world, node)
        if jobs.slices:
            runs[node] = slices + jobs + (asked if node in news else _NOTHING)
    if not any(_passed(node, limits[node], _NOTHING, runs[node]) for node in runs):
        # Not even with those that stand still already.
        return ()
    away = held_back_amounts(holdings)
    runs = {node: amounts - away.get(node, _NOTHING) for node, amounts in runs.items()}
    choice = _Choice(holdings, limits, runs)
    for node in runs:
        choice.hold_back(node, more[node])
    return choice.told()


def jobs_to_hold_back_for_job(
    holdings: Holdings,
    group: GroupName | None,
    asked: Amounts,
    entitled: Callable[[], AbstractSet[str]],
    recharged: Iterable[tuple[Holding, GroupName]] = (),
) -> tuple[SliceId, ...]:
    """Return the slices of borrowed jobs that a job within its group's guarantee displaces.

    ``asked``: the job as limits count it, at the expense of ``group``; ``entitled``: finds the
    ids of the jobs that are within a guarantee beside it; ``recharged``: jobs that another group
    pays for from now on. Limits that count jobs alone are kept to alike.
    """
    apart = _apart_of_payer(holdings, group)
    limits = {**_of_payer(holdings, group), **apart}
    world, away = Without(holdings), held_back_amounts(holdings)
    runs: dict[NodeName, Amounts] = {}
    for node in limits:
        slices, jobs = _held(world, node)
        if jobs.slices:
            others = jobs if node in apart else slices + jobs
            runs[node] = others + asked - away.get(node, _NOTHING)
    changed = list(recharged)
    for holding, to in changed:
        amounts = holdings.amounts_of(holding)
        for node in runs.keys() & set(paying_groups(holdings, holding.group)):
            runs[node] -= amounts
        for node in runs.keys() & set(paying_groups(holdings, to)):
            runs[node] += amounts
    spared = frozenset(holding.slice_id for holding, _ in changed)
    if not any(_passed(node, limits[node], _NOTHING, runs[node]) for node in runs):
        return ()
    choice = _Choice(holdings, limits, runs, spares=spared, spares_jobs=entitled())
    for node in runs:
        choice.hold_back(node, asked)
    return choice.told()


@dataclass(slots=True)
class _Choice:
    """The jobs that stand still, while they are chosen limit by limit."""

    holdings: Holdings
    limits: Mapping[NodeName, Limit]
    runs: dict[NodeName, Amounts]
    """What slices hold, and jobs that do not stand still, where jobs count at all."""
    held: dict[SliceId, _Job] = field(default_factory=dict)
    """By the first of their slices."""
    spares: AbstractSet[SliceId] = frozenset()
    """Slices of jobs that are held back for nobody."""
    spares_jobs: AbstractSet[str] = frozenset()
    """The same, by the ids of the jobs."""

    def hold_back(self, node: NodeName, more: Amounts) -> None:
        """Let the newest jobs stand still until what runs is within a limit where there is more."""
        limit = self.limits[node]
        parts = _passed(node, limit, _NOTHING, self.runs[node]) & set(_parts(node, limit, more))
        if not parts:
            return
        found = (each for each in _jobs_at(self.holdings, node) if not each.held_back)
        for job in sorted(_jobs(self.holdings, found), key=lambda each: each.turn, reverse=True):
            if job.slice_ids[0] in self.held or self._is_spared(job):
                continue
            others = self.runs[node] - job.amounts
            if not parts.isdisjoint(_passed(node, limit, others, job.amounts)):
                self.held[job.slice_ids[0]] = job
                for each in self._nodes_of(job):
                    self.runs[each] -= job.amounts

    def told(self) -> tuple[SliceId, ...]:
        """Return who stands still: not whom one limit holds back, and others leave room again.

        They do where they hold back older ones.
        """
        blocked: set[_Part] = set()
        spared: set[SliceId] = set()
        before = _jobs(self.holdings, self.holdings.held_back())
        for job in sorted((*before, *self.held.values()), key=lambda each: each.turn):
            nodes, passed, parts = self._nodes_of(job), set[_Part](), set[_Part]()
            for node in nodes:
                passed |= _passed(node, self.limits[node], self.runs[node], job.amounts)
                parts |= set(_parts(node, self.limits[node], job.amounts))
            if passed or not blocked.isdisjoint(parts):
                blocked |= passed
            elif job.slice_ids[0] in self.held:
                spared.add(job.slice_ids[0])
                for node in nodes:
                    self.runs[node] += job.amounts
        held = (job for name, job in self.held.items() if name not in spared)
        return tuple(slice_id for job in held for slice_id in job.slice_ids)

    def _is_spared(self, job: _Job) -> bool:
        return job.name in self.spares_jobs or not self.spares.isdisjoint(job.slice_ids)

    def _nodes_of(self, job: _Job) -> AbstractSet[NodeName]:
        return self.runs.keys() & set(job.nodes(self.holdings))


def jobs_to_go_on(
    holdings: Holdings, rights_of: RightsOf, pausing: Container[SliceId] = ()
) -> tuple[SliceId, ...]:
    """Return the slices of jobs that were held back, and for which limits have room again.

    ``pausing``: slices that do not go on yet, nor keep younger ones from it.
    """
    away, world = held_back_amounts(holdings), Without(holdings)
    blocked: set[_Part] = set()
    going_on: list[SliceId] = []
    for job in sorted(_jobs(holdings, holdings.held_back()), key=lambda each: each.age):
        if any(slice_id in pausing for slice_id in job.slice_ids):
            continue
        rights, group = rights_of(job.slices[0].owner), job.slices[0].group
        limits = {**_of_payer(holdings, group), **_of_person(rights)}
        apart = {**_apart_of_payer(holdings, group), **_apart_of_person(rights)}
        passed: set[_Part] = set()
        parts: set[_Part] = set()
        for node, limit in {**limits, **apart}.items():
            slices, jobs = _held(world, node)
            running = jobs - away.get(node, _NOTHING)
            running += _NOTHING if node in apart else slices
            passed |= _passed(node, limit, running, job.amounts)
            parts |= set(_parts(node, limit, job.amounts))
        if passed or not blocked.isdisjoint(parts):
            blocked |= passed
            continue
        going_on += job.slice_ids
        for node in job.nodes(holdings):
            away[node] -= job.amounts
    return tuple(going_on)


def _of_payer(holdings: Holdings, group: GroupName | None) -> Mapping[NodeName, Limit]:
    """Return the limits of a group and of all above it in which jobs count beside slices."""
    document = holdings.document
    if group is None or group not in document.all_groups:
        return {}
    apart = group_job_limits(document, group)
    return {
        node: limit for node, limit in group_limits(document, group).items() if node not in apart
    }


def _of_person(rights: Rights) -> Mapping[NodeName, Limit]:
    """Return the same of a person."""
    if rights.job_limit is not None:
        return {}
    return {own_node(rights.owner): rights.limit.with_jobs.limit}


def _apart_of_payer(holdings: Holdings, group: GroupName | None) -> Mapping[NodeName, Limit]:
    """Return the limits of a group and of all above it that count jobs alone."""
    document = holdings.document
    if group is None or group not in document.all_groups:
        return {}
    return group_job_limits(document, group)


def _apart_of_person(rights: Rights) -> Mapping[NodeName, Limit]:
    """Return the same of a person."""
    if rights.job_limit is None:
        return {}
    return {own_node(rights.owner): rights.job_limit.with_jobs.limit}


def own_node(owner: UserName) -> NodeName:
    """Return by which name a person's amounts are kept: no group's ends so."""
    return NodeName(f"{owner}/")


def _owner_at(node: NodeName) -> UserName | None:
    """Return whose amounts are kept by a name; ``None``: it is a group's."""
    return UserName(node[:-1]) if node.endswith("/") else None


def _parts(node: NodeName, limit: Limit, amounts: Amounts) -> Iterator[_Part]:
    """Yield the parts of a limit in which amounts count."""
    met = bounds({node: limit}, {}, (node,), amounts)
    return ((node, bound.kind, bound.gpu_type) for bound in met)


def _passed(node: NodeName, limit: Limit, others: Amounts, more: Amounts) -> set[_Part]:
    """Return the parts of a limit that so much more passes beside others."""
    met = bounds({node: limit}, {node: others}, (node,), more)
    return {(node, bound.kind, bound.gpu_type) for bound in met if not bound.allows}


def _held(world: Without, node: NodeName) -> tuple[Amounts, Amounts]:
    """Return what slices and what jobs hold at a group, or of a person."""
    holdings, owner = world.holdings, _owner_at(node)
    if owner is not None:
        return holdings.held_by(owner), holdings.jobs_held_by(owner)
    return world.held(node), holdings.jobs_held(node)


def _jobs_at(holdings: Holdings, node: NodeName) -> Iterator[Holding]:
    owner = _owner_at(node)
    if owner is not None:
        return (each for each in holdings.slices_of(owner) if not each.is_notebook)
    return holdings.jobs_paid_below(GroupName(node))


def _jobs(holdings: Holdings, slices: Iterable[Holding]) -> Iterator[_Job]:
    """Yield slices by the job that they are of."""
    of_job: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in slices:
        of_job[holding.job_id or holding.slice_id].append(holding)
    return (_Job(tuple(own), _sum_of(holdings, own)) for own in of_job.values())


def _sum_of(holdings: Holdings, slices: Iterable[Holding]) -> Amounts:
    return sum((holdings.amounts_of(each) for each in slices), _NOTHING)


def held_back_amounts(holdings: Holdings) -> defaultdict[NodeName, Amounts]:
    """Return what jobs that are held back hold, by group and person (``own_node``)."""
    away: defaultdict[NodeName, Amounts] = defaultdict(Amounts)
    for holding in holdings.held_back():
        amounts = holdings.amounts_of(holding)
        for node in (*paying_groups(holdings, holding.group), own_node(holding.owner)):
            away[node] += amounts
    return away
