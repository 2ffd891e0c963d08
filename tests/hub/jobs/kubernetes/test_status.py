"""What the cluster's objects say about a job, case by case."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_hub.jobs.backends.kubernetes.attempts.status import (
    JobStatus,
    Runs,
    Waits,
    belongs_to,
    is_over,
    last_words,
    latest_refusal,
    latest_warning,
    read_status,
    why_evicted,
    why_not_admitted,
)
from sublet_hub.jobs.backends.kubernetes.logs.follower import LogSplitter
from sublet_hub.jobs.endings import Failed, Lost, Succeeded
from sublet_quota.reasons.job_reasons import MOST_TOLD, JobReason, JobReasonCode, job_clause

OWNER = {"metadata": {"name": "sublet-j-1"}, "spec": {}, "status": {}}


def a_pod(phase: str = "Pending", node: str | None = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "sublet-j-1-x", "uid": "u1", "creationTimestamp": "2026-11-24T08:00Z"},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, **status},
    }


def with_state(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "job", "state": state}]


def ended(code: int, message: str = "", **more: Any) -> list[dict[str, Any]]:
    return with_state(terminated={"exitCode": code, "message": message, **more})


def condition(kind: str, status: str = "True", **more: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "status": status, **more}]


def owner(**status: Any) -> dict[str, Any]:
    return {**OWNER, "status": status}


SAID = json.dumps(
    {
        "ended": True,
        "ok": False,
        "error": {"cell": 3, "name": "ValueError", "message": "no such column"},
    }
)

CASES: list[tuple[str, dict[str, Any] | None, list[dict[str, Any]], type[JobStatus], str]] = [
    ("nothing is there", None, [], Lost, "no longer"),
    ("no pods yet", OWNER, [], Waits, "being made"),
    (
        "suspended by Kueue",
        {**OWNER, "spec": {"suspend": True}},
        [],
        Waits,
        "the cluster's queue",
    ),
    (
        "no node",
        OWNER,
        [a_pod(conditions=condition("PodScheduled", "False", message="0/3 nodes"))],
        Waits,
        "0/3 nodes",
    ),
    (
        "image is pulled",
        OWNER,
        [a_pod(node="n", containerStatuses=with_state(waiting={"reason": "ContainerCreating"}))],
        Waits,
        "being started",
    ),
    (
        "image cannot be pulled",
        OWNER,
        [
            a_pod(
                node="n",
                containerStatuses=with_state(
                    waiting={"reason": "ImagePullBackOff", "message": "back-off"}
                ),
            )
        ],
        Waits,
        "ImagePullBackOff",
    ),
    (
        "a Secret is missing yet",
        OWNER,
        [
            a_pod(
                node="n",
                containerStatuses=with_state(
                    waiting={"reason": "CreateContainerConfigError", "message": "no secret x"}
                ),
            )
        ],
        Waits,
        "CreateContainerConfigError: no secret x",
    ),
    (
        "image's name is wrong",
        OWNER,
        [a_pod(node="n", containerStatuses=with_state(waiting={"reason": "InvalidImageName"}))],
        Failed,
        "cannot begin",
    ),
    ("runs", OWNER, [a_pod("Running", "n", containerStatuses=with_state(running={}))], Runs, ""),
    ("is done", OWNER, [a_pod("Succeeded", "n", containerStatuses=ended(0))], Succeeded, ""),
    ("is done, pod gone", owner(conditions=condition("Complete")), [], Succeeded, ""),
    (
        "a cell failed",
        OWNER,
        [a_pod("Failed", "n", containerStatuses=ended(1, SAID))],
        Failed,
        "cell 3: ValueError: no such column",
    ),
    (
        "died without a word",
        OWNER,
        [a_pod("Failed", "n", containerStatuses=ended(2, "garbage"))],
        Failed,
        "exit status 2",
    ),
    (
        "out of host memory",
        OWNER,
        [a_pod("Failed", "n", containerStatuses=ended(137, reason="OOMKilled"))],
        Failed,
        "host memory",
    ),
    (
        "its node was restarted",
        OWNER,
        [a_pod("Failed", "n", containerStatuses=ended(255, reason="Unknown"))],
        Lost,
        "restarted",
    ),
    (
        "told to end by its agent",
        OWNER,
        [a_pod("Failed", "n", containerStatuses=ended(143))],
        Lost,
        "told to end",
    ),
    (
        "preempted by the scheduler",
        OWNER,
        [
            a_pod(
                "Failed",
                "n",
                containerStatuses=ended(143),
                conditions=condition("DisruptionTarget", reason="PreemptionByScheduler"),
            )
        ],
        Lost,
        "PreemptionByScheduler",
    ),
    (
        "being preempted",
        OWNER,
        [a_pod("Running", "n", conditions=condition("DisruptionTarget", reason="EvictionByAPI"))],
        Lost,
        "EvictionByAPI",
    ),
    (
        "evicted by its kubelet",
        OWNER,
        [a_pod("Failed", "n", reason="Evicted", message="low on memory")],
        Lost,
        "low on memory",
    ),
    (
        "refused by the device plugin",
        OWNER,
        [a_pod("Failed", "n", reason="UnexpectedAdmissionError", message="on any of them")],
        Lost,
        "on any of them",
    ),
    *(
        (
            f"refused by its kubelet: {reason}",
            OWNER,
            [a_pod("Failed", "n", reason=reason, message="as told")],
            Lost,
            f"{reason}: as told",
        )
        for reason in (
            "OutOfcpu",
            "OutOfephemeral-storage",
            "OutOfsublet.dev/lent",
            "OutOfrdma/hca",
            "TopologyAffinityError",
            "SMTAlignmentError",
            "InvalidNodeInfo",
        )
    ),
    (
        "its pod's own time is over",
        OWNER,
        [a_pod("Failed", "n", reason="DeadlineExceeded", message="longer than 5 s")],
        Failed,
        "DeadlineExceeded: longer than 5 s",
    ),
    ("object gone, pod runs", None, [a_pod("Pending")], Lost, "no longer"),
    (
        "the cluster gave it up",
        owner(conditions=condition("Failed", reason="DeadlineExceeded")),
        [],
        Lost,
        "DeadlineExceeded",
    ),
]


@pytest.mark.parametrize(("made_by", "pods", "kind", "words"), [c[1:] for c in CASES])
def test_a_sighting(
    made_by: dict[str, Any] | None, pods: list[dict[str, Any]], kind: type[JobStatus], words: str
) -> None:
    seen = read_status(made_by, pods)
    assert isinstance(seen, kind)
    assert words in (job_clause(seen.why) if isinstance(seen, Waits | Failed | Lost) else "")


def test_a_pod_that_is_being_deleted_is_lost() -> None:
    pod = a_pod("Running", "n")
    pod["metadata"]["deletionTimestamp"] = "2026-11-24T08:00:00Z"
    assert isinstance(read_status(OWNER, [pod]), Lost)


_TAKEN = a_pod("Failed", "n", conditions=condition("DisruptionTarget", reason="Evicted"))


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ([], Lost(JobReason(JobReasonCode.CLUSTER_ENDED_IT))),
        ([_TAKEN], Lost(JobReason(JobReasonCode.POD_TAKEN, told="Evicted"))),
        ([a_pod("Running", "n")], Lost(JobReason(JobReasonCode.CLUSTER_ENDED_IT))),
        ([a_pod("Succeeded", "n")], Succeeded()),
        (
            [a_pod("Failed", "n", containerStatuses=ended(1, SAID))],
            Failed(
                JobReason(JobReasonCode.CELL_FAILED, {"cell": 3}, "ValueError: no such column"), 1
            ),
        ),
    ],
)
def test_what_a_removed_pod_said_last_of_its_end_explains_it(
    removed: list[dict[str, Any]], expected: JobStatus
) -> None:
    assert last_words(Lost(JobReason(JobReasonCode.CLUSTER_ENDED_IT)), removed) == expected


def test_that_a_pod_was_removed_explains_nothing_that_its_job_did_not() -> None:
    removed = a_pod("Running", "n")
    removed["metadata"]["deletionTimestamp"] = "2026-11-24T08:00:00Z"
    seen = Lost(JobReason(JobReasonCode.CLUSTER_ENDED_IT, told="BackoffLimitExceeded"))
    assert last_words(seen, [removed]) == seen


def test_a_notebook_that_cannot_run_is_not_tried_again() -> None:
    seen = read_status(OWNER, [a_pod("Failed", "n", containerStatuses=ended(3, SAID))])
    assert isinstance(seen, Failed)
    assert not seen.may_retry


def test_several_pods_run_only_together() -> None:
    running = a_pod("Running", "n", containerStatuses=with_state(running={}))
    assert isinstance(read_status(OWNER, [running], 2), Waits)
    assert isinstance(read_status(OWNER, [running, a_pod()], 2), Waits)
    assert isinstance(read_status(OWNER, [running, running], 2), Runs)
    done = a_pod("Succeeded", "n", containerStatuses=ended(0))
    assert isinstance(read_status(OWNER, [done, running], 2), Runs)
    assert isinstance(read_status(OWNER, [done, done], 2), Succeeded)


def test_of_several_pods_the_one_that_failed_by_itself_explains_the_others() -> None:
    killed = a_pod("Failed", "n", containerStatuses=ended(143))
    failed = a_pod("Failed", "n", containerStatuses=ended(1, SAID))
    seen = read_status(OWNER, [killed, failed], 2)
    assert isinstance(seen, Failed)
    assert seen.why == JobReason(
        JobReasonCode.CELL_FAILED, {"cell": 3}, "ValueError: no such column"
    )


def test_a_pod_on_a_node_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    pod = a_pod("Running", "n")
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert not is_over(pod, now)
    pod["metadata"]["deletionTimestamp"] = (now - timedelta(seconds=30)).isoformat()
    assert not is_over(pod, now)
    pod["metadata"]["deletionTimestamp"] = (now - timedelta(minutes=5)).isoformat()
    assert is_over(pod, now)
    assert is_over(a_pod("Failed"), now)


def made(at: str, controller: str | None = None, uid: str = "") -> dict[str, Any]:
    made_by = [{"kind": "Job", "name": controller, "uid": uid, "controller": True}]
    references = made_by if controller else []
    return {"metadata": {"creationTimestamp": at, "ownerReferences": references}}


@pytest.mark.parametrize(
    ("pod", "its_own"),
    [
        (made("2026-11-24T08:00:05Z", "sublet-j-1", "now"), True),
        (made("2026-11-24T08:00:05Z", "sublet-j-1", "before"), False),
        (made("2026-11-24T08:00:00Z", "sublet-j-1-workers-0", "a"), True),
        (made("2026-11-24T07:59:59Z", "sublet-j-1-workers-0", "b"), False),
        (made("2026-11-24T07:59:59Z"), False),
    ],
)
def test_a_pod_of_an_object_before_is_not_taken_for_one_of_the_present(
    pod: dict[str, Any], *, its_own: bool
) -> None:
    present = {
        "name": "sublet-j-1",
        "uid": "now",
        "creationTimestamp": "2026-11-24T08:00:00Z",
    }
    assert belongs_to(pod, {"metadata": present}) is its_own


def test_the_latest_warning_is_told() -> None:
    def event(kind: str, at: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "lastTimestamp": at, "reason": "R", **more}

    events = [
        event("Warning", "2026-11-24T08:00:00Z", message="old"),
        event("Normal", "2026-11-24T08:09:00Z", message="fine"),
        {"type": "Warning", "eventTime": "2026-11-24T08:05:00Z", "reason": "FailedMount"},
        {"type": "Warning", "reason": "Timeless"},
    ]
    assert latest_warning(events) == "FailedMount"
    assert latest_warning([]) == ""


REFUSALS = [
    ("of itself", "sublet-j-1", "08:05:00Z", True),
    ("of a JobSet's Job", "sublet-j-1-workers-0", "08:05:00Z", True),
    ("of its last second", "sublet-j-1", "08:00:00Z", True),
    ("of one before it", "sublet-j-1", "07:59:59Z", False),
    ("of another attempt", "sublet-j-12", "08:05:00Z", False),
]


@pytest.mark.parametrize(("what", "name", "at", "counts"), REFUSALS)
def test_a_refusal_counts_that_is_of_the_very_object_or_of_a_part_of_it(
    what: str, name: str, at: str, *, counts: bool
) -> None:
    about = {"kind": "Job", "name": name}
    event = {"type": "Warning", "lastTimestamp": f"2026-11-24T{at}", "message": "not so"}
    owner = {"metadata": {"name": "sublet-j-1", "creationTimestamp": "2026-11-24T08:00:00Z"}}
    told = latest_refusal([{**event, "involvedObject": about}], owner)
    assert told == ("not so" if counts else ""), what


def test_a_warning_without_a_time_or_an_object_is_no_refusal() -> None:
    owner = {"metadata": {"name": "sublet-j-1", "creationTimestamp": "2026-11-24T08:00:00Z"}}
    timeless = {"type": "Warning", "involvedObject": {"name": "sublet-j-1"}}
    assert latest_refusal([timeless, {"type": "Warning"}], owner) == ""


def test_kueue_says_why_a_job_waits_and_why_it_had_to_go() -> None:
    waits = {"status": {"conditions": condition("QuotaReserved", "False", message="2 more needed")}}
    evicted = {"status": {"conditions": condition("Evicted", reason="Preempted", message="room")}}
    queue, took_room = JobReasonCode.CLUSTER_QUEUE, JobReasonCode.CLUSTER_QUEUE_TOOK_ROOM
    assert why_not_admitted(waits) == JobReason(queue, told="2 more needed")
    assert why_evicted(evicted) == JobReason(took_room, told="Preempted: room")
    assert why_not_admitted(None) == JobReason(queue)
    assert why_evicted({"status": {}}) == JobReason(took_room)


PENDING = [
    ("no node", None, {"conditions": condition("PodScheduled", "False")}, "unschedulable"),
    ("none yet", None, {}, "node-sought"),
    (
        "an image is pulled",
        "n",
        {"containerStatuses": with_state(waiting={"reason": "ContainerCreating"})},
        "container-being-started",
    ),
    (
        "an image cannot be pulled",
        "n",
        {"containerStatuses": with_state(waiting={"reason": "ErrImagePull"})},
        "image-not-pulled",
    ),
    (
        "a Secret is missing",
        "n",
        {"containerStatuses": with_state(waiting={"reason": "CreateContainerConfigError"})},
        "container-not-started",
    ),
]


@pytest.mark.parametrize(("node", "status", "code"), [c[1:] for c in PENDING])
def test_why_a_pod_has_not_begun_has_a_code(
    node: str | None, status: dict[str, Any], code: str
) -> None:
    seen = read_status(OWNER, [a_pod(node=node, **status)])
    assert isinstance(seen, Waits)
    assert seen.why.code == code


def test_however_much_a_pod_says_of_it_so_much_is_kept() -> None:
    said = condition("PodScheduled", "False", message="x" * 100_000)
    seen = read_status(OWNER, [a_pod(conditions=said)])
    assert isinstance(seen, Waits)
    assert len(seen.why.told) == MOST_TOLD


LOG = b'hello\n\x1e{"cell": 1}\npart\x1e{"cell": 2}\n of a line\n\x1e{"ended": true}\n'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_text_and_progress_are_told_apart_however_the_log_is_cut(size: int) -> None:
    splitter, text, records = LogSplitter(), b"", b""
    for start in range(0, len(LOG), size):
        some, told = splitter.take(LOG[start : start + size])
        text += some
        records += told
    assert text == b"hello\npart of a line\n"
    assert records == b'{"cell": 1}\n{"cell": 2}\n{"ended": true}\n'
