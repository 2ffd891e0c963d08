"""Nodes that only the API server believes in: kwok plays them, and their pods run at once.

A pod there goes on for ever; with the annotation ``sublet.test/ends`` it ends at once, in the
phase that it says.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import GIVEN_UP_S, ControlPlane
from tests.support.kube.processes import Program
from tests.support.kube.programs import kwok

GPU: Final = "nvidia.com/gpu"
ENDS: Final = "sublet.test/ends"
_MARK: Final = "kwok.x-k8s.io/node"
# It is renewed four times as often; a node is given up `control_plane.GIVEN_UP_S` after it was.
_LEASE_S: Final = 2 * GIVEN_UP_S

_NODE_IS_READY: Final = """
{{ $now := Now }}
conditions:
- type: Ready
  status: "True"
  reason: Pretended
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
phase: Running
"""
_POD_RUNS: Final = """
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
podIP: 10.255.0.1
podIPs:
- ip: 10.255.0.1
conditions:
{{ range $type := split "," "Initialized,Ready,ContainersReady" }}
- type: {{ $type }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
"""
_POD_ENDS: Final = """
{{ $now := Now }}
{{ $phase := index .metadata.annotations "sublet.test/ends" }}
phase: {{ $phase }}
conditions:
- type: Ready
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  restartCount: 0
  state:
    terminated:
      exitCode: {{ if eq $phase "Succeeded" }}0{{ else }}1{{ end }}
      finishedAt: {{ $now | Quote }}
{{ end }}
"""
_READY: Final = '.status.conditions.[] | select( .type == "Ready" ) | .status'
_DELETED: Final = ".metadata.deletionTimestamp"
_PHASE: Final = ".status.phase"


def start_kwok(plane: ControlPlane, played: str = "fake") -> Program:
    """Start what plays the pretended nodes of a cluster that say so, and leaves others alone."""
    stages = [
        # Nodes are made ready; where kwok is given no step of theirs it has some of its own.
        _stage("node-is-ready", "Node", {_READY: "!True"}, {"statusTemplate": _NODE_IS_READY}),
        _stage("pod-runs", "Pod", {_PHASE: "Pending", _DELETED: ""}, {"statusTemplate": _POD_RUNS}),
        _stage(
            "pod-ends",
            "Pod",
            {_PHASE: "Running", _DELETED: "", f'.metadata.annotations["{ENDS}"]': "*"},
            {"statusTemplate": _POD_ENDS},
        ),
        _stage("pod-goes", "Pod", {_DELETED: "*"}, {"delete": True}),
    ]
    configuration = plane.programs.folder / f"kwok-{played}.yaml"
    configuration.write_text("\n---\n".join(json.dumps(each) for each in stages))
    return plane.programs.start(
        "kwok",
        [
            kwok(),
            f"--kubeconfig={plane.kubeconfig()}",
            f"--config={configuration}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={_MARK}={played}",
            f"--node-lease-duration-seconds={_LEASE_S}",
        ],
    )


def pretended_node(name: str, gpus: int, played: str = "fake", **labels: str) -> Manifest:
    """Return a node with GPUs, kept apart by a taint from what does not ask for it.

    It is ready as it is made: a thousand that kwok has to make ready are a thousand writes more.
    """
    now = dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Pretended",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    room = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {_MARK: played},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "type": "pretended",
                **labels,
            },
        },
        "spec": {"taints": [{"key": _MARK, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }


def give_gpus(api: Api, node: str, count: int) -> None:
    """Write into a node's status that it has GPUs; the scheduler counts them as any others."""
    quantities = {"capacity": {GPU: str(count)}, "allocatable": {GPU: str(count)}}
    api.patch("v1", "Node", node, {"status": quantities}, part="status")


def _stage(
    name: str, kind: str, where: Mapping[str, str], then: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one step of kwok's: ``*`` is anything, nothing is absence, ``!`` is all but this."""
    conditions = []
    for key, value in where.items():
        match value[:1]:
            case "":
                conditions.append({"key": key, "operator": "DoesNotExist"})
            case "*":
                conditions.append({"key": key, "operator": "Exists"})
            case "!":
                conditions.append({"key": key, "operator": "NotIn", "values": [value[1:]]})
            case _:
                conditions.append({"key": key, "operator": "In", "values": [value]})
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": conditions},
            "next": then,
        },
    }
