"""What each move of a job changes in the ledger: its state, its slice, and the event.

Pure: from records to a ``Change``. A job has a slice exactly while it is placed or running. What a
reason tells in words from outside is made storable here, as it enters the record.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import job_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, JobRecord, SliceRecord, StartedProcess
from sublet_hub.ledger.text import storable

_FAILED_WITH_HARDWARE: Final = frozenset(
    {
        JobReasonCode.AGENT_SILENT,
        JobReasonCode.GPU_STATE_LOST,
        JobReasonCode.MACHINE_RESTARTED,
        JobReasonCode.NODE_GAVE_UP,
        JobReasonCode.NODE_RESTARTED,
    }
)
"""Why an attempt comes to nothing through no fault of its owner's, who is not charged for it."""


def submitted(job: JobRecord) -> Change:
    """Return the change by which a new job is in the ledger, and waits."""
    told = job_event(EventKind.JOB_SUBMITTED, job, job.submitted_at, job.notebook)
    return Change(jobs=(job,), events=(told,))


def placed(job: JobRecord, record: SliceRecord, gpus_held: float, now: datetime) -> Change:
    """Return the change by which a job has a slice, and waits for its room there."""
    after = job.moved(
        JobMove.PLACE,
        slice_id=record.slice_id,
        gpus_held=gpus_held,
        reason=JobReason(JobReasonCode.PLACED, {"gpu": record.gpu.index, "node": record.gpu.node}),
    )
    told = replace(
        job_event(EventKind.JOB_PLACED, after, now), gpu_id=record.gpu.gpu_id, node=record.gpu.node
    )
    return Change(jobs=(after,), slices=(record,), events=(told,))


def started(
    job: JobRecord, record: SliceRecord, process: StartedProcess, output: str, now: datetime
) -> Change:
    """Return the change by which a placed job runs: its process lives."""
    after = job.moved(
        JobMove.START,
        process=process,
        started_at=now,
        attempts=job.attempts + 1,
        output_notebook=output,
        reason=JobReason(JobReasonCode.BEGUN),
    )
    served = replace(record, root_pid=process.pid, root_start_time=process.start_time)
    told = job_event(EventKind.JOB_STARTED, after, now, f"pid {process.pid}")
    return Change(jobs=(after,), slices=(served,), events=(told,))


def who_cancelled(job: JobRecord) -> JobReason:
    """Return by whom and why a job was cancelled, as its owner is told: without an admin's name."""
    by_owner = job.cancel_asked_by in {None, job.owner}
    code = JobReasonCode.CANCELLED if by_owner else JobReasonCode.CANCELLED_BY_ADMIN
    is_said = job.reason.code in {JobReasonCode.CANCEL_ASKED, JobReasonCode.CANCEL_ASKED_BY_ADMIN}
    return JobReason(code, told=job.reason.told if is_said else "")


def waits_for(job: JobRecord, why: JobReason) -> Change | None:
    """Return the change by which a waiting job waits for something else; ``None``: for the same."""
    why = _storable(why)
    return None if why == job.reason else Change(jobs=(replace(job, reason=why),))


def went_back(job: JobRecord, why: JobReason, now: datetime) -> Change:
    """Return the change by which a job waits again, or is over where it is being cancelled."""
    if job.cancel_asked_at is not None:
        return ended(job, JobMove.CANCEL, now, who_cancelled(job))
    why = _storable(why)
    after = job.moved(
        JobMove.GO_BACK,
        slice_id=None,
        process=None,
        started_at=None,
        cells_done=0,
        current_cell=None,
        reason=why,
    )
    told = replace(
        job_event(EventKind.JOB_WENT_BACK, job, now, job_clause(why)), slice_id=job.slice_id
    )
    return _released(job, after, why, told)


def begins_anew(job: JobRecord, why: JobReason, now: datetime) -> Change:
    """Return the change by which a job waits again whose attempt failed: it has retries left."""
    tried = job.failed_attempts + 1
    change = went_back(job, why.under(attempt=tried, of_attempts=job.retries + 1), now)
    (after,) = change.jobs
    return replace(change, jobs=(replace(after, failed_attempts=tried),))


def ended(
    job: JobRecord,
    move: JobMove,
    now: datetime,
    why: JobReason,
    exit_code: int | None = None,
) -> Change:
    """Return the change by which a job is over: done, failed or cancelled."""
    why = _storable(why)
    after = job.moved(move, slice_id=None, ended_at=now, reason=why, exit_code=exit_code)
    told = replace(
        job_event(
            EventKind.JOB_ENDED, after, now, f"{after.state.value} {job_clause(why)}".strip()
        ),
        slice_id=job.slice_id,
    )
    return _released(job, after, why, told)


def with_all_slices(ledger: Ledger, job: JobRecord, change: Change) -> Change:
    """Return a change that ends an attempt, with the slices of the job's other pods released."""
    if not change.released:
        return change
    own = {s.slice_id for s in ledger.slices_of_owner(job.owner) if s.job_id == job.job_id}
    released = tuple(sorted(own | set(change.released)))
    failed = released if change.failed_with_hardware else ()
    return replace(change, released=released, failed_with_hardware=failed)


def _released(job: JobRecord, after: JobRecord, why: JobReason, told: EventRecord) -> Change:
    slices = _slices_of(job)
    failed = slices if why.code in _FAILED_WITH_HARDWARE else ()
    return Change(jobs=(after,), released=slices, events=(told,), failed_with_hardware=failed)


def _storable(reason: JobReason) -> JobReason:
    return replace(reason, told=storable(reason.told))


def _slices_of(job: JobRecord) -> tuple[SliceId, ...]:
    return () if job.slice_id is None else (job.slice_id,)
