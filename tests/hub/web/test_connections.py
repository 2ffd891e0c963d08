"""Which connections are open: bounded in all, and taken from who has the most."""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from sublet_hub.security.local_peers import LocalPeers
from sublet_hub.web import listening
from sublet_hub.web.connections import OpenConnections
from sublet_hub.web.listening import BoundedServer, Listener
from sublet_hub.web.request_handler import UnknownPathHandler
from sublet_hub.web.unsent_answers import UnsentAnswers
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.testing import bind_unused_port
from tornado.web import Application

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


def asked(most: int, *names: str, body_is_over: bool = True) -> OpenConnections[str]:
    """On each a request has come."""
    found = opened(most, *names)
    for name in names:
        found.is_asked(name, body_is_over=body_is_over)
    return found


def idle(most: int, *names: str) -> OpenConnections[str]:
    """On each a request was answered."""
    found = asked(most, *names)
    for name in names:
        found.is_answered(name)
        found.is_idle(name)
    return found


def test_who_has_the_most_gives_up_their_longest_idle_connection() -> None:
    connections = idle(5, "a1", "a2", "a3", "b1", "b2")
    connections.is_asked("a1", body_is_over=True)
    assert connections.open("c1", "c") == "a2"
    assert connections.open("c2", "c") == "b1"
    assert len(connections) == 5


def test_a_connection_that_was_used_again_is_not_the_longest_idle_one() -> None:
    connections = idle(3, "a1", "a2", "a3")
    connections.is_asked("a1", body_is_over=True)
    connections.is_idle("a1")
    assert connections.open("b1", "b") == "a2"


@pytest.mark.parametrize("newcomer", ["p", "x"])
def test_what_is_only_waited_for_goes_first_whosever_the_new_one_is(newcomer: str) -> None:
    """All through one proxy: what they are about tells them apart, not their address.

    Of seven places strangers have one of each kind before those go who were let in.
    """
    names = ("p1-answered", "p2-slow", "p3-unknown", "p4-body", "p5-body", "p6-idle", "p7-unread")
    connections = opened(7, *names)
    for name in names:
        connections.is_asked(name, body_is_over="body" not in name and "slow" not in name)
    for name in ("p1-answered", "p2-slow", "p6-idle", "p7-unread"):
        assert connections.let_in(name, name)
    for name in ("p6-idle", "p7-unread"):
        connections.is_answered(name)
    connections.is_idle("p6-idle")
    expected = ["p6-idle", "p4-body", "p2-slow", "p7-unread", "p5-body", "p3-unknown"]
    gone = []
    for number in range(len(expected)):
        name = f"new{number}"
        gone.append(connections.open(name, newcomer))
        connections.is_asked(name, body_is_over=True)
        assert connections.let_in(name, name)
    assert gone == expected
    assert connections.open("one more", newcomer) == "one more"


def test_while_strangers_have_more_than_half_theirs_go_before_idle_ones() -> None:
    connections = idle(4, "p1")
    for name in ("s1", "s2", "s3"):
        connections.open(name, "s")
    assert [connections.open(f"s{n}", "s") for n in (4, 5, 6)] == ["s1", "s2", "s3"]


def test_a_new_connection_is_not_pushed_out_by_those_that_come_with_it() -> None:
    """A crowd comes faster than what they send is read: the longest goes, be it unheard."""
    connections = asked(64, *(f"s{n}" for n in range(64)), body_is_over=False)
    crowd = {connections.open(f"new{n}", "s") for n in range(64)}
    assert crowd == {f"s{n}" for n in range(64)}


@pytest.mark.parametrize("crowd", ["whose tokens are asked about", "who were let in and are slow"])
def test_who_has_just_come_is_read_before_the_next_ones_take_their_place(crowd: str) -> None:
    was_let_in = crowd.startswith("who were")
    names = [f"p{number}" for number in range(32)]
    connections = asked(32, *names, body_is_over=not was_let_in)
    for number, name in enumerate(names):
        assert not was_let_in or connections.let_in(name, f"user:{number % 8}")
    gone = [connections.open(f"new{number}", "p") for number in range(8)]
    assert set(gone) <= set(names)
    for number in range(8):
        connections.is_asked(f"new{number}", body_is_over=True)
    later = [connections.open(f"later{number}", "p") for number in range(8)]
    assert set(later) <= set(names)


def test_who_has_the_most_requests_under_way_gives_to_others_and_one_each_stays() -> None:
    connections = asked(24, *(f"a{n}" for n in range(24)))
    for number in range(24):
        assert connections.let_in(f"a{number}", f"user{min(number, 22)}")
    assert connections.open("b1", "b") == "a22"
    connections.is_asked("b1", body_is_over=True)
    assert connections.let_in("b1", "ada")
    assert connections.open("b2", "b") == "b2"


