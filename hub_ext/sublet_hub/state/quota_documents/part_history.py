"""What of some groups' part each revision has changed: for their admins, and no more than that.

A revision that changed their part is told with who made it and when, whoever that was, and known by
a digest of that: its number would count others'. It is told with its
reason only where nothing else was changed in it, as it may speak of that. From where a group was
not there, or elsewhere in the tree, its history is another's. Revisions are read once for each of
those who ask; at one time the newest, and further back with each question.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sublet_quota.document.administered.alone import part_alone, rest_alone
from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.document.administered.part_digests import part_digest
from sublet_quota.document.administered.parts import part_of, part_text
from sublet_quota.document.differences import written_differences
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.names.ids import GroupName

from sublet_hub.errors import NotFoundError
from sublet_hub.ledger.quota_revisions import QuotaRevision, WrittenRevision
from sublet_hub.state.quota_documents.source import QuotaSource

MOST_LOOKED_AT: Final = 50
"""So many revisions more are read at one time."""
MOST_BYTES_LOOKED_AT: Final = 2**20
"""And of so much text: it takes seconds."""
_MOST_KEPT: Final = 2000

Groups = tuple[GroupName, ...]


@dataclass(frozen=True, slots=True)
class PartRevision:
    """A revision as it is told of some groups' part."""

    about: QuotaRevision
    keys_changed: int
    """How many keys of the part say something else."""
    is_alone: bool
    """Whether nothing but the part was changed in it."""
    change: str
    """By what its reader knows it."""
    is_newest: bool
    """Whether none after it changed the part."""


@dataclass(frozen=True, slots=True)
class PartTexts:
    """What a revision made of a part."""

    told: PartRevision
    text: str
    text_before: str


@dataclass(frozen=True, slots=True)
class _Change:
    """What a revision changed of a part."""

    keys_changed: int
    is_alone: bool
    digest: str
    """Of what it made of the part."""
    known: frozenset[GroupName]
    """The groups of the part, before and after."""
    goes_on: bool
    """Whether the revision before is of the same groups."""


class PartHistories:
    """Finds what of a part was changed when."""

    def __init__(self, quota: QuotaSource) -> None:
        self._quota = quota
        self._found: OrderedDict[tuple[int, Groups], _Change] = OrderedDict()

    async def of(self, groups: Groups) -> tuple[PartRevision, ...]:
        """Return the revisions that changed the part of these groups, the newest first.

        None from before these groups were there, where they are: whoever made such a revision was
        another group's admin, also where it was of these names. What is not looked at yet may be
        from before. ``ConflictError`` where the document is a file, ``LedgerReadError``.
        """
        listed = await self._quota.history()
        told: list[PartRevision] = []
        left = _Left()
        after: _Read | None = None
        others = _Others(self._quota, groups)
        is_newest = True
        for place, about in enumerate(listed):
            change = self._found.get((about.revision, groups))
            if change is None:
                if not left.any or place + 1 == len(listed):
                    break
                after, before = await self._pair(about.revision, after)
                left.take(before)
                change = await asyncio.to_thread(_change, before, after, groups)
                self._keep(about.revision, groups, change)
                after = before
            # Whether there is something to tell, and nothing in it is another's by now.
            if change.keys_changed and change.known.isdisjoint(others.now()):
                known_by = _known_by(about, change)
                told.append(
                    PartRevision(about, change.keys_changed, change.is_alone, known_by, is_newest)
                )
            is_newest = is_newest and not change.keys_changed
            if not change.goes_on:
                break
        return tuple(told)

    async def texts(self, named: int | str, groups: Groups) -> PartTexts:
        """Return what a revision made of the part of these groups. ``NotFoundError``.

        ``named``: its number, or what ``PartRevision.change`` says.
        """
        found = (e for e in await self.of(groups) if named in (e.about.revision, e.change))
        told = next(found, None)
        number = None if told is None else told.about.revision
        written, before = (None, None) if number is None else await self._quota.written(number)
        if told is None or written is None or before is None:
            message = f"no revision {named} of your groups is kept"
            raise NotFoundError(message)
        now = self._quota.document
        texts = await asyncio.to_thread(_part_texts, (written, before), groups, now)
        if texts is None:
            message = f"what revision {named} said cannot be told: other groups were in it"
            raise NotFoundError(message)
        return PartTexts(told, text=texts[0], text_before=texts[1])

    async def _pair(self, revision: int, after: "_Read | None") -> tuple["_Read", "_Read | None"]:
        written, before = await self._quota.written(revision)
        if after is None or after.revision != revision:
            after = await asyncio.to_thread(_read, written)
        return after, None if before is None else await asyncio.to_thread(_read, before)

    def _keep(self, revision: int, groups: Groups, change: _Change) -> None:
        self._found[revision, groups] = change
        while len(self._found) > _MOST_KEPT:
            self._found.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Read:
    """A revision that was read; ``None``: this version cannot."""

    revision: int
    size: int
    document: QuotaDocument | None


