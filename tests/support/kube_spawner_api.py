"""A small API server that knows pods, events and resource claims, for tests of KubeSliceSpawner.

It schedules and runs nothing: a test says what becomes of a pod. Objects owned by a pod go with
it. The suites over a real cluster are in ``tests/kube``.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.support.closing import close_connections

Object = dict[str, Any]
TIME = "2026-11-24T09:30:00Z"


@dataclass
class FakeCluster:
    url: str = ""
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """By kind (as in paths) and name."""
    created: list[Object] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    """Statuses to answer creations of a kind with."""
    says: str = "refused"
    """Its words for creations that it refuses."""
    refused_reads: dict[str, list[int]] = field(default_factory=dict)
    """Statuses to answer the next reads of one object of a kind with."""
    refused_patches: dict[str, list[int]] = field(default_factory=dict)
    """Statuses to answer the next patches of a kind with."""
    says_of_patches: Object = field(default_factory=lambda: {"message": "refused"})
    """What stands in those statuses."""
    patches: list[Object] = field(default_factory=list)
    """All that came, those that were refused, too."""
    dropped: set[str] = field(default_factory=set)
    """Kinds whose creations get no answer: the connection ends."""
    lingering: set[str] = field(default_factory=set)
    """Pods that are deleted only when the test says so."""
    watchers: dict[str, list["asyncio.Queue[Object]"]] = field(default_factory=dict)
    changes: list[tuple[int, str, Object]] = field(default_factory=list)
    """All so far, each with its version and its kind: who lists and then watches misses none."""
    closing: bool = False
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def pod(self, name: str) -> Object:
        return self.objects["pods", name]

    def create(self, kind: str, thing: Object) -> Object:
        number = next(self._numbers)
        meta = thing["metadata"]
        meta |= {"uid": f"uid-{number}", "namespace": "hub", "creationTimestamp": TIME}
        if kind == "pods":
            thing["status"] = {"phase": "Pending"}
        self.created.append(json.loads(json.dumps(thing)))
        self._put(kind, thing, "ADDED")
        return thing

    def delete(self, kind: str, name: str) -> None:
        thing = self.objects.pop((kind, name))
        self._tell(kind, thing, "DELETED")
        for other, owned in list(self.objects):
            owners = self.objects[other, owned]["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == thing["metadata"]["uid"] for owner in owners):
                self.delete(other, owned)

    def no_node_for(self, name: str, message: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        self._set_status(name, phase="Pending", conditions=[condition])

    def schedule(self, name: str, node: str) -> None:
        self.pod(name)["spec"]["nodeName"] = node
        self._set_status(name, phase="Pending", conditions=[])

    def run(self, name: str, node: str = "node-1") -> None:
        self.pod(name)["spec"]["nodeName"] = node
        running = {"running": {"startedAt": TIME}}
        status = {"name": "notebook", "image": "i", "ready": True, "state": running}
        self._set_status(name, phase="Running", podIP="127.0.0.1", containerStatuses=[status])

    def end(self, name: str, exit_code: int) -> None:
        ended = {"terminated": {"exitCode": exit_code}}
        status = {"name": "notebook", "image": "i", "ready": False, "state": ended}
        self._set_status(name, phase="Failed", podIP="127.0.0.1", containerStatuses=[status])

    def warn(self, name: str, reason: str, message: str) -> None:
        event = {
            "metadata": {"name": f"{name}.{next(self._numbers)}"},
            "involvedObject": {"kind": "Pod", "name": name},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": TIME,
        }
        self.create("events", event)

    def _set_status(self, name: str, **status: Any) -> None:
        self.pod(name)["status"] = status
        self._put("pods", self.pod(name), "MODIFIED")

    @property
    def version(self) -> int:
        """The version of the last change; 0 before the first."""
        return self.changes[-1][0] if self.changes else 0

    def changes_since(self, kind: str, version: int) -> list[Object]:
        """What a watch of a kind that begins at a version is told at once."""
        return [change for at, of, change in self.changes if of == kind and at > version]

    def _put(self, kind: str, thing: Object, change: str) -> None:
        self.objects[kind, thing["metadata"]["name"]] = thing
        self._tell(kind, thing, change)

    def _tell(self, kind: str, thing: Object, change: str) -> None:
        version = next(self._numbers)
        thing["metadata"]["resourceVersion"] = str(version)
        told = json.loads(json.dumps({"type": change, "object": thing}))
        self.changes.append((version, kind, told))
        for queue in self.watchers.get(kind, ()):
            queue.put_nowait(told)


class _Things(RequestHandler):
    def initialize(self, cluster: FakeCluster) -> None:
        self.cluster = cluster

    async def get(self, kind: str) -> None:
        if self.get_query_argument("watch", "") in {"true", "True"}:
            await self._watch(kind)
            return
        items = [thing for (of, _), thing in self.cluster.objects.items() if of == kind]
        self.write({"metadata": {"resourceVersion": str(self.cluster.version)}, "items": items})

    def post(self, kind: str) -> None:
        if kind in self.cluster.dropped:
            self.detach().close()
            return
        thing = json.loads(self.request.body)
        status = self.cluster.refused.get(kind)
        if (kind, thing["metadata"]["name"]) in self.cluster.objects:
            status = 409
        if status is not None:
            self.set_status(status)
            said = {"kind": "Status", "code": status, "message": self.cluster.says}
            self.write(said)
            return
        self.set_status(201)
        self.write(self.cluster.create(kind, thing))

    async def _watch(self, kind: str) -> None:
        queue: asyncio.Queue[Object] = asyncio.Queue()
        since = int(self.get_query_argument("resourceVersion", "0") or 0)
        for change in self.cluster.changes_since(kind, since):
            queue.put_nowait(change)
        self.cluster.watchers.setdefault(kind, []).append(queue)
        try:
            while not self.cluster.closing:
                change = await queue.get()
                self.write(json.dumps(change) + "\n")
                await self.flush()
        except StreamClosedError:
            pass
        finally:
            self.cluster.watchers[kind].remove(queue)


class _Thing(RequestHandler):
    def initialize(self, cluster: FakeCluster) -> None:
        self.cluster = cluster

    def get(self, kind: str, name: str) -> None:
        thing = self.cluster.objects.get((kind, name))
        refused = self.cluster.refused_reads.get(kind)
        status = refused.pop(0) if refused else 200 if thing else 404
        self.set_status(status)
        said = {"kind": "Status", "metadata": {}, "code": status}
        self.write(said if thing is None or status != 200 else thing)

    def patch(self, kind: str, name: str) -> None:
        """A merge patch, as JSON's RFC has it."""
        change = json.loads(self.request.body)
        self.cluster.patches.append({"kind": kind, "name": name, **change})
        refused = self.cluster.refused_patches.get(kind)
        status = refused.pop(0) if refused else 0
        thing = self.cluster.objects.get((kind, name))
        if status or thing is None:
            self.set_status(status or 404)
            says = self.cluster.says_of_patches
            self.write({"kind": "Status", "code": status or 404, **says})
            return
        self.cluster.objects[kind, name] = merged = _merged(thing, change)
        self.write(merged)

    def delete(self, kind: str, name: str) -> None:
        if (kind, name) not in self.cluster.objects:
            self.set_status(404)
        elif name not in self.cluster.lingering:
            self.cluster.delete(kind, name)
        self.write({"kind": "Status"})


def _merged(old: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


@asynccontextmanager
async def fake_cluster() -> AsyncIterator[FakeCluster]:
    cluster = FakeCluster()
    base = "/(?:api/v1|apis/resource.k8s.io/v1|apis/sublet.dev/v1)/namespaces/hub"
    arguments = {"cluster": cluster}
    routes = [
        (f"{base}/([a-z]+)", _Things, arguments),
        (f"{base}/([a-z]+)/([^/]+)", _Thing, arguments),
    ]
    server = HTTPServer(Application(routes, log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    cluster.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    try:
        yield cluster
    finally:
        cluster.closing = True
        for queue in [queue for queues in cluster.watchers.values() for queue in queues]:
            queue.put_nowait({"type": "BOOKMARK", "object": {}})
        server.stop()
        await close_connections(server)
