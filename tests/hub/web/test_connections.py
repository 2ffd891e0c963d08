"""Which connections are open: bounded in all, and taken from who has the most."""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sublet_hub.web import listening
from sublet_hub.web.connections import OpenConnections
from sublet_hub.web.listening import BoundedServer, Listener
from sublet_hub.web.unsent_answers import UnsentAnswers
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.testing import bind_unused_port

from tests.support.closing import close_connections
from tests.support.hub_world import FakeHub, until
from tests.support.service_process import ServiceProcess, service_process

HEALTH = b"GET /services/sublet/health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def opened(most: int, *names: str) -> OpenConnections[str]:
    """Each name is its peer's letter and a number."""
    found: OpenConnections[str] = OpenConnections(most)
    for name in names:
        assert found.open(name, name[0]) is None
    return found


def test_who_has_the_most_gives_up_their_longest_idle_connection() -> None:
    connections = opened(5, "a1", "a2", "a3", "b1", "b2")
    connections.is_busy("a1")
    assert connections.open("b3", "b") == "a2"
    assert connections.open("c1", "c") == "b1"
    assert len(connections) == 5


def test_a_connection_that_was_used_again_is_not_the_longest_idle_one() -> None:
    connections = opened(3, "a1", "a2", "a3")
    connections.is_busy("a1")
    connections.is_idle("a1")
    assert connections.open("b1", "b") == "a2"


def test_who_has_the_most_all_of_them_busy_gets_no_more_and_gives_to_others() -> None:
    connections = opened(3, "a1", "a2", "a3")
    for name in ("a1", "a2", "a3"):
        connections.is_busy(name)
    assert connections.open("a4", "a") == "a4"
    assert connections.open("b1", "b") == "a1"
    assert len(connections) == 3


def test_the_proxy_keeps_its_places_while_a_stranger_opens_a_thousand() -> None:
    proxied = [f"p{number}" for number in range(20)]
    connections = opened(64, *proxied)
    closed = {connections.open(f"s{number}", "s") for number in range(1000)}
    assert not closed & set(proxied)


def test_a_closed_connection_leaves_its_place() -> None:
    connections = opened(2, "a1", "a2")
    connections.close("a1")
    connections.close("a1")
    connections.is_busy("a1")
    assert connections.open("b1", "b") is None


class SocketWithoutFiles(socket.socket):
    """A listening socket of a process that has no files left, until it is told otherwise."""

    has_room = False
    tried = 0

    def accept(self) -> Any:
        self.tried += 1
        if not self.has_room:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


@pytest.mark.asyncio
async def test_a_machine_without_files_is_let_alone_for_a_while_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, port = bind_unused_port()
    sock = SocketWithoutFiles(fileno=first.detach())
    sock.setblocking(False)
    taken: list[Any] = []
    asked: list[None] = []
    listener = Listener(sock, lambda line, _: taken.append(line), lambda: asked.append(None))
    client = socket.create_connection(("127.0.0.1", port))
    try:
        await until(lambda: sock.tried == 2)
        assert len(asked) == 2
        assert sum("no connections are taken" in line for line in caplog.messages) == 1
        sock.has_room = True
        await until(lambda: taken)
    finally:
        listener.stop()
        for each in (client, sock, *taken):
            each.close()


@pytest.mark.asyncio
async def test_who_connects_and_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_HEADERS_WITHIN_S", 0.01)
    server = BoundedServer(lambda _: None, most_connections=3, unsent=UnsentAnswers())
    sock, port = bind_unused_port()
    server.add_socket(sock)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        await until(lambda: len(server.open_connections) == 0)
    finally:
        server.stop()
        await close_connections(server)


@pytest.mark.asyncio
async def test_idle_connections_beyond_the_bound_are_closed_the_oldest_first() -> None:
    def answer(request: HTTPServerRequest) -> None:
        line = ResponseStartLine("HTTP/1.1", 204, "No Content")
        request.connection.write_headers(line, HTTPHeaders())
        request.connection.finish()

    server = BoundedServer(answer, most_connections=3, unsent=UnsentAnswers())
    sock, port = bind_unused_port()
    server.add_socket(sock)
    lines = []
    try:
        for count in (1, 2, 3, 3, 3):
            lines.append(await asyncio.open_connection("127.0.0.1", port))
            await until(lambda count=count: len(server.open_connections) == count)
        for reader, _ in lines[:2]:
            assert await asyncio.wait_for(reader.read(), 60) == b""
        for reader, writer in lines[2:]:
            writer.write(HEALTH)
            assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 204")
        await until(lambda: len(server.open_connections) == 0)
    finally:
        for _, writer in lines:
            writer.close()
        server.stop()
        await close_connections(server)


async def _health(service: ServiceProcess) -> bool:
    with suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        try:
            writer.write(HEALTH)
            return b" 200 " in await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
    return False


@pytest.mark.asyncio
async def test_a_service_without_files_left_answers_on_and_says_so_in_few_lines(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with service_process(tmp_path, hub) as service:
        process = psutil.Process(service.pid)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 40, 1024))
        before = len(service.log())
        lines = []
        try:
            lines += [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(200)]
            await until(lambda: "no connections are taken" in service.log())
            await until(lambda: _health(service))
        finally:
            for _, writer in lines:
                writer.close()
        assert len(service.log()) - before < 2000
