"""The tables of what happened, kept so that it can be simulated: asks, cells, moves, cards.

What slices and jobs were is in their own tables; here is what these do not tell. Nothing is decided
by any of it, so it is written behind, in batches, and a batch that the database does not take is
lost. The calls here are for another thread than the service's.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sublet_quota.names.ids import GpuId

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.recorded_tables import (
    RECORDED_ASKS,
    RECORDED_CARDS,
    RECORDED_CELLS,
    RECORDED_MOVES,
)
from sublet_hub.ledger.tables import LOTS
from sublet_hub.ledger.text import storable, storable_row

MOST_ASKS_OF_OWNER: Final = 5000
"""Of more of one owner's the oldest go: who asks in a loop makes nobody else's be forgotten."""
_AT_ONCE: Final = 500
_AT_ONCE_FORGOTTEN: Final = 5000
"""Rows of a table: meanwhile no change of anybody's is stored."""
_ASKS: Final = RECORDED_ASKS.c
_CARDS: Final = RECORDED_CARDS.c
_MOVES: Final = RECORDED_MOVES.c
_SUMS: Final = ("moves", "moved_mib", "took_s")
GRANTED: Final = "granted"
QUEUED: Final = "queued"


@dataclass(frozen=True, slots=True)
class AskRecord:
    """A notebook server's wish for a slice, and how it was answered."""

    ask_id: str
    """The same for what is asked twice and answered once."""
    owner: str
    server: str
    groups: tuple[str, ...]
    group: str | None
    size: str | None
    memory_mib: int | None
    compute_milli: int | None
    gpu_type: str | None
    never_suspended: bool
    answer: str
    """``GRANTED``, ``QUEUED``, or the code of the refusal."""
    slice_id: str | None
    at: datetime
    last_at: datetime
    """When the same was asked, and answered, last."""
    takes_cpu_milli: int | None = None
    """What the server asks of its node beside the GPU; ``None``: not known. So of the next two."""
    takes_memory_mib: int | None = None
    takes_of_cap_milli: int | None = None


@dataclass(frozen=True, slots=True)
class CellBlock:
    """Some of one slice's stretches of work, packed."""

    slice_id: str
    until: datetime
    """When the last of them ended."""
    stretches: bytes


@dataclass(frozen=True, slots=True)
class MovesOfHour:
    """The moves of memory on a node that ended in one hour, in one direction."""

    hour: datetime
    node: str
    leaves: bool
    """From the cards to the host's memory, or back."""
    moves: int
    moved_mib: int
    took_s: float


class CardState(StrEnum):
    """How a card stands, as far as that matters to who may be there."""

    OPEN = "open"
    CLOSED = "closed"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class CardRecord:
    """A card, and how it stands from a moment on."""

    gpu_id: str
    at: datetime
    node: str
    position: int
    type: str
    memory_mib: int
    margin_mib: int
    state: CardState


@dataclass(frozen=True, slots=True)
class Happened:
    """A batch of what happened."""

    asks: tuple[AskRecord, ...] = ()
    cells: tuple[CellBlock, ...] = ()
    moves: tuple[MovesOfHour, ...] = ()
    cards: tuple[CardRecord, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything happened."""
        return bool(self.asks or self.cells or self.moves or self.cards)


class RecordedStore:
    """The tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, happened: Happened) -> None:
        """Store a batch. ``LedgerWriteError``: then nothing of it is stored."""
        with self._database.writing() as connection:
            _add_asks(connection, happened.asks)
            _add_cells(connection, happened.cells)
            for moves in happened.moves:
                _add_moves(connection, moves)
            if happened.cards:
                rows = [storable_row(asdict(each)) for each in happened.cards]
                connection.execute(sa.insert(RECORDED_CARDS), rows)

    def asks(self, since: datetime, until: datetime) -> tuple[AskRecord, ...]:
        """Return what was asked between two times, in order. ``LedgerReadError``."""
        found = (
            sa.select(RECORDED_ASKS)
            .where(_ASKS.at < until, _ASKS.last_at >= since)
            .order_by(_ASKS.at, _ASKS.ask_id)
        )
        with self._database.reading() as connection:
            return read_rows(connection, found, RECORDED_ASKS, _ask_of_row, self._database.unread)

    def cells(self, slice_ids: Collection[str]) -> Iterator[CellBlock]:
        """Yield the blocks of slices, each slice's oldest first. ``LedgerReadError``."""
        ids = sorted(slice_ids)
        columns = RECORDED_CELLS.c
        with self._database.reading() as connection:
            for first in range(0, len(ids), _AT_ONCE):
                some = columns.slice_id.in_(ids[first : first + _AT_ONCE])
                found = sa.select(RECORDED_CELLS).where(some)
                found = found.order_by(columns.slice_id, columns.until)
                for row in connection.execute(found).mappings():
                    yield CellBlock(row["slice_id"], row["until"], row["stretches"])

    def moves(self, since: datetime, until: datetime) -> tuple[MovesOfHour, ...]:
        """Return the moves of the hours that begin between two times. ``LedgerReadError``."""
        found = sa.select(RECORDED_MOVES).where(_MOVES.hour >= since, _MOVES.hour < until)
        with self._database.reading() as connection:
            rows = connection.execute(found.order_by(_MOVES.hour, _MOVES.node)).mappings()
            return tuple(MovesOfHour(**row) for row in rows)

    def cards(self, until: datetime) -> tuple[CardRecord, ...]:
        """Return how cards stood before a time, the oldest first. ``LedgerReadError``."""
        found = sa.select(RECORDED_CARDS).where(_CARDS.at < until)
        found = found.order_by(_CARDS.at, _CARDS.gpu_id)
        with self._database.reading() as connection:
            return read_rows(connection, found, RECORDED_CARDS, _card_of_row, self._database.unread)

    def first_card_at(self) -> datetime | None:
        """Return when the first card was noted; ``None``: none ever was. ``LedgerReadError``."""
        found = sa.select(RECORDED_CARDS).order_by(_CARDS.at).limit(1)
        with self._database.reading() as connection:
            read = read_rows(connection, found, RECORDED_CARDS, _card_of_row, self._database.unread)
        return read[0].at if read else None

    def last_of_cards(self) -> dict[GpuId, CardRecord]:
        """Return how each card stood last. ``LedgerReadError``."""
        last = sa.select(_CARDS.gpu_id, sa.func.max(_CARDS.at).label("last"))
        newest = last.group_by(_CARDS.gpu_id).subquery()
        found = sa.select(RECORDED_CARDS).join(
            newest, sa.and_(_CARDS.gpu_id == newest.c.gpu_id, _CARDS.at == newest.c.last)
        )
        with self._database.reading() as connection:
            read = read_rows(connection, found, RECORDED_CARDS, _card_of_row, self._database.unread)
        return {GpuId(each.gpu_id): each for each in read}

    def pseudonyms_drawn(self) -> int:
        """Return the number by which names are replaced. ``LedgerReadError``."""
        found = sa.select(LOTS.c.drawn).where(LOTS.c.name == "pseudonyms")
        with self._database.reading() as connection:
            return int(connection.execute(found).scalar_one())

    def forget_some_before(self, cutoff: datetime) -> bool:
        """Delete some of what is older, and tell whether there may be more. ``LedgerWriteError``.

        Of each card stays how it stood then.
        """
        later = RECORDED_CARDS.alias()
        is_older = sa.exists().where(
            later.c.gpu_id == _CARDS.gpu_id, later.c.at > _CARDS.at, later.c.at <= cutoff
        )
        with self._database.writing() as connection:
            forgotten = (
                # What was asked last before then was first asked before, which is in an index.
                _forget(connection, _ASKS.at, cutoff, _ASKS.last_at < cutoff),
                _forget(connection, RECORDED_CELLS.c.until, cutoff),
                _forget(connection, _MOVES.hour, cutoff),
                _forget(connection, _CARDS.at, cutoff, is_older),
            )
        return any(forgotten)


