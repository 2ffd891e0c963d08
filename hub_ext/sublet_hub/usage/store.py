"""The tables stored beside the ledger: use by hour and owner, and blocks of slices' history.

Nothing is decided by either, so they are written behind, in batches. What was not written when the
service was killed is lost: a minute of use, five of history.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from sublet_hub.ledger.database import Database, LedgerReadError, LedgerWriteError
from sublet_hub.ledger.tables import HISTORY, USE_BY_HOUR


@dataclass(frozen=True, slots=True)
class HourOfUse:
    """The use by one owner's slices in one hour, at one group's expense, of one model of cards.

    Or a part of that.
    """

    owner: str
    hour: datetime
    """When the hour began."""
    busy_s: float = 0.0
    """How long a GPU computed for the owner's slices."""
    lent_s: float = 0.0
    """How long idle slices of the owner's were lent."""
    energy_mj: int = 0
    unmetered_s: float = 0.0
    """How long the owner had a slice on a GPU that has no energy counter."""
    payer: str = ""
    """Which group paid; empty: none, or it is not known."""
    model: str = ""
    """The card's model; empty: it is not known."""

    def plus(self, other: "HourOfUse") -> "HourOfUse":
        """Return the sum of both, in this one's hour."""
        return replace(
            self,
            busy_s=self.busy_s + other.busy_s,
            lent_s=self.lent_s + other.lent_s,
            energy_mj=self.energy_mj + other.energy_mj,
            unmetered_s=self.unmetered_s + other.unmetered_s,
        )


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Some minutes of one slice's history, packed."""

    slice_id: str
    ended_at: datetime
    """The time of the block's last point."""
    points: bytes


_KEY: Final = ("owner", "hour", "payer", "model")
METERED_BY: Final = frozenset({"owner", "payer", "model"})
"""By what the sums of a time are told apart."""
_SUMS: Final = ("busy_s", "lent_s", "energy_mj", "unmetered_s")
_MORE: Final = "more_"
_BAD_VALUES: Final = (DataError, IntegrityError, OverflowError)
"""What a database says of a value that its column does not hold; all else is its own failure."""
_ADD: Final = (
    sa.update(USE_BY_HOUR)
    .where(*(USE_BY_HOUR.c[name] == sa.bindparam(f"{_MORE}{name}") for name in _KEY))
    .values({name: USE_BY_HOUR.c[name] + sa.bindparam(f"{_MORE}{name}") for name in _SUMS})
)


