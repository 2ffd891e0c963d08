"""The ledger's table of servers and jobs that admins end, or have ended lately. A few rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sublet_quota.names.ids import JobId, SliceId, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.tables import EVICTIONS
from sublet_hub.ledger.text import storable_row


@dataclass(frozen=True, slots=True)
class Eviction:
    """That an admin ends an owner's server, or takes a job off its GPU."""

    eviction_id: str
    owner: UserName
    server: str
    """The server's name; empty for the default one, and for jobs."""
    slice_id: SliceId | None
    """``None``: of a job that had none."""
    job_id: JobId | None
    cancels: bool
    reason: str
    evicted_by: str
    asked_at: datetime
    due_at: datetime


class EvictionStore:
    """The evictions in memory, written through to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as connection:
            read = read_rows(connection, sa.select(EVICTIONS), EVICTIONS, _of_row, database.unread)
        self._kept = {each.eviction_id: each for each in read}

    @property
    def kept(self) -> Mapping[str, Eviction]:
        """All that were not dropped, by id."""
        return MappingProxyType(self._kept)

    def add(self, eviction: Eviction, instead_of: tuple[str, ...] = ()) -> None:
        """Keep a new one, in the place of others. ``LedgerWriteError``: then all is as before."""
        row = storable_row(asdict(eviction))
        with self._database.writing() as connection:
            _delete(connection, instead_of)
            connection.execute(sa.insert(EVICTIONS), row)
        self._forget(instead_of)
        self._kept[eviction.eviction_id] = eviction

    def drop(self, ids: tuple[str, ...]) -> None:
        """Forget evictions. ``LedgerWriteError``: then none of them is forgotten."""
        with self._database.writing() as connection:
            _delete(connection, ids)
        self._forget(ids)

    def _forget(self, ids: tuple[str, ...]) -> None:
        for each in ids:
            self._kept.pop(each, None)


def _delete(connection: Connection, ids: tuple[str, ...]) -> None:
    if ids:
        connection.execute(sa.delete(EVICTIONS).where(EVICTIONS.c.eviction_id.in_(ids)))


def _of_row(row: Any) -> Eviction:
    return Eviction(**{name: row[name] for name in Eviction.__slots__})
