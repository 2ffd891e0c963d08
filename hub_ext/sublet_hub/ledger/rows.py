"""Between the ledger's records and the rows of its tables; the only place that knows both."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa
from sublet_quota.amounts.node_amounts import NodeAmount
from sublet_quota.jobs.turns.past_uses import LagWrittenOff
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import (
    GpuId,
    GroupName,
    JobId,
    NodeId,
    PoolName,
    SizeName,
    SliceId,
    UserName,
)
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.residency.snapshot import Holder
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.wire.schema import MOST_REASON, shortened

from sublet_hub.ledger.ended_jobs import EndedJob
from sublet_hub.ledger.job_parameters import JobParameters
from sublet_hub.ledger.records import (
    Closing,
    EventRecord,
    GpuRecord,
    JobRecord,
    LendingRecord,
    PodIdentity,
    SliceRecord,
    StartedProcess,
)
from sublet_hub.ledger.text import storable, storable_row

LENDING: Final = "lending"
"""The name of the switch of lending in ``switches``."""
_IN_SEVERAL_COLUMNS: Final = frozenset({"process", "reason"})
"""The fields of a job's record that are in several columns of its row."""
Row = Mapping[Any, Any]


def row_of_gpu(gpu: GpuRecord) -> dict[str, Any]:
    """Return a card as a row of ``gpus``."""
    row = asdict(gpu)
    row["position"] = row.pop("index")
    return row


def gpu_of_row(row: Row) -> GpuRecord:
    """Return the card of a row of ``gpus``."""
    return GpuRecord(
        gpu_id=GpuId(row["gpu_id"]),
        node=NodeId(row["node"]),
        index=row["position"],
        type=row["type"],
        memory_mib=row["memory_mib"],
        margin_mib=row["margin_mib"],
        simulated=row["simulated"],
    )


def row_of_slice(record: SliceRecord) -> dict[str, Any]:
    """Return a slice as a row of ``slices``."""
    return {
        "slice_id": record.slice_id,
        "holder": record.holder.value,
        "owner": record.owner,
        "server": record.server,
        "job_id": record.job_id,
        "size": record.size,
        "pool": record.pool,
        "gpu_id": record.gpu.gpu_id,
        "memory_mib": record.memory_mib,
        "compute_milli": record.compute_milli,
        "uid": record.uid,
        "created_at": record.created_at,
        "root_pid": record.root_pid,
        "root_start_time": record.root_start_time,
        "unit_group": record.unit_group,
        "kept_until": record.kept_until,
        "wanted_since": record.wanted_since,
        "pod_uid": None if record.pod is None else record.pod.uid,
        "pod_namespace": None if record.pod is None else record.pod.namespace,
        "pod_name": None if record.pod is None else record.pod.name,
        "pod_node": None if record.pod is None else record.pod.node,
        "never_suspended": record.never_suspended,
        "given_up_at": record.given_up_at,
        "lent_since": record.lent_since,
        "last_lent_from": record.last_lent_from,
        "last_lent_until": record.last_lent_until,
        "last_lent_job": record.last_lent_job,
        "group": record.group,
        "named": record.named,
        "member_of": list(record.member_of),
        "called_back_since": record.called_back_since,
        "called_back_for": record.called_back_for,
        "held_back_since": record.held_back_since,
        "stands_since": record.stands_since,
        "fills_in_for": list(record.fills_in_for),
        "moving_to": record.moving_to,
        "came_from": record.came_from,
        "perhaps_on": list(record.perhaps_on),
        "before_until": record.before_until,
        "before_steps": record.before_steps,
        "entitled": record.entitled,
        "entitled_in_force": record.entitled_in_force,
        "lot": record.lot,
        "takes_cpu_milli": None if record.takes is None else record.takes.cpu_milli,
        "takes_memory_mib": None if record.takes is None else record.takes.memory_mib,
        "cap_kept_by": None if record.cap_kept_by is None else list(record.cap_kept_by),
        "compute_kept_by": record.compute_kept_by,
    }


