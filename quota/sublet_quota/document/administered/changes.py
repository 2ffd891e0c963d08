"""What the admin of a group may not change: two documents compared by what they mean.

Only what is below the group may be another. Nobody is a member of it who was not, nobody is let go,
and at no moment to come has anybody more by it than they had, or than the group itself gives: so
no exception, no other nesting and no name leads to more. That guarantees fit into those above them
each document is held to when it is read.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.document.administered.covered import payer_is_covered, person_is_covered
from sublet_quota.document.administered.groups import (
    below,
    direct_members,
    members_below,
    with_all_below,
)
from sublet_quota.document.differences import written_differences
from sublet_quota.document.lookups.moments import InForce, State, in_force
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import Rights
from sublet_quota.document.rights import rights_of_member
from sublet_quota.document.sections import GroupQuota, QuotaException, Reservation
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.forbidden_changes import Forbidden, ForbiddenChange

MOST_ENDS: Final = 200
"""At so many different times groups' exceptions may end: rights are looked at after each."""
MOST_LOOKED_AT: Final = 20_000
"""So many groups, after each of these times, are looked at: it takes seconds."""


def forbidden_changes(
    before: QuotaDocument,
    after: QuotaDocument,
    groups: Iterable[str],
    now: datetime,
) -> tuple[Forbidden, ...]:
    """Return what in a change is not for who administers these groups; nothing: they may make it.

    ``before`` and ``after`` are taken as they were written. ``groups``: none below another.
    """
    change = _Change(before.as_written, after.as_written, tuple(groups))
    outside = tuple(change.outside())
    if outside:
        return outside
    return (
        *change.members(),
        *change.reservations(),
        *change.rights(now),
    )


@dataclass(frozen=True, slots=True)
class OwnParts:
    """What of a document is below somebody's groups."""

    exceptions: tuple[QuotaException, ...]
    reservations: tuple[Reservation, ...]


def is_of_groups(exception: QuotaException, groups: frozenset[GroupName]) -> bool:
    """Whether an exception is for some of these groups alone, and for no person."""
    return bool(exception.groups) and not exception.who and groups.issuperset(exception.groups)


def own_parts(document: QuotaDocument, groups: Iterable[str]) -> OwnParts:
    """Return the exceptions and reservations that are for groups below these alone."""
    theirs = below(document, groups)
    return OwnParts(
        tuple(each for each in document.exceptions if is_of_groups(each, theirs)),
        tuple(each for each in document.reservations if each.for_ in theirs),
    )


