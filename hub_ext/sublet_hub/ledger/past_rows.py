"""What the ledger's tables of slices and jobs tell of the past, read for what happened then.

Rows are read column by column: a card that is no more keeps nobody's past from being read.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.ledger.tables import EVENTS, HELD_PERIODS, JOBS, SLICES

_AT_ONCE: Final = 500
_LEFT_LINE: Final = (EventKind.QUEUE_LEFT.value, EventKind.QUEUE_GAVE_UP.value)


@dataclass(frozen=True, slots=True)
class PastSlice:
    """A notebook server's slice, held or given back."""

    slice_id: str
    owner: str
    server: str
    size: str | None
    memory_mib: int
    compute_milli: int
    never_suspended: str | None
    group: str | None
    named: bool
    member_of: tuple[str, ...]
    created_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class PastJobRow:
    """A job, whatever became of it."""

    job_id: str
    owner: str
    groups: tuple[str, ...]
    group: str | None
    named: bool
    memory_mib: int | None
    compute_milli: int
    gpus: int
    gpu_type: str | None
    priority: int
    max_run_s: int | None
    state: str
    submitted_at: datetime
    ended_at: datetime | None


class PastRows:
    """The tables, as they are read for exports; each call is for another thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def slices(self, since: datetime, until: datetime) -> tuple[PastSlice, ...]:
        """Return the notebooks' slices that were held between two times. ``LedgerReadError``."""
        columns = SLICES.c
        found = sa.select(*(columns[name] for name in PastSlice.__slots__)).where(
            columns.holder == Holder.NOTEBOOK.value,
            columns.created_at < until,
            sa.or_(columns.released_at.is_(None), columns.released_at > since),
        )
        return tuple(
            PastSlice(**{**row, "member_of": _names(row["member_of"])})
            for row in self._rows(found.order_by(columns.created_at, columns.slice_id))
        )

    def jobs(self, since: datetime, until: datetime) -> tuple[PastJobRow, ...]:
        """Return the jobs that were submitted before a time, and not over at another."""
        columns = JOBS.c
        found = sa.select(*(columns[name] for name in PastJobRow.__slots__)).where(
            columns.submitted_at < until,
            sa.or_(columns.ended_at.is_(None), columns.ended_at > since),
        )
        return tuple(
            PastJobRow(**{**row, "groups": _names(row["groups"])})
            for row in self._rows(found.order_by(columns.submitted_at, columns.job_id))
        )

    def periods(self, of: str, ids: Collection[str]) -> dict[str, list[HeldPeriod]]:
        """Return for how long slices, or jobs, were held, by ``slice_id`` or ``job_id``.

        The first one of each comes first. ``LedgerReadError``.
        """
        columns, wanted = HELD_PERIODS.c, sorted(ids)
        found: dict[str, list[HeldPeriod]] = {}
        for first in range(0, len(wanted), _AT_ONCE):
            some = columns[of].in_(wanted[first : first + _AT_ONCE])
            asked = sa.select(HELD_PERIODS).where(some).order_by(columns.began_at)
            for row in self._rows(asked):
                period = HeldPeriod(**{name: row[name] for name in HeldPeriod.__slots__})
                found.setdefault(row[of], []).append(period)
        return found

    def left_line(self, since: datetime, until: datetime) -> dict[str, list[datetime]]:
        """Return when owners' servers left the line without a slice. ``LedgerReadError``."""
        columns = EVENTS.c
        found = sa.select(columns.owner, columns.at).where(
            columns.kind.in_(_LEFT_LINE), columns.at >= since, columns.at < until
        )
        left: dict[str, list[datetime]] = {}
        for row in self._rows(found.order_by(columns.at)):
            left.setdefault(row["owner"] or "", []).append(row["at"])
        return left

    def _rows(self, found: sa.Select[Any]) -> Iterator[dict[str, Any]]:
        with self._database.reading() as connection:
            for row in connection.execution_options(yield_per=1000).execute(found).mappings():
                yield dict(row)


def _names(stored: object) -> tuple[str, ...]:
    return tuple(map(str, stored)) if isinstance(stored, list) else ()
