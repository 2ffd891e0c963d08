"""The quota document in the database, with its revisions: each with author, time and reason.

What is refused is never stored, and what cannot be stored is never in force. Whoever applies a
document names the revision that they made it from, or of a part the digest of that part, so nobody
undoes unseen what another has done, and nobody is refused for what was changed elsewhere.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sublet_quota.document.administered.bounds import PartAuthor, PartBounds
from sublet_quota.document.administered.groups import GroupClaims, administered, gone_from
from sublet_quota.document.administered.part_digests import digest_of_part
from sublet_quota.document.administered.parts import WithPart
from sublet_quota.document.differences import written_differences
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.reasons.moments import moment_words
from sublet_quota.wire.quota import MOST_DOCUMENT, KeptIn

from sublet_hub.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    QuotaFileError,
    QuotaRefusedError,
    TooManyRequestsError,
)
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.quota_revisions import (
    MOST_BYTES,
    QuotaRevision,
    QuotaRevisionStore,
    WrittenRevision,
)
from sublet_hub.state.quota_documents.parts import (
    changed_part,
    refuse_charged_to_go,
    refuse_if_another,
    refuse_names_of_before,
)
from sublet_hub.state.quota_documents.source import InForce, QuotaSource, Wish
from sublet_hub.state.quota_file import QuotaFile

_FIRST_AUTHOR: Final = "sublet"
_MOST_TOLD: Final = 5
_A_DAY: Final = timedelta(days=1)
MOST_OF_GROUPS_A_DAY: Final = 100
"""So many revisions by admins of groups alone may follow each other in a day."""
MOST_BYTES_OF_GROUPS_A_DAY: Final = MOST_BYTES // 4
"""And so many bytes: of what is kept together they would push others' out."""
_LOG = logging.getLogger(__name__)


class QuotaInDatabase(QuotaSource):
    """The document that the newest revision says."""

    kept_in = KeptIn.DATABASE

    def __init__(
        self,
        store: QuotaRevisionStore,
        path: Path | None,
        now: Callable[[], datetime],
        most_of_part: PartBounds,
    ) -> None:
        """Read the newest revision; where there is none, make the first of the file.

        ``QuotaFileError`` where neither can be in force. ``LedgerReadError``, ``LedgerWriteError``.
        """
        super().__init__(path, now)
        self.most_of_part = most_of_part
        self._store = store
        self._turn = asyncio.Lock()
        self._turn_of_parts = asyncio.Lock()
        self._is_told = True
        newest = store.newest() or self._first()
        self._revision = newest.about
        try:
            self.document = read_quota_document(newest.text)
        except QuotaDocumentError as error:
            where = f"revision {newest.about.revision} in the database"
            problems = [str(problem) for problem in error.problems]
            remedy = "start with quota_source 'file' and a document that is right"
            raise QuotaFileError(where, [*problems, remedy]) from error
        self.text = newest.text

    def _first(self) -> WrittenRevision:
        file = QuotaFile(self._path, self._now)
        reason = "no file: what holds when nobody says"
        if self._path is not None:
            reason = f"as it was in {self._path}"
        keys = len(written_differences(QuotaDocument(), file.document))
        made = WrittenRevision(
            QuotaRevision(1, _FIRST_AUTHOR, self._now(), reason, keys), file.text
        )
        self._store.add(made)
        return made

    @property
    def revision(self) -> QuotaRevision:
        """The revision in force."""
        return self._revision

    @property
    def told(self) -> str:
        """Who put the document in force, and why."""
        made = self._revision
        within = f", admin of {', '.join(made.groups)}" if made.groups else ""
        return f"revision {made.revision} by {made.author}{within}: {made.reason}"

    def changed(self) -> bool:
        """Whether some of those who work by the document have not been told of it."""
        return not self._is_told

    async def reload(self) -> bool:
        """Tell them again."""
        await self._prepare(self.document)
        self._tell(self.document, self.text)
        return True

    async def apply(self, text: str, wish: Wish) -> InForce:
        """Put a document in force. ``LedgerWriteError``: then the old one stays in force."""
        async with self._turn:
            self._check(wish.expect)
            if text == self.text:
                return InForce(self._revision, is_new=False)
            document, keys = await asyncio.to_thread(_read, text, self.document)
            return await self._store_and_tell(document, text, keys, wish)

    async def apply_part(self, sent: str, wish: Wish, claims: GroupClaims) -> InForce:
        """Put a document in force with the part that an admin of groups sent."""
        async with self._turn_of_parts:
            while True:
                document, now = self.document, self._now()
                self._refuse_flood(now, wish.role)
                author = PartAuthor(administered(document, claims), self.most_of_part)
                # It takes seconds, in which others' documents are put in force.
                part = await asyncio.to_thread(
                    _read_part, document, self.text, author, sent, (wish.expect_part, now)
                )
                async with self._turn:
                    if self.document is document:
                        return await self._put_part_in_force(part, wish)

    async def _put_part_in_force(self, part: "_Part", wish: Wish) -> InForce:
        """Store a part that was made from the document in force, while no other may be."""
        made = part.made
        if not part.is_another:
            return InForce(self._revision, is_new=False, part=part.digest)
        refuse_names_of_before(await asyncio.to_thread(self._store.charged, part.new))
        # Why their admins changed these would be read by the new one.
        refuse_names_of_before(part.new & _groups_of(await self.history()))
        refuse_charged_to_go(await asyncio.to_thread(self._store.charged, part.gone))
        done = await self._store_and_tell(made.document, made.text, part.keys, wish, made.groups)
        return replace(done, part=part.digest)

    async def _store_and_tell(
        self,
        document: QuotaDocument,
        text: str,
        keys: int,
        wish: Wish,
        groups: tuple[str, ...] = (),
    ) -> InForce:
        await self._prepare(document)
        # No other apply has a turn meanwhile: the revision is still the one that was expected.
        number = self._revision.revision + 1
        about = QuotaRevision(
            number, wish.author, self._now(), wish.reason, keys, wish.role, groups
        )
        self._store.add(WrittenRevision(about, text))
        self._revision = about
        self._tell(document, text)
        return InForce(about, is_new=True)

    def _refuse_flood(self, now: datetime, role: str | None) -> None:
        """Raise ``TooManyRequestsError`` before admins of groups push others' revisions out."""
        if role and self._store.bytes_of_role(role, now - _A_DAY) > MOST_BYTES_OF_GROUPS_A_DAY:
            message = "the revisions by admins of groups within a day are too large: make none now"
            raise TooManyRequestsError(message, retry_after_s=3600)
        latest = self._store.listed(self._revision.revision - MOST_OF_GROUPS_A_DAY)
        of_groups = [each.made_at for each in latest if each.groups]
        if len(of_groups) == MOST_OF_GROUPS_A_DAY and min(of_groups) > now - _A_DAY:
            message = (
                f"the last {MOST_OF_GROUPS_A_DAY} revisions are by admins of groups, all within a "
                "day: no more are made by them for now"
            )
            raise TooManyRequestsError(message, retry_after_s=3600)

    async def roll_back(self, revision: int, wish: Wish) -> InForce:
        """Put in force what an earlier revision says, as a new one."""
        earlier, _ = await self.written(revision)
        return await self.apply(earlier.text, wish)

    async def history(self) -> tuple[QuotaRevision, ...]:
        """Return the revisions that are kept, the newest first. ``LedgerReadError``."""
        return await asyncio.to_thread(self._store.listed)

    async def written(self, revision: int) -> tuple[WrittenRevision, WrittenRevision | None]:
        """Return a revision, and the one before it if that is kept. ``LedgerReadError``."""
        found = await asyncio.to_thread(self._store.with_the_one_before, revision)
        if found is None:
            message = f"there is no revision {revision}: `sublet quota history` lists those kept"
            raise NotFoundError(message)
        return found

    def _check(self, expect: int | None) -> None:
        now = self._revision.revision
        if expect == now:
            return
        if expect is None:
            message = "say which revision the document was made from: it is not in `expect`"
            raise BadRequestError(message)
        if expect > now:
            message = f"there is no revision {expect} yet: {now} is in force"
            raise ConflictError(message)
        since = self._store.listed(expect)
        told = [
            f"{each.revision} by {each.author} at {moment_words(each.made_at)} ({each.reason})"
            for each in reversed(since[:_MOST_TOLD])
        ]
        left = f", and {len(since) - len(told)} before" if len(since) > len(told) else ""
        message = (
            f"revision {now} is in force, not {expect}, which this was made from. Since then: "
            f"{'; '.join(told)}{left}. Nothing was changed: see `sublet quota history {now}`, and "
            "make it anew from what is in force"
        )
        raise ConflictError(message)

    def _tell(self, document: QuotaDocument, text: str) -> None:
        """Put in force what is stored; whoever cannot be told now is told again soon."""
        self._is_told = False
        try:
            self._put_in_force(document, text)
        except LedgerWriteError as error:
            _LOG.warning("the quota document is in force, and told again soon: %s", error)
        else:
            self._is_told = True


