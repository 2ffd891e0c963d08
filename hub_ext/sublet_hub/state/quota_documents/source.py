"""The quota document in force, wherever it is kept; whoever works by it listens here."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sublet_quota.document.administered.bounds import PartBounds
from sublet_quota.document.administered.groups import GroupClaims
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.wire.quota import KeptIn

from sublet_hub.errors import QuotaFileError
from sublet_hub.ledger.quota_revisions import QuotaRevision, WrittenRevision

_LOG = logging.getLogger(__name__)

Listener = Callable[[QuotaDocument], None]
Preparation = Callable[[QuotaDocument], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants another document to be in force, why, and what they made it from."""

    author: str
    reason: str
    expect: int | None
    """The revision that they think is in force; ``None``: they see a part alone."""
    role: str | None = None
    """In which role they want it."""
    expect_part: str = ""
    """By what the part that they think is in force is known."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The revision that is in force once a document was applied."""

    about: QuotaRevision
    is_new: bool
    part: str | None = None
    """By what the part that was sent is known, as it is in force; ``None``: it was no part."""


class QuotaSource(ABC):
    """A document in force, and where it comes from."""

    kept_in: KeptIn
    most_of_part = PartBounds()
    """How much of the document admins of one group may make of its part."""

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now
        self._listeners: list[Listener] = []
        self._preparations: list[Preparation] = []
        self.document = QuotaDocument()
        self.text = ""
        """The document in force as it was written; empty without any."""
        self.error: QuotaFileError | None = None
        """Why what is there now is not in force; ``None``: it is."""
        self.loaded_at = now()

    @property
    def path(self) -> Path | None:
        """The file that was configured, if there is one."""
        return self._path

    @property
    def revision(self) -> QuotaRevision | None:
        """The revision in force; ``None`` where there are none."""
        return None

    @property
    def told(self) -> str:
        """What the record of events says of the document in force: who put it there, and why."""
        return ""

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each document that comes in force."""
        self._listeners.append(listener)

    def prepare_by(self, preparation: Preparation) -> None:
        """Await ``preparation`` of each document before it comes in force.

        What takes long is done there, beside the loop; until then all is the old document's.
        """
        self._preparations.append(preparation)

    @abstractmethod
    def changed(self) -> bool:
        """Whether ``reload`` has something to do."""

    @abstractmethod
    async def reload(self) -> bool:
        """Look again; return whether what is there is in force now."""

    @abstractmethod
    async def apply(self, text: str, wish: Wish) -> InForce:
        """Put a document in force, stored first. ``ConflictError``, ``QuotaRefusedError``."""

    @abstractmethod
    async def apply_part(self, sent: str, wish: Wish, claims: GroupClaims) -> InForce:
        """Put a document in force with the part that an admin of groups sent for some of these.

        The same errors, and ``NotAllowedError`` where it changes what is not theirs.
        """

    @abstractmethod
    async def roll_back(self, revision: int, wish: Wish) -> InForce:
        """Put in force what an earlier revision says. The same errors, and ``NotFoundError``."""

    @abstractmethod
    async def history(self) -> tuple[QuotaRevision, ...]:
        """Return the revisions that are kept, the newest first. ``ConflictError``."""

    @abstractmethod
    async def written(self, revision: int) -> tuple[WrittenRevision, WrittenRevision | None]:
        """Return a revision, and the one before it if that is kept. ``NotFoundError``."""

    async def _prepare(self, document: QuotaDocument) -> None:
        for prepared in self._preparations:
            await prepared(document)

    def _put_in_force(self, document: QuotaDocument, text: str) -> None:
        self.document, self.text = document, text
        self.loaded_at = self._now()
        _LOG.info("a new quota document is in force")
        for listener in self._listeners:
            listener(document)
