"""Which rights would be others, for how many of the people that are here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import rights_of
from sublet_quota.document.told_rights import tell_rights
from sublet_quota.names.ids import UserName
from sublet_quota.preview.present_state import PersonHere

OF_A_GROUP: Final = "all that is charged to it"
"""What goes with a group, as one right: each of its own says nothing more."""
_IS_THERE: Final = "yes"
_Right = tuple[str | None, str]
"""Who pays, and what right it is."""
_Values = Mapping[_Right, str]
_Change = tuple[_Right, str | None, str | None]
"""A right, what it is, and what it would be."""


@dataclass(frozen=True, slots=True)
class RightChange:
    """A right that would be another for some people."""

    group: str | None
    """The group that pays; ``None``: whoever pays."""
    right: str
    before: str | None
    """``None``: there is none, as the group is none of theirs."""
    after: str | None
    people: tuple[UserName, ...]


class _KnownValues:
    """The rights of people under one document: most have the same groups, and no exception."""

    def __init__(self, document: QuotaDocument, now: datetime) -> None:
        self._document = document
        self._now = now
        self._known: dict[object, _Values] = {}

    def of(self, person: PersonHere) -> _Values:
        """Return a person's rights as they are told."""
        key = person.alike(self._document)
        if key not in self._known:
            rights = rights_of(self._document, person.owner, person.hub_groups)
            self._known[key] = {
                (line.group, line.right): line.value
                for line in tell_rights(self._document, rights, self._now)
            }
        return self._known[key]


def rights_changes(
    before: QuotaDocument, after: QuotaDocument, people: Iterable[PersonHere], at: datetime
) -> tuple[RightChange, ...]:
    """Return the rights that would be others; both documents are ones in force."""
    now, then = _KnownValues(before, at), _KnownValues(after, at)
    alike: defaultdict[object, list[PersonHere]] = defaultdict(list)
    for person in people:
        alike[person.alike(before), person.alike(after)].append(person)
    found: defaultdict[_Change, list[UserName]] = defaultdict(list)
    for some in alike.values():
        was, becomes = _without_gone(now.of(some[0]), then.of(some[0]))
        for right in dict.fromkeys((*was, *becomes)):
            if was.get(right) != becomes.get(right):
                owners = found[right, was.get(right), becomes.get(right)]
                owners += (person.owner for person in some)
    return tuple(
        RightChange(group, right, old, new, tuple(sorted(owners)))
        for ((group, right), old, new), owners in found.items()
    )


def _without_gone(was: _Values, becomes: _Values) -> tuple[_Values, _Values]:
    """Return a person's rights before and after, those of a group that can pay no more as one."""
    gone = {group for group, _ in was} - {group for group, _ in becomes} - {None}
    if not gone:
        return was, becomes
    left = {right: value for right, value in was.items() if right[0] not in gone}
    return {
        **left,
        **{(group, OF_A_GROUP): _IS_THERE for group in sorted(filter(None, gone))},
    }, becomes