@dataclass(frozen=True, slots=True)
class _Part:
    """What somebody sent as their part, beside the document that it was made from."""

    made: WithPart
    is_another: bool
    keys: int
    """How many keys of the document say something else."""
    new: frozenset[str]
    """The groups that there were not."""
    gone: frozenset[str]
    """The groups that are not any more where they were."""
    digest: str
    """By what the part is known when it is in force."""


def _read_part(
    before: QuotaDocument,
    text: str,
    author: PartAuthor,
    sent: str,
    made_from: tuple[str, datetime],
) -> _Part:
    """Read a part that was made from the one of this digest, as it is at a time.

    ``ConflictError``, ``QuotaRefusedError``, ``QuotaNotTheirsError``.
    """
    expect, now = made_from
    refuse_if_another(before, text, author, sent, expect)
    made = changed_part(before, text, author, sent, now)
    after = made.document
    return _Part(
        made,
        is_another=after != before,
        keys=len(written_differences(before, after)),
        new=frozenset(after.all_groups.keys() - before.all_groups.keys()),
        gone=gone_from(before, after, made.groups),
        digest=digest_of_part(after, made.text, made.groups),
    )


def _groups_of(made: Iterable[QuotaRevision]) -> frozenset[str]:
    return frozenset(name for each in made for name in each.groups)


def _read(text: str, before: QuotaDocument) -> tuple[QuotaDocument, int]:
    """Return a document, and how many keys say something else. ``QuotaRefusedError``."""
    document = read_applied(text)
    return document, len(written_differences(before, document))


def read_applied(text: str) -> QuotaDocument:
    """Return a document that somebody sent. ``QuotaRefusedError`` with all that is wrong."""
    if len(text.encode()) > MOST_DOCUMENT:
        raise QuotaRefusedError([f"it is larger than {MOST_DOCUMENT} bytes"])
    try:
        return read_quota_document(text)
    except QuotaDocumentError as error:
        raise QuotaRefusedError([str(problem) for problem in error.problems]) from error