def test_one_caller_has_a_part_of_all_places_and_the_hub_as_many_as_it_needs() -> None:
    names = [f"p{number}" for number in range(32)]
    connections = asked(32, *names)
    assert [connections.let_in(name, "user:mal") for name in names[:5]] == [*[True] * 4, False]
    assert connections.let_in("p5", "user:ada")
    connections.is_answered("p0")
    assert not connections.let_in("p4", "user:mal")
    connections.is_idle("p0")
    assert connections.let_in("p4", "user:mal")
    assert all(connections.let_in(name, "hub", is_hub=True) for name in names[6:])
    for number in range(40):
        victim = connections.open(f"x{number}", "x")
        assert victim not in names[6:]


def test_who_was_let_in_keeps_their_places_from_however_many_addresses_strangers_come() -> None:
    proxied = [f"p{number}" for number in range(300)]
    connections = asked(512, *proxied)
    for number, name in enumerate(proxied):
        assert connections.let_in(name, f"user{number}")
    closed = {connections.open(f"x{n}", f"10.1.{n // 250}.{n % 250 + 1}") for n in range(600)}
    assert not closed & set(proxied)


def test_the_proxy_keeps_its_places_while_a_stranger_opens_a_thousand() -> None:
    proxied = [f"p{number}" for number in range(20)]
    connections = opened(64, *proxied)
    closed = {connections.open(f"s{number}", "s") for number in range(1000)}
    assert not closed & set(proxied)


def test_a_closed_connection_leaves_its_place() -> None:
    connections = opened(2, "a1", "a2")
    connections.close("a1")
    connections.close("a1")
    connections.is_asked("a1", body_is_over=True)
    assert connections.let_in("a1", "ada")
    connections.has_sent_all("a1")
    connections.is_answered("a1")
    connections.is_idle("a1")
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
    asked: list[float] = []
    now = asyncio.get_running_loop().time
    listener = Listener(sock, lambda line, _: taken.append(line), lambda: asked.append(now()))
    client = socket.create_connection(("127.0.0.1", port))
    try:
        # However late this looks: it may have tried once more by then.
        await until(lambda: sock.tried >= 2)
        assert len(asked) == sock.tried
        assert all(later - before > 0.9 for before, later in pairwise(asked))
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
async def test_who_connects_directly_on_this_machine_takes_no_places_of_the_proxys() -> None:
    owners = iter([0, 4001, 4001, 4001, 4001])
    peers = LocalPeers(lambda _: next(owners))
    server = BoundedServer(lambda _: None, most_connections=3, unsent=UnsentAnswers(), peers=peers)
    sock, port = bind_unused_port()
    server.add_socket(sock)
    lines = []
    try:
        for count in (1, 2, 3, 3, 3):
            lines.append(await asyncio.open_connection("127.0.0.1", port))
            await until(lambda count=count: len(server.open_connections) == count)
        for reader, _ in lines[1:3]:
            assert await asyncio.wait_for(reader.read(), 60) == b""
        assert not lines[0][0].at_eof()
    finally:
        for _, writer in lines:
            writer.close()
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


@pytest.mark.asyncio
async def test_in_each_round_of_the_loop_a_part_of_the_places_is_taken_at_most() -> None:
    server = BoundedServer(lambda _: None, most_connections=32, unsent=UnsentAnswers())
    sock, port = bind_unused_port()
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
    server.add_socket(sock)
    try:
        counts = [0]
        while counts[-1] < len(lines):
            await asyncio.sleep(0)
            counts.append(len(server.open_connections))
        assert max(after - before for before, after in pairwise(counts)) == 2
    finally:
        for line in lines:
            line.close()
        server.stop()
        await close_connections(server)


SLOW = b"POST /services/sublet/x HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize("sent", [SLOW, b""], ids=["no body", "nothing"])
async def test_beside_a_crowd_that_never_ends_its_requests_all_others_are_answered(
    sent: bytes,
) -> None:
    unsent = UnsentAnswers()
    application = Application(
        [], default_handler_class=UnknownPathHandler, unsent=unsent, log_function=lambda _: None
    )
    server = BoundedServer(application, most_connections=32, unsent=unsent)
    sock, port = bind_unused_port()
    server.add_socket(sock)

    async def send_no_end() -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(sent)
                await reader.read()
            except ConnectionError:
                pass
            finally:
                writer.close()

    answers: list[bytes] = []
    crowd = [asyncio.create_task(send_no_end()) for _ in range(40)]
    try:
        await until(lambda: len(server.open_connections) == 32)
        for _ in range(24):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEALTH)
            try:
                answers.append(await asyncio.wait_for(reader.readline(), 60))
            finally:
                writer.close()
        assert all(b" 404 " in answer for answer in answers)
    finally:
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
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
        # A loop that could not open the database meanwhile says that, too, with its traceback.
        assert service.log()[before:].count("Too many open files") < 10
