"""The service's own events: what it does to slices, jobs and lending, for the record."""

import secrets
from dataclasses import replace
from datetime import datetime
from typing import Final

from sublet_quota.names.ids import NodeId
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.records import EventRecord, JobRecord, SliceRecord
from sublet_hub.ledger.text import within_bytes

MOST_FOREIGN_BYTES: Final = 500
"""What an event has of an agent's or a job's own words: very many are kept, and the disk is small.
A job's reason has all of them.
"""


def event(kind: EventKind, at: datetime, detail: str = "") -> EventRecord:
    """Return an event that concerns everybody."""
    return EventRecord(event_id=secrets.token_hex(16), at=at, kind=kind.value, detail=detail)


def node_event(kind: EventKind, node: NodeId, at: datetime, detail: str) -> EventRecord:
    """Return an event of one node."""
    return replace(event(kind, at, detail), node=node)


def slice_event(
    kind: EventKind, record: SliceRecord, at: datetime, detail: str = ""
) -> EventRecord:
    """Return an event of one slice."""
    return EventRecord(
        event_id=secrets.token_hex(16),
        at=at,
        kind=kind.value,
        node=record.gpu.node,
        gpu_id=record.gpu.gpu_id,
        slice_id=record.slice_id,
        owner=record.owner,
        detail=detail,
    )


def job_event(kind: EventKind, job: JobRecord, at: datetime, detail: str = "") -> EventRecord:
    """Return an event of one job."""
    told = f"{job.job_id}: {detail}" if detail else job.job_id
    return EventRecord(
        event_id=secrets.token_hex(16),
        at=at,
        kind=kind.value,
        slice_id=job.slice_id,
        owner=job.owner,
        detail=within_bytes(told, MOST_FOREIGN_BYTES),
    )
