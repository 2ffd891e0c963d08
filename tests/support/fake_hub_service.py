"""A hub service that answers what the test tells it to, and keeps what it was asked."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import BaseModel

PREFIX = "/services/sublet/"


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    """Below the API, with its query."""
    headers: dict[str, str]
    body: Any


@dataclass
class FakeHubService:
    url: str
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    location: str | None = None
    """Where its answers say that it is."""
    headers: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """What answers have besides, by request."""

    def answer(
        self, request: str, body: BaseModel | list[Any] | dict[str, Any] | None, status: int = 200
    ) -> None:
        """``request`` is like ``GET share``, with a query if it matters; lists may hold models."""
        method, path = request.split(" ")
        if isinstance(body, list):
            body = [b.model_dump(mode="json") if isinstance(b, BaseModel) else b for b in body]
        elif isinstance(body, BaseModel):
            body = body.model_dump(mode="json")
        self.answers[method, path] = (status, body)


@contextlib.contextmanager
def fake_hub_service() -> Iterator[FakeHubService]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api = f"{PREFIX}api/"
            path = self.path.removeprefix(api) if self.path.startswith(api) else self.path
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            asked = Asked(
                self.command, path, dict(self.headers), json.loads(sent) if sent else None
            )
            service.asked.append(asked)
            nothing = (404, {"reason": "not-found", "message": f"no {path}", "numbers": {}})
            exactly = service.answers.get((self.command, path))
            status, body = exactly or service.answers.get(
                (self.command, path.split("?")[0]), nothing
            )
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if service.location is not None:
                self.send_header("Location", service.location)
            for name, value in service.headers.get((self.command, path), {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (the base class names them)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = FakeHubService(f"http://127.0.0.1:{server.server_address[1]}{PREFIX}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
