"""What a kernel says to its agent: in order, over one connection, to whoever is there."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_lab.kernel.cell_requests import AgentAway, NoLink
from sublet_lab.kernel.kernel_link import KernelLink
from sublet_lab.kernel.tenant_socket_client import AgentAwayError
from sublet_quota.wire.tenant_socket import (
    NOBODYS_CELL,
    CapNotice,
    GateOpen,
    GateWaits,
    KernelActivity,
)

from tests.support.fake_tenant_socket import FakeAgent, fake_agent

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    async with fake_agent(tmp_path / "agent.sock") as agent:
        yield agent


def said(agent: FakeAgent) -> list[str]:
    """What was said, levels that repeat left out."""
    words: list[str] = []
    for _, message in agent.heard_lines:
        if isinstance(message, KernelActivity):
            word = f"level {' '.join(sorted(message.running()))}".strip()
        else:
            word = f"{message.type} {message.cell}"
        if not words or words[-1] != word:
            words.append(word)
    return words


async def until_said(agent: FakeAgent, *words: str) -> None:
    async with asyncio.timeout(60):
        await agent.until(lambda a: said(a) == list(words))


async def answered(request: object) -> object:
    async with asyncio.timeout(60):
        return await request.answer()


async def test_a_cell_asks_before_the_first_level_that_names_it_and_all_by_one_connection(
    agent: FakeAgent, link: KernelLink
):
    with link.running("a") as request:
        assert await answered(request) == GateOpen(cell="a")
        with link.running("b") as beside:
            assert await answered(beside) == GateOpen(cell="b")
            await until_said(agent, "enter a", "level a", "enter b", "level a b")
    await agent.until(lambda a: said(a)[-1] == "level")
    assert len({connection for connection, _ in agent.heard_lines}) == 1
    asked = [m.cell for _, m in agent.heard_lines if not isinstance(m, KernelActivity)]
    assert asked == ["a", "b"]


async def test_a_request_is_taken_back_before_the_level_that_names_its_cell_no_more(
    agent: FakeAgent, link: KernelLink
):
    agent.hold = True
    with link.running("a"):
        await until_said(agent, "enter a", "level a")
    await until_said(agent, "enter a", "level a", "leave a", "level")


async def test_a_cell_that_runs_without_leave_takes_its_request_back_and_is_told_as_running(
    agent: FakeAgent, link: KernelLink
):
    agent.hold = True
    with link.running("a") as request:
        await until_said(agent, "enter a", "level a")
        link.take_back(request)
        link.take_back(request)
        await until_said(agent, "enter a", "level a", "leave a", "level a")
    await until_said(agent, "enter a", "level a", "leave a", "level a", "level")


async def test_each_of_two_waiting_cells_gets_its_own_answers(agent: FakeAgent, link: KernelLink):
    agent.hold = True
    with link.running("a") as first, link.running("b") as second:
        asked = await agent.until(lambda a: len(a.requests) == 2 and list(a.requests))
        asked[1].wait("Room is made.")
        answer = await answered(second)
        assert isinstance(answer, GateWaits)
        assert answer.message == "Room is made."
        asked[0].open()
        assert await answered(first) == GateOpen(cell="a")
        asked[1].open()
        assert await answered(second) == GateOpen(cell="b")


async def test_the_next_agent_is_asked_by_who_waits_before_it_is_told_what_runs(
    agent: FakeAgent, link: KernelLink
):
    with link.running("through") as through:
        assert await answered(through) == GateOpen(cell="through")
        agent.hold = True
        with link.running("waits") as waits:
            await agent.until(lambda a: len(a.requests) == 2)
            await agent.stop()
            assert isinstance(await answered(waits), AgentAway)
            agent.renew()
            await agent.start()
            while isinstance(answer := await answered(waits), AgentAway):
                pass
            assert answer == GateOpen(cell="waits")
            await until_said(agent, "enter waits", "level through waits")


async def test_an_idle_kernel_leaves_an_agent_that_went_away_alone(
    agent: FakeAgent, link: KernelLink
):
    with link.running("a") as request:
        assert await answered(request) == GateOpen(cell="a")
    await agent.until(lambda a: said(a)[-1] == "level")
    await agent.stop()
    agent.renew()
    await agent.start()
    await asyncio.sleep(0.6)
    assert agent.heard_lines == []
    with link.running("b") as request:
        assert await answered(request) == GateOpen(cell="b")


async def test_a_level_that_an_agent_did_not_hear_is_told_to_the_next(
    agent: FakeAgent, link: KernelLink
):
    with link.running("a") as request:
        assert await answered(request) == GateOpen(cell="a")
        await agent.stop()
        while not isinstance(await answered_soon(link), AgentAway):
            pass
    agent.renew()
    await agent.start()
    await until_said(agent, "level")


async def answered_soon(link: KernelLink) -> object:
    """What another cell is answered now."""
    with link.running("other") as request:
        return await answered(request)


async def test_nonsense_from_an_agent_is_an_agent_that_is_away(tmp_path: Path, link: KernelLink):
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"nonsense\n")
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(speaks, tmp_path / "agent.sock"):
        with link.running("a") as request:
            answer = await answered(request)
    assert answer == AgentAway("the connection to the agent broke: unreadable line")


@contextlib.contextmanager
def refusing_agent(path: Path) -> Iterator[None]:
    """An agent that says why it serves nobody, and leaves before it has heard anything."""
    refusal = b'{"type": "unknown", "message": "too many connections"}\n'

    def refuse_all() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(refusal)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        refusing = threading.Thread(target=refuse_all)
        refusing.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            refusing.join()


async def test_an_agent_that_refuses_to_serve_is_quoted(tmp_path: Path, link: KernelLink):
    with refusing_agent(tmp_path / "agent.sock"), link.running("a") as request:
        for _ in range(3):
            assert await answered(request) == AgentAway("too many connections")


def open_files() -> Iterator[int]:
    """The inodes of this process's open files."""
    for descriptor in range(1024):
        with contextlib.suppress(OSError):
            yield os.fstat(descriptor).st_ino


