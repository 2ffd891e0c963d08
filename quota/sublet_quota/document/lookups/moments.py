"""The document in force at a moment: what has ended is left out, groups' exceptions are folded in.

So nothing else that decides knows the time. Exceptions of persons stay, as rights lay them over.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.lookups.reservations import is_on, with_reservations
from sublet_quota.document.lookups.said_keys import laid_over, more_generous, said_by
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.sections import (
    ClosedCards,
    GroupQuota,
    QuotaException,
    Reservation,
    SliceSize,
)
from sublet_quota.names.ids import GroupName

if TYPE_CHECKING:
    from sublet_quota.document.quota_document import QuotaDocument


E = TypeVar("E", QuotaException, ClosedCards)
Placed = tuple[KeyPath, QuotaException]
"""An exception, and its place in the document."""


class SaidAt(NamedTuple):
    """A value, and where a document says it."""

    value: Any
    origin: KeyPath


class State(NamedTuple):
    """Which entries of a document are in force."""

    ended: datetime | None
    """The last end of an entry that is past; ``None``: nothing has ended."""
    reservations: frozenset[int]
    """The places of those that are on."""


class InForce(NamedTuple):
    """The parts of a document that depend on the moment."""

    reservations: tuple[Reservation, ...]
    """None: they are in the groups."""
    exceptions: tuple[QuotaException, ...]
    closed: tuple[ClosedCards, ...]
    groups: dict[str, GroupQuota]
    sizes: dict[str, SliceSize]
    origins: dict[KeyPath, KeyPath]
    """Where the document has what is elsewhere now."""

    def sections(self) -> dict[str, Any]:
        """Return the sections of the document, by name."""
        return {name: each for name, each in self._asdict().items() if name != "origins"}


def ends(document: "QuotaDocument") -> tuple[datetime, ...]:
    """Return the moments, in order, at which something in a document ends."""
    of_exceptions = (each.until for each in document.exceptions)
    of_closed = (each.until for each in document.closed)
    return tuple(sorted({end for end in chain(of_exceptions, of_closed) if end is not None}))


def end_after(moments: Sequence[datetime], now: datetime) -> datetime | None:
    """Return the first of these moments that is still to come."""
    place = bisect_right(moments, now)
    return moments[place] if place < len(moments) else None


def state_at(document: "QuotaDocument", moments: Sequence[datetime], now: datetime) -> State:
    """Return which entries of a document as it was written are in force."""
    ended = moments[bisect_right(moments, now) - 1] if moments and moments[0] <= now else None
    on = (place for place, each in enumerate(document.reservations) if is_on(each, now))
    return State(ended, frozenset(on))


def in_force(document: "QuotaDocument", state: State) -> InForce:
    """Return what of a document as it was written is in force in a state."""
    exceptions = [(("exceptions", n), each) for n, each in _left(document.exceptions, state.ended)]
    closed = [(("closed", n), each) for n, each in _left(document.closed, state.ended)]
    origins: dict[KeyPath, KeyPath] = {}
    for paths in ((path for path, _ in exceptions), (path for path, _ in closed)):
        for place, origin in enumerate(paths):
            origins[origin[0], place] = origin
    of_groups = {
        name: said
        for name, said in exceptions_of_groups(exceptions).items()
        if name in document.all_groups
    }
    for name, said in of_groups.items():
        where = key_path(document.path_of(name))
        origins.update({(*where, *path): each.origin for path, each in said.items()})
    reserved = with_reservations(
        _folded(document.groups, of_groups, _touched(document, of_groups)),
        document.group_paths.paths,
        [(place, document.reservations[place]) for place in sorted(state.reservations)],
    )
    return InForce(
        exceptions=tuple(each.model_copy(update={"groups": ()}) for _, each in exceptions),
        reservations=(),
        closed=tuple(each for _, each in closed),
        groups=reserved.groups,
        sizes=_opened(document.sizes, of_groups),
        origins=origins | reserved.origins,
    )


def _left(entries: Sequence[E], ended: datetime | None) -> list[tuple[int, E]]:
    """Return the entries that have not ended, with their places."""
    return [
        (place, each)
        for place, each in enumerate(entries)
        if each.until is None or ended is None or ended < each.until
    ]


def merged(exceptions: Iterable[Placed]) -> dict[KeyPath, SaidAt]:
    """Return what exceptions say together: of two the more generous, key by key."""
    said: dict[KeyPath, SaidAt] = {}
    for origin, exception in exceptions:
        for path, value in said_by(exception.set_).items():
            where = (*origin, "set", *path)
            before = said.get(path)
            if before is None:
                said[path] = SaidAt(value, where)
                continue
            most = more_generous(before.value, value)
            said[path] = SaidAt(most, before.origin if most == before.value else where)
    return said


def exceptions_of_groups(
    exceptions: Iterable[Placed],
) -> dict[GroupName, dict[KeyPath, SaidAt]]:
    """Return what exceptions say for each group that they name."""
    by_group = _by_name((each, each[1].groups) for each in exceptions)
    return {GroupName(name): merged(each) for name, each in by_group.items()}


def exceptions_of_persons(
    exceptions: Sequence[QuotaException],
) -> dict[str, dict[KeyPath, SaidAt]]:
    """Return what exceptions say for each person that they name."""
    placed = [(("exceptions", place), each) for place, each in enumerate(exceptions)]
    by_person = _by_name((each, each[1].who) for each in placed)
    return {name: merged(each) for name, each in by_person.items()}


def _by_name(
    named: Iterable[tuple[Placed, tuple[str, ...]]],
) -> dict[str, list[Placed]]:
    by_name: dict[str, list[Placed]] = {}
    for each, names in named:
        for name in dict.fromkeys(names):
            by_name.setdefault(name, []).append(each)
    return by_name


def _touched(document: "QuotaDocument", names: Iterable[GroupName]) -> frozenset[GroupName]:
    """Return groups and all above them."""
    return frozenset(above for name in names for above in document.path_of(name))


def _folded(
    groups: Mapping[str, GroupQuota],
    said: Mapping[GroupName, Mapping[KeyPath, SaidAt]],
    touched: frozenset[GroupName],
) -> dict[str, GroupQuota]:
    folded: dict[str, GroupQuota] = {}
    for name, group in groups.items():
        if name not in touched:
            folded[name] = group
            continue
        below = _folded(group.groups, said, touched)
        values = {path: each.value for path, each in said.get(GroupName(name), {}).items()}
        folded[name] = laid_over(group, values).model_copy(update={"groups": below})
    return folded


def _opened(
    sizes: Mapping[str, SliceSize], said: Mapping[GroupName, Mapping[KeyPath, SaidAt]]
) -> dict[str, SliceSize]:
    """Return sizes that are `for` the groups, too, whose exceptions name them."""
    opened = dict(sizes)
    for group in sorted(said):
        named = said[group].get(("sizes",))
        for name in () if named is None else named.value:
            size = opened.get(name)
            if size is not None and size.for_ is not None and group not in size.for_:
                opened[name] = size.model_copy(update={"for_": (*size.for_, group)})
    return opened
