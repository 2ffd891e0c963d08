"""Rows of the ledger become records here: one that cannot be read stops none of the others.

Another version, a hand or a disk may have written what no record is made of: a text where a number
belongs, broken JSON, a state that is not known. Such a row is skipped, its id is logged once, and
it is counted for the metrics. It stays in the database, where an admin can look at it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_Record = TypeVar("_Record")
_Shown = TypeVar("_Shown")
_LOG = logging.getLogger(__name__)
_UNREADABLE: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What making a record of a row raises; errors of the database are none of these."""
_MOST_NAMED: Final = 10_000
_NUMBERS: Final[Mapping[type, tuple[type, ...]]] = {float: (float, int), int: (int,)}


class UnreadableRecords:
    """The records that could not be read: how many of each kind, and which were logged."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, record_id: object, error: Exception) -> None:
        """Count a record once, and log which it is."""
        known = (kind, str(record_id)[:255])
        if known in self._logged:
            return
        if len(self._logged) < _MOST_NAMED:
            self._logged.add(known)
        self.counts[kind] += 1
        _LOG.error(
            "of %s, %r cannot be read from the ledger and is left out (%s)",
            kind,
            known[1],
            type(error).__name__,
        )


def readable(
    records: Iterable[_Record],
    show: Callable[[_Record], _Shown],
    identify: Callable[[_Record], str],
    kind: str,
    unread: UnreadableRecords | None,
) -> tuple[_Shown, ...]:
    """Return what ``show`` makes of each record, without those of which it makes nothing.

    Without ``unread`` nothing is skipped, and the first error is raised.
    """
    shown = []
    for record in records:
        try:
            shown.append(show(record))
        except _UNREADABLE as error:
            if unread is None:
                raise
            unread.note(kind, identify(record), error)
    return tuple(shown)


def read_rows(
    connection: Connection,
    found: sa.Select[Any],
    table: sa.Table,
    make: Callable[[Mapping[Any, Any]], _Record],
    unread: UnreadableRecords | None,
) -> tuple[_Record, ...]:
    """Return the records of the rows of ``table`` that ``found`` selects, in its order."""

    def record_of(row: Mapping[Any, Any]) -> _Record:
        _check(table, row)
        return make(row)

    try:
        return tuple(record_of(row) for row in connection.execute(found).mappings())
    except _UNREADABLE:
        if unread is None:
            raise
    # One by one: a value may be such that the database's own reader gives up on the rest.
    key = tuple(table.primary_key.columns)
    ids = connection.execute(found.with_only_columns(*key)).all()

    def record_by(row_id: Sequence[Any]) -> _Record:
        where = (column == value for column, value in zip(key, row_id, strict=True))
        one = sa.select(*found.selected_columns).where(*where)
        return record_of(connection.execute(one).mappings().one())

    def name_of(row_id: Sequence[Any]) -> str:
        return " ".join(str(part) for part in row_id)

    return readable([tuple(each) for each in ids], record_by, name_of, table.name, unread)


def _check(table: sa.Table, row: Mapping[Any, Any]) -> None:
    """Raise where a value is not of its column's kind: SQLite stores anything anywhere."""
    for name, kinds, optional, most in _columns(table):
        if name not in row:
            continue
        value = row[name]
        if value is None:
            if not optional:
                message = f"{name} is missing"
                raise ValueError(message)
        elif not isinstance(value, kinds) or _is_longer(value, most):
            message = f"{name} is no {kinds[0].__name__} that the column holds"
            raise ValueError(message)


def _is_longer(value: object, most: int | None) -> bool:
    return most is not None and isinstance(value, str) and len(value) > most


@cache
def _columns(table: sa.Table) -> tuple[tuple[str, tuple[type, ...], bool, int | None], ...]:
    """Return of each column its name, its values' types, whether it may be empty, its length."""
    return tuple(
        (
            column.name,
            (object,)
            if isinstance(column.type, sa.JSON)
            else _NUMBERS.get(column.type.python_type, (column.type.python_type,)),
            bool(column.nullable),
            column.type.length if isinstance(column.type, sa.String) else None,
        )
        for column in table.columns
    )