def slice_of_row(row: Row, gpus: Mapping[GpuId, GpuRecord]) -> SliceRecord:
    """Return the slice of a row of ``slices``."""
    return SliceRecord(
        slice_id=SliceId(row["slice_id"]),
        holder=Holder(row["holder"]),
        owner=UserName(row["owner"]),
        server=row["server"],
        job_id=None if row["job_id"] is None else JobId(row["job_id"]),
        size=None if row["size"] is None else SizeName(row["size"]),
        pool=PoolName(row["pool"]),
        gpu=gpus[GpuId(row["gpu_id"])],
        memory_mib=row["memory_mib"],
        compute_milli=row["compute_milli"],
        uid=row["uid"],
        created_at=row["created_at"],
        root_pid=row["root_pid"],
        root_start_time=row["root_start_time"],
        unit_group=row["unit_group"],
        kept_until=row["kept_until"],
        wanted_since=row["wanted_since"],
        pod=_pod_of_row(row),
        never_suspended=row["never_suspended"],
        given_up_at=row["given_up_at"],
        lent_since=row["lent_since"],
        last_lent_from=row["last_lent_from"],
        last_lent_until=row["last_lent_until"],
        last_lent_job=None if row["last_lent_job"] is None else JobId(row["last_lent_job"]),
        group=_group(row["group"]),
        named=row["named"],
        member_of=tuple(row["member_of"]),
        called_back_since=row["called_back_since"],
        called_back_for=_group(row["called_back_for"]),
        held_back_since=row["held_back_since"],
        stands_since=row["stands_since"],
        fills_in_for=tuple(JobId(each) for each in row["fills_in_for"]),
        moving_to=None if row["moving_to"] is None else GpuId(row["moving_to"]),
        came_from=None if row["came_from"] is None else GpuId(row["came_from"]),
        perhaps_on=tuple(GpuId(each) for each in row["perhaps_on"]),
        before_until=row["before_until"],
        before_steps=row["before_steps"],
        entitled=row["entitled"],
        entitled_in_force=row["entitled_in_force"],
        lot=row["lot"],
        takes=_takes_of_row(row),
        cap_kept_by=None if row["cap_kept_by"] is None else tuple(row["cap_kept_by"]),
        compute_kept_by=_share_kept(row["compute_kept_by"]),
    )


def _share_kept(code: str | None) -> ShareKept | None:
    """Return by which engine a share is kept; what is not known here is none."""
    return ShareKept(code) if code in set(ShareKept) else None


def _takes_of_row(row: Row) -> NodeAmount | None:
    cpu_milli, memory_mib = row["takes_cpu_milli"], row["takes_memory_mib"]
    if cpu_milli is None and memory_mib is None:
        return None
    return NodeAmount(cpu_milli or 0, memory_mib or 0)


def _group(name: str | None) -> GroupName | None:
    return None if name is None else GroupName(name)


def _pod_of_row(row: Row) -> PodIdentity | None:
    if row["pod_uid"] is None:
        return None
    node = None if row["pod_node"] is None else NodeId(row["pod_node"])
    return PodIdentity(row["pod_uid"], row["pod_namespace"], row["pod_name"], node)


def row_of_job(job: JobRecord) -> dict[str, Any]:
    """Return a job as a row of ``jobs``."""
    row: dict[str, Any] = {
        name: getattr(job, name) for name in JobRecord.__slots__ if name not in _IN_SEVERAL_COLUMNS
    }
    row["groups"] = list(job.groups)
    row["parameters"] = job.parameters.values()
    row["take_along"] = list(job.take_along)
    row["member_of"] = list(job.member_of)
    row["state"] = job.state.value
    process = job.process
    row["boot_id"] = None if process is None else process.boot_id
    row["pid"] = None if process is None else process.pid
    row["pid_start_time"] = None if process is None else process.start_time
    reason = job.reason
    row["reason_code"] = reason.code.value
    row["reason_numbers"] = dict(reason.numbers)
    row["reason_told"] = reason.told
    return row


