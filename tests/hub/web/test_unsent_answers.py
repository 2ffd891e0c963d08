"""Answers that nobody reads take so much memory a caller, and for so long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sublet_hub.security.byte_room import ByteRoom, Promise
from sublet_hub.web.listening import BoundedServer
from sublet_hub.web.request_handler import ServiceHandler
from sublet_hub.web.unsent_answers import UnsentAnswers
from tornado.testing import bind_unused_port
from tornado.web import Application

from tests.support.closing import close_connections
from tests.support.hub_world import until

pytestmark = pytest.mark.asyncio

LARGE = 32 * 1024 * 1024
"""More than the kernel keeps for a connection whose reader takes nothing."""
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LargeAnswer(ServiceHandler):
    async def let_in(self) -> None:
        self.who = "user:ada"

    async def answer(self, **_path: str) -> None:
        self.finish(b"x" * LARGE)


class Strangers(LargeAnswer):
    async def let_in(self) -> None:
        """Let everybody in, as nobody."""


@asynccontextmanager
async def serving(
    unsent: UnsentAnswers, handler: Any = LargeAnswer
) -> AsyncIterator[Callable[[], Awaitable[Line]]]:
    application = Application([("/", handler)], unsent=unsent, log_function=lambda _: None)
    server = BoundedServer(application, most_connections=100, unsent=unsent)
    sock, port = bind_unused_port()
    server.add_socket(sock)
    lines: list[Any] = []

    async def ask() -> Line:
        line = await asyncio.open_connection("127.0.0.1", port)
        lines.append(line)
        line[1].write(ASK)
        return line

    try:
        yield ask
    finally:
        for _, writer in lines:
            writer.transport.abort()
        server.stop()
        await close_connections(server)


async def test_an_answer_that_is_read_takes_no_room_any_more() -> None:
    unsent = UnsentAnswers()
    async with serving(unsent) as ask:
        reader, writer = await ask()
        await until(lambda: unsent.promised > 0)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(reader.readexactly(LARGE), 60)
        await until(lambda: unsent.promised == 0)
        writer.write(ASK)
        assert await reader.readuntil(b"\r\n\r\n")


async def test_who_reads_nothing_has_one_long_answer_waiting_and_no_second() -> None:
    unsent = UnsentAnswers(ByteRoom(most_of_a_caller=1000))
    async with serving(unsent) as ask:
        _, first = await ask()
        await until(lambda: unsent.promised == 1000)
        reader, _ = await ask()
        told = await asyncio.wait_for(reader.read(), 60)
        assert len(told) < LARGE
        assert unsent.promised == 1000
        first.transport.abort()
        await until(lambda: unsent.promised == 0)


async def test_strangers_at_one_address_share_and_take_no_room_of_others() -> None:
    room = ByteRoom(most=1000, most_of_a_caller=1000)
    unsent = UnsentAnswers(room)
    async with serving(unsent, Strangers) as ask:
        await ask()
        await until(lambda: unsent.promised > 0)
        assert room.promised == 0
        first = unsent.promised
        reader, _ = await ask()
        assert len(await asyncio.wait_for(reader.read(), 60)) < LARGE
        assert unsent.promised == first


class NotedRoom(ByteRoom):
    """Room that remembers whether it was ever asked for."""

    was_promised = False

    def promise(self, caller: str, size: int, give_up: Callable[[], None]) -> Promise:
        self.was_promised = True
        return super().promise(caller, size, give_up)


async def test_an_answer_that_is_not_read_in_time_ends_its_connection() -> None:
    room = NotedRoom()
    unsent = UnsentAnswers(room, read_within_s=0.01)
    async with serving(unsent) as ask:
        reader, _ = await ask()
        await until(lambda: room.was_promised and unsent.promised == 0)
        assert len(await asyncio.wait_for(reader.read(), 60)) < LARGE