def _forget(
    connection: Connection,
    at: sa.Column[datetime],
    cutoff: datetime,
    *where: sa.ColumnElement[bool],
) -> bool:
    """Delete the oldest rows of before a time, and tell whether there may be more of them."""
    meant = (at < cutoff, *where)
    oldest = sa.select(at).where(*meant).order_by(at).offset(_AT_ONCE_FORGOTTEN).limit(1)
    until = connection.execute(oldest).scalar()
    if until is not None:
        # Of those of one moment all, so that each time some go.
        meant = (*meant, at <= until)
    connection.execute(sa.delete(at.table).where(*meant))
    return until is not None


def _add_asks(connection: Connection, asks: Iterable[AskRecord]) -> None:
    rows = {each.ask_id: _row_of_ask(each) for each in asks}
    if not rows:
        return
    there = sa.select(_ASKS.ask_id).where(_ASKS.ask_id.in_(rows))
    known = set(connection.execute(there).scalars())
    new = [row for ask_id, row in rows.items() if ask_id not in known]
    if new:
        connection.execute(sa.insert(RECORDED_ASKS), new)
    for owner in sorted({row["owner"] for row in new}):
        newest = sa.select(_ASKS.ask_id).where(_ASKS.owner == owner)
        newest = newest.order_by(_ASKS.at.desc(), _ASKS.ask_id)
        surplus = newest.offset(MOST_ASKS_OF_OWNER).limit(_AT_ONCE)
        ids = list(connection.execute(surplus).scalars())
        if ids:
            connection.execute(sa.delete(RECORDED_ASKS).where(_ASKS.ask_id.in_(ids)))


def _add_cells(connection: Connection, cells: Sequence[CellBlock]) -> None:
    """Store blocks; not one that an agent, by the times it tells, makes end as another did.

    It would keep all else of its batch from being stored.
    """
    columns = RECORDED_CELLS.c
    for first in range(0, len(cells), _AT_ONCE):
        some = cells[first : first + _AT_ONCE]
        there = sa.select(columns.slice_id, columns.until).where(
            columns.slice_id.in_([each.slice_id for each in some]),
            columns.until >= min(each.until for each in some),
        )
        known = {tuple(row) for row in connection.execute(there)}
        new = [asdict(each) for each in some if (each.slice_id, each.until) not in known]
        if new:
            connection.execute(sa.insert(RECORDED_CELLS), new)


def _add_moves(connection: Connection, moves: MovesOfHour) -> None:
    row = storable_row(asdict(moves))
    same = (_MOVES.hour == row["hour"], _MOVES.node == row["node"], _MOVES.leaves == row["leaves"])
    more = sa.update(RECORDED_MOVES).where(*same)
    found = connection.execute(more.values({name: _MOVES[name] + row[name] for name in _SUMS}))
    if not found.rowcount:
        connection.execute(sa.insert(RECORDED_MOVES), [row])


def _row_of_ask(ask: AskRecord) -> dict[str, Any]:
    return {**storable_row(asdict(ask)), "groups": [storable(each) for each in ask.groups]}


def _ask_of_row(row: Mapping[Any, Any]) -> AskRecord:
    values = {name: row[name] for name in AskRecord.__slots__}
    return AskRecord(**{**values, "groups": tuple(row["groups"])})


def _card_of_row(row: Mapping[Any, Any]) -> CardRecord:
    values = {name: row[name] for name in CardRecord.__slots__}
    return CardRecord(**{**values, "state": CardState(row["state"])})
