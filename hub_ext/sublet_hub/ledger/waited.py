"""What the ledger's tables tell of how long was waited: jobs, turns in line, gates of cells.

Rows are read column by column, for another thread than the service's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.recorded_tables import RECORDED_CELLS
from sublet_hub.ledger.tables import EVENTS, JOBS, SLICES

_LONGEST_BLOCK: Final = timedelta(days=2)
"""A block of stretches of work is stored so soon after the first of them."""
_MOST_S: Final = timedelta.max.total_seconds() / 2


@dataclass(frozen=True, slots=True)
class WaitedRow:
    """Somebody who waited, and who would have paid."""

    owner: str
    group: str | None
    at: datetime
    """When the wait was over."""
    waited: timedelta


@dataclass(frozen=True, slots=True)
class CellsRow:
    """Some stretches of one slice's work, packed."""

    owner: str
    group: str | None
    stretches: bytes


class WaitedStore:
    """The waits of a time; ``owner``: only theirs. ``LedgerReadError``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(self, since: datetime, until: datetime, owner: str | None) -> Iterator[WaitedRow]:
        """Yield the jobs that began first in the time.

        One that was begun anew has waited, run and waited again: how long is not known.
        """
        columns = JOBS.c
        found = sa.select(
            columns.owner, columns.group, columns.submitted_at, columns.started_at
        ).where(columns.started_at >= since, columns.started_at < until, columns.attempts == 1)
        for row in self._rows(found, columns.owner, owner):
            waited = max(row["started_at"] - row["submitted_at"], timedelta())
            yield WaitedRow(row["owner"], row["group"], row["started_at"], waited)

    def turns(self, since: datetime, until: datetime, owner: str | None) -> Iterator[WaitedRow]:
        """Yield the notebooks whose turn in line came in the time.

        Those of versions that did not note how long they had waited are left out.
        """
        columns, slices = EVENTS.c, SLICES.c
        found = (
            sa.select(columns.owner, slices.group, columns.at, columns.took_s)
            .select_from(EVENTS.outerjoin(SLICES, slices.slice_id == columns.slice_id))
            .where(
                columns.kind == EventKind.QUEUE_TURN.value,
                columns.at >= since,
                columns.at < until,
                columns.took_s > 0,
                columns.owner.is_not(None),
            )
        )
        for row in self._rows(found, columns.owner, owner):
            waited = timedelta(seconds=min(row["took_s"], _MOST_S))
            yield WaitedRow(row["owner"], row["group"], row["at"], waited)

    def cells(self, since: datetime, until: datetime, owner: str | None) -> Iterator[CellsRow]:
        """Yield the blocks in which stretches of work of the time may be."""
        columns, slices = RECORDED_CELLS.c, SLICES.c
        found = (
            sa.select(slices.owner, slices.group, columns.stretches)
            .select_from(RECORDED_CELLS.join(SLICES, slices.slice_id == columns.slice_id))
            .where(columns.until >= since, columns.until < until + _LONGEST_BLOCK)
        )
        for row in self._rows(found, slices.owner, owner):
            yield CellsRow(row["owner"], row["group"], row["stretches"])

    def _rows(
        self, found: sa.Select[Any], whose: sa.Column[Any], owner: str | None
    ) -> Iterator[dict[str, Any]]:
        if owner is not None:
            found = found.where(whose == owner)
        with self._database.reading() as connection:
            for row in connection.execution_options(yield_per=1000).execute(found).mappings():
                yield dict(row)