async def test_a_forked_child_holds_no_copy_of_the_connection(agent: FakeAgent, link: KernelLink):
    with link.running("a") as request:
        assert await answered(request) == GateOpen(cell="a")
        connection = link._connection
        assert connection is not None
        its_socket = os.fstat(connection.fileno()).st_ino
        assert its_socket in open_files()
        reads, writes = os.pipe()
        if os.fork() == 0:
            os.write(writes, b"held" if its_socket in open_files() else b"free")
            os._exit(0)
        assert os.read(reads, 4) == b"free"
        os.close(writes)
        os.close(reads)
    await agent.until(lambda a: said(a)[-1] == "level")


async def ran_in_a_loop_of_its_own(begins: Callable[[], Awaitable[None]]) -> None:
    """Run something as a subshell does, which is deleted in the middle of it."""

    def subshell() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begins())
        loop.close()

    await asyncio.to_thread(subshell)


async def test_a_cell_whose_subshell_was_deleted_waits_and_runs_no_more(
    agent: FakeAgent, link: KernelLink
):
    agent.hold = True
    kept = contextlib.ExitStack()

    async def begins() -> None:
        kept.enter_context(link.running("a"))

    await ran_in_a_loop_of_its_own(begins)
    await agent.until(lambda a: said(a)[-2:] == ["leave a", "level"])
    kept.close()


async def test_who_waits_when_the_gate_is_taken_away_is_told_so(agent: FakeAgent, link: KernelLink):
    agent.hold = True
    gone = NoLink("the gate was taken away")
    with link.running("a") as request:
        await until_said(agent, "enter a", "level a")
        await asyncio.to_thread(link.close)
        assert await answered(request) == gone
    with link.running("late") as request:
        assert await answered(request) == gone


