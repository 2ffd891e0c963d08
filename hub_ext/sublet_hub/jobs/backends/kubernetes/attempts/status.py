"""What the cluster's objects say about a job: pure, from their JSON to one of five values.

The pod's word counts before the object's that made it: it knows the exit code and why it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sublet_quota.reasons.job_reasons import MOST_TOLD, JobReason, JobReasonCode

from sublet_hub.jobs.backends.kubernetes.objects.names import CONTAINER, TRAINERS_CONTAINER
from sublet_hub.jobs.endings import Failed, Lost, Seen, Succeeded
from sublet_hub.jobs.progress import Ended
from sublet_hub.kubernetes_api.resources import Manifest

_NODE_ANSWERS_WITHIN: Final = timedelta(minutes=2)
_TERMINATED: Final = 128 + 15
_KILLED: Final = 128 + 9
_BAD_REQUEST: Final = 3
_DISRUPTED: Final = "DisruptionTarget"
_NOT_THE_JOBS_FAULT: Final = frozenset(
    {
        "Evicted",
        "Preempting",
        "NodeLost",
        "NodeShutdown",
        "Terminated",
        "Shutdown",
        "UnexpectedAdmissionError",
        "TopologyAffinityError",
        "SMTAlignmentError",
        "InvalidNodeInfo",
        "NodeAffinity",
        "NodeName",
        "NodePorts",
    }
)
"""Reasons that a kubelet gives for a pod that it did not run, or not to its end."""
_TOO_LITTLE_LEFT: Final = "OutOf"
"""So begin the kubelet's reasons for a pod that it has too little of a resource for; behind that
stands which."""
_END_NOT_SEEN: Final = frozenset({"Unknown", "ContainerStatusUnknown"})
"""Reasons that a container runtime and a kubelet give for a container that was gone when they came
back, as after a restart of the machine."""
_CANNOT_BEGIN: Final = frozenset({"InvalidImageName"})
_NOT_PULLED: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError"}
)
WITHOUT_PODS: Final = frozenset(
    {JobReasonCode.CLUSTER_ENDED_IT, JobReasonCode.CLUSTER_HAS_IT_NO_LONGER}
)
"""What is said of a job whose pods no longer say anything."""
_LONG_AGO: Final = "1970-01-01T00:00:00Z"
_BEING_STARTED: Final = frozenset({None, "ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class SeenPod:
    """A pod of a job."""

    name: str
    uid: str
    node: str | None


@dataclass(frozen=True, slots=True)
class Waits:
    """A job that has not begun, and why."""

    why: JobReason
    pods: tuple[SeenPod, ...] = ()
    suspended: bool = False
    """Whether Kueue has suspended the job's object: no pods are wanted now."""
    unexplained: bool = False
    """Whether the pod does not say what its container waits for: the kubelet's events may."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A job whose containers run."""

    pods: tuple[SeenPod, ...]


JobStatus = Waits | Runs | Seen


def read_status(owner: Manifest | None, pods: Sequence[Manifest], wanted: int = 1) -> JobStatus:
    """Return what became of a job, from the object that runs it and its pods."""
    if owner is None and not pods:
        return Lost(JobReason(JobReasonCode.CLUSTER_HAS_IT_NO_LONGER))
    said = [_look_at_pod(pod) for pod in _newest_first(pods)]
    for kind in (Failed, Lost):
        # One that failed by itself explains those that were ended with it.
        found = next((each for each in said if isinstance(each, kind)), None)
        if found is not None:
            return found
    if said and len(said) >= wanted and all(isinstance(each, Succeeded) for each in said):
        return Succeeded()
    if owner is not None:
        over = _look_at_owner(owner)
        if over is not None:
            return over
    elif not any(isinstance(each, Runs) for each in said):
        return Lost(JobReason(JobReasonCode.CLUSTER_HAS_IT_NO_LONGER))
    waiting = [each for each in said if isinstance(each, Waits)]
    seen = tuple(pod for each in said if isinstance(each, Waits | Runs) for pod in each.pods)
    if waiting:
        return replace(waiting[0], pods=seen)
    if len(said) < wanted:
        return Waits(JobReason(JobReasonCode.PODS_BEING_MADE), seen)
    return Runs(seen)


def last_words(seen: Lost, removed: Sequence[Manifest], wanted: int = 1) -> Seen:
    """Return what the removed pods of a job said last of its end; else what was seen without."""
    said = read_status(None, removed, wanted)
    if not isinstance(said, Failed | Lost | Succeeded):
        return seen
    known = isinstance(said, Lost) and said.why.code in {*WITHOUT_PODS, JobReasonCode.POD_REMOVED}
    return seen if known else said


