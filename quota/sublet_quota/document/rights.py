"""The rights of one person, and the limits of groups, each with the line that says it.

What is charged to a group obeys that group: its sizes, types and rules for jobs, key by key; where
it is silent its nearest ancestor that speaks, then ``everyone``. What one person may have is the
most that any of their groups says, over all they hold, so a further group takes nothing away.
Exceptions of the person are laid over both, key by key.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sublet_quota.document.group_limits import (
    group_job_limits,
    group_jobs_most,
    group_limits,
    source_of,
)
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.lookups.said_keys import more_generous
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import PayerRights, PersonLimit, Right, Rights, Source
from sublet_quota.document.value_kinds.amount_limit import NO_TYPES
from sublet_quota.document.values import UNLIMITED
from sublet_quota.names.ids import GroupName, SizeName, UserName

__all__ = [
    "DEFAULT_KEEP_A_DAY",
    "DEFAULT_MAX_RUN",
    "DEFAULT_MOST_JOBS",
    "DEFAULT_MOST_SLICES",
    "PayerRights",
    "PersonLimit",
    "Right",
    "Rights",
    "Source",
    "group_job_limits",
    "group_jobs_most",
    "group_limits",
    "max_idle_of",
    "person_limit_of",
    "rights_of",
    "rights_of_member",
    "source_of",
]
DEFAULT_MOST_SLICES: Final = 4
DEFAULT_MOST_JOBS: Final = 20
DEFAULT_MAX_RUN: Final = timedelta(hours=24)
DEFAULT_KEEP_A_DAY: Final = timedelta(hours=4)
_NOBODY: Final = ""
"""No user of the hub has this name.
"""
_WHEN_NOBODY_SAYS: Final[Mapping[KeyPath, Any]] = {
    ("limit", "slices"): DEFAULT_MOST_SLICES,
    ("jobs", "most"): DEFAULT_MOST_JOBS,
    ("jobs", "max_run"): DEFAULT_MAX_RUN,
    ("keep_a_day",): DEFAULT_KEEP_A_DAY,
}


def rights_of(document: QuotaDocument, owner: str, hub_groups: Iterable[str]) -> Rights:
    """Return what ``owner``, a member of these groups of the hub, may have.

    ``document`` is one in force (``QuotaDocument.at``).
    """
    return _rights(_Said(document, owner, document.groups_of(hub_groups)))


def rights_of_member(document: QuotaDocument, group: GroupName) -> Rights:
    """Return what somebody may have who is a direct member of this group of the document alone.

    As in ``rights_of``, of nobody whom an exception names.
    """
    return _rights(_Said(document, _NOBODY, (group,)))


def _rights(said: "_Said") -> Rights:
    return Rights(
        owner=UserName(said.owner),
        payers=tuple(_payer(said, group) for group in said.groups or (None,)),
        limit=_person_limit(said, said.of_person),
        jobs_most=_or_unlimited(said.of_person(("jobs", "most"))),
        job_limit=_job_limit(said),
        keep_a_day=_always(said.of_person(("keep_a_day",))),
        max_idle=_or_unlimited(said.of_person(("max_idle",))),
    )


def person_limit_of(
    document: QuotaDocument, owner: str, groups: tuple[GroupName, ...]
) -> PersonLimit:
    """Return what ``owner``, a member of these groups of the document, may hold in all.

    As in ``rights_of``, without the work for the others.
    """
    known = tuple(group for group in groups if group in document.all_groups)
    said = _Said(document, owner, known)
    return _person_limit(said, said.of_person)


def max_idle_of(
    document: QuotaDocument, owner: str, hub_groups: Iterable[str]
) -> Right[timedelta | None]:
    """Return for how long a server of ``owner``'s may be idle; ``None`` is no limit.

    As in ``rights_of``, without the work for the others.
    """
    said = _Said(document, owner, document.groups_of(hub_groups))
    return _or_unlimited(said.of_person(("max_idle",)))


class _Said:
    """What a document says about one person, key by key, with the line of each."""

    def __init__(self, document: QuotaDocument, owner: str, groups: tuple[GroupName, ...]) -> None:
        self.document = document
        self.groups = groups
        self.owner = owner

    def all_keys(self) -> Iterator[KeyPath]:
        """Yield what is said about one person, some keys several times."""
        yield from self.document.exceptions_for(self.owner)
        yield from self.document.said_of_everyone
        for group in self.groups:
            for above in self.document.path_of(group):
                for path in self.document.group_paths.said[above]:
                    if path[0] == "each":
                        yield path[1:]

    def exception(self, key: KeyPath) -> Right[Any] | None:
        """Return what exceptions of the person say."""
        said = self.document.exceptions_for(self.owner).get(key)
        return None if said is None else self._right(said.value, said.origin)

    def of_person(self, key: KeyPath) -> Right[Any] | None:
        """Return the most that any of their groups says; ``None`` where one is not limited."""
        excepted = self.exception(key)
        if excepted is not None:
            return excepted
        found = [self.of_member(group, key) for group in self.groups] or [self.of_everyone(key)]
        return _most_generous(found)

    def of_member(self, group: GroupName, key: KeyPath) -> Right[Any] | None:
        """Return what each member of a group may have, by the nearest group that says it."""
        return self._nearest(group, ("each", *key)) or self.of_everyone(key)

    def of_payer(self, group: GroupName | None, key: KeyPath) -> Right[Any] | None:
        """Return what holds for what a group pays."""
        nearest = None if group is None else self._nearest(group, key)
        return self.exception(key) or nearest or self.of_everyone(key)

    def of_everyone(self, key: KeyPath) -> Right[Any] | None:
        """Return what holds where no group says anything."""
        said = self.document.said_of_everyone
        if key in said:
            return self._right(said[key], ("everyone", *key))
        built_in = _WHEN_NOBODY_SAYS.get(key)
        return None if built_in is None else Right(built_in)

    def _nearest(self, group: GroupName, key: KeyPath) -> Right[Any] | None:
        path = self.document.path_of(group)
        for length in range(len(path), 0, -1):
            said = self.document.group_paths.said[path[length - 1]]
            if key in said:
                return self._right(said[key], (*key_path(path[:length]), *key))
        return None

    def _right(self, value: Any, path: KeyPath) -> Right[Any]:
        return Right(value, source_of(self.document, path))


def _most_generous(rights: Sequence[Right[Any] | None]) -> Right[Any] | None:
    """Return the most generous of rights, of equal ones the first; ``None`` is no limit."""
    most = rights[0]
    for right in rights[1:]:
        if most is None or right is None:
            return None
        if more_generous(most.value, right.value) != most.value:
            most = right
    return most


def _payer(said: _Said, group: GroupName | None) -> PayerRights:
    sizes = said.of_payer(group, ("sizes",))
    own_amounts = said.of_payer(group, ("own_amounts",))
    return PayerRights(
        group=group,
        sizes=_open_sizes(said, group, sizes),
        types=_names(said.of_payer(group, ("types",))),
        own_amounts=Right(sizes is None) if own_amounts is None else own_amounts,
        job_types=_names(said.of_payer(group, ("jobs", "types"))),
        job_max_run=_always(said.of_payer(group, ("jobs", "max_run"))),
        sizes_for=_sizes_for(said, group),
    )


def _sizes_for(said: _Said, group: GroupName | None) -> dict[SizeName, Source]:
    """Return the sizes that are `for` groups, with the line of that.

    An exception that names sizes says it for those that are not the group's.
    """
    excepted = said.exception(("sizes",)) is not None
    path = () if group is None else said.document.path_of(group)
    return {
        SizeName(name): source_of(said.document, ("sizes", name, "for"))
        for name, size in said.document.sizes.items()
        if size.for_ is not None and not (excepted and frozenset(size.for_).isdisjoint(path))
    }


def _open_sizes(
    said: _Said, group: GroupName | None, named: Right[Any] | None
) -> Right[frozenset[SizeName] | None]:
    """Return the sizes that are named, or all, and those that are `for` the group."""
    sizes = said.document.sizes
    path = () if group is None else said.document.path_of(group)
    theirs = {n for n, size in sizes.items() if not frozenset(size.for_ or ()).isdisjoint(path)}
    everybodys = {name for name, size in sizes.items() if size.for_ is None}
    if named is None:
        found = theirs | everybodys
        return Right(None if len(found) == len(sizes) else frozenset(map(SizeName, found)))
    excepted = said.exception(("sizes",)) is not None
    chosen = set(named.value) if excepted else everybodys & set(named.value)
    return Right(frozenset(map(SizeName, theirs | chosen)), named.source)


def _person_limit(said: _Said, of: Callable[[KeyPath], Right[Any] | None]) -> PersonLimit:
    """Return a person's limits, each by the rule ``of`` for the key of a limit."""
    limits = {str(key[-1]) for key in said.all_keys() if key[-2:-1] == ("limit",)}
    return PersonLimit(
        types={name: _or_unlimited(of(("limit", name))) for name in sorted(limits - NO_TYPES)},
        cards=_or_unlimited(of(("limit", "cards"))),
        memory=_or_unlimited(of(("limit", "memory"))),
        slices=_or_unlimited(of(("limit", "slices"))),
    )


