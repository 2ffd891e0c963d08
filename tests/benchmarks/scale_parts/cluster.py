"""The cluster of the benchmark: Kubernetes' own control plane, and nodes that kwok plays."""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import requests
from scale_parts.size import UNITS_A_JOB, Size

from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import ControlPlane, start_control_plane
from tests.support.kube.manifests import pod, pretended_pod
from tests.support.kube.pretended_nodes import pretended_node, start_kwok
from tests.support.kube.processes import Programs, wait_for
from tests.support.kube.run_folder import run_folder

AT_ONCE: Final = 8
SERVICE: Final = "sublet"
AGENT: Final = "sublet-agent"
LENT: Final = "sublet.dev/lent"
_BESIDE: Final = "example.com/lent"
"""What the pods of the baseline wait for: nodes have it as they have what Sublet lends."""
_KUBELET_PORT: Final = 17250
_IMAGES: Final = 50
"""As many as a kubelet tells of in its node's status."""


@dataclass
class Cluster:
    """The running cluster, and a namespace for service, agents and jobs."""

    plane: ControlPlane
    api: Api

    def make_nodes(self, size: Size) -> None:
        """Make the nodes, as large in the API as real ones."""
        with ThreadPoolExecutor(AT_ONCE) as at_once:
            list(at_once.map(self._make_node, size.names))
        takes_pods = wait_for(
            lambda: sum(_is_untainted(node) for node in self.api.all("v1", "Node")) == size.nodes,
            600,
            "the nodes to be ready",
        )
        assert takes_pods

    def _make_node(self, name: str) -> None:
        node = pretended_node(name, gpus=0)
        address = self.plane.network.own_address
        node["status"] |= {
            "addresses": [{"type": "InternalIP", "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": _KUBELET_PORT}},
            "images": [_image(number) for number in range(_IMAGES)],
        }
        self.api.create(node)

    def agents_tokens(self, nodes: list[str]) -> dict[str, str]:
        """Return a token for each node's agent, as a kubelet gets it: with the node's name."""
        path = f"{self.api.path('v1', 'ServiceAccount', AGENT)}/token"

        def token(node: str) -> str:
            about = self.api.get("v1", "Node", node)["metadata"]
            bound = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": about["uid"]}
            spec = {"audiences": ["sublet"], "expirationSeconds": 7200, "boundObjectRef": bound}
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
            return str(self.api.call("POST", path, body)["status"]["token"])

        with ThreadPoolExecutor(AT_ONCE) as at_once:
            return dict(zip(nodes, at_once.map(token, nodes), strict=True))

    def lend(self, rooms: Mapping[str, int], resource: str = LENT) -> dict[str, float]:
        """Give nodes room, as their agents' device plugins do; returns when each had it."""

        def give(node: str) -> float:
            room = {resource: str(rooms[node])}
            status = {"status": {"capacity": room, "allocatable": room}}
            self.api.patch("v1", "Node", node, status, part="status")
            return time.time()

        with ThreadPoolExecutor(AT_ONCE) as at_once:
            return dict(zip(rooms, at_once.map(give, rooms), strict=True))

    def asked(self, since: float, until: float) -> dict[str, int]:
        """Return what the service asked of the API server in a time: so many times each."""
        found: dict[str, str] = {}
        for each in self.plane.asked_by(f"{self.api.namespace}:{SERVICE}"):
            at = datetime.fromisoformat(each["requestReceivedTimestamp"]).timestamp()
            if since <= at < until:
                found[each["auditID"]] = _words(each)
        return dict(Counter(found.values()))

    def bind_plain_pods(self, size: Size) -> list[float]:
        """Have pods wait for the same room without Sublet; return how long each took to be bound.

        They wait, unschedulable, before there is room, as Sublet's jobs do in its queue.
        """
        api = self.api.make_namespace("plain")
        lending = size.names[-size.lending :]
        bound = BoundPods(api).begin()
        with ThreadPoolExecutor(AT_ONCE) as at_once:
            inside = pretended_pod()
            inside["containers"][0]["resources"] = {"limits": {_BESIDE: str(UNITS_A_JOB)}}
            made = [pod(f"plain-{number}", inside) for number in range(size.jobs)]
            list(at_once.map(api.create, made))
            # Each has been found unschedulable.
            wait_for(lambda: bound.refused >= size.jobs, 600, "the plain pods to wait")
            units = size.gpus_a_node * UNITS_A_JOB
            rooms = self.lend(dict.fromkeys(lending, units), _BESIDE)
            wait_for(lambda: len(bound.seen) == size.jobs, 600, lambda: f"{len(bound.seen)} bound")
            took = [at - rooms[node] for node, at in bound.seen.values()]
        api.delete("v1", "Namespace", "plain")
        return took


