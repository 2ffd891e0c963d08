"""A receiver of webhooks: notes what it is sent, and answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler


@dataclass
class HookReceiver:
    """What was posted, and what is answered."""

    url: str = ""
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Of each its headers, and its body."""
    elsewhere: int = 0
    """How often another path was asked for."""


class _Posts(RequestHandler):
    def initialize(self, receiver: HookReceiver) -> None:
        self._receiver = receiver

    async def post(self) -> None:
        receiver = self._receiver
        receiver.posted.append((dict(self.request.headers), self.request.body))
        if receiver.hangs:
            await asyncio.Event().wait()
        self.set_status(receiver.status)
        for name, value in receiver.headers.items():
            self.set_header(name, value)


class _Elsewhere(RequestHandler):
    def initialize(self, receiver: HookReceiver) -> None:
        self._receiver = receiver

    def prepare(self) -> None:
        self._receiver.elsewhere += 1


@asynccontextmanager
async def hook_receiver(**ssl_options: Any) -> AsyncIterator[HookReceiver]:
    """Run one on this machine until the block ends; with ``ssl_options`` by https."""
    made = HookReceiver()
    app = Application(
        [("/hook", _Posts, {"receiver": made}), (".*", _Elsewhere, {"receiver": made})]
    )
    server = HTTPServer(app, **ssl_options)
    socket, port = bind_unused_port()
    server.add_socket(socket)
    made.url = f"http{'s' if ssl_options else ''}://localhost:{port}/hook"
    try:
        yield made
    finally:
        server.stop()
        await server.close_all_connections()
