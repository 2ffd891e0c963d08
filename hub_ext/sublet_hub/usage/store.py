"""The tables stored beside the ledger: use by owner and hour, and blocks of slices' history.

Nothing is decided by either, so they are written behind, in batches. What was not written when the
service was killed is lost: a minute of use, five of history.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.tables import HISTORY, USE_BY_HOUR


@dataclass(frozen=True, slots=True)
class HourOfUse:
    """The use by one owner's slices in one hour, or a part of that."""

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

    def plus(self, other: "HourOfUse") -> "HourOfUse":
        """Return the sum of both, in this one's hour."""
        return HourOfUse(
            self.owner,
            self.hour,
            self.busy_s + other.busy_s,
            self.lent_s + other.lent_s,
            self.energy_mj + other.energy_mj,
            self.unmetered_s + other.unmetered_s,
        )


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Some minutes of one slice's history, packed."""

    slice_id: str
    ended_at: datetime
    """The time of the block's last point."""
    points: bytes


_KEY: Final = ("owner", "hour")
_SUMS: Final = ("busy_s", "lent_s", "energy_mj", "unmetered_s")
_MORE: Final = "more_"
_ADD: Final = (
    sa.update(USE_BY_HOUR)
    .where(*(USE_BY_HOUR.c[name] == sa.bindparam(f"{_MORE}{name}") for name in _KEY))
    .values({name: USE_BY_HOUR.c[name] + sa.bindparam(f"{_MORE}{name}") for name in _SUMS})
)


class UseStore:
    """The two tables of use and of history."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine

    def add_use(self, parts: Iterable[HourOfUse]) -> None:
        """Add to what is stored for the same owner and hour. ``LedgerWriteError``."""
        rows = [{name: getattr(part, name) for name in (*_KEY, *_SUMS)} for part in parts]
        hours = {row["hour"] for row in rows}
        there = sa.select(*(USE_BY_HOUR.c[name] for name in _KEY)).where(
            USE_BY_HOUR.c.hour.in_(hours)
        )
        try:
            with self._engine.begin() as connection:
                known = {tuple(row) for row in connection.execute(there)}
                old = [row for row in rows if tuple(row[name] for name in _KEY) in known]
                new = [row for row in rows if tuple(row[name] for name in _KEY) not in known]
                # Each all at once: thousands of owners are added to in each minute.
                if old:
                    more = [{f"{_MORE}{name}": row[name] for name in row} for row in old]
                    connection.execute(_ADD, more)
                if new:
                    connection.execute(sa.insert(USE_BY_HOUR), new)
        except SQLAlchemyError as error:
            message = f"use was not stored: {type(error).__name__}"
            raise LedgerWriteError(message) from error

    def use_since(self, owner: str, since: datetime) -> HourOfUse:
        """Return what an owner used from the hour in which ``since`` lies on."""
        columns = (
            USE_BY_HOUR.c.busy_s,
            USE_BY_HOUR.c.lent_s,
            USE_BY_HOUR.c.energy_mj,
            USE_BY_HOUR.c.unmetered_s,
        )
        hour = since.replace(minute=0, second=0, microsecond=0)
        found = sa.select(*(sa.func.coalesce(sa.func.sum(c), 0) for c in columns)).where(
            USE_BY_HOUR.c.owner == owner, USE_BY_HOUR.c.hour >= hour
        )
        with self._engine.connect() as connection:
            busy_s, lent_s, energy_mj, unmetered_s = connection.execute(found).one()
        return HourOfUse(
            owner, hour, float(busy_s), float(lent_s), int(energy_mj), float(unmetered_s)
        )

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
