"""How much of a tenant's lines lies in the agent, however they are said and read."""

import asyncio
import contextlib
import socket

import pytest
from sublet_agent.tenants.lines import LineTooLongError, TenantLines
from sublet_quota.wire.tenant_socket import MOST_CELLS, MOST_LINE_BYTES, KernelActivity

pytestmark = pytest.mark.asyncio
WITHIN_S = 60


@contextlib.asynccontextmanager
async def a_line():
    """Our end of a connection, and the tenant's socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    theirs.setblocking(False)
    lines = TenantLines()
    with theirs:
        await asyncio.get_running_loop().create_unix_connection(lambda: lines, sock=ours)
        async with asyncio.timeout(WITHIN_S):
            yield lines, theirs
        lines.hang_up()
        await asyncio.sleep(0)


async def test_lines_are_read_one_by_one_however_they_come():
    async with a_line() as (lines, theirs):
        theirs.send(b"one\ntwo\nthr")
        assert [await lines.read(), await lines.read()] == [b"one\n", b"two\n"]
        third = asyncio.create_task(lines.read())
        theirs.send(b"ee\n")
        assert await third == b"three\n"


async def test_what_was_said_before_the_end_is_still_heard_and_answered():
    async with a_line() as (lines, theirs):
        theirs.send(b"one\nrest")
        theirs.shutdown(socket.SHUT_WR)
        assert [await lines.read() for _ in range(3)] == [b"one\n", b"rest", b""]
        lines.write(b"answer\n")
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"answer\n"


async def test_the_longest_line_that_a_kernel_needs_is_read():
    cells = tuple(f"{n:03d}" + "c" * 252 for n in range(MOST_CELLS))
    report = KernelActivity(
        kernel="k" * 255, sequence=2**53 - 1, busy=True, cell=cells[-1], cells=cells
    )
    said = report.model_dump_json().encode() + b"\n"
    async with a_line() as (lines, theirs):
        theirs.send(said)
        assert await lines.read() == said


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_that_is_too_long_is_not_kept(end):
    async with a_line() as (lines, theirs):
        theirs.send(b"x" * (MOST_LINE_BYTES + 1) + end)
        with pytest.raises(LineTooLongError):
            await lines.read()
        assert lines._unread == b""


async def test_nothing_is_read_that_was_not_asked_for():
    async with a_line() as (lines, theirs):
        said = 0
        with contextlib.suppress(BlockingIOError):
            while said < 100 * MOST_LINE_BYTES:
                said += theirs.send(b"one\n" * 1024)
        assert await lines.read() == b"one\n"
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(lines._unread) <= 4096 < said


async def test_who_asks_and_does_not_read_is_hung_up_on():
    async with a_line() as (lines, theirs):
        written = 0
        while lines._transport is not None:
            lines.write(b"x" * 4095 + b"\n")
            written += 4096
            held = lines._transport.get_write_buffer_size() if lines._transport else 0
            assert held <= 16 * 1024
            await asyncio.sleep(0)
        assert await lines.read() == b""
        taken = 0
        with contextlib.suppress(ConnectionError):
            while text := theirs.recv(65536):
                taken += len(text)
        assert taken < written


async def test_an_answer_that_is_longer_than_what_may_wait_is_sent():
    async with a_line() as (lines, theirs):
        lines.write(b"x" * 500_000 + b"\n")
        taken = 0
        while taken <= 500_000:
            taken += len(await asyncio.get_running_loop().sock_recv(theirs, 65536))
        assert taken == 500_001


async def test_a_connection_ends_also_where_the_last_answers_are_not_read():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    lines = TenantLines()
    with theirs:
        await asyncio.get_running_loop().create_unix_connection(lambda: lines, sock=ours)
        lines.write(b"x" * 4_000_000)
        lines.hang_up()
        await asyncio.sleep(0)
        assert ours.fileno() == -1


async def test_whatever_a_kernel_may_say_of_its_cells_fits_into_a_line():
    cells = tuple("c" * 255 for _ in range(MOST_CELLS))
    level = KernelActivity(kernel="k" * 255, sequence=0, busy=True, cell=cells[0], cells=cells)
    assert len(level.model_dump_json().encode()) < MOST_LINE_BYTES