def job_of_row(row: Row) -> JobRecord:
    """Return the job of a row of ``jobs``."""
    values = {name: row[name] for name in JobRecord.__slots__ if name not in _IN_SEVERAL_COLUMNS}
    values["groups"] = tuple(row["groups"])
    values["parameters"] = JobParameters.of(row["parameters"])
    values["take_along"] = tuple(row["take_along"])
    values["group"] = _group(row["group"])
    values["member_of"] = tuple(row["member_of"])
    values["state"] = JobState(row["state"])
    process = None
    if row["pid"] is not None:
        process = StartedProcess(row["boot_id"], row["pid"], row["pid_start_time"])
    return JobRecord(process=process, reason=_reason_of_row(row), **values)


def columns_of_ended(table: sa.Table) -> tuple[sa.Column[Any], ...]:
    """Return the columns of ``jobs`` that are kept in memory of a job that is over."""
    return tuple(table.c[name] for name in EndedJob.__slots__)


def ended_of_row(row: Row, known: dict[tuple[str, ...], tuple[str, ...]]) -> EndedJob:
    """Return what is kept of the ended job of a row; groups that are ``known`` are one tuple."""
    groups = tuple(row["groups"])
    own = {"groups": known.setdefault(groups, groups), "state": JobState(row["state"])}
    return EndedJob(**{**row, **own})


def _reason_of_row(row: Row) -> JobReason:
    """Return why a job is as it is; of a reason of another version, what is left of it."""
    code, told = row["reason_code"], row["reason_told"]
    try:
        return JobReason(JobReasonCode(code), row["reason_numbers"], told)
    except (TypeError, ValueError):
        return JobReason(JobReasonCode.TOLD_BEFORE, told=told or code)


def row_of_lending(lending: LendingRecord) -> dict[str, Any]:
    """Return the switch of lending as a row of ``switches``."""
    return {**asdict(lending), "reason": storable(lending.reason), "name": LENDING}


def lending_of_row(row: Row) -> LendingRecord:
    """Return the switch of lending of a row of ``switches``."""
    values = {name: row[name] for name in LendingRecord.__slots__}
    # Older services took longer ones.
    return LendingRecord(**{**values, "reason": shortened(row["reason"], MOST_REASON)})


def row_of_closing(closing: Closing) -> dict[str, Any]:
    """Return a closing as a row of ``closings``."""
    row = {**asdict(closing), "reason": storable(closing.reason), "place": closing.place}
    del row["by_document"]
    return row


def closing_of_row(row: Row) -> Closing:
    """Return the closing of a row of ``closings``."""
    return Closing(**{name: row[name] for name in Closing.__slots__ if name != "by_document"})


def row_of_lag(lag: LagWrittenOff) -> dict[str, Any]:
    """Return what was written off as a row of ``written_off``."""
    return {**asdict(lag), "place": place_of_lag(lag)}


def place_of_lag(lag: LagWrittenOff) -> str:
    """Return by what a row of ``written_off`` is found: the group, and the person where told."""
    return hashlib.sha256(json.dumps([lag.node, lag.owner]).encode()).hexdigest()


def lag_of_row(row: Row) -> LagWrittenOff:
    """Return what was written off, of a row of ``written_off``."""
    owner = None if row["owner"] is None else UserName(row["owner"])
    return LagWrittenOff(NodeName(row["node"]), owner, row["amount"], row["at"])


def epoch_of_row(row: Row) -> tuple[NodeId, int]:
    """Return the node and the count of its agent's connections of a row of ``nodes``."""
    return NodeId(row["node"]), row["epoch"]


def row_of_event(event: EventRecord) -> dict[str, Any]:
    """Return an event as a row of ``events``."""
    # Agents say most of it: text like anybody's from outside.
    return storable_row({**asdict(event), "detail": shortened(event.detail)})


def event_of_row(row: Row) -> EventRecord:
    """Return the event of a row of ``events``."""
    return EventRecord(**{name: row[name] for name in EventRecord.__slots__})
