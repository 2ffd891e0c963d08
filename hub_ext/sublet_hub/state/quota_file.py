"""The quota document in force, and the watch over its file.

Wrong at start: the service does not start, and says everything that is wrong. Wrong later: the
document that was in force stays, and what is wrong is told until the file is right again.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota import MOST_DOCUMENT

from sublet_hub.errors import QuotaFileError

_LOG = logging.getLogger(__name__)
_UNREAD = ""

Listener = Callable[[QuotaDocument], None]


class QuotaFile:
    """The quota document and where it comes from; without a file, the empty document."""

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        """Read the file. ``QuotaFileError`` with the full list where it is wrong."""
        self._path = path
        self._now = now
        self._listeners: list[Listener] = []
        self.error: QuotaFileError | None = None
        """Why the file, as it is now, is not in force; ``None``: it is."""
        self.loaded_at = now()
        text = self._read()
        self._digest = _digest(text)
        self.document = self._parse(text)
        self.text = text.decode(errors="replace")
        """The document in force as it was written; empty without a file."""

    @property
    def path(self) -> Path | None:
        """The file, if there is one."""
        return self._path

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each document that comes in force."""
        self._listeners.append(listener)

    def changed(self) -> bool:
        """Whether the file is another one than was looked at last."""
        try:
            return self._path is not None and _digest(self._read()) != self._digest
        except QuotaFileError as error:
            return self.error is None or str(error) != str(self.error)

    def reload(self) -> bool:
        """Look at the file again; return whether it is in force now."""
        # While it cannot be read, whatever comes next is another file, also the same text.
        self._digest = _UNREAD
        try:
            text = self._read()
            self._digest = _digest(text)
            document = self._parse(text)
        except QuotaFileError as error:
            self.error = error
            _LOG.error("%s\nThe document that was in force stays in force.", error)
            return False
        self.error = None
        written = text.decode(errors="replace")
        # The same on other lines is another one: refusals and rights name lines.
        if written != self.text:
            self.document, self.text = document, written
            _LOG.info("a new quota document is in force")
            for listener in self._listeners:
                listener(document)
        self.loaded_at = self._now()
        return True

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