async def test_a_cell_that_ends_by_an_interrupt_in_the_middle_of_its_end_is_over(
    agent: FakeAgent, link: KernelLink, monkeypatch: pytest.MonkeyPatch
):
    def interrupted() -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    running = link.running("a")
    assert await answered(running.__enter__()) == GateOpen(cell="a")
    monkeypatch.setattr(link, "_forget_gone", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.__exit__(None, None, None)
    await agent.until(lambda a: said(a)[-1] == "level")


@pytest.mark.usefixtures("agent")
async def test_where_no_thread_can_be_started_cells_are_told_and_the_next_one_tries_again(
    link: KernelLink, monkeypatch: pytest.MonkeyPatch
):
    def none_left(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as there:
        there.setattr(threading.Thread, "start", none_left)
        with link.running("a") as request:
            assert await answered(request) == NoLink("can't start new thread")
    with link.running("b") as request:
        assert await answered(request) == GateOpen(cell="b")


async def test_of_two_cells_with_one_name_each_gets_an_answer(agent: FakeAgent, link: KernelLink):
    agent.hold = True
    with link.running("a") as first, link.running("a") as second:
        asked = await agent.until(lambda a: len(a.requests) == 2 and list(a.requests))
        for request in asked:
            request.open()
        assert [await answered(r) for r in (first, second)] == [GateOpen(cell="a")] * 2


async def test_an_agent_of_before_which_names_no_cells_is_understood(
    tmp_path: Path, link: KernelLink
):
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"enter" not in await reader.readline():
            pass
        writer.write(b'{"type": "wait", "reason": "turn", "place": 1, "message": "Next."}\n')
        writer.write(b'{"type": "open"}\n')
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(speaks, tmp_path / "agent.sock"):
        with link.running("a") as request:
            wait = await answered(request)
            assert isinstance(wait, GateWaits)
            assert wait.message == "Next."
            assert await answered(request) == GateOpen()


async def test_while_no_agent_is_there_little_is_kept(link: KernelLink):
    for cell in range(200):
        with link.running(f"c{cell}") as request:
            assert isinstance(await answered(request), AgentAway)
    await asyncio.sleep(0)
    assert len(link._requests) < 10


async def test_an_idle_level_that_could_not_be_sent_is_told_to_the_next_agent(
    agent: FakeAgent, link: KernelLink, monkeypatch: pytest.MonkeyPatch
):
    with link.running("a") as request:
        assert await answered(request) == GateOpen(cell="a")
        await agent.until(lambda a: said(a)[-1] == "level a")
        connection = link._connection
        assert connection is not None

        def breaks(_messages: object) -> None:
            message = "broken pipe"
            raise AgentAwayError(message)

        monkeypatch.setattr(connection, "send", breaks)
        agent.renew()
    # One more level of the running cell may have been on its way.
    async with asyncio.timeout(60):
        await agent.until(lambda a: said(a)[-1:] == ["level"])


async def test_a_closed_link_has_no_files_open(agent: FakeAgent, link: KernelLink):
    with link.running("a") as request:
        assert await answered(request) == GateOpen(cell="a")
    await asyncio.to_thread(link.close)
    assert (link._woken.fileno(), link._wake.fileno(), link._connection) == (-1, -1, None)
    await agent.until(lambda a: a.connections == 0)


NEAR = CapNotice(crossing="near 1", message="almost all")
OVER = CapNotice(crossing="over 1", message="more than its cap")


async def test_a_notice_at_the_gate_is_the_cells_and_one_told_again_is_no_news(
    agent: FakeAgent, link: KernelLink
):
    said_in_cells: list[tuple[str, str]] = []
    link.say = lambda cell, text: said_in_cells.append((cell, text))
    agent.hold = True
    with link.running("a") as request:
        await until_said(agent, "enter a", "level a")
        agent.requests[-1].answer(GateOpen(cell="a", notice=NEAR))
        await answered(request)
        assert request.notice == "almost all"
    with link.running("b") as request:
        await agent.until(lambda a: len(a.requests) == 2)
        agent.requests[-1].answer(GateOpen(cell="b", notice=NEAR))
        await answered(request)
        assert request.notice is None
    assert said_in_cells == []


async def test_a_notice_while_a_cell_runs_is_said_in_it_and_opens_no_gate(
    agent: FakeAgent, link: KernelLink
):
    said_in_cells: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    link.say = lambda *told: loop.call_soon_threadsafe(said_in_cells.put_nowait, told)
    with link.running("a") as request:
        await answered(request)
        agent.hold = True
        with link.running("b") as waiting:
            await agent.until(lambda a: len(a.requests) == 2)
            for notice in (NEAR, NEAR, OVER):
                agent.requests[-1].answer(GateOpen(cell=NOBODYS_CELL, notice=notice))
            async with asyncio.timeout(60):
                told = [await said_in_cells.get(), await said_in_cells.get()]
            assert [text for _, text in told] == ["almost all", "more than its cap"]
            agent.requests[-1].wait("still")
            assert isinstance(await answered(waiting), GateWaits)
