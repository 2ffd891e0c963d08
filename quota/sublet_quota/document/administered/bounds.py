"""How much of the document the part of one group may be: what admins of groups write is bounded.

The whole document has bounds, too, which are everybody's: nobody's part fills them for the others.
A part that is larger already, as an admin of all wrote it, may stay so, and grows no more.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sublet_quota.document.administered.alone import part_alone
from sublet_quota.document.administered.groups import below, with_all_below
from sublet_quota.document.administered.parts import WithPart, part_of_values
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.text.written_values import written
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.forbidden_changes import Forbidden, ForbiddenChange

_AS_SENT: Final = 2
_WRITTEN_OUT: Final = 4


@dataclass(frozen=True, slots=True)
class PartBounds:
    """The most that the part of one group with admins may have."""

    entries: int = 500
    """Groups below it, exceptions and reservations, in all."""
    size_bytes: int = 128 * 1024
    """As it is written, each key on a line of its own."""
    ends: int = 20
    """Different times at which exceptions end: after each the whole document is looked at."""

    def most_sent(self, groups: int, text: str) -> int:
        """Return how many characters may be sent as a part of so many groups, to be read at all.

        ``text``: the whole document. No part in it is larger, however it is written: in another
        notation, or with notes, it is a few times as long.
        """
        return max(_AS_SENT * self.size_bytes * groups, _WRITTEN_OUT * len(text))


@dataclass(frozen=True, slots=True)
class PartAuthor:
    """Who sends a part: the groups that they administer, and how much the part of one may be."""

    groups: tuple[GroupName, ...]
    most: PartBounds = PartBounds()


def beyond_bounds(before: QuotaDocument, made: WithPart, author: PartAuthor) -> Iterator[Forbidden]:
    """Yield of which groups the part would be larger than it is, and than it may be."""
    bounds = author.most
    for top in author.groups:
        if with_all_below(before, (top,)).isdisjoint(made.groups):
            continue
        told = tuple(_too_much(_counts(before, top), _counts(made.document, top), bounds))
        if told:
            yield Forbidden(ForbiddenChange.PART_TOO_LARGE, told, top)
            continue
        had, has = (
            _size(document, values, top, bounds.size_bytes)
            for document, values in ((before, made.values_before), (made.document, made.values))
        )
        if has > max(had, bounds.size_bytes):
            told = (f"more than {bounds.size_bytes} bytes (quota_part_kib)",)
            yield Forbidden(ForbiddenChange.PART_TOO_LARGE, told, top)


def _too_much(had: tuple[int, int], has: tuple[int, int], bounds: PartBounds) -> Iterator[str]:
    entries, ends = has
    if entries > max(had[0], bounds.entries):
        what = "groups, exceptions and reservations"
        yield f"{entries} {what}, of at most {bounds.entries} (quota_part_entries)"
    if ends > max(had[1], bounds.ends):
        what = "times at which exceptions end"
        yield f"{ends} {what}, of at most {bounds.ends} (quota_part_ends)"


def _counts(document: QuotaDocument, top: GroupName) -> tuple[int, int]:
    """Return how many entries a part has, and at how many times its exceptions end."""
    alone = part_alone(document, (top,))
    entries = len(below(document, (top,))) + len(alone.exceptions) + len(alone.reservations)
    return entries, len({each.until for each in alone.exceptions} - {None})


def _size(document: QuotaDocument, values: Mapping[str, Any], top: GroupName, most: int) -> int:
    """Return how many bytes a part is, as deep in the text as it stands; at least, if too many."""
    part = part_of_values(document, values, (top,))
    plain = len(json.dumps(part, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if plain > 2 * most:
        # The signs of one notation or the other are less than half.
        return plain
    around: Any = part.pop("groups")[top]
    for key in reversed(key_path(document.path_of(top))):
        around = {key: around}
    return len(written({**around, **part}).encode("utf-8", "surrogatepass"))
