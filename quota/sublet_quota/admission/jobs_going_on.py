"""Which jobs go on that stand still below a limit, as there is room again.

They do in the order of their age, each as soon as it passes no limit; a younger one never in the
room that an older one waits for. One within its group's guarantee comes first, and meets limits as
one that starts: what others borrow below them keeps it back no longer, and the newest borrowed jobs
there stand still for it. So a job that stands still has what one that waits beside it would have.
Any other that was held back again and again pauses before it goes on (``placement.return_pauses``).
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from functools import partial

from sublet_quota.admission.jobs_below_limits import (
    NOTHING,
    Part,
    apart_of_payer,
    apart_of_person,
    held_at,
    held_back_amounts,
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
from sublet_quota.shares.limits import Amounts

RightsOf = Callable[[UserName], Rights]
"""What one person may have."""


@dataclass(frozen=True, slots=True)
class GoingOn:
    """The slices of jobs that go on."""

    slices: tuple[SliceId, ...] = ()
    holds_back: tuple[SliceId, ...] = ()
    """Those of borrowed jobs that stand still for the one that goes on within its guarantee."""


def jobs_to_go_on(
    holdings: Holdings,
    rights_of: RightsOf,
    ranks: Callable[[], Mapping[JobId, Rank]],
    pausing: Container[SliceId] = (),
) -> GoingOn:
    """Return which jobs that were held back go on, as limits have room again.

    ``ranks``: finds how jobs that have their place are entitled, those that stand still among
    them; who is missing is borrowed. One within its group's guarantee goes on whatever others
    borrow below the limits above, as it starts: it is told alone. Once it is done, this is to be
    asked again, until there is none. ``pausing``: slices that do not go on yet, nor keep younger
    ones from it, unless they are of such a job: that has its place at once.
    """
    stand = tuple(jobs_of(holdings, holdings.held_back()))
    if not stand:
        return GoingOn()
    known = ranks()
    by_right = {job.name for job in stand if known.get(JobId(job.name)) is Rank.ENTITLED}
    away, world = held_back_amounts(holdings), Without(holdings)
    blocked: set[Part] = set()
    going_on: list[SliceId] = []
    for job in sorted(stand, key=lambda each: (each.name not in by_right, each.age)):
        if job.name not in by_right and any(each in pausing for each in job.slice_ids):
            continue
        rights, group = rights_of(job.slices[0].owner), job.slices[0].group
        limits = {**limits_of_payer(holdings, group), **limits_of_person(rights)}
        apart = {**apart_of_payer(holdings, group), **apart_of_person(rights)}
        passed: set[Part] = set()
        parts: set[Part] = set()
        for node, limit in {**limits, **apart}.items():
            slices, jobs = held_at(world, node)
            running = jobs - away.get(node, NOTHING)
            running += NOTHING if node in apart else slices
            passed |= passed_parts(node, limit, running, job.amounts)
            parts |= set(parts_of(node, limit, job.amounts))
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
            return GoingOn(job.slice_ids, jobs_to_hold_back_for_job(holdings, coming))
        going_on += job.slice_ids
        for node in job.nodes(holdings):
            away[node] -= job.amounts
    return GoingOn(tuple(going_on))


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
