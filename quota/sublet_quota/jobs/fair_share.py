"""The fair order of waiting jobs: whose turn it is, from what they used before.

Use of a GPU counts less the longer ago it was: half after the document's ``half_life``. Use is
weighed at two levels, groups first, then the users of a group; who is in no group that the document
knows stands beside the groups for themselves. Less use for one's weight comes first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, JobId, NodeId, UserName
from sublet_quota.shares.past_use import worn_off_s

NOMINAL_RUN_S: Final = 600.0
"""The use that a job counts as once it is put in order, so that nobody's jobs all come first."""

ChargedTo = tuple[str, str]
"""A group (``"group"``, its name), or a user who stands for themselves (``"user"``, the name)."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A time in which a job held a GPU, or a part of one."""

    owner: UserName
    groups: tuple[str, ...]
    gpus: float
    """The part of a GPU, or the number of GPUs, that the job held: see ``gpus_held``."""
    began: datetime
    ended: datetime | None
    """When the job ended; ``None`` while it runs."""


@dataclass(frozen=True, slots=True)
class PastUse:
    """GPU-seconds, worn off to the present."""

    users: Mapping[UserName, float]
    groups: Mapping[GroupName, float]


NO_PAST_USE: Final = PastUse({}, {})


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that waits for room."""

    job_id: JobId
    owner: UserName
    groups: tuple[str, ...]
    memory_mib: int | None
    """The memory on each GPU; ``None``: the whole GPU."""
    compute_milli: int
    gpu_type: str | None
    priority: int
    submitted_at: datetime
    gpus: int = 1
    """The number of GPUs, each with as much of its memory and compute."""
    node: NodeId | None = None
    """The node where alone the job can run, as its owner's files are in use there; ``None``: any.
    """


def gpus_held(memory_mib: int, kind: GpuKind) -> float:
    """Return what part of a GPU a job keeps from other jobs: room is what is lent."""
    return min(1.0, memory_mib / kind.usable_mib) if kind.usable_mib else 1.0


def past_use(document: QuotaDocument, runs: Iterable[JobRun], now: datetime) -> PastUse:
    """Return the sum of runs, each second of them worn off by its age."""
    half_life = document.fair_share.half_life
    users: defaultdict[UserName, float] = defaultdict(float)
    groups: defaultdict[GroupName, float] = defaultdict(float)
    for run in runs:
        ended = now if run.ended is None else min(run.ended, now)
        used = run.gpus * worn_off_s(now - run.began, now - ended, half_life)
        users[run.owner] += used
        for group in run.groups:
            if group in document.groups:
                groups[GroupName(group)] += used
    return PastUse(dict(users), dict(groups))


def order_jobs(
    document: QuotaDocument, jobs: Iterable[WaitingJob], past: PastUse
) -> tuple[WaitingJob, ...]:
    """Return the jobs in the order in which they come: priority, then fair share, then age."""
    use = _WeightedUse(document, past)
    by_priority: defaultdict[int, list[WaitingJob]] = defaultdict(list)
    for job in jobs:
        by_priority[job.priority].append(job)
    ordered: list[WaitingJob] = []
    for priority in sorted(by_priority, reverse=True):
        ordered.extend(_order_equals(use, by_priority[priority]))
    return tuple(ordered)


class _WeightedUse:
    """The use of everybody for their weight, with that of the jobs already put in order."""

    def __init__(self, document: QuotaDocument, past: PastUse) -> None:
        self._document = document
        self._users: defaultdict[UserName, float] = defaultdict(float, past.users)
        self._groups: defaultdict[GroupName, float] = defaultdict(float, past.groups)
        self._charged: dict[tuple[UserName, tuple[str, ...]], ChargedTo] = {}

    def charged_to(self, job: WaitingJob) -> ChargedTo:
        """Return who is charged for a job: of several groups, the one that used least."""
        key = (job.owner, job.groups)
        if key not in self._charged:
            groups = self._document.groups
            known = sorted(GroupName(name) for name in groups if name in job.groups)
            group = min(known, key=self._of_group, default=None)
            self._charged[key] = ("user", job.owner) if group is None else ("group", group)
        return self._charged[key]

    def of_charged(self, charged: ChargedTo) -> float:
        kind, name = charged
        return self._of_group(GroupName(name)) if kind == "group" else self.of_user(UserName(name))

    def of_user(self, owner: UserName) -> float:
        quota = self._document.users.get(owner)
        return self._users[owner] / (1 if quota is None else quota.weight)

    def _of_group(self, group: GroupName) -> float:
        return self._groups[group] / self._document.groups[group].weight

    def charge(self, job: WaitingJob, charged: ChargedTo) -> None:
        """Count a job that has its place in the order."""
        run_s = job.gpus * NOMINAL_RUN_S
        self._users[job.owner] += run_s
        if charged[0] == "group":
            self._groups[GroupName(charged[1])] += run_s


_OwnerEntry = tuple[float, datetime, JobId, UserName]


def _order_equals(use: _WeightedUse, jobs: list[WaitingJob]) -> Iterable[WaitingJob]:
    """Yield jobs of one priority: of the group or user that used least, and there the owner."""
    queues: defaultdict[tuple[ChargedTo, UserName], list[WaitingJob]] = defaultdict(list)
    for job in sorted(jobs, key=lambda j: (j.submitted_at, j.job_id), reverse=True):
        queues[use.charged_to(job), job.owner].append(job)
    owners: defaultdict[ChargedTo, list[_OwnerEntry]] = defaultdict(list)

    def enter(charged: ChargedTo, owner: UserName) -> None:
        head = queues[charged, owner][-1]
        entry = (use.of_user(owner), head.submitted_at, head.job_id, owner)
        heappush(owners[charged], entry)

    for charged, owner in queues:
        enter(charged, owner)
    heads: list[tuple[float, datetime, JobId, ChargedTo]] = []
    for charged in owners:
        _enter_charged(heads, use, owners, charged)
    while heads:
        charged = heappop(heads)[3]
        owner = heappop(owners[charged])[3]
        job = queues[charged, owner].pop()
        use.charge(job, charged)
        if queues[charged, owner]:
            enter(charged, owner)
        if owners[charged]:
            _enter_charged(heads, use, owners, charged)
        yield job


def _enter_charged(
    heads: list[tuple[float, datetime, JobId, ChargedTo]],
    use: _WeightedUse,
    owners: Mapping[ChargedTo, list[_OwnerEntry]],
    charged: ChargedTo,
) -> None:
    _, submitted_at, job_id, _ = owners[charged][0]
    heappush(heads, (use.of_charged(charged), submitted_at, job_id, charged))
