"""The ledger's database: beside ``use_store``, the one module that speaks SQL.

SQLite by default (write-ahead log), PostgreSQL by its URL. Calls block and are made from the
service's one thread: a change takes a fraction of a millisecond, and its order relative to
memory is then plain to see.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sublet_quota.jobs.turns.past_uses import LagWrittenOff
from sublet_quota.life_cycles.job_states import ENDED
from sublet_quota.names.ids import GpuId, JobId, NodeId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import ConfigurationError, SubletHubError
from sublet_hub.ledger import rows
from sublet_hub.ledger.ended_jobs import EndedJob
from sublet_hub.ledger.event_retention import forget_surplus
from sublet_hub.ledger.held_periods import (
    HeldPeriod,
    HeldStep,
    forget_periods,
    read_periods,
    read_steps,
    write_periods,
)
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.reading import UnreadableRecords, read_rows
from sublet_hub.ledger.records import (
    Change,
    Closing,
    EventRecord,
    GpuRecord,
    JobRecord,
    LendingRecord,
    ReleasedSlice,
    SliceRecord,
)
from sublet_hub.ledger.tables import (
    CLOSINGS,
    EVENTS,
    GPUS,
    JOBS,
    LOTS,
    NODES,
    SLICES,
    SWITCHES,
    WRITTEN_OFF,
)
from sublet_hub.ledger.writing import write_change

_UNREADABLE_SWITCH: Final = LendingRecord(
    on=False, reason="how lending was switched last cannot be read from the ledger: switch it anew"
)


class LedgerWriteError(SubletHubError):
    """The database did not take a change; nothing has changed."""


class LedgerReadError(SubletHubError):
    """The database cannot be read."""


@dataclass(frozen=True, slots=True)
class StoredLedger:
    """What the database held when it was read."""

    gpus: tuple[GpuRecord, ...]
    slices: tuple[SliceRecord, ...]
    live_jobs: tuple[JobRecord, ...]
    ended_jobs: tuple[EndedJob, ...]
    epochs: dict[NodeId, int]
    lending: LendingRecord
    closings: tuple[Closing, ...]
    written_off: tuple[LagWrittenOff, ...]
    groups_drawn: int
    """The number with which the lots of groups are drawn."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events to read: the oldest first, after ``since``; of too many the newest."""

    since: datetime | None
    owner: str | None
    """Whose events are read; ``None``: everybody's."""
    limit: int
    kind: EventKind | None = None
    before: Place | None = None
    """Only what is older than the event with this time and id."""


