"""Which jobs go on that stand still below a limit, as there is room again.

They do in the order of their age, each as soon as it passes no limit; a younger one never in the
room that an older one waits for. One within its group's guarantee comes first, and meets limits as
one that starts: what others borrow below them keeps it back no longer, and the newest borrowed jobs
there stand still for it. So a job that stands still has what one that waits beside it would have.
Any other that was held back again and again pauses before it goes on (``placement.return_pauses``).
Those that make way on its card for one that goes on stand still with that.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

from sublet_quota.admission.jobs_below_limits import (
    Part,
    PlacedJob,
    apart_of_payer,
    apart_of_person,
    held_at,
    held_back_at,
    jobs_of,
    limits_of_payer,
    limits_of_person,
    owner_at,
    parts_of,
    passed_parts,
)
from sublet_quota.admission.jobs_held_back import ComingJob, jobs_to_hold_back_for_job
from sublet_quota.admission.met_limits import Without
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, JobId, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit

RightsOf = Callable[[UserName], Rights]
"""What one person may have."""
_Said = tuple[NodeName, Limit]
_NO_LIMIT: Final = Limit()
_NOBODY: Final[Mapping[SliceId, tuple[SliceId, ...]]] = {}


@dataclass(frozen=True, slots=True)
class GoingOn:
    """The slices of jobs that go on."""

    slices: tuple[SliceId, ...] = ()
    holds_back: tuple[SliceId, ...] = ()
    """Those of borrowed jobs that stand still for the one that goes on within its guarantee."""
    holds_back_on_card: tuple[SliceId, ...] = ()
    """Those that stand still as they make way on the cards of those that go on."""


def jobs_to_go_on(
    holdings: Holdings,
    rights_of: RightsOf,
    ranks: Callable[[], Mapping[JobId, Rank]],
    pausing: Container[SliceId] = (),
    makes_way: Mapping[SliceId, tuple[SliceId, ...]] = _NOBODY,
) -> GoingOn:
    """Return which jobs that were held back go on, as limits have room again.

    ``ranks``: finds how jobs that have their place are entitled, those that stand still among
    them; who is missing is borrowed. One within its group's guarantee goes on whatever others
    borrow below the limits above, as it starts: it is told alone. Once it is done, this is to be
    asked again, until there is none. ``pausing``: slices that do not go on yet, nor keep younger
    ones from it, unless they are of such a job: that has its place at once. ``makes_way``: by the
    slice of one that goes on, which stand still on its card then.
    """
    stand = tuple(jobs_of(holdings, holdings.held_back()))
    if not stand:
        return GoingOn()
    known = ranks()
    by_right = {job.name for job in stand if known.get(JobId(job.name)) is Rank.ENTITLED}
    running = _Running(holdings)
    blocked: set[Part] = set()
    going_on: list[SliceId] = []
    of_persons: dict[UserName, tuple[_Counted, ...]] = {}
    for job in sorted(stand, key=lambda each: (each.name not in by_right, each.age)):
        if job.name not in by_right and any(each in pausing for each in job.slice_ids):
            continue
        owner, group = job.slices[0].owner, job.slices[0].group
        if owner not in of_persons:
            of_persons[owner] = _of_person(rights_of(owner))
        passed: set[Part] = set()
        parts: set[Part] = set()
        for each in (*running.limits_of(group), *of_persons[owner]):
            passed |= passed_parts(each.node, each.limit, running.at(each), job.amounts)
            parts.update(parts_of(each.node, each.limit, job.amounts))
        displaces = bool(passed) and job.name in by_right
        if displaces:
            of_person = {part for part in passed if owner_at(part[0]) is not None}
            passed = of_person | _passed_by_right(holdings, group, job.amounts)
        if passed or not blocked.isdisjoint(parts):
            blocked |= passed
            continue
        if displaces:
            if going_on:
                break
            entitled = frozenset(name for name, rank in known.items() if rank < Rank.BORROWED)
            coming = ComingJob(group, job.amounts, partial(frozenset, entitled), job.name)
            others = jobs_to_hold_back_for_job(holdings, coming)
            return GoingOn(job.slice_ids, others, _made_way(job.slice_ids, makes_way))
        going_on += job.slice_ids
        running.goes_on(job)
    return GoingOn(tuple(going_on), (), _made_way(going_on, makes_way))


def _made_way(
    going_on: Iterable[SliceId], makes_way: Mapping[SliceId, tuple[SliceId, ...]]
) -> tuple[SliceId, ...]:
    """Return who stands still for those that go on."""
    return tuple(dict.fromkeys(each for name in going_on for each in makes_way.get(name, ())))


class _Counted(NamedTuple):
    """A limit that counts jobs."""

    node: NodeName
    limit: Limit
    jobs_alone: bool


class _Running:
    """What runs in each limit, those among it that go on, looked up once."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._world = Without(holdings)
        self._limits: dict[GroupName | None, tuple[_Counted, ...]] = {}
        self._at: dict[NodeName, Amounts] = {}
        """Where it was asked for."""
        self._more: defaultdict[NodeName, Amounts] = defaultdict(Amounts)
        """Those that go on."""

    def limits_of(self, group: GroupName | None) -> tuple[_Counted, ...]:
        """Return the limits of a group, and of all above it."""
        if group not in self._limits:
            limits = limits_of_payer(self._holdings, group).items()
            apart = apart_of_payer(self._holdings, group).items()
            self._limits[group] = _counted(limits, apart)
        return self._limits[group]

    def at(self, limit: _Counted) -> Amounts:
        """Return what runs below a limit."""
        node = limit.node
        if node not in self._at:
            slices, jobs = held_at(self._world, node)
            runs = jobs - held_back_at(self._holdings, node) + self._more[node]
            self._at[node] = runs if limit.jobs_alone else runs + slices
        return self._at[node]

    def goes_on(self, job: PlacedJob) -> None:
        """Count a job that stood still."""
        for node in job.nodes(self._holdings):
            self._more[node] += job.amounts
            self._at.pop(node, None)


def _of_person(rights: Rights) -> tuple[_Counted, ...]:
    return _counted(limits_of_person(rights).items(), apart_of_person(rights).items())


def _counted(limits: Iterable[_Said], apart: Iterable[_Said]) -> tuple[_Counted, ...]:
    """Return the limits that say anything."""
    return (
        *(_Counted(node, said, jobs_alone=False) for node, said in limits if said != _NO_LIMIT),
        *(_Counted(node, said, jobs_alone=True) for node, said in apart if said != _NO_LIMIT),
    )


def _passed_by_right(holdings: Holdings, group: GroupName | None, asked: Amounts) -> set[Part]:
    """Return the parts of groups' limits that a job passes beside what is entitled below them.

    Of cards there is room then, always, but where jobs have a limit apart.
    """
    passed: set[Part] = set()
    for node, limit in apart_of_payer(holdings, group).items():
        passed |= passed_parts(node, limit, holdings.entitled_jobs_held(node), asked)
    for node, limit in limits_of_payer(holdings, group).items():
        there = holdings.entitled_jobs_held(node) + holdings.entitled_inside(node)
        passed |= passed_parts(node, replace(limit, types={}, cards=None), there, asked)
    return passed
