"""The ledger's table of idle servers, of which something is to be remembered. A few rows.

Of a server that is idle, and whose end is not near, there is none: since when it is idle its agent
says again after any restart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sublet_quota.names.ids import SliceId, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.tables import IDLE_SERVERS
from sublet_hub.ledger.text import storable_row


@dataclass(frozen=True, slots=True)
class IdleNote:
    """What is remembered of an idle server."""

    slice_id: SliceId
    owner: UserName
    server: str
    """The server's name; empty for the default one."""
    idle_since: datetime
    """Since when it was idle as this was noted."""
    max_idle_s: float
    """For how long it could be so."""
    warned_at: datetime | None = None
    """When its owner was warned that its end is near; ``None``: not, or the end was put off."""
    extended_until: datetime | None = None
    """Until when its owner has put the end off."""
    ended_at: datetime | None = None
    """When JupyterHub was asked to stop it, and did not refuse."""


class IdleNotes:
    """The notes in memory, written through to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as connection:
            read = read_rows(
                connection, sa.select(IDLE_SERVERS), IDLE_SERVERS, _of_row, database.unread
            )
        self._kept = {each.slice_id: each for each in read}

    @property
    def kept(self) -> Mapping[SliceId, IdleNote]:
        """All that were not dropped, by their slices."""
        return MappingProxyType(self._kept)

    def keep(self, *notes: IdleNote) -> None:
        """Keep notes, in the place of those of the same slices.

        ``LedgerWriteError``: then all is as before.
        """
        if not notes:
            return
        with self._database.writing() as connection:
            connection.execute(_deleted(tuple(each.slice_id for each in notes)))
            connection.execute(
                sa.insert(IDLE_SERVERS), [storable_row(asdict(each)) for each in notes]
            )
        self._kept |= {each.slice_id: each for each in notes}

    def drop(self, *slices: SliceId) -> None:
        """Forget the notes of slices. ``LedgerWriteError``: then none of them is forgotten."""
        if not slices:
            return
        with self._database.writing() as connection:
            connection.execute(_deleted(slices))
        for each in slices:
            self._kept.pop(each, None)


def _deleted(slices: tuple[SliceId, ...]) -> sa.Delete:
    return sa.delete(IDLE_SERVERS).where(IDLE_SERVERS.c.slice_id.in_(slices))


def _of_row(row: Any) -> IdleNote:
    return IdleNote(**{name: row[name] for name in IdleNote.__slots__})
