"""What the server extension makes of a kernel of which it has not heard everything."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.session import Session
from sublet_lab.server.kernel_watch import MISSED_CELL, KernelWatch

pytestmark = pytest.mark.asyncio
KEY = b"key"


class Stream:
    """What a kernel sends, put in by hand."""

    def __init__(self) -> None:
        self.receive: Any = None

    def on_recv(self, receive: Any) -> None:
        self.receive = receive

    def send_multipart(self, *_: Any, **__: Any) -> None:
        pass

    def closed(self) -> bool:
        return False

    def close(self) -> None:
        pass


class Bench:
    """A watch of one kernel, and what it told."""

    def __init__(self) -> None:
        self.iopub, self.session, self.told = Stream(), Session(key=KEY), []
        self.kernel = SimpleNamespace(
            iopub_port=1,
            control_port=2,
            session=self.session,
            execution_state="idle",
            connect_iopub=lambda: self.iopub,
            connect_control=Stream,
        )
        kernels = SimpleNamespace(list_kernel_ids=lambda: ["k"], get_kernel=lambda _: self.kernel)
        self.watch = KernelWatch(kernels, self, logging.getLogger("test"))

    async def tell(self, kernel: str, cell: str | None) -> bool:
        self.told.append((kernel, cell))
        return True

    def close(self) -> None:
        pass

    async def look(self, state: str) -> list[tuple[str, str | None]]:
        self.kernel.execution_state = state
        self.watch._look_for_kernels()
        self.watch._watched["k"].tells_itself = False
        await self.watch._tell_levels()
        return self.told

    def hear(
        self, state: str, cell: str, request: str = "execute_request", subshell: str | None = None
    ) -> None:
        parent = {"msg_type": request, "msg_id": cell, "subshell_id": subshell}
        message = self.session.msg("status", {"execution_state": state}, parent={"header": parent})
        message["parent_header"] = parent
        self.iopub.receive(self.session.serialize(message))


async def test_a_cell_that_began_before_the_watch_was_connected_is_told_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What it may have missed is believed for three seconds only.
    bench, _ = Bench(), Time(monkeypatch)
    await bench.look("idle")
    assert await bench.look("busy") == [("k", MISSED_CELL)]
    assert (await bench.look("idle"))[-1] == ("k", None)
    await bench.look("busy")
    bench.hear("idle", "the missed one")
    bench.hear("busy", "next")
    assert (await bench.look("busy"))[-1] == ("k", "next")
    bench.hear("idle", "next")
    # It has heard of the end: the server's own word is of the past.
    assert bench.watch._watched["k"].running == []


async def test_a_kernel_that_has_been_watched_for_a_while_is_believed_by_its_messages_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    await bench.look("idle")
    began = asyncio.get_running_loop().time()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: began + 60)
    assert await bench.look("busy") == []


class Time:
    """Time that passes when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.at = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self.at)


async def test_a_widgets_call_counts_when_it_takes_long_until_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, time = Bench(), Time(monkeypatch)
    await bench.look("idle")
    time.at += 60
    bench.hear("busy", "call", "comm_msg")
    assert await bench.look("idle") == []
    time.at += 1.5
    assert await bench.look("idle") == [("k", "call")]
    bench.hear("busy", "next", "comm_msg")
    assert (await bench.look("idle"))[-1] == ("k", None)


async def test_a_widgets_call_in_a_subshell_goes_on_beside_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, time = Bench(), Time(monkeypatch)
    await bench.look("idle")
    time.at += 60
    bench.hear("busy", "call", "comm_msg", subshell="s1")
    for state in ("busy", "idle"):
        bench.hear(state, "cell")
    time.at += 1.5
    assert (await bench.look("idle"))[-1] == ("k", "call")
    bench.hear("idle", "call", "comm_msg", subshell="s1")
    assert (await bench.look("idle"))[-1] == ("k", None)


@pytest.mark.parametrize("restarts", ["in sight", "behind its back", "on other ports"])
async def test_a_widgets_call_does_not_outlive_its_kernel(
    monkeypatch: pytest.MonkeyPatch, restarts: str
) -> None:
    bench, time = Bench(), Time(monkeypatch)
    bench.kernel.provisioner = SimpleNamespace(pid=10)
    await bench.look("idle")
    time.at += 60
    bench.hear("busy", "call", "comm_msg")
    time.at += 1.5
    assert await bench.look("idle") == [("k", "call")]
    match restarts:
        case "in sight":
            await bench.look("restarting")
        case "behind its back":
            bench.kernel.provisioner.pid = 11
        case _:
            bench.kernel.iopub_port = 3
    assert (await bench.look("idle"))[-1] == ("k", None)


async def test_what_was_told_under_another_name_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, time = Bench(), Time(monkeypatch)
    await bench.look("idle")
    bench.hear("busy", "cell")
    assert await bench.look("busy") == [("k", "cell")]
    watched = bench.watch._watched["k"]
    watched.tells_itself = True
    watched.forget_work()
    time.at += 1
    await bench.watch._tell_levels()
    assert bench.told[-1] == ("k", None)
