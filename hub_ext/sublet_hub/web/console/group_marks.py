"""Whether what admins of groups see of the quota document is another than before.

Of a change elsewhere they are not told. A document is looked at once for each of those who watch,
not at each of their looks: it may have thousands of groups.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sublet_quota.document.administered.changes import OwnParts, own_parts
from sublet_quota.document.administered.groups import GroupClaims, administered
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GroupQuota
from sublet_quota.names.ids import GroupName

from sublet_hub.web.console.document_count import DocumentCount

_MOST_KEPT: Final = 2000
"""More than follow changes at once; of who is forgotten the next look tells that it is another."""

Groups = tuple[GroupName, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is theirs of a document, and its number."""

    seen_in: int
    """In which of the documents that came in force it was looked at last."""
    values: tuple[GroupQuota, ...]
    """Each of their groups, with all below it."""
    lists: OwnParts
    number: int


class GroupMarks:
    """Numbers what is seen, by the groups that somebody administers."""

    def __init__(self) -> None:
        self._documents = DocumentCount()
        self._administered: OrderedDict[GroupClaims, Groups] = OrderedDict()
        self._parts: OrderedDict[Groups, _Part] = OrderedDict()
        self._last = 0

    def mark(self, document: QuotaDocument, claims: GroupClaims) -> int | None:
        """Return the number of what is theirs of a document; ``None``: they administer nothing.

        ``document``: as it was written.
        """
        if claims.are_none:
            return None
        groups = self._groups(document, claims)
        if not groups:
            return None
        before = self._parts.get(groups)
        if before is None or before.seen_in != self._documents.number:
            self._parts[groups] = self._looked_at(document, groups, before)
            _bound(self._parts)
        self._parts.move_to_end(groups)
        return self._parts[groups].number

    def _groups(self, document: QuotaDocument, claims: GroupClaims) -> Groups:
        if self._documents.note(document):
            self._administered.clear()
        found = self._administered.get(claims)
        if found is None:
            found = self._administered[claims] = administered(document, claims)
            _bound(self._administered)
        self._administered.move_to_end(claims)
        return found

    def _looked_at(self, document: QuotaDocument, groups: Groups, before: _Part | None) -> _Part:
        values = tuple(document.all_groups[name] for name in groups)
        lists = own_parts(document, groups)
        if before is not None and (before.values, before.lists) == (values, lists):
            return _Part(self._documents.number, values, lists, before.number)
        self._last += 1
        return _Part(self._documents.number, values, lists, self._last)


def _bound(kept: OrderedDict[GroupClaims, Groups] | OrderedDict[Groups, _Part]) -> None:
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
