"""One tenant's flood costs the others, and its own cells at the gate, nothing (THREATS 12)."""

import asyncio
import contextlib
import os
import select
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sublet_agent.tenants.budgets import SocketLimits
from sublet_agent.tenants.server import TenantSocket
from sublet_agent.tenants.wait_reasons import describe
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.standings import Standing
from sublet_quota.wire.standing import tell_standing
from sublet_quota.wire.tenant_socket import MOST_LINE_BYTES, LocalShare

from tests.support.fake_device import FakeTable

ENTER = b'{"type": "enter", "kernel": "k", "cell": "c"}\n'
SHARE = b'{"type": "share"}\n'
WITHIN_S = 30


class HeardDesk:
    """Keeps who said what, in order. Connections are of the slices in ``slices``, in order."""

    def __init__(self, *slices: str) -> None:
        self.slices = list(slices)
        self.heard: list[str] = []
        self._news = asyncio.Event()

    def slice_of_peer(self, _peer):
        return self.slices.pop(0) if self.slices else None

    async def look_closely(self, peer):
        return self.slice_of_peer(peer)

    def other_card(self, _slice_id):
        return None

    def cap_notice(self, _slice_id):
        return None

    def serves(self, _slice_id):
        return True

    def enter(self, slice_id, _request):
        self._hear(f"{slice_id} enters")
        return True

    def share(self, slice_id):
        self._hear(f"{slice_id} asks")
        return LocalShare(
            slice_id=slice_id,
            gpu_id="g",
            gpu_type="t",
            simulated=True,
            cap_mib=1,
            memory_mib=0,
            host_mib=0,
            standing=tell_standing(Standing.ACTIVE),
            state=SliceState.RESIDENT,
            active=True,
            since=datetime.now(UTC),
            utilisation_percent=0,
            lent=False,
        )

    async def until(self, count, what):
        async with asyncio.timeout(WITHIN_S):
            while self.heard.count(what) < count:
                self._news.clear()
                await self._news.wait()

    def _hear(self, what):
        self.heard.append(what)
        self._news.set()


class ClosedGate(HeardDesk):
    """Lets no cell through."""

    def enter(self, slice_id, request):
        super().enter(slice_id, request)
        return False

    def leave(self, _slice_id, _request):
        pass

    def waits(self, _slice_id):
        return describe(None, None, datetime.now(UTC))


@contextlib.asynccontextmanager
async def listening(folder: Path, tenant_requests: HeardDesk, **limits: int):
    table = FakeTable()
    table.add(os.getpid())
    made = TenantSocket(folder / "socket", tenant_requests, table, SocketLimits(**limits))
    await made.start()
    try:
        yield folder / "socket"
    finally:
        await made.stop()


def connected(stack: contextlib.ExitStack, path: Path) -> socket.socket:
    line = stack.enter_context(socket.socket(socket.AF_UNIX))
    line.settimeout(WITHIN_S)
    line.connect(str(path))
    return line


async def answer_to(said: bytes, line: socket.socket) -> bytes:
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(WITHIN_S):
        await loop.sock_sendall(line, said)
        return await loop.sock_recv(line, 10_000)


@pytest.mark.asyncio
async def test_a_burst_of_one_tenant_does_not_keep_the_next_line_of_another_waiting(tmp_path):
    tenant_requests = HeardDesk("a", "b")
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests) as path:
            connected(stack, path).sendall(ENTER * 150)
            connected(stack, path).sendall(ENTER)
            await tenant_requests.until(150, "a enters")
    assert tenant_requests.heard.index("b enters") < 10


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True])
async def test_connections_of_a_slice_get_no_more_together_than_one(tmp_path, again):
    tenant_requests = HeardDesk(*["a"] * 40, "b")
    with contextlib.ExitStack() as stack:
        async with listening(
            tmp_path, tenant_requests, lines_per_s=20, connects_per_s=1000
        ) as path:
            began = time.monotonic()
            for _ in range(40):
                line = connected(stack, path)
                line.sendall(ENTER * 20)
                if again:
                    line.shutdown(socket.SHUT_WR)
                await asyncio.sleep(0.01)
            other = connected(stack, path)
            other.sendall(ENTER)
            await tenant_requests.until(1, "b enters")
            # Counted first: until all is closed, more are heard.
            entered = tenant_requests.heard.count("a enters")
            passed_s = time.monotonic() - began
    assert entered <= 20 + 20 * passed_s