def seen_pods(pods: Sequence[Manifest]) -> tuple[SeenPod, ...]:
    """Return the pods of a job: their names, ids and nodes."""
    return tuple(
        SeenPod(
            pod["metadata"]["name"],
            pod["metadata"]["uid"],
            pod.get("spec", {}).get("nodeName") or None,
        )
        for pod in pods
    )


def is_suspended(owner: Manifest) -> bool:
    """Whether Kueue has a job's object wait: what pods there are, are going."""
    return bool((owner.get("spec") or {}).get("suspend"))


def belongs_to(pod: Manifest, owner: Manifest) -> bool:
    """Whether this very object made a pod, not one before it of the same name.

    A node that is dead keeps the pods of those for as long as it is known. A Job's pods name it;
    those of a JobSet or a TrainJob name a Job of it, but none of them is older than it is.
    """
    about, made_by = pod["metadata"], owner["metadata"]
    for reference in about.get("ownerReferences") or ():
        if reference.get("controller") and reference["name"] == made_by["name"]:
            return bool(reference["uid"] == made_by["uid"])
    return _made_at(about) >= _made_at(made_by)


def _made_at(metadata: Manifest) -> datetime:
    return datetime.fromisoformat(metadata["creationTimestamp"])


def is_over(pod: Manifest, now: datetime) -> bool:
    """Whether nothing of a pod runs any more.

    One that should have ended long ago is on a node that does not answer: nothing there is
    waited for.
    """
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return True
    deleted = pod["metadata"].get("deletionTimestamp")
    return deleted is not None and now - datetime.fromisoformat(deleted) > _NODE_ANSWERS_WITHIN


def has_ended(pod: Manifest) -> bool:
    """Whether the job's container has ended, whatever else runs in its pod."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in {"Succeeded", "Failed"} or "terminated" in _container_state(pod)


def _newest_first(pods: Sequence[Manifest]) -> list[Manifest]:
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)


def _look_at_owner(owner: Manifest) -> JobStatus | None:
    status = owner.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True":
            continue
        match condition.get("type"):
            case "Complete" | "Completed":
                return Succeeded()
            case "Failed":
                # A pod that failed by itself would have been seen before.
                return Lost(_told(JobReasonCode.CLUSTER_ENDED_IT, condition))
            case _:
                pass
    if is_suspended(owner):
        return Waits(JobReason(JobReasonCode.CLUSTER_QUEUE), suspended=True)
    return None


def _look_at_pod(pod: Manifest) -> JobStatus:
    status = pod.get("status") or {}
    (seen,) = seen_pods([pod])
    phase = status.get("phase")
    if phase == "Succeeded":
        return Succeeded()
    disruption = _condition(pod, _DISRUPTED)
    if phase == "Failed":
        return _look_at_failed(pod, disruption)
    if disruption is not None:
        return Lost(_told(JobReasonCode.POD_TAKEN, disruption))
    if pod["metadata"].get("deletionTimestamp"):
        return Lost(JobReason(JobReasonCode.POD_REMOVED))
    container = _container_state(pod)
    if phase == "Running" and "terminated" not in container:
        return Runs((seen,))
    waiting = container.get("waiting") or {}
    if waiting.get("reason") in _CANNOT_BEGIN:
        return Failed(_told(JobReasonCode.CANNOT_BEGIN, waiting), may_retry=False)
    unexplained = seen.node is not None and waiting.get("reason") in _BEING_STARTED
    return Waits(_why_pending(pod, waiting), (seen,), unexplained=unexplained)


def _look_at_failed(pod: Manifest, disruption: Manifest | None) -> JobStatus:
    status = pod["status"]
    ended = _container_state(pod).get("terminated") or {}
    code = ended.get("exitCode")
    said = _last_word(ended)
    if disruption is not None:
        return Lost(_told(JobReasonCode.POD_TAKEN, disruption))
    reason = str(status.get("reason") or "")
    if reason in _NOT_THE_JOBS_FAULT or reason.startswith(_TOO_LITTLE_LEFT):
        return Lost(_told(JobReasonCode.NODE_GAVE_UP, status))
    if ended.get("reason") in _END_NOT_SEEN:
        return Lost(JobReason(JobReasonCode.NODE_RESTARTED))
    if ended.get("reason") == "OOMKilled":
        return Failed(JobReason(JobReasonCode.HOST_MEMORY_EXCEEDED), code)
    if said is not None and said.error is not None and code != _TERMINATED:
        return Failed(said.error.reason, code, may_retry=code != _BAD_REQUEST)
    if code in {_TERMINATED, _KILLED}:
        return Lost(JobReason(JobReasonCode.TOLD_TO_END))
    if code is None:
        return Failed(_told(JobReasonCode.CONTAINER_ENDED, ended or status))
    numbers = {"exit_status": code}
    return Failed(JobReason(JobReasonCode.CONTAINER_EXITED, numbers, _words(ended)), code)


def _last_word(ended: Manifest) -> Ended | None:
    """Return the runner's last line, as the kubelet read it from the container's ending file."""
    try:
        return Ended.model_validate_json(str(ended.get("message") or ""))
    except ValidationError:
        return None


def _why_pending(pod: Manifest, waiting: Manifest) -> JobReason:
    scheduled = _condition(pod, "PodScheduled", "False")
    if scheduled is not None:
        return _told(JobReasonCode.UNSCHEDULABLE, scheduled)
    if waiting.get("reason") in _NOT_PULLED:
        return _told(JobReasonCode.IMAGE_NOT_PULLED, waiting)
    if waiting.get("reason") not in _BEING_STARTED:
        return _told(JobReasonCode.CONTAINER_NOT_STARTED, waiting)
    if pod.get("spec", {}).get("nodeName"):
        return JobReason(JobReasonCode.CONTAINER_BEING_STARTED)
    return JobReason(JobReasonCode.NODE_SOUGHT)


def _condition(found: Manifest, kind: str, status: str = "True") -> Manifest | None:
    told: Any = (found.get("status") or {}).get("conditions") or ()
    return next((c for c in told if c.get("type") == kind and c.get("status") == status), None)


def _container_state(pod: Manifest) -> Manifest:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container.get("name") in {CONTAINER, TRAINERS_CONTAINER}:
            state: Manifest = container.get("state") or {}
            return state
    return {}


def _told(code: JobReasonCode, said: Manifest) -> JobReason:
    return JobReason(code, told=_words(said))


def _words(said: Manifest) -> str:
    reason, message = said.get("reason"), said.get("message")
    parts = [str(part) for part in (reason, message) if part]
    return ": ".join(parts) or "no reason was told"


def latest_warning(events: Sequence[Manifest]) -> str:
    """Return of what a kubelet, or whoever else, has warned last."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    latest = max(warnings, key=_told_at, default=None)
    return "" if latest is None else _words(latest)[:MOST_TOLD]


