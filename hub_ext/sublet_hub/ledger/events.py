"""The service's own events: what it does to slices, jobs and lending, for the record."""

import secrets
from datetime import datetime
from enum import StrEnum

from sublet_hub.ledger.records import EventRecord, JobRecord, SliceRecord


class EventKind(StrEnum):
    """The kinds of event that the service itself makes (agents make others)."""

    SLICE_CREATED = "slice-created"
    SLICE_STARTED = "slice-started"
    SLICE_PLACED = "slice-placed"
    SLICE_RELEASED = "slice-released"
    SLICE_KEPT = "slice-kept"
    SLICE_WANTED = "slice-wanted"
    SLICE_GIVEN_UP = "slice-given-up"
    SLICE_RESIZED = "slice-resized"
    JOB_SUBMITTED = "job-submitted"
    JOB_PLACED = "job-placed"
    JOB_STARTED = "job-started"
    JOB_WENT_BACK = "job-went-back"
    JOB_ENDED = "job-ended"
    LENDING_SWITCHED = "lending-switched"
    AGENT_CONNECTED = "agent-connected"
    AGENT_SILENT = "agent-silent"
    QUOTA_LOADED = "quota-loaded"
    QUOTA_REFUSED = "quota-refused"


def event(kind: EventKind, at: datetime, detail: str = "") -> EventRecord:
    """An event that concerns everybody."""
    return EventRecord(event_id=secrets.token_hex(16), at=at, kind=kind.value, detail=detail)


def slice_event(
    kind: EventKind, record: SliceRecord, at: datetime, detail: str = ""
) -> EventRecord:
    """An event of one slice."""
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
    """An event of one job."""
    told = f"{job.job_id}: {detail}" if detail else job.job_id
    return EventRecord(
        event_id=secrets.token_hex(16),
        at=at,
        kind=kind.value,
        slice_id=job.slice_id,
        owner=job.owner,
        detail=told,
    )
