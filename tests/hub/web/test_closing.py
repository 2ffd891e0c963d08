"""Closing a server's connections, with requests under way."""

import asyncio

import pytest
from sublet_hub.web.closing import close_connections
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

pytestmark = pytest.mark.asyncio


async def test_a_request_that_was_cancelled_does_not_cancel_whoever_closes() -> None:
    asked = asyncio.Condition()
    handling: list[asyncio.Task[None]] = []

    class Waits(RequestHandler):
        async def get(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            async with asked:
                handling.append(task)
                asked.notify_all()
            await asyncio.Event().wait()

    server = HTTPServer(Application([("/", Waits)], log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    clients = [
        await asyncio.open_connection("127.0.0.1", sockets[0].getsockname()[1]) for _ in range(3)
    ]
    for _, writer in clients:
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(60), asked:
        await asked.wait_for(lambda: len(handling) == len(clients))
    handling[0].cancel()
    server.stop()
    async with asyncio.timeout(60):
        await close_connections(server)
        for reader, writer in clients:
            assert await reader.read() == b""
            writer.close()
