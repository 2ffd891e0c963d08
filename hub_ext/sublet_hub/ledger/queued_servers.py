"""The ledger's table of notebook servers that wait in line, or have had their turn just now.

Of a server there is one entry. An owner's account is in none: it lies in private files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sublet_quota.names.ids import SliceId, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.kept_records import KeptRecords
from sublet_hub.ledger.tables import QUEUED_SERVERS

ServerName = tuple[UserName, str]
"""A server by its owner and its name."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A notebook server in line."""

    request_id: str
    owner: UserName
    server: str
    request: Mapping[str, Any]
    """What was asked for, as the wire has it (``SliceRequest``), without the account."""
    lot: int
    since: datetime
    slice_id: SliceId | None = None
    """The slice that was handed out to it; ``None`` while it waits."""
    turn_at: datetime | None = None

    @property
    def name(self) -> ServerName:
        """The server."""
        return self.owner, self.server


class QueuedServerStore(KeptRecords[ServerName, QueueEntry]):
    """The entries, by server."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, QUEUED_SERVERS, QueueEntry, ("owner", "server"))
