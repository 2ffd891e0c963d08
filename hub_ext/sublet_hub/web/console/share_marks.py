"""Whether what the quota document says of somebody is another than before.

That is what it says of everybody, of the groups that they are in and those above them, and in
exceptions and reservations for one of these or for themselves. Of what it says of others they are
not told, nor when. Nothing is kept of who asks: only of the groups that people have together.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName

from sublet_hub.web.console.document_count import DocumentCount

_MOST_KEPT: Final = 5000
"""More than follow changes at once; of who is forgotten the next look tells that it is another."""
_OF_SOME: Final = frozenset({"groups", "exceptions", "reservations", "closed", "sizes"})
"""What is said of some groups or cards: all else is said of everybody."""
_Key = tuple[str | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a document says of those who have the same groups, and its number."""

    seen_in: int
    """In which of the documents that came in force it was looked at last."""
    values: tuple[Any, ...]
    number: int


class ShareMarks:
    """Numbers what the document says of people."""

    def __init__(self) -> None:
        self._said: OrderedDict[_Key, _Said] = OrderedDict()
        self._last = 0
        self._documents = DocumentCount()

    def mark(self, document: QuotaDocument, owner: str, hub_groups: tuple[str, ...]) -> int:
        """Return the number of what a document, as it was written, says of somebody."""
        self._documents.note(document)
        is_named = bool(document.exceptions_for(owner))
        key = (owner if is_named else None, tuple(sorted(hub_groups)))
        known = self._said.get(key)
        if known is None or known.seen_in != self._documents.number:
            known = self._said[key] = self._looked_at(document, owner, key, known)
            while len(self._said) > _MOST_KEPT:
                self._said.popitem(last=False)
        self._said.move_to_end(key)
        return known.number

    def _looked_at(
        self, document: QuotaDocument, owner: str, key: _Key, before: _Said | None
    ) -> _Said:
        values = _said_of(document, owner, key[1])
        if before is not None and before.values == values:
            return _Said(self._documents.number, values, before.number)
        self._last += 1
        return _Said(self._documents.number, values, self._last)


def _said_of(document: QuotaDocument, owner: str, hub_groups: tuple[str, ...]) -> tuple[Any, ...]:
    paths = [document.path_of(name) for name in document.groups_of(hub_groups)]
    theirs: frozenset[GroupName] = frozenset(name for path in paths for name in path)
    return (
        tuple(
            getattr(document, each) for each in type(document).model_fields if each not in _OF_SOME
        ),
        tuple(
            (name, size)
            for name, size in document.sizes.items()
            if size.for_ is None or not theirs.isdisjoint(size.for_)
        ),
        tuple(paths),
        tuple(
            (name, document.all_groups[name].model_copy(update={"groups": {}}))
            for name in sorted(theirs)
        ),
        tuple(
            each.set_
            for each in document.exceptions
            if owner in each.who or not theirs.isdisjoint(each.groups)
        ),
        tuple(each for each in document.reservations if each.for_ in theirs),
    )