def latest_refusal(events: Sequence[Manifest], owner: Manifest) -> str:
    """Return why the latest of an object's parts, its pods at the end, could not be made.

    A JobSet's Jobs have its name and more, and so have their pods. An object before it may have had
    the same name: what was told of that does not count.
    """
    about = owner["metadata"]
    told = [
        event
        for event in events
        if _is_of_part(str((event.get("involvedObject") or {}).get("name")), about["name"])
        and datetime.fromisoformat(_told_at(event) or _LONG_AGO) >= _made_at(about)
    ]
    return latest_warning(told)


def _is_of_part(name: str, owner_name: str) -> bool:
    return name == owner_name or name.startswith(f"{owner_name}-")


def _told_at(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), ""))


def why_not_admitted(workload: Manifest | None) -> JobReason:
    """Return why Kueue does not let a job begin, as its Workload says."""
    waits = _condition(workload or {}, "QuotaReserved", "False") or {}
    return JobReason(JobReasonCode.CLUSTER_QUEUE, told=str(waits.get("message") or ""))


def why_evicted(workload: Manifest | None) -> JobReason:
    """Return why Kueue took a job's room away again."""
    evicted, code = _condition(workload or {}, "Evicted"), JobReasonCode.CLUSTER_QUEUE_TOOK_ROOM
    return JobReason(code) if evicted is None else _told(code, evicted)


def is_evicted(workload: Manifest | None) -> bool:
    """Whether Kueue takes a job's room away: it says so before it suspends the job's object."""
    return _condition(workload or {}, "Evicted") is not None


def is_deactivated(workload: Manifest | None) -> bool:
    """Whether somebody, or Kueue itself, keeps a job from being let begin until it is told to."""
    return ((workload or {}).get("spec") or {}).get("active") is False


def job_of_workload(workload: Manifest) -> str | None:
    """Return the name of the object that a Workload stands for."""
    for owner in workload["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["name"])
    return None