class _Change:
    def __init__(
        self, before: QuotaDocument, after: QuotaDocument, groups: tuple[str, ...]
    ) -> None:
        self._before, self._after, self._groups = before, after, groups

    def outside(self) -> Iterator[Forbidden]:
        """Yield what is another that is not below the groups."""
        one, other = (_without_own(each, self._groups) for each in (self._before, self._after))
        if one == other:
            return
        keys = tuple(each.what for each in written_differences(one, other))
        yield self._found(ForbiddenChange.OUTSIDE, keys or ("the order of sizes",))

    def members(self) -> Iterator[Forbidden]:
        """Yield the hub's groups that would be taken in, or let go."""
        for group in self._groups:
            had, has = (members_below(each, (group,)) for each in (self._before, self._after))
            if has - had:
                names = tuple(sorted(has - had))
                yield Forbidden(ForbiddenChange.MEMBERS_TAKEN_IN, names, group)
            if had - has:
                names = tuple(sorted(had - has))
                yield Forbidden(ForbiddenChange.MEMBERS_LET_GO, names, group)

    def reservations(self) -> Iterator[Forbidden]:
        """Yield the reservations that are new, or another, or were another group's."""
        for group in self._groups:
            had, has = (own_parts(each, (group,)).reservations for each in self._both())
            # Each is there once, by its name.
            new = tuple(each.name for each in has if each not in had)
            if new:
                yield Forbidden(ForbiddenChange.RESERVED, new, group)

    def rights(self, now: datetime) -> Iterator[Forbidden]:
        """Yield the groups whose members would have more at some moment from now on."""
        moments = self._moments(now)
        groups = max(len(with_all_below(each, self._groups)) for each in self._both())
        if len(moments) > 1 and len(moments) > min(MOST_ENDS, MOST_LOOKED_AT // groups):
            yield self._found(ForbiddenChange.TOO_MANY_ENDS, ("exceptions",))
            return
        told: Counter[GroupName] = Counter()
        for moment in moments:
            had, has = (_At(each, moment) for each in self._both())
            for group in self._groups:
                told.update(_with_more(had, has, group))
        for name in sorted(told):
            (above,) = (each for each in self._after.path_of(name) if each in self._groups)
            yield Forbidden(ForbiddenChange.MORE_THAN_GROUP, (name,), above)

    def _moments(self, now: datetime) -> list[datetime]:
        """Return now, and when exceptions end that concern the groups, or those above or below."""
        concerned = {
            name
            for each in self._both()
            for top in self._groups
            for name in (*each.path_of(top), *below(each, (top,)))
        }
        ends = {
            exception.until
            for each in self._both()
            for exception in each.exceptions
            if exception.until is not None
            and exception.until > now
            and not concerned.isdisjoint(exception.groups)
        }
        return sorted({now, *ends})

    def _both(self) -> tuple[QuotaDocument, QuotaDocument]:
        return self._before, self._after

    def _found(self, code: ForbiddenChange, names: tuple[str, ...]) -> Forbidden:
        return Forbidden(code, names, ", ".join(self._groups))


class _At:
    """The rights that a document gives to members of its groups at a moment."""

    def __init__(self, document: QuotaDocument, moment: datetime) -> None:
        # No reservation gives anybody another right than its guarantee.
        self.document = document.with_parts(in_force(document, State(moment, frozenset())))
        self._rights: dict[GroupName, Rights] = {}

    def rights(self, group: GroupName) -> Rights:
        """Return what a member of this group alone may have."""
        if group not in self._rights:
            self._rights[group] = rights_of_member(self.document, group)
        return self._rights[group]

    def groups_of_members(self, top: str) -> dict[str, list[GroupName]]:
        """Return by the hub's groups to which groups, from ``top`` down, each belongs directly."""
        found: dict[str, list[GroupName]] = {}
        for name in sorted(with_all_below(self.document, (top,))):
            for member in direct_members(name, self.document.all_groups[name]):
                found.setdefault(member, []).append(name)
        return found


def _with_more(had: _At, has: _At, top: str) -> Iterator[GroupName]:
    """Yield the groups from ``top`` down that give members more than they had, or than it gives."""
    before = had.groups_of_members(top)
    its_own = had.rights(GroupName(top))
    sizes = tuple(had.document.sizes)
    for member, groups in has.groups_of_members(top).items():
        known = [its_own, *(had.rights(each) for each in before.get(member, ()))]
        for name in groups:
            rights = has.rights(name)
            (payer,) = rights.payers
            pays_no_more = any(payer_is_covered(payer, e.payers[0], sizes) for e in known)
            if not (pays_no_more and any(person_is_covered(rights, each) for each in known)):
                yield name


def _without_own(document: QuotaDocument, groups: tuple[str, ...]) -> QuotaDocument:
    """Return a document without what is below these groups."""
    theirs = below(document, groups)
    return document.with_parts(
        InForce(
            reservations=tuple(e for e in document.reservations if e.for_ not in theirs),
            exceptions=tuple(e for e in document.exceptions if not is_of_groups(e, theirs)),
            closed=document.closed,
            groups=_pruned(document.groups, frozenset(groups)),
            sizes=document.sizes,
            origins={},
        )
    )


def _pruned(
    groups: Mapping[str, GroupQuota], without_below: frozenset[str]
) -> dict[str, GroupQuota]:
    return {
        name: group.model_copy(
            update={"groups": {} if name in without_below else _pruned(group.groups, without_below)}
        )
        for name, group in groups.items()
    }