def _text_of(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # SQLite stores any bytes as text: what is no UTF-8 would keep a whole list from being read.
    connection.text_factory = _text_of
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


@contextmanager
def _changing_tables_too(connection: Connection) -> Iterator[None]:
    """Have the transaction that begins here take in changes of tables.

    Python's driver for SQLite leaves them out (``sqlite3``, "Transaction control").
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    before, driver.isolation_level = driver.isolation_level, None
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        driver.rollback()
        raise
    else:
        driver.commit()
    finally:
        driver.isolation_level = before


def _make_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sa.create_engine(parsed, pool_size=2, pool_pre_ping=True)
        # Read from other threads too (a long list of events must not hold the loop up).
        engine = sa.create_engine(parsed, connect_args={"check_same_thread": False})
    except (SQLAlchemyError, ImportError) as error:
        message = f"the database URL cannot be used: {error}"
        raise ConfigurationError(message) from error
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


class Database:
    """The ledger on disk."""

    def __init__(self, url: str) -> None:
        self._engine = _make_engine(url)
        self._shown = make_url(url).render_as_string(hide_password=True)
        self.unread = UnreadableRecords()

    @property
    def engine(self) -> Engine:
        """The engine whose connections the database is reached by."""
        return self._engine

    def migrate(self) -> None:
        """Bring the tables to this version's shape, whole or not at all.

        ``ConfigurationError`` where that fails: the next start tries it again.
        """
        config = Config()
        config.set_main_option(
            "script_location", str(files("sublet_hub.ledger").joinpath("migrations"))
        )
        try:
            with self._engine.begin() as connection, _changing_tables_too(connection):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (SQLAlchemyError, CommandError) as error:
            message = f"the ledger's database {self._shown} cannot be brought up to date: {error}"
            raise ConfigurationError(message) from error

    def load(self) -> StoredLedger:
        """Return what is not over: slices that are held, live jobs, GPUs and switches.

        Of the jobs that are over, what is kept of them in memory.
        """
        with self._engine.connect() as connection:
            return _stored(connection, self.unread)

    def write(
        self, change: Change, now: datetime, begun: tuple[HeldPeriod, ...] = ()
    ) -> tuple[EventRecord, ...]:
        """Store the change in one transaction; return the events that were new.

        ``begun``: the periods of one size that begin with it.
        """
        with self.writing() as connection:
            write_periods(connection, change, begun, now)
            return write_change(connection, change, now)

    def events(self, query: EventQuery) -> tuple[EventRecord, ...]:
        """Return events, the oldest first; of more than the limit the newest."""
        newest = (EVENTS.c.at.desc(), EVENTS.c.event_id.desc())
        found = sa.select(EVENTS).order_by(*newest).limit(query.limit)
        if query.since is not None:
            found = found.where(EVENTS.c.at > query.since)
        if query.owner is not None:
            found = found.where(EVENTS.c.owner == query.owner)
        if query.kind is not None:
            found = found.where(EVENTS.c.kind == query.kind.value)
        if query.before is not None:
            at, event_id = query.before
            earlier = sa.or_(EVENTS.c.at < at, EVENTS.c.event_id < event_id)
            found = found.where(EVENTS.c.at <= at, earlier)
        with self.reading() as connection:
            newest_first = self._read_events(connection, found)
            skipped = 0
            # A list goes on behind those that cannot be read.
            while not newest_first and _has_any(connection, found.offset(skipped)):
                skipped += query.limit
                newest_first = self._read_events(connection, found.offset(skipped))
        return tuple(reversed(newest_first))

    def _read_events(
        self, connection: Connection, found: sa.Select[Any]
    ) -> tuple[EventRecord, ...]:
        return read_rows(connection, found, EVENTS, rows.event_of_row, self.unread)

    def jobs(self, job_ids: Collection[JobId]) -> dict[JobId, JobRecord]:
        """Return the jobs of these ids, whole. ``LedgerReadError``."""
        found = sa.select(JOBS).where(JOBS.c.job_id.in_(job_ids))
        with self.reading() as connection:
            read = read_rows(connection, found, JOBS, rows.job_of_row, self.unread)
        return {job.job_id: job for job in read}

    def held_periods(
        self, since: datetime, until: datetime, owner: str | None = None
    ) -> Iterator[HeldPeriod]:
        """Go through the periods of one size that touch a time. ``LedgerReadError``.

        ``owner``: only theirs.
        """
        with self._reading_periods() as connection:
            yield from read_periods(connection, since, until, owner)

    def held_steps(self, since: datetime, until: datetime) -> Iterator[HeldStep]:
        """Go through begins and ends of such periods in their order. ``LedgerReadError``."""
        with self._reading_periods() as connection:
            yield from read_steps(connection, since, until)

    @contextmanager
    def _reading_periods(self) -> Iterator[Connection]:
        try:
            with self.reading() as connection:
                yield connection
        except (ValueError, TypeError) as error:
            message = f"a period in the ledger cannot be read: {type(error).__name__}"
            raise LedgerReadError(message) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Return a context for one transaction. ``LedgerWriteError``: then nothing has changed."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OverflowError) as error:
            message = f"the ledger's database did not take a change: {type(error).__name__}"
            raise LedgerWriteError(message) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Return a context for questions. ``LedgerReadError``."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            message = f"the ledger's database does not answer: {type(error).__name__}"
            raise LedgerReadError(message) from error

    def last_of_server(
        self, owner: str, server: str, since: datetime, gpus: Mapping[GpuId, GpuRecord]
    ) -> ReleasedSlice | None:
        """Return the slice that a server gave back last, if that was later; ``None`` for none.

        ``LedgerReadError``.
        """
        found = (
            sa.select(SLICES)
            .where(SLICES.c.released_at >= since)
            .where(SLICES.c.owner == owner, SLICES.c.server == server)
            .where(SLICES.c.holder == Holder.NOTEBOOK.value)
            .order_by(SLICES.c.released_at.desc(), SLICES.c.created_at.desc())
            .limit(1)
        )

        def of_row(row: Mapping[Any, Any]) -> ReleasedSlice | None:
            if row["gpu_id"] not in gpus:
                return None
            return ReleasedSlice(rows.slice_of_row(row, gpus), row["released_at"])

        with self.reading() as connection:
            read = read_rows(connection, found, SLICES, of_row, self.unread)
        return read[0] if read else None

    def forget_before(self, cutoff: datetime) -> tuple[str, ...]:
        """Delete events, released slices and ended jobs from before; return the jobs' ids."""
        ended = [state.value for state in ENDED]
        old_jobs = sa.and_(JOBS.c.state.in_(ended), JOBS.c.ended_at < cutoff)
        with self._engine.begin() as connection:
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.at < cutoff))
            connection.execute(sa.delete(SLICES).where(SLICES.c.released_at < cutoff))
            forget_periods(connection, cutoff)
            connection.execute(sa.delete(WRITTEN_OFF).where(WRITTEN_OFF.c.at < cutoff))
            job_ids = tuple(connection.execute(sa.select(JOBS.c.job_id).where(old_jobs)).scalars())
            connection.execute(sa.delete(JOBS).where(old_jobs))
        return job_ids

    def forget_surplus_events(self, most: int) -> int:
        """Delete some events beyond ``most``, as ``event_retention`` says; return how many.

        For another thread. ``LedgerWriteError``.
        """
        try:
            return forget_surplus(self._engine, most)
        except SQLAlchemyError as error:
            message = f"the ledger's database forgot no events: {type(error).__name__}"
            raise LedgerWriteError(message) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def read_sqlite(file: Path) -> StoredLedger:
    """Return what a database in a file holds that may be in use by its service; change nothing.

    Nothing is left out: whoever asks what runs must not hear of less.
    ``LedgerReadError`` where that fails: also where another release made the tables.
    """
    # Without its log nobody has the database open, and reading makes no files beside it.
    in_use = file.with_name(f"{file.name}-wal").exists()
    address = f"sqlite:///file:{quote(str(file))}?{'mode=ro' if in_use else 'immutable=1'}&uri=true"
    engine = sa.create_engine(address)
    try:
        with engine.connect() as connection:
            return _stored(connection, None)
    except (SQLAlchemyError, ValueError, LookupError) as error:
        message = f"the ledger {file} cannot be read: {type(error).__name__}"
        raise LedgerReadError(message) from error
    finally:
        engine.dispose()


