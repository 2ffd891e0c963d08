"""How a change is written to the ledger's database: every row of it, in one transaction."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sublet_hub.ledger import rows
from sublet_hub.ledger.records import Change, EventRecord
from sublet_hub.ledger.tables import (
    CLOSINGS,
    EVENTS,
    GPUS,
    JOBS,
    NODES,
    SLICES,
    SWITCHES,
    WRITTEN_OFF,
)

_SOUGHT: Final = "sought"
"""The parameter for the key of the row that is updated; no column has this name."""


def write_change(connection: Connection, change: Change, now: datetime) -> tuple[EventRecord, ...]:
    """Make a change true, by the rules of its transaction; return the events that are new."""
    for gpu in change.gpus:
        _put(connection, GPUS, "gpu_id", rows.row_of_gpu(gpu))
    if change.gone:
        connection.execute(sa.delete(GPUS).where(GPUS.c.gpu_id.in_(change.gone)))
    for record in change.slices:
        _put(connection, SLICES, "slice_id", rows.row_of_slice(record))
    if change.released:
        connection.execute(
            sa.update(SLICES).where(SLICES.c.slice_id.in_(change.released)).values(released_at=now)
        )
    for lag in change.written_off:
        _put(connection, WRITTEN_OFF, "place", rows.row_of_lag(lag))
    for job in change.jobs:
        _put(connection, JOBS, "job_id", rows.row_of_job(job))
    if change.forgotten:
        connection.execute(sa.delete(JOBS).where(JOBS.c.job_id.in_(change.forgotten)))
    if change.epoch_of is not None:
        node, epoch = change.epoch_of
        _put(connection, NODES, "node", {"node": node, "epoch": epoch})
    _write_switches(connection, change)
    return _add_events(connection, change.events)


def _write_switches(connection: Connection, change: Change) -> None:
    for closing in change.closings:
        _put(connection, CLOSINGS, "place", rows.row_of_closing(closing))
    if change.opened:
        connection.execute(sa.delete(CLOSINGS).where(CLOSINGS.c.place.in_(change.opened)))
    if change.lending is not None:
        _put(connection, SWITCHES, "name", rows.row_of_lending(change.lending))


def _put(connection: Connection, table: sa.Table, key: str, row: dict[str, Any]) -> None:
    """Update the row or insert it; the service is the only writer, so nobody comes between.

    Values go as parameters: a statement that held them would be put together anew each time.
    """
    update = sa.update(table).where(table.c[key] == sa.bindparam(_SOUGHT))
    if connection.execute(update, {**row, _SOUGHT: row[key]}).rowcount == 0:
        connection.execute(sa.insert(table), row)


def _add_events(connection: Connection, events: tuple[EventRecord, ...]) -> tuple[EventRecord, ...]:
    if not events:
        return ()
    # Agents tell events again after a lost connection: each is stored once.
    told = {(row := rows.row_of_event(event))["event_id"]: (event, row) for event in events}
    found = sa.select(EVENTS.c.event_id).where(EVENTS.c.event_id.in_(list(told)))
    known = set(connection.execute(found).scalars())
    new = [both for event_id, both in told.items() if event_id not in known]
    if new:
        connection.execute(sa.insert(EVENTS), [row for _, row in new])
    return tuple(event for event, _ in new)
