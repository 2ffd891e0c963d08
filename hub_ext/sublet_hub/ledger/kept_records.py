"""Small tables of the ledger, all of whose records are in memory, too."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.text import storable_row

_Key = TypeVar("_Key")
_Record = TypeVar("_Record", bound=Any)


class KeptRecords(Generic[_Key, _Record]):
    """The records of one table in memory, written through to the database."""

    def __init__(
        self, database: Database, table: sa.Table, kind: type[_Record], key: tuple[str, ...]
    ) -> None:
        """Read them. ``kind``: a data class with slots of the table's columns. ``LedgerReadError``.

        ``key``: the columns that tell records apart; of several, a key is a tuple of their values.
        """
        self._database = database
        self._table = table
        self._columns = tuple(table.c[name] for name in key)
        self._read_key: Callable[[_Record], Any] = attrgetter(*key)
        names = kind.__slots__

        def of_row(row: Mapping[Any, Any]) -> _Record:
            record: _Record = kind(**{name: row[name] for name in names})
            return record

        with database.reading() as connection:
            read = read_rows(connection, sa.select(table), table, of_row, database.unread)
        self._kept: dict[_Key, _Record] = {self._key_of(each): each for each in read}

    @property
    def kept(self) -> Mapping[_Key, _Record]:
        """All that were not dropped, by their keys."""
        return MappingProxyType(self._kept)

    def add(self, *records: _Record, instead_of: Collection[_Key] = ()) -> None:
        """Keep new records, in the place of others. ``LedgerWriteError``: then all is as before."""
        if not records:
            return
        rows = [storable_row(asdict(each)) for each in records]
        with self._database.writing() as connection:
            self._delete(connection, instead_of)
            connection.execute(sa.insert(self._table), rows)
        new = {self._key_of(each): each for each in records}
        self._forget(key for key in instead_of if key not in new)
        self._kept |= new

    def keep(self, *records: _Record) -> None:
        """Keep records, in the place of those of the same keys.

        ``LedgerWriteError``: then all is as before.
        """
        self.add(*records, instead_of=tuple(map(self._key_of, records)))

    def drop(self, *keys: _Key) -> None:
        """Forget records. ``LedgerWriteError``: then none of them is forgotten."""
        if not keys:
            return
        with self._database.writing() as connection:
            self._delete(connection, keys)
        self._forget(keys)

    def _key_of(self, record: _Record) -> _Key:
        key: _Key = self._read_key(record)
        return key

    def _delete(self, connection: Connection, keys: Collection[_Key]) -> None:
        if not keys:
            return
        key: sa.ColumnElement[Any] = sa.tuple_(*self._columns)
        if len(self._columns) == 1:
            (key,) = self._columns
        connection.execute(sa.delete(self._table).where(key.in_(keys)))

    def _forget(self, keys: Iterable[_Key]) -> None:
        for key in keys:
            self._kept.pop(key, None)