def _job_limit(said: _Said) -> PersonLimit | None:
    """Return the limits of running jobs; ``None`` where nobody says that they have their own.

    Of several groups one that has no limits of jobs counts with its limits of all.
    """
    if not any(key[:2] == ("jobs", "limit") for key in said.all_keys()):
        return None

    def of(key: KeyPath) -> Right[Any] | None:
        excepted = said.exception(("jobs", *key))
        if excepted is not None:
            return excepted
        if not said.groups:
            return said.of_everyone(("jobs", *key))
        return _most_generous([_of_jobs(said, group, key) for group in said.groups])

    return _person_limit(said, of)


def _of_jobs(said: _Said, group: GroupName, key: KeyPath) -> Right[Any] | None:
    document = said.document
    its_own = any(
        path[:3] == ("each", "jobs", "limit")
        for above in document.path_of(group)
        for path in document.group_paths.said[above]
    )
    everyones = any(path[:2] == ("jobs", "limit") for path in document.said_of_everyone)
    return said.of_member(group, ("jobs", *key) if its_own or everyones else key)


def _or_unlimited(right: Right[Any] | None) -> Right[Any]:
    """Return a limit as it is counted, ``None`` for no limit."""
    if right is None:
        return Right(None)
    return Right(None, right.source) if right.value is UNLIMITED else right


def _names(right: Right[Any] | None) -> Right[frozenset[str] | None]:
    return Right(None) if right is None else Right(frozenset(right.value), right.source)


def _always(right: Right[Any] | None) -> Right[Any]:
    """Return a right that something is always said about."""
    if right is None:
        message = "nothing holds when nobody says"
        raise AssertionError(message)
    return right