def _stored(connection: Connection, unread: UnreadableRecords | None) -> StoredLedger:
    gpus = read_rows(connection, sa.select(GPUS), GPUS, rows.gpu_of_row, unread)
    by_id = {gpu.gpu_id: gpu for gpu in gpus}
    held = sa.select(SLICES).where(SLICES.c.released_at.is_(None))
    switch = sa.select(SWITCHES).where(SWITCHES.c.name == rows.LENDING)
    switches = read_rows(connection, switch, SWITCHES, rows.lending_of_row, unread)
    # Whoever switched lending off must not find it on because nobody can read that.
    unswitched = _UNREADABLE_SWITCH if _has_any(connection, switch) else LendingRecord()
    over = JOBS.c.state.in_([state.value for state in ENDED])
    live = sa.select(JOBS).where(sa.not_(over))
    ended = sa.select(*rows.columns_of_ended(JOBS)).where(over)
    groups: dict[tuple[str, ...], tuple[str, ...]] = {}
    return StoredLedger(
        gpus=gpus,
        slices=read_rows(
            connection, held, SLICES, lambda row: rows.slice_of_row(row, by_id), unread
        ),
        live_jobs=read_rows(connection, live, JOBS, rows.job_of_row, unread),
        ended_jobs=read_rows(
            connection, ended, JOBS, lambda row: rows.ended_of_row(row, groups), unread
        ),
        epochs=dict(read_rows(connection, sa.select(NODES), NODES, rows.epoch_of_row, unread)),
        lending=switches[0] if switches else unswitched,
        written_off=read_rows(
            connection, sa.select(WRITTEN_OFF), WRITTEN_OFF, rows.lag_of_row, unread
        ),
        groups_drawn=connection.execute(
            sa.select(LOTS.c.drawn).where(LOTS.c.name == "groups")
        ).scalar()
        or 0,
        closings=read_rows(connection, sa.select(CLOSINGS), CLOSINGS, rows.closing_of_row, unread),
    )


def _has_any(connection: Connection, found: sa.Select[Any]) -> bool:
    return connection.execute(sa.select(found.exists())).scalar_one()
