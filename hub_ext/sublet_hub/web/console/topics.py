"""What a caller's page shows beside the cards, in short: another value, and it is to be asked anew.

Nothing of this is told to anybody: only that it is another now.
"""

from dataclasses import dataclass, field

from sublet_quota.names.ids import UserName
from sublet_quota.wire.console import Topic

from sublet_hub.ledger.records import JobRecord
from sublet_hub.security.authentication import Caller
from sublet_hub.web.console.group_marks import GroupMarks
from sublet_hub.web.console.share_marks import ShareMarks
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.roles import own_groups
from sublet_hub.web.routes.told import told_of_ends
from sublet_hub.web.routes.viewers import groups_of, viewer_of

State = dict[Topic, int]


@dataclass(frozen=True, slots=True)
class Marks:
    """Whether what somebody sees of the quota document is another."""

    groups: GroupMarks = field(default_factory=GroupMarks)
    shares: ShareMarks = field(default_factory=ShareMarks)


def state_of(service: ServiceParts, caller: Caller, marks: Marks) -> State:
    """Return a number for each topic of this caller's, which differs when the topic does."""
    owner, lending = UserName(caller.name), service.ledger.lending_record
    slices = service.views.slices(service.ledger.slices_of_owner(owner), viewer_of(service, caller))
    shown = tuple(each.model_dump_json(exclude={"seen_at", "report"}) for each in slices)
    held = tuple(_held(each.report) for each in slices)
    line = service.line.count_of(owner)
    ends = told_of_ends(service, owner)
    jobs = service.ledger.live_jobs_of_owner(owner)
    ended = len(service.ledger.ended_jobs_of_owner(owner))
    groups = groups_of(service, caller)
    announced = service.announcements.told_to(owner, groups)
    # That another document is in force would tell everybody of what concerns others.
    rights = marks.shares.mark(service.quota.document, owner, groups)
    told = (*announced, *((each.announcement_id, each.text) for each in ends))
    state = {
        Topic.SHARE: hash((shown, held, lending, line, rights, len(jobs), told)),
        Topic.JOBS: hash((tuple(map(_job, jobs)), ended)),
        Topic.WAITS: service.waits.mark(None if caller.sees_all else owner),
        Topic.LENDING: hash(lending),
    }
    if caller.sees_all:
        evictions = tuple(each.eviction_id for each in service.evictions.all())
        state[Topic.EVICTIONS] = hash(evictions)
        state[Topic.NOTICES] = hash(service.announcements.live())
        quota = service.quota
        problems = () if quota.error is None else quota.error.problems
        state[Topic.QUOTA] = hash((quota.loaded_at, quota.revision, problems))
        return state
    # Which revision it is, and since when, would tell of what is changed elsewhere.
    part = marks.groups.mark(service.quota.document, caller.claims)
    if part is None:
        return state
    within = service.announcements.of_groups(own_groups(service, caller))
    return state | {Topic.QUOTA: part, Topic.NOTICES: hash(within)}


def _held(report: object) -> tuple[object, ...]:
    names = ("state", "active", "memory_mib", "host_mib", "utilisation_percent", "over_cap")
    return tuple(getattr(report, name, None) for name in names)


def _job(job: JobRecord) -> tuple[object, ...]:
    return job.job_id, job.state, job.slice_id, job.cells_done, job.current_cell
