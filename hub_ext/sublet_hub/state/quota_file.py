"""The quota document in force, and the watch over its file.

By itself a file is taken up once it was found the same twice; when somebody asks for it, at once.
Wrong at start: the service does not start, and says everything that is wrong. Wrong later: the
document that was in force stays, and what is wrong is told until the file is right again.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from sublet_quota.document.administered.groups import GroupClaims
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota import MOST_DOCUMENT, KeptIn

from sublet_hub.errors import ConflictError, QuotaFileError
from sublet_hub.ledger.quota_revisions import QuotaRevision, WrittenRevision
from sublet_hub.state.quota_documents.source import InForce, QuotaSource, Wish

_LOG = logging.getLogger(__name__)
_UNREAD = ""


class QuotaFile(QuotaSource):
    """The quota document of a file; without a file, the empty document."""

    kept_in = KeptIn.FILE

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        """Read the file. ``QuotaFileError`` with the full list where it is wrong."""
        super().__init__(path, now)
        self._turn = asyncio.Lock()
        text = self._read()
        self._digest = self._seen = _digest(text)
        self.document = self._parse(text)
        self.text = text.decode(errors="replace")

    def changed(self) -> bool:
        """Whether the file is another one than was looked at last, and no more being written.

        It is the same as when this was asked before, then: who saves a file empties it first, and
        an empty document, or the first half of one, may be right by itself.
        """
        try:
            before, self._seen = self._seen, _digest(self._read())
        except QuotaFileError as error:
            self._seen = _UNREAD
            return self.error is None or str(error) != str(self.error)
        return self._seen != self._digest and self._seen == before

    async def reload(self) -> bool:
        """Look at the file again, beside the loop; return whether it is in force now."""
        async with self._turn:
            return await self._look_again()

    async def _look_again(self) -> bool:
        # While it cannot be read, whatever comes next is another file, also the same text.
        self._digest = _UNREAD
        try:
            text = self._read()
            self._digest = _digest(text)
            # Of a large one it takes seconds, in which agents are to be heard.
            document = await asyncio.to_thread(self._parse, text)
        except QuotaFileError as error:
            self.error = error
            _LOG.error("%s\nThe document that was in force stays in force.", error)
            return False
        self.error = None
        written = text.decode(errors="replace")
        # The same on other lines is another one: refusals and rights name lines.
        if written != self.text:
            await self._prepare(document)
            self._put_in_force(document, written)
        self.loaded_at = self._now()
        return True

    async def apply(self, text: str, wish: Wish) -> InForce:
        """Say which file to change instead. ``ConflictError``."""
        del text, wish
        self._refuse()

    async def apply_part(self, sent: str, wish: Wish, claims: GroupClaims) -> InForce:
        """Say that the file alone is changed. ``ConflictError``."""
        del sent, wish, claims
        message = (
            "the quota document is a file here (`quota_source` is `file`), which an admin changes: "
            "only with `quota_source: database` do admins of groups change their part"
        )
        raise ConflictError(message)

    async def roll_back(self, revision: int, wish: Wish) -> InForce:
        """Say which file to change instead. ``ConflictError``."""
        del revision, wish
        self._refuse()

    async def history(self) -> tuple[QuotaRevision, ...]:
        """Say that the file has no revisions here. ``ConflictError``."""
        self._refuse_revisions()

    async def written(self, revision: int) -> tuple[WrittenRevision, WrittenRevision | None]:
        """Say that the file has no revisions here. ``ConflictError``."""
        del revision
        self._refuse_revisions()

    def _refuse(self) -> NoReturn:
        instead = (
            "none is configured: name one as `quota_file`"
            if self._path is None
            else f"change {self._path}, which is in force seconds after it was written, where it "
            "is kept (a repository, the chart's value `quota`)"
        )
        message = (
            "the quota document is a file here (`quota_source` is `file`), and what was applied "
            f"beside it would be lost: {instead}. With `quota_source: database` the service keeps "
            "the document and its revisions"
        )
        raise ConflictError(message)

    def _refuse_revisions(self) -> NoReturn:
        where = "" if self._path is None else f" {self._path}"
        message = (
            f"the quota document is a file here{where} (`quota_source` is `file`), and has no "
            "revisions: what keeps the file, such as a repository, has its history. With "
            "`quota_source: database` the service keeps the document and its revisions"
        )
        raise ConflictError(message)

    def _read(self) -> bytes:
        if self._path is None:
            return b""
        try:
            with self._path.open("rb") as file:
                text = file.read(MOST_DOCUMENT + 1)
        except OSError as error:
            raise QuotaFileError(str(self._path), [f"it cannot be read: {error}"]) from error
        if len(text) > MOST_DOCUMENT:
            raise QuotaFileError(str(self._path), [f"it is larger than {MOST_DOCUMENT} bytes"])
        return text

    def _parse(self, text: bytes) -> QuotaDocument:
        try:
            return read_quota_document(text)
        except QuotaDocumentError as error:
            problems = [str(problem) for problem in error.problems]
            raise QuotaFileError(str(self._path), problems) from error


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
