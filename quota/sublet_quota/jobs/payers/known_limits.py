"""The limits of groups and owners under one document, as jobs count in them, each looked up once.

Where ``jobs.limit`` is said, that counts the jobs and nothing else does. What nobody said (the
slices that a person may have by default) bounds notebooks alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sublet_quota.admission.jobs_below_limits import own_node
from sublet_quota.document.group_limits import limit_of, source_of
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import PersonLimit, Rights, Source
from sublet_quota.document.rights import rights_of
from sublet_quota.jobs.payers.limit_rooms import LimitRoom
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit, LimitKind


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The limit of one group, or of an owner: one object, however many jobs meet it."""

    node: NodeName
    """By which name its amounts are kept: no group's ends like a person's."""
    owner: UserName
    """Whose own it is; of a group's nobody's."""
    group: GroupName | None
    limit: Limit
    jobs_alone: bool
    """Whether it counts jobs and no slices."""
    lines: Mapping[str, DocumentLine] = field(default_factory=dict)
    """Where each part is said: by GPU type, and by the kind of the limit."""
    by_right: bool = False
    """Whether it is what bounds a job within its group's guarantee."""

    def as_by_right(self) -> "Level":
        """Return what the limit bounds of what is within a guarantee, which is never above it."""
        if self.group is None or self.jobs_alone:
            return replace(self, by_right=True)
        return replace(self, limit=replace(self.limit, types={}, cards=None), by_right=True)


class KnownLimits:
    """The limits that jobs met so far, from round to round."""

    def __init__(self, document: QuotaDocument) -> None:
        self.document = document
        self._of_nodes: dict[GroupName, tuple[Level, ...]] = {}
        self._groups: dict[GroupName, tuple[Level, ...]] = {}
        self._owners: dict[tuple[UserName, tuple[str, ...]], tuple[Level, ...]] = {}
        self._limiting: dict[GroupName | None, tuple[GroupName, ...]] = {}
        self._by_right: dict[Level, Level] = {}
        self._of: dict[object, tuple[Level, ...]] = {}
        self.rooms: dict[Level, tuple[tuple[Amounts, ...], LimitRoom]] = {}
        """What a limit left before anything was placed, and the sums from which that follows."""
        self.beside_slices: dict[Level, tuple[Amounts, LimitRoom]] = {}
        """What a limit leaves beside what notebooks have, which is told with it."""

    def groups_of(self, group: GroupName | None) -> tuple[GroupName, ...]:
        """Return the groups whose limits count what a group pays for."""
        if group not in self._limiting:
            levels = self._of_group(group)
            self._limiting[group] = tuple(one.group for one in levels if one.group is not None)
        return self._limiting[group]

    def of(self, job: WaitingJob, *, by_right: bool = False) -> tuple[Level, ...]:
        """Return the limits of a job's payer and owner.

        ``by_right``: as they bound a job within its group's guarantee.
        """
        key = job.owner, job.hub_groups, job.group, by_right
        found = self._of.get(key)
        if found is None:
            levels = (*self._of_group(job.group), *self._of_owner(job.owner, job.hub_groups))
            found = tuple(map(self._as_by_right, levels)) if by_right else levels
            self._of[key] = found
        return found

    def _as_by_right(self, level: Level) -> Level:
        if level not in self._by_right:
            self._by_right[level] = level.as_by_right()
        return self._by_right[level]

    def _of_group(self, group: GroupName | None) -> tuple[Level, ...]:
        if group is None or group not in self.document.all_groups:
            return ()
        if group not in self._groups:
            path = self.document.path_of(group)
            self._groups[group] = tuple(level for name in path for level in self._of_node(name))
        return self._groups[group]

    def _of_node(self, name: GroupName) -> tuple[Level, ...]:
        if name not in self._of_nodes:
            self._of_nodes[name] = tuple(_level_of(self.document, name))
        return self._of_nodes[name]

    def _of_owner(self, owner: UserName, hub_groups: tuple[str, ...]) -> tuple[Level, ...]:
        key = owner, hub_groups
        if key not in self._owners:
            self._owners[key] = tuple(_own_levels(rights_of(self.document, owner, hub_groups)))
        return self._owners[key]


def _level_of(document: QuotaDocument, name: GroupName) -> Iterator[Level]:
    said = document.all_groups[name]
    apart = said.jobs.limit
    limit = limit_of(said.limit if apart is None else apart)
    where = ("limit",) if apart is None else ("jobs", "limit")
    path = (*key_path(document.path_of(name)), *where)
    lines = {key: line_of(source_of(document, (*path, key))) for key in _keys(limit)}
    if lines:
        yield Level(NodeName(name), UserName(""), name, limit, apart is not None, lines)


def _own_levels(rights: Rights) -> Iterator[Level]:
    apart = rights.job_limit
    person = rights.limit_with_jobs if apart is None else apart.with_jobs
    said = person.limit
    lines = {key: line_of(_source(person, key)) for key in _keys(said)}
    if lines:
        owner = rights.owner
        yield Level(own_node(owner), owner, None, said, apart is not None, lines)


def _keys(limit: Limit) -> Iterable[str]:
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