@pytest.mark.asyncio
async def test_a_cell_at_the_gate_does_not_wait_behind_its_own_slices_questions(tmp_path):
    tenant_requests = HeardDesk(*["a"] * 21)
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests, shares_per_s=1) as path:
            for _ in range(20):
                connected(stack, path).sendall(SHARE * 20)
            await tenant_requests.until(1, "a asks")
            connected(stack, path).sendall(ENTER)
            await tenant_requests.until(1, "a enters")
    assert tenant_requests.heard.index("a enters") < 10


@pytest.mark.asyncio
async def test_who_connects_too_often_waits_and_is_served_then(tmp_path):
    tenant_requests = HeardDesk(*["a"] * 8)
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests, connects_per_s=4) as path:
            for _ in range(8):
                connected(stack, path).sendall(ENTER)
            await tenant_requests.until(8, "a enters")


@pytest.mark.asyncio
async def test_who_is_refused_and_tries_again_at_once_is_not_looked_up_each_time(tmp_path):
    tenant_requests = HeardDesk(*["a"] * 1000)
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests, connections=2) as path:
            began = time.monotonic()
            lines = [connected(stack, path) for _ in range(500)]
            lines[-1].setblocking(False)
            async with asyncio.timeout(WITHIN_S):
                answer = await asyncio.get_running_loop().sock_recv(lines[-1], 1000)
            passed_s = time.monotonic() - began
    assert b"2 connections already" in answer
    looked_up = 1000 - len(tenant_requests.slices)
    assert looked_up <= 3 + passed_s / 0.1


@pytest.mark.asyncio
async def test_who_is_refused_can_still_speak_and_then_reads_why(tmp_path, monkeypatch):
    monkeypatch.setattr("sublet_agent.tenants.server._LINGERS_S", WITHIN_S)
    tenant_requests = HeardDesk("a", "a", "a")
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests, connections=1) as path:
            first = connected(stack, path)
            first.sendall(ENTER)
            await tenant_requests.until(1, "a enters")
            second = connected(stack, path)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(WITHIN_S):
                while not await loop.run_in_executor(None, readable, second):
                    pass
            assert b"1 connections already" in await answer_to(ENTER, second)


class LookedForDesk(HeardDesk):
    """Nobody's slice is told at once, and everybody's is ``a`` when looked at closely."""

    def slice_of_peer(self, _peer):
        return None

    async def look_closely(self, _peer):
        self._hear("looked")
        return "a"


@pytest.mark.asyncio
async def test_who_was_looked_at_closely_counts_with_their_slice_before_they_say_anything(tmp_path):
    tenant_requests, most = LookedForDesk(), 4
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests, connections=most) as path:
            for spoken in range(1, most):
                connected(stack, path).sendall(ENTER)
                await tenant_requests.until(spoken, "a enters")
            silent = []
            for looked in range(most):
                silent.append(connected(stack, path))
                await tenant_requests.until(most + looked, "looked")
                # Whoever looked goes on at once.
                await asyncio.sleep(0)
            refused = [bool(await asyncio.to_thread(readable, line)) for line in silent]
    assert refused == [False, True, True, True]


def readable(line):
    return select.select([line], [], [], 0.1)[0]


@pytest.mark.asyncio
async def test_a_slice_of_many_kernels_has_room_for_all_their_connections(tmp_path):
    most = SocketLimits().connections
    tenant_requests = HeardDesk(*["a"] * most)
    with contextlib.ExitStack() as stack:
        async with listening(
            tmp_path, tenant_requests, connects_per_s=1000, lines_per_s=1000
        ) as path:
            for _ in range(most):
                connected(stack, path).sendall(ENTER)
            await tenant_requests.until(most, "a enters")


