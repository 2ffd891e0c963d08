"""What tests of the ledger put into it: a card, slices and jobs."""

from datetime import UTC, datetime, timedelta

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.records import (
    GpuRecord,
    JobRecord,
    SliceRecord,
)
from sublet_quota.names.ids import GpuId, GroupName, NodeId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from tests.support.ledger_records import a_job_record, a_slice_record

NOW = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC)
GPU = GpuRecord(GpuId("SIM-0"), NodeId("node-a"), 0, "Simulated", 81920, 1024, simulated=True)
BY_OWNER = JobReason(JobReasonCode.CANCELLED)


def a_slice(slice_id: str = "s1", owner: str = "ada", server: str = "") -> SliceRecord:
    kept_until = NOW + timedelta(hours=1)
    values = {"group": GroupName("lab"), "server": server, "created_at": NOW}
    values |= {"kept_until": kept_until}
    return a_slice_record(slice_id, owner, GPU, **values)


def a_job(job_id: str = "j1") -> JobRecord:
    return a_job_record(
        job_id,
        "ada",
        groups=("lab",),
        parameters={"rate": 0.5, "layers": [1, None, True]},
        kernel="python3",
        submitted_at=NOW,
    )


def held(database: Database) -> list[tuple[str, int, datetime, datetime | None]]:
    """Each period of one size: whose, how much, from when to when."""
    found = database.held_periods(NOW - timedelta(days=365), NOW + timedelta(days=365))
    listed = sorted(found, key=lambda each: (each.slice_id, each.began_at))
    return [(each.slice_id, each.memory_mib, each.began_at, each.ended_at) for each in listed]