class _Others:
    """The groups of the document in force that are neither some groups nor below these.

    Looked for once a document: of thousands of groups, for each of many revisions it takes seconds.
    """

    def __init__(self, quota: QuotaSource, groups: Groups) -> None:
        self._quota = quota
        self._groups = groups
        self._found: tuple[QuotaDocument, frozenset[GroupName]] | None = None

    def now(self) -> frozenset[GroupName]:
        """Return those of this moment."""
        document = self._quota.document
        if self._found is None or self._found[0] is not document:
            self._found = document, _beside(document, self._groups)
        return self._found[1]


class _Left:
    """How much more is read at this time."""

    def __init__(self) -> None:
        self._revisions, self._bytes = MOST_LOOKED_AT, MOST_BYTES_LOOKED_AT

    @property
    def any(self) -> bool:
        """Whether another may be read."""
        return self._revisions > 0 and self._bytes > 0

    def take(self, read: _Read | None) -> None:
        """Count one that was read."""
        self._revisions -= 1
        self._bytes -= 0 if read is None else read.size


def _read(written: WrittenRevision) -> _Read:
    try:
        document = read_quota_document(written.text)
    except QuotaDocumentError:
        document = None
    return _Read(written.about.revision, len(written.text), document)


def _known_by(about: QuotaRevision, change: _Change) -> str:
    """Return a digest of nothing but what is told of a revision."""
    return part_digest(f"{about.made_at.isoformat()}\0{about.author}\0{change.digest}")


def _change(before: _Read | None, after: _Read, groups: Groups) -> _Change:
    old = None if before is None else before.document
    if old is None or after.document is None or not _are_same(old, after.document, groups):
        return _Change(0, is_alone=False, digest="", known=frozenset(), goes_on=False)
    had, has = part_alone(old, groups), part_alone(after.document, groups)
    if had == has:
        return _Change(0, is_alone=False, digest="", known=frozenset(), goes_on=True)
    return _Change(
        max(1, len(written_differences(had, has))),
        is_alone=rest_alone(old, groups) == rest_alone(after.document, groups),
        digest=part_digest(has.model_dump_json(by_alias=True)),
        known=frozenset((*had.all_groups, *has.all_groups)),
        goes_on=True,
    )


def _are_same(one: QuotaDocument, other: QuotaDocument, groups: Iterable[GroupName]) -> bool:
    """Whether these groups are in both documents, at the same places of the tree."""
    return all(
        name in one.all_groups
        and name in other.all_groups
        and one.path_of(name) == other.path_of(name)
        for name in groups
    )


def _beside(document: QuotaDocument, groups: Groups) -> frozenset[GroupName]:
    return frozenset(document.all_groups.keys() - with_all_below(document, groups))


def _part_texts(
    written: Iterable[WrittenRevision], groups: Groups, now: QuotaDocument
) -> tuple[str, ...] | None:
    """Return a part as revisions say it; ``None`` where that is not theirs to see."""
    others = _beside(now, groups)
    texts = []
    for each in written:
        try:
            document = read_quota_document(each.text)
        except QuotaDocumentError:
            return None
        there = tuple(name for name in groups if _are_same(document, now, (name,)))
        if not there or not others.isdisjoint(with_all_below(document, there)):
            return None
        texts.append(part_text(part_of(document, each.text, there)))
    return tuple(texts)
