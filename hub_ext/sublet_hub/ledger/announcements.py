"""The ledger's table of announcements: what admins tell owners, until it ends. A few rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.tables import ANNOUNCEMENTS
from sublet_hub.ledger.text import storable_row


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an admin tells owners."""

    announcement_id: str
    audience: str
    """A value of ``Audience``, unless another version of the service has written it."""
    name: str | None
    """Which owner, group or node; ``None`` for all."""
    text: str
    made_by: str
    made_at: datetime
    until: datetime


class AnnouncementStore:
    """The announcements in memory, written through to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as connection:
            read = read_rows(
                connection, sa.select(ANNOUNCEMENTS), ANNOUNCEMENTS, _of_row, database.unread
            )
        self._kept = {each.announcement_id: each for each in read}

    @property
    def kept(self) -> Mapping[str, Announcement]:
        """All that were not dropped, also those whose end has come, by id."""
        return MappingProxyType(self._kept)

    def add(self, announcement: Announcement) -> None:
        """Keep a new announcement. ``LedgerWriteError``: then it is not kept."""
        row = storable_row(asdict(announcement))
        with self._database.writing() as connection:
            connection.execute(sa.insert(ANNOUNCEMENTS), row)
        self._kept[announcement.announcement_id] = announcement

    def drop(self, ids: tuple[str, ...]) -> None:
        """Forget announcements. ``LedgerWriteError``: then none of them is forgotten."""
        of_these = ANNOUNCEMENTS.c.announcement_id.in_(ids)
        with self._database.writing() as connection:
            connection.execute(sa.delete(ANNOUNCEMENTS).where(of_these))
        for each in ids:
            self._kept.pop(each, None)


def _of_row(row: Any) -> Announcement:
    return Announcement(**{name: row[name] for name in Announcement.__slots__})
