"""The slice with which a job has its place, and by which right it is there."""

import secrets
from datetime import datetime

from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.cap_keepers import BY_DRIVER_IF_ABLE, is_asked_of_driver
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.ledger.records import ALL_STEPS, GpuRecord, JobRecord, SliceRecord


def slice_of(
    job: JobRecord,
    placement: JobPlacement,
    gpu: GpuRecord,
    account: AccountTemplate,
    now: datetime,
) -> SliceRecord:
    """Return the slice of a job that is placed on a GPU, to run under its owner's account."""
    return SliceRecord(
        slice_id=SliceId(secrets.token_hex(16)),
        holder=Holder.JOB,
        owner=job.owner,
        server="",
        job_id=job.job_id,
        size=None,
        pool=placement.pool,
        gpu=gpu,
        memory_mib=placement.amount.memory_mib,
        compute_milli=placement.amount.compute_milli,
        uid=account.uid,
        created_at=now,
        group=placement.job.group,
        named=job.named,
        member_of=job.member_of,
        lot=job.lot,
        entitled=steps_of(placement.job.rank),
        fills_in_for=placement.fills_in_for,
        cap_kept_by=BY_DRIVER_IF_ABLE if account.driver_memory_limit else (),
    )


def has_no_fractions(record: SliceRecord) -> bool:
    """Whether a job's programs may take the cap for the whole card, as the driver keeps it."""
    return is_asked_of_driver(record.cap_kept_by)


def steps_of(rank: Rank) -> int:
    """Return a number of steps of a group's path by which a job's slice is of a rank."""
    match rank:
        case Rank.ENTITLED:
            return ALL_STEPS
        case Rank.ENTITLED_IN_PART:
            return 1
        case _:
            return 0
