"""What the cluster's word changes in the ledger, beside what every job's moves change: pure."""

from dataclasses import replace
from datetime import datetime

from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.wire.api import PodStarted
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.jobs import changes
from sublet_hub.jobs.backends.kubernetes.attempts.status import SeenPod
from sublet_hub.ledger.events import job_event
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord


def pods_started(job: JobRecord, pods: tuple[str, ...], output: str, now: datetime) -> Change:
    """Return the change by which a job runs, as its pods do."""
    after = job.moved(
        JobMove.START,
        started_at=now,
        attempts=job.attempts + 1,
        output_notebook=output,
        reason=JobReason(JobReasonCode.BEGUN),
    )
    told = job_event(EventKind.JOB_STARTED, after, now, f"pod {', '.join(pods)}")
    return Change(jobs=(after,), events=(told,))


def started_pod(
    record: SliceRecord, pods: tuple[SeenPod, ...], namespace: str
) -> PodStarted | None:
    """Return the one pod of a slice, where that is another than was known, or elsewhere."""
    if len(pods) != 1:
        return None
    (pod,) = pods
    known = record.pod
    if known is not None and known.uid == pod.uid and pod.node in {None, record.gpu.node}:
        return None
    return PodStarted(pod_uid=pod.uid, namespace=namespace, pod_name=pod.name, node=pod.node)


def placed_by_cluster(
    job: JobRecord, records: tuple[SliceRecord, ...], gpus_held: float, now: datetime
) -> Change:
    """Return the change by which a job has slices where the cluster has put all of its pods."""
    first = changes.placed(job, records[0], gpus_held, now)
    return replace(first, slices=records)
