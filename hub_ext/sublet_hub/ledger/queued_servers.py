"""The ledger's table of notebook servers that wait in line, or have had their turn just now.

Of a server there is one entry. An owner's account is in none: it lies in private files.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sublet_quota.names.ids import SliceId, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.tables import QUEUED_SERVERS
from sublet_hub.ledger.text import storable_row

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


class QueuedServerStore:
    """The entries in memory, written through to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        asked = sa.select(QUEUED_SERVERS)
        with database.reading() as connection:
            read = read_rows(connection, asked, QUEUED_SERVERS, _of_row, database.unread)
        self._kept = {each.name: each for each in read}

    @property
    def kept(self) -> Mapping[ServerName, QueueEntry]:
        """All entries, by server."""
        return MappingProxyType(self._kept)

    def put(self, entry: QueueEntry) -> None:
        """Keep an entry, in the place of the server's. ``LedgerWriteError``: all is as before."""
        row = storable_row({**asdict(entry), "request": dict(entry.request)})
        with self._database.writing() as connection:
            _delete(connection, entry.name)
            connection.execute(sa.insert(QUEUED_SERVERS), row)
        self._kept[entry.name] = entry

    def drop(self, name: ServerName) -> None:
        """Forget a server's entry. ``LedgerWriteError``: then it is not forgotten."""
        with self._database.writing() as connection:
            _delete(connection, name)
        self._kept.pop(name, None)


def _delete(connection: Connection, name: ServerName) -> None:
    owner, server = name
    columns = QUEUED_SERVERS.c
    connection.execute(
        sa.delete(QUEUED_SERVERS).where(columns.owner == owner, columns.server == server)
    )


def _of_row(row: Any) -> QueueEntry:
    return QueueEntry(**{name: row[name] for name in QueueEntry.__slots__})
