"""A small API server of Kubernetes: objects in memory, lists, watches, and reviews of tokens.

It keeps the rules that clients trip over: versions that grow, conflicts, watches that begin at a
version and can be ended, and deletions that watchers are told of. What controllers would do (a
Job's pods, say) a test does by hand.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubernetes.aio.client.configuration import Configuration
from sublet_hub.kubernetes_api.client import KubeApi
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.testing import bind_unused_port
from tornado.web import Application, Finish, HTTPError, RequestHandler

from tests.support.closing import close_connections

Manifest = dict[str, Any]
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_LOGS_BEGIN: Final = datetime(2026, 11, 24, 8, 0, 0, 250000, UTC)


@dataclass
class FakeKube:
    """What the server holds, and what it was asked."""

    url: str = ""
    objects: dict[str, Manifest] = field(default_factory=dict)
    """By path."""
    reviews: dict[str, Manifest] = field(default_factory=dict)
    """What is said of each token; of others, that it is not known."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    refuses: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """By method and collection: HTTP's number, and why."""
    causes: list[str] = field(default_factory=list)
    """What the details of its refusals say of why."""
    silent: set[tuple[str, str]] = field(default_factory=set)
    """Methods and collections of requests that never get an answer."""
    logs: dict[str, bytes] = field(default_factory=dict)
    """What pods have printed, by their paths."""
    running_logs: set[str] = field(default_factory=set)
    """Pods that may print more."""
    rotated_lines: dict[str, int] = field(default_factory=dict)
    """How many lines of a pod's log its kubelet has put aside."""
    lines_a_second: int = 4
    """By what lines' times differ."""
    brief_watches: bool = False
    """Whether watches end as soon as they have told what there is to tell."""
    version: int = 1
    oldest: int = 0
    """Watches that begin before this version are told to list again."""
    _history: list[tuple[int, str, str, Manifest]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _watches_until: int = 0
    _logs_until: int = 0

    def put(self, path: str, value: Manifest) -> Manifest:
        """Write an object as the cluster's own programs would."""
        self.version += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        name = path.rsplit("/", 1)[1]
        before = self.objects.get(path, {}).get("metadata", {})
        metadata = {
            "uid": before.get("uid", f"uid-{name}-{self.version}"),
            "creationTimestamp": before.get("creationTimestamp", f"{datetime.now(UTC):{_TIME}}"),
            **value.get("metadata", {}),
            "name": name,
            "resourceVersion": str(self.version),
        }
        stored = json.loads(json.dumps({**value, "metadata": metadata}))
        self.objects[path] = stored
        self._tell(kind, path, stored)
        return dict(stored)

    def change(self, path: str, **parts: Any) -> Manifest:
        """Merge parts into an object."""
        return self.put(path, _merged(self.objects[path], parts))

    def remove(self, path: str) -> None:
        """Delete an object."""
        self.version += 1
        gone = self.objects.pop(path)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", path, gone)

    def end_watches(self, *, forget: bool = False) -> None:
        """Break all watches off; ``forget``: they also have to list again."""
        self._watches_until += 1
        if forget:
            self.oldest = self.version + 1
            self.version += 1
        self._ring()

    def end_logs(self) -> None:
        """End all answers with logs, as a kubelet that starts again does."""
        self._logs_until += 1

    def rotate_log(self, pod: str) -> None:
        """Put a log aside: it is not served any more, and the lines to come have later times."""
        lines = self.logs[pod].count(b"\n")
        self.rotated_lines[pod] = self.rotated_lines.get(pod, 0) + lines
        self.logs[pod] = self.logs[pod].rpartition(b"\n")[2]

    @property
    def log_number(self) -> int:
        return self._logs_until

    def stamped_lines(self, pod: str) -> list[tuple[int, datetime, bytes]]:
        """The number, the time and the text of each line that its kubelet has."""
        first = self.rotated_lines.get(pod, 0)
        lines = re.findall(rb"[^\n]*\n|[^\n]+", self.logs[pod])
        return [
            (number, _LOGS_BEGIN + timedelta(seconds=number / self.lines_a_second), line)
            for number, line in enumerate(lines, first)
        ]

    def names(self, collection: str) -> list[str]:
        """Names of the objects at a path."""
        return [p.rsplit("/", 1)[1] for p in self.objects if p.rsplit("/", 1)[0] == collection]

    def _tell(self, kind: str, path: str, value: Manifest) -> None:
        self._history.append((self.version, kind, path, json.loads(json.dumps(value))))
        self._ring()

    def _ring(self) -> None:
        rung, self._news = self._news, asyncio.Event()
        rung.set()

    async def next_events(
        self, collection: str, version: int, watch: int
    ) -> AsyncIterator[tuple[int, str, Manifest]]:
        while watch == self._watches_until:
            # Taken before looking: whatever happens while a line is sent rings this one.
            news = self._news
            for number, kind, path, value in list(self._history):
                if number > version and _is_within(path, collection):
                    version = number
                    yield number, kind, value
            if self.brief_watches:
                return
            await news.wait()

    @property
    def watch_number(self) -> int:
        return self._watches_until


def _is_within(path: str, collection: str) -> bool:
    if path.rsplit("/", 1)[0] == collection:
        return True
    if "/namespaces/" in collection:
        return False
    # All namespaces: /api/v1/pods holds /api/v1/namespaces/NAME/pods/POD.
    head, _, plural = collection.rpartition("/")
    parts = path.split("/")
    return path.startswith(f"{head}/namespaces/") and parts[-2] == plural


def _has(value: Manifest, selector: str) -> bool:
    """Whether an object has the values, or has not the values, that a field selector names."""
    for term in filter(None, selector.split(",")):
        field, unlike, wanted = re.split("(!?=)", term, maxsplit=1)
        found: Any = value
        for key in field.split("."):
            found = found.get(key, {})
        if (found == wanted) == (unlike == "!="):
            return False
    return True


def _carries(value: Manifest, selector: str) -> bool:
    labels = value["metadata"].get("labels", {})
    for asked in filter(None, selector.split(",")):
        name, equals, wanted = asked.partition("=")
        if (equals and labels.get(name) != wanted) or name not in labels:
            return False
    return True


def _merged(before: Any, change: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(change, dict):
        return change
    after = dict(before)
    for name, value in change.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = _merged(after.get(name), value)
    return after


class _Handler(RequestHandler):
    def initialize(self) -> None:
        self._left = asyncio.Event()

    @property
    def kube(self) -> FakeKube:
        fake: FakeKube = self.settings["kube"]
        return fake

    async def prepare(self) -> None:
        method, path = str(self.request.method), self.request.path
        self.kube.asked.append((method, path))
        if any(asked == method and path.startswith(where) for asked, where in self.kube.silent):
            await self._left.wait()
            raise Finish
        for (refused, where), (status, why) in self.kube.refuses.items():
            if refused == method and path.startswith(where):
                raise HTTPError(status, why)

    def on_connection_close(self) -> None:
        self._left.set()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1]
        said = getattr(error, "log_message", None) or str(error)
        status = {"kind": "Status", "code": status_code, "message": said, "reason": ""}
        details = {"causes": [{"message": each} for each in self.kube.causes]}
        self.finish({**status, "details": details} if self.kube.causes else status)

    async def get(self) -> None:
        path, query = self.request.path, self.request.query_arguments
        selector = self.get_query_argument("labelSelector", "")
        fields = self.get_query_argument("fieldSelector", "")
        if path.endswith("/log"):
            await self._send_log(path.removesuffix("/log"))
        elif path in self.kube.objects:
            self.finish(self.kube.objects[path])
        elif "watch" in query:
            await self._watch(path, selector)
        elif path.rsplit("/", 1)[1].islower() and not self._is_an_object(path):
            items = [
                value
                for at, value in self.kube.objects.items()
                if _is_within(at, path) and _carries(value, selector) and _has(value, fields)
            ]
            self.finish({"metadata": {"resourceVersion": str(self.kube.version)}, "items": items})
        else:
            raise HTTPError(404, f"{path} not found")

    async def _send_log(self, pod: str) -> None:
        if pod not in self.kube.objects:
            raise HTTPError(404, f"{pod} not found")
        there = {each["name"] for each in self.kube.objects[pod]["spec"]["containers"]}
        asked = self.get_query_argument("container", next(iter(there)))
        if asked not in there:
            raise HTTPError(400, f"container {asked} is not valid for pod {pod}")
        if pod not in self.kube.logs:
            raise HTTPError(400, "the container is waiting to start")
        answer, next_line, sent = self.kube.log_number, 0, 0
        while True:
            next_line, sent = self._write_lines(pod, next_line, sent)
            try:
                await self.flush()
            except StreamClosedError:
                return
            ended = pod not in self.kube.running_logs or pod not in self.kube.objects
            if ended or answer != self.kube.log_number:
                return
            await asyncio.sleep(0.02)

    def _write_lines(self, pod: str, next_line: int, sent: int) -> tuple[int, int]:
        """Write from a line's byte on; returns how far it has come."""
        for number, at, line in self.kube.stamped_lines(pod):
            if number < next_line or not self._is_asked_for(at):
                continue
            if number > next_line:
                next_line, sent = number, 0
            self.write((self._prefix(at) if sent == 0 else b"") + line[sent:])
            sent = len(line)
            if line.endswith(b"\n"):
                next_line, sent = number + 1, 0
        return next_line, sent

    def _is_asked_for(self, at: datetime) -> bool:
        since = self.get_query_argument("sinceTime", "")
        return not since or at >= datetime.fromisoformat(since)

    def _prefix(self, at: datetime) -> bytes:
        stamped = self.get_query_argument("timestamps", "") == "true"
        return f"{at:%Y-%m-%dT%H:%M:%S.%f}000+00:00 ".encode() if stamped else b""

    def _is_an_object(self, path: str) -> bool:
        parts = path.split("/")
        after = parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[4:]
        return len(after) > 1

    async def _watch(self, path: str, selector: str) -> None:
        version = int(self.get_query_argument("resourceVersion", "0") or 0)
        if version < self.kube.oldest:
            self._line("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
            return
        self.set_header("Content-Type", "application/json")
        # Taken before anything is sent: watches that are ended meanwhile are this one, too.
        watch = self.kube.watch_number
        await self.flush()
        try:
            async for number, kind, value in self.kube.next_events(path, version, watch):
                if _carries(value, selector):
                    self._line(kind, value)
                else:
                    bookmark = {"metadata": {"resourceVersion": str(number)}}
                    self._line("BOOKMARK", bookmark)
                await self.flush()
        except StreamClosedError:
            return

    def _line(self, kind: str, value: Manifest) -> None:
        self.write(json.dumps({"type": kind, "object": value}) + "\n")

    def post(self) -> None:
        body = json.loads(self.request.body)
        if self.request.path.endswith("/tokenreviews"):
            said = self.kube.reviews.get(
                body["spec"]["token"], {"authenticated": False, "error": "not known"}
            )
            self.set_status(201)
            self.finish({**body, "status": said})
            return
        path = f"{self.request.path}/{body['metadata']['name']}"
        if path in self.kube.objects:
            raise HTTPError(409, f"{path} already exists")
        self.set_status(201)
        self.finish(self.kube.put(path, body))

    def put(self) -> None:
        body = json.loads(self.request.body)
        path = self.request.path
        if path not in self.kube.objects:
            raise HTTPError(404, f"{path} not found")
        known = self.kube.objects[path]["metadata"]["resourceVersion"]
        if body["metadata"].get("resourceVersion", known) != known:
            raise HTTPError(409, f"{path} has been modified")
        self.finish(self.kube.put(path, body))

    def patch(self) -> None:
        path = self.request.path
        if path not in self.kube.objects:
            raise HTTPError(404, f"{path} not found")
        self.finish(self.kube.change(path, **json.loads(self.request.body)))

    def delete(self) -> None:
        path = self.request.path
        if path not in self.kube.objects:
            raise HTTPError(404, f"{path} not found")
        asked = json.loads(self.request.body or b"{}").get("preconditions", {})
        about = self.kube.objects[path]["metadata"]
        if asked.get("uid", about["uid"]) != about["uid"]:
            raise HTTPError(409, f"{path} is another one")
        self.kube.remove(path)
        self.finish({"kind": "Status", "status": "Success"})


@asynccontextmanager
async def fake_kube() -> AsyncIterator[FakeKube]:
    kube = FakeKube()
    server = HTTPServer(Application([("/.*", _Handler)], kube=kube, log_function=lambda _: None))
    socket, port = bind_unused_port()
    server.add_socket(socket)
    kube.url = f"http://127.0.0.1:{port}"
    try:
        yield kube
    finally:
        kube.end_watches()
        server.stop()
        await close_connections(server)


@asynccontextmanager
async def way_into(kube: FakeKube) -> AsyncIterator[KubeApi]:
    configuration = Configuration()
    configuration.host = kube.url
    configuration.client_session_kwargs = {"trust_env": False}
    api = KubeApi(configuration)
    try:
        yield api
    finally:
        await api.close()