@dataclass
class BoundPods:
    """When each pod of a namespace was bound, as a watch told."""

    api: Api
    seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By a pod's name, or its job's id: the node and the time."""
    _refused: set[str] = field(default_factory=set)

    @property
    def refused(self) -> int:
        """How many of them the scheduler has found no node for so far."""
        return len(self._refused)

    def begin(self) -> Self:
        """Watch until the control plane ends: to close what a thread reads would wait for it."""
        plane = self.api.plane
        answer = plane.session.get(
            f"{plane.url}{self.api.path('v1', 'Pod')}?watch=true",
            headers={"Authorization": f"Bearer {plane.tokens[self.api.user]}"},
            verify=str(plane.keys.authority),
            stream=True,
            timeout=3600,
        )
        threading.Thread(target=self._read, args=(answer,), daemon=True).start()
        return self

    def _read(self, answer: requests.Response) -> None:
        with suppress(requests.RequestException):
            for line in answer.iter_lines(chunk_size=None):
                self._take(json.loads(line)["object"], time.time())

    def _take(self, told: Manifest, at: float) -> None:
        about = told["metadata"]
        name = (about.get("labels") or {}).get("sublet.dev/job-id") or about["name"]
        node = told["spec"].get("nodeName")
        if node:
            self.seen.setdefault(name, (node, at))
        elif told["status"].get("conditions"):
            self._refused.add(name)


@contextmanager
def cluster(size: Size) -> Iterator[Cluster]:
    """Start the control plane with the nodes; all goes in the end."""
    with run_folder() as folder:
        programs = Programs(folder)
        try:
            plane = start_control_plane(programs)
            start_kwok(plane)
            _start_kubelets(plane)
            found = Cluster(plane, Api(plane).make_namespace("scale"))
            _let_in(found.api)
            found.make_nodes(size)
            yield found
            plane.session.close()
        finally:
            programs.stop()


def _start_kubelets(plane: ControlPlane) -> None:
    """Answer for the kubelets of all nodes to who follows the log of a pod there."""
    keys = (plane.keys.server_certificate, plane.keys.server_key)
    where = (plane.network.own_address, str(_KUBELET_PORT))
    script = Path(__file__).with_name("kubelets.py")
    plane.programs.start("kubelets", [sys.executable, script, *where, *keys])


def _let_in(api: Api) -> None:
    """Make the accounts of service and agents; the service's may do what it likes."""
    for name in (SERVICE, AGENT):
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        api.create(account)
    rights = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": SERVICE, "namespace": api.namespace}
    api.create(
        {
            "apiVersion": f"{rights}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": SERVICE},
            "roleRef": {"apiGroup": rights, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [subject],
        }
    )


def _image(number: int) -> Manifest:
    name = f"registry.example/images/an-image-of-no-particular-name-{number}"
    return {"names": [f"{name}@sha256:{number:064x}", f"{name}:2026.11"], "sizeBytes": 10**9}


def _is_untainted(node: Manifest) -> bool:
    return len(node["spec"].get("taints", ())) == 1


def _words(event: dict[str, Any]) -> str:
    about = event.get("objectRef") or {}
    part = f"/{about['subresource']}" if about.get("subresource") else ""
    return f"{event['verb']} {about.get('resource', '?')}{part}"