class UseStore:
    """The two tables of use and of history."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._unread = database.unread

    def add_use(self, parts: Iterable[HourOfUse]) -> None:
        """Add to what is stored for the same hour of the same key. ``LedgerWriteError``.

        A part that no column holds is dropped, and keeps nobody else's from being stored. After an
        error nothing is: whoever adds it again counts nothing twice.
        """
        rows = [{name: getattr(part, name) for name in (*_KEY, *_SUMS)} for part in parts]
        try:
            with self._storing() as connection:
                _add(connection, rows)
        except _BAD_VALUES:
            # What is stored is stored in one piece: after an error all of it is added again.
            good = [row for row in rows if self._fits(row)]
            with self._storing() as connection:
                _add(connection, good)

    def _fits(self, row: dict[str, Any]) -> bool:
        """Whether the columns hold what a row comes to; nothing is stored. ``LedgerWriteError``."""
        try:
            with self._storing() as connection:
                _add(connection, [row])
                connection.rollback()
        except _BAD_VALUES as error:
            self._unread.note("use", f"{row['owner']} {row['hour']}", error)
            return False
        return True

    @contextmanager
    def _storing(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
                connection.commit()
        except _BAD_VALUES:
            raise
        except SQLAlchemyError as error:
            message = f"use was not stored: {type(error).__name__}"
            raise LedgerWriteError(message) from error

    def use_since(self, owner: str, since: datetime) -> HourOfUse:
        """Return what an owner used from the hour in which ``since`` lies on."""
        hour = since.replace(minute=0, second=0, microsecond=0)
        found = sa.select(*_added_up()).where(
            USE_BY_HOUR.c.owner == owner, USE_BY_HOUR.c.hour >= hour
        )
        with self._engine.connect() as connection:
            used = connection.execute(found).mappings().one()
        return _use_of(owner, hour, used)

    def use_between(
        self, since: datetime, until: datetime, owner: str | None, by: Collection[str]
    ) -> Iterator[HourOfUse]:
        """Yield what was used in the hours that begin from ``since`` on, as if all at ``since``.

        ``owner``: only theirs. ``by``, of ``METERED_BY``: by what it is told apart; of the others
        all are one without a name. ``LedgerReadError``.
        """
        columns = USE_BY_HOUR.c
        names = sorted(METERED_BY.intersection(by))
        keys = [columns[name] for name in names]
        sums = *_added_up(), sa.func.count().label("rows")
        found = sa.select(*keys, *sums).where(columns.hour >= since, columns.hour < until)
        if owner is not None:
            found = found.where(columns.owner == owner)
        found = found.group_by(*keys)
        try:
            with self._engine.connect() as connection:
                rows = connection.execution_options(yield_per=1000).execute(found).mappings()
                for row in rows:
                    # Without keys there is one sum, also of no row.
                    if row["rows"]:
                        of = {"owner": "", **{name: row[name] for name in names}}
                        yield replace(_use_of(of["owner"], since, row), **of)
        except SQLAlchemyError as error:
            message = f"use cannot be read: {type(error).__name__}"
            raise LedgerReadError(message) from error

    def add_history(self, blocks: Iterable[HistoryBlock]) -> None:
        """Store blocks. ``LedgerWriteError``."""
        values = [
            {"slice_id": b.slice_id, "ended_at": b.ended_at, "points": b.points} for b in blocks
        ]
        if not values:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(HISTORY), values)
        except SQLAlchemyError as error:
            message = f"history was not stored: {type(error).__name__}"
            raise LedgerWriteError(message) from error

    def history_since(self, since: datetime) -> tuple[HistoryBlock, ...]:
        """Return all slices' blocks that end later than ``since``, the oldest first."""
        found = sa.select(HISTORY).where(HISTORY.c.ended_at > since).order_by(HISTORY.c.ended_at)
        with self._engine.connect() as connection:
            return tuple(
                HistoryBlock(row["slice_id"], row["ended_at"], row["points"])
                for row in connection.execute(found).mappings()
            )

    def forget_before(self, use: datetime, history: datetime) -> None:
        """Delete use and history that are older than these times."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(USE_BY_HOUR).where(USE_BY_HOUR.c.hour < use))
            connection.execute(sa.delete(HISTORY).where(HISTORY.c.ended_at < history))


def _added_up() -> list[sa.Label[Any]]:
    """Return the columns' sums, as floats: SQLite fails on a sum of integers beyond 64 bits."""
    return [
        sa.func.coalesce(sa.func.sum(sa.cast(USE_BY_HOUR.c[name], sa.Float(53))), 0).label(name)
        for name in _SUMS
    ]


def _use_of(owner: str, hour: datetime, sums: sa.RowMapping) -> HourOfUse:
    return HourOfUse(
        owner,
        hour,
        busy_s=float(sums["busy_s"]),
        lent_s=float(sums["lent_s"]),
        energy_mj=int(sums["energy_mj"]),
        unmetered_s=float(sums["unmetered_s"]),
    )


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    hours = {row["hour"] for row in rows}
    there = sa.select(*(USE_BY_HOUR.c[name] for name in _KEY)).where(USE_BY_HOUR.c.hour.in_(hours))
    known = {tuple(row) for row in connection.execute(there)}
    old = [row for row in rows if tuple(row[name] for name in _KEY) in known]
    new = [row for row in rows if tuple(row[name] for name in _KEY) not in known]
    # Each all at once: thousands of owners are added to in each minute.
    if old:
        more = [{f"{_MORE}{name}": row[name] for name in row} for row in old]
        connection.execute(_ADD, more)
    if new:
        connection.execute(sa.insert(USE_BY_HOUR), new)
