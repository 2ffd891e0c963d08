"""What goes on as before for a time, when a guarantee, a limit or a membership became less.

All slices that were entitled at a group keep that for the grace, where one of them would lose it,
be it to a guarantee that is given anew and for which there are too few cards;
so do all of a group, or of a person, who hold more than a limit says now. Then they count as any
others.

A grace keeps what a slice has. Who loses that meanwhile by a change of its own (it is charged to
another group, it grows, its hours are over) has it again as there is room, before all who wait; it
takes it from nobody who is entitled.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from sublet_quota.document.group_limits import limit_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import person_limit_of
from sublet_quota.holdings.as_held import AsHeld
from sublet_quota.holdings.gpu_load import AsBefore, Holding
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit


def carried_steps(
    before: AsHeld, after: Standings, was: Mapping[SliceId, int]
) -> dict[SliceId, int]:
    """Return to how many steps slices of ``before`` are entitled on their way in another tree.

    ``was``: to how many they were.
    """
    steps: dict[SliceId, int] = {}
    for slice_id, count in was.items():
        holding = before.slices[slice_id]
        way = len(before.tree.paths[before.leaf_for(holding)])
        new_way = len(after.tree.paths[after.leaf_for(holding.group, holding.owner)])
        steps[slice_id] = new_way if count == way else min(count, new_way)
    return steps


def with_grace(
    before: AsHeld,
    after: Standings,
    steps: Mapping[SliceId, int],
    in_force: Mapping[SliceId, int],
    until: datetime,
) -> Iterator[Holding]:
    """Yield the slices that get a grace, with it: it lasts ``until`` then.

    ``after`` has the same slices and cards under another document, ``steps`` to what each was
    entitled if there are enough cards, ``in_force`` to what with those that there are. A grace that
    lasts goes on, unless it says less than what the slice was entitled to by now.
    """
    less = _lost(after, steps, after.lasting_steps())
    less |= _lost(after, in_force, after.steps_in_force())
    less |= _over_limit(before, after)
    persons = frozenset(_over_their_own(before, after))
    for slice_id, was in in_force.items():
        holding = after.holding(slice_id)
        path = after.tree.paths[after.leaf_for(holding.group, holding.owner)]
        gpu_type = after.type_of(slice_id)
        concerned = (
            holding.owner in persons
            or any((gpu_type, name) in less for name in path[:was])
            or any((None, name) in less for name in path)
        )
        if concerned and (holding.before is None or holding.before.steps < was):
            yield replace(holding, before=AsBefore(until, was))


_Where = tuple[str | None, NodeName]
"""A node on a type, or (``None``) with all that it holds."""


def _lost(
    after: Standings, steps: Mapping[SliceId, int], now: Iterable[tuple[SliceId, int]]
) -> set[_Where]:
    """Return the nodes at which a slice is not entitled any more."""
    lost: set[_Where] = set()
    for slice_id, count in now:
        holding = after.holding(slice_id)
        path = after.tree.paths[after.leaf_for(holding.group, holding.owner)]
        lost.update((after.type_of(slice_id), name) for name in path[count : steps[slice_id]])
    return lost


def _over_limit(before: AsHeld, after: Standings) -> set[_Where]:
    """Return the groups that hold more than a limit says that was more before."""
    old, new = _own_limits(before.document), _own_limits(after.document)
    return {
        (None, name)
        for name, limit in new.items()
        if name in old and is_over_less(after.held(name), old[name], limit)
    }


def _own_limits(document: QuotaDocument) -> dict[NodeName, Limit]:
    return {NodeName(name): limit_of(group.limit) for name, group in document.all_groups.items()}


def _over_their_own(before: AsHeld, after: Standings) -> Iterator[UserName]:
    """Yield the persons who hold more than they may, and might before."""
    old, new = PersonLimits(before.document), PersonLimits(after.document)
    groups: dict[UserName, frozenset[GroupName]] = {}
    for holding in before.slices.values():
        if holding.is_notebook:
            known = groups.get(holding.owner, frozenset())
            groups[holding.owner] = known.union(holding.member_of)
    for owner, member_of in groups.items():
        if is_over_less(after.held_by(owner), old.of(owner, member_of), new.of(owner, member_of)):
            yield owner


class PersonLimits:
    """What each person may hold in all under one document, looked up once for equal ones."""

    def __init__(self, document: QuotaDocument) -> None:
        self._document = document
        self._known: dict[tuple[UserName | None, frozenset[GroupName]], Limit] = {}

    def of(self, owner: UserName, member_of: frozenset[GroupName]) -> Limit:
        """Return the limit of a person who is a member of these groups of the document."""
        key = owner if self._document.exceptions_for(owner) else None, member_of
        if key not in self._known:
            groups = tuple(sorted(member_of))
            self._known[key] = person_limit_of(self._document, owner, groups).limit
        return self._known[key]


def is_over_less(held: Amounts, old: Limit, new: Limit) -> bool:
    """Whether more is held than a limit says that allowed it before."""
    return new != old and not new.has_room_for(held) and old.has_room_for(held)