@pytest.mark.asyncio
async def test_a_mistake_of_ours_is_not_told_as_the_tenants_and_is_logged(tmp_path, caplog):
    class Mistaken(HeardDesk):
        def enter(self, _slice_id, _request):
            message = "a mistake"
            raise ValueError(message)

    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, Mistaken("a")) as path:
            assert await answer_to(ENTER, connected(stack, path)) == b""
    assert "a mistake" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b'{"type": "%s"}\n' % (b"x" * 5000), b"cannot be read"),
        (b"x" * 100_000 + b"\n", b"is longer than"),
    ],
    ids=["a long type", "a long line"],
)
async def test_long_nonsense_is_answered_with_what_is_wrong(tmp_path, said, answer):
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, HeardDesk("a")) as path:
            assert answer in await answer_to(said, connected(stack, path))


@pytest.mark.asyncio
async def test_who_says_nothing_but_nonsense_is_listened_to_no_more(tmp_path):
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, HeardDesk("a")) as path:
            line = connected(stack, path)
            line.sendall(b"{}\n" * 30)
            said = await all_that_is_said(line)
    assert said.count(b"cannot be read") == 20


@pytest.mark.asyncio
async def test_so_many_cells_of_a_connection_wait_at_the_gate_and_no_more(tmp_path):
    desk = ClosedGate("a")
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, desk) as path:
            line = connected(stack, path)
            line.sendall(b"".join(ENTER.replace(b'"c"', b'"c%d"' % n) for n in range(17)))
            line.shutdown(socket.SHUT_WR)
            said = await all_that_is_said(line)
    (refused,) = (each for each in said.splitlines() if b"16 cells wait here already" in each)
    assert b'"c16"' in refused
    assert desk.heard.count("a enters") == 16


async def all_that_is_said(line: socket.socket) -> bytes:
    """All that the agent says until it ends the connection."""
    line.setblocking(False)
    said, loop = b"", asyncio.get_running_loop()
    async with asyncio.timeout(WITHIN_S):
        while part := await loop.sock_recv(line, 10_000):
            said += part
    return said


@pytest.mark.asyncio
async def test_a_connection_that_fails_to_be_taken_keeps_no_other_out(tmp_path):
    class FailingOnce(HeardDesk):
        def slice_of_peer(self, peer):
            found = super().slice_of_peer(peer)
            if found == "broken":
                raise ValueError(found)
            return found

    tenant_requests = FailingOnce("broken", "a")
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests) as path:
            connected(stack, path).sendall(ENTER)
            connected(stack, path).sendall(ENTER)
            await tenant_requests.until(1, "a enters")


@pytest.mark.asyncio
async def test_what_a_tenant_says_without_an_end_stays_its_own_memory(tmp_path):
    most = SocketLimits().connections
    tenant_requests = HeardDesk(*["a"] * most, "b")
    with contextlib.ExitStack() as stack:
        async with listening(tmp_path, tenant_requests, connects_per_s=1000) as path:
            endless = [connected(stack, path) for _ in range(most)]
            said = sum([await said_without_an_end(line) for line in endless])
            other = connected(stack, path)
            other.sendall(ENTER)
            await tenant_requests.until(1, "b enters")
            told = [await asyncio.to_thread(line.recv, 1000) for line in endless]
    assert said > most * MOST_LINE_BYTES
    assert all(b"is longer than" in text for text in told)


async def said_without_an_end(line: socket.socket) -> int:
    """How many bytes of one line a tenant got rid of before it was to wait."""
    line.setblocking(False)
    said = 0
    with contextlib.suppress(BlockingIOError):
        while said < 10 * MOST_LINE_BYTES:
            said += line.send(b"x" * 4096)
    line.settimeout(WITHIN_S)
    return said
