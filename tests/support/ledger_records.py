"""Records of the ledger for tests, each with what its test cares about."""

from datetime import UTC, datetime
from typing import Any, Final

from sublet_hub.ledger.job_parameters import JobParameters
from sublet_hub.ledger.records import GpuRecord, JobRecord, SliceRecord
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId, PoolName, SliceId, UserName
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.residency.snapshot import Holder

_NOW: Final = datetime(2026, 11, 24, 8, tzinfo=UTC)


def a_slice_record(slice_id: str, owner: str, gpu: GpuRecord, **values: Any) -> SliceRecord:
    """Return a notebook's slice on a GPU, of the server without a name."""
    facts: dict[str, Any] = {
        "holder": Holder.NOTEBOOK,
        "server": "",
        "job_id": None,
        "size": None,
        "pool": PoolName("interactive"),
        "memory_mib": 1000,
        "compute_milli": 100,
        "uid": 1000,
        "created_at": _NOW,
    }
    own = {"slice_id": SliceId(slice_id), "owner": UserName(owner), "gpu": gpu}
    return SliceRecord(**{**facts, **values, **own})


def a_job_record(job_id: str, owner: str, **values: Any) -> JobRecord:
    """Return a job that was submitted, and waits."""
    facts: dict[str, Any] = {
        "groups": (),
        "name": "train",
        "notebook": "train.ipynb",
        "parameters": {},
        "kernel": None,
        "memory_mib": None,
        "compute_milli": 1000,
        "gpu_type": None,
        "priority": 0,
        "max_run_s": None,
        "state": JobState.WAITING,
        "reason": JobReason(JobReasonCode.SUBMITTED),
        "submitted_at": _NOW,
    }
    own = {"job_id": JobId(job_id), "owner": UserName(owner)}
    chosen = {**facts, **values}
    if chosen.get("group") is not None:
        chosen.setdefault("member_of", (chosen["group"],))
    chosen["parameters"] = JobParameters.of(chosen["parameters"])
    return JobRecord(**{**chosen, **own})
