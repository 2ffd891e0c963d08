"""What a pod waits for, in words: from conditions, container states and events of real clusters."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from sublet_spawner.pod_waiting import what_it_waits_for


def unschedulable(message: str) -> dict[str, Any]:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    return {"phase": "Pending", "conditions": [condition]}


def container(**waiting: str) -> dict[str, Any]:
    state = {"waiting": waiting} if waiting else {"running": {"startedAt": "2026-11-24T09:30:00Z"}}
    return {"name": "notebook", "image": "registry.example/notebook:1", "state": state}


def warning(reason: str, message: str) -> dict[str, Any]:
    return {"type": "Warning", "reason": reason, "message": message}


PINNED = {
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name"}]}]
            }
        }
    }
}


@dataclass(frozen=True)
class Case:
    words: str | None
    status: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


ON_NODE = {"nodeName": "gpu-node-1"}

CASES = {
    "the scheduler has not looked yet": Case("The server waits for the cluster's scheduler"),
    "no node has what it asks": Case(
        "The server waits for a node: of 5 nodes, 2 with too little nvidia.com/gpu free; 1 with "
        "too little memory free; 2 lack labels that are asked",
        unschedulable(
            "0/5 nodes are available: 2 Insufficient nvidia.com/gpu, 1 Insufficient memory, "
            "2 node(s) didn't match Pod's node affinity/selector. preemption: 0/5 nodes are "
            "available: 2 Preemption is not helpful for scheduling, 3 No preemption victims found "
            "for incoming pod."
        ),
    ),
    "the slice's node has no room": Case(
        "The server waits for a node: of 3 nodes, 1 with too little CPU free; 2 are not the one "
        "that the slice is on",
        unschedulable(
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node "
            "affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available."
        ),
        PINNED,
    ),
    "the slice's node is gone": Case(
        "The server waits for a node: of 1 node, 1 are not the one that the slice is on",
        unschedulable(
            "0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new "
            "claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not "
            "helpful for scheduling."
        ),
        PINNED,
    ),
    "nodes are kept for others, cordoned, or out of reach of the home": Case(
        "The server waits for a node: of 4 nodes, 1 kept for others (taint nvidia.com/gpu); 1 kept "
        "for others (taint node.kubernetes.io/not-ready); 1 take nothing new (an admin has "
        "cordoned them); 1 cannot reach your home volume",
        unschedulable(
            "0/4 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: present}, "
            "1 node(s) had untolerated taint(s) {node.kubernetes.io/not-ready: }, 1 node(s) were "
            "unschedulable, 1 node(s) had volume node affinity conflict."
        ),
    ),
    "there is one node": Case(
        "The server waits for a node: of 1 node, 1 have no device free for the slice's resource "
        "claim",
        unschedulable("0/1 nodes are available: 1 cannot allocate all claims. preemption: 0/1"),
    ),
    "a reason that nobody knows is told as it is": Case(
        "The server waits for a node: of 2 nodes, 2 node(s) are bewitched",
        unschedulable("0/2 nodes are available: 2 node(s) are bewitched."),
    ),
    "its claim does not exist": Case(
        'The server waits for a node: waiting for resource claim "sublet-x-gpu" to be created',
        unschedulable('waiting for resource claim "sublet-x-gpu" to be created'),
    ),
    "the scheduler gives no reason": Case(
        "The server waits for a node: the scheduler gives no reason", unschedulable("")
    ),
    "a queue holds it back": Case(
        "The server is held back until it is admitted (kueue.x-k8s.io/admission)",
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
        {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]},
    ),
    "its node prepares it": Case(
        "Node gpu-node-1 prepares the server: its volumes and its image",
        {"containerStatuses": [container(reason="ContainerCreating")]},
        ON_NODE,
    ),
    "its node has not begun": Case(
        "Node gpu-node-1 prepares the server: its volumes and its image", {}, ON_NODE
    ),
    "its image is not to be had": Case(
        "The image registry.example/notebook:1 cannot be fetched: manifest unknown",
        {"containerStatuses": [container(reason="ErrImagePull", message="manifest  unknown\n")]},
        ON_NODE,
    ),
    "its image's name is wrong": Case(
        "The image registry.example/notebook:1 cannot be fetched: InvalidImageName",
        {"containerStatuses": [container(reason="InvalidImageName")]},
        ON_NODE,
    ),
    "it crashes": Case(
        "The server ended right after its start, and is started again",
        {"containerStatuses": [container(reason="CrashLoopBackOff", message="back-off 10s")]},
        ON_NODE,
    ),
    "its configuration is wrong": Case(
        'The server cannot be started: secret "x" not found',
        {
            "containerStatuses": [
                container(reason="CreateContainerConfigError", message='secret "x" not found')
            ]
        },
        ON_NODE,
    ),
    "an init container's image is not to be had": Case(
        "The image registry.example/notebook:1 cannot be fetched: ErrImagePull",
        {
            "initContainerStatuses": [container(reason="ErrImagePull")],
            "containerStatuses": [container(reason="PodInitializing")],
        },
        ON_NODE,
    ),
    "its node has no agent": Case(
        "Node gpu-node-1 has no Sublet agent yet: its folder for servers is not there",
        {"containerStatuses": [container(reason="ContainerCreating")]},
        ON_NODE,
        [
            {"type": "Normal", "reason": "Scheduled", "message": "assigned"},
            warning(
                "FailedMount",
                'MountVolume.SetUp failed for volume "sublet-agent" : hostPath type check failed: '
                "/run/sublet/tenants is not a directory",
            ),
        ],
    ),
    "its home cannot be mounted": Case(
        "A volume cannot be mounted on gpu-node-1: Multi-Attach error",
        {"containerStatuses": [container(reason="ContainerCreating")]},
        ON_NODE,
        [warning("FailedAttachVolume", "Multi-Attach error")],
    ),
    "the device plugin has nothing left": Case(
        "Node gpu-node-1 cannot start the server: Allocate failed",
        {"containerStatuses": [container(reason="ContainerCreating")]},
        ON_NODE,
        [warning("UnexpectedAdmissionError", "Allocate failed"), warning("Unknown", "x")],
    ),
    "the pod of before is still there": Case(
        "The pod of before is being removed",
        {"containerStatuses": [container()]},
        ON_NODE,
        metadata={"deletionTimestamp": "2026-11-24T09:30:00Z"},
    ),
    "it runs": Case(None, {"containerStatuses": [container()]}, ON_NODE),
    "it runs after trouble": Case(
        None, {"containerStatuses": [container()]}, ON_NODE, [warning("FailedMount", "x")]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_pod_waits_for_is_said_in_words(case: Case) -> None:
    pod = {"metadata": {"name": "p", **case.metadata}, "spec": case.spec, "status": case.status}
    assert what_it_waits_for(pod, case.events) == case.words


def test_a_very_long_reason_is_cut() -> None:
    pod = {"metadata": {}, "spec": {}, "status": unschedulable("x" * 5000)}
    words = what_it_waits_for(pod, [])
    assert words is not None
    assert len(words) < 400
    assert words.endswith("...")
