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

    def hear(self, state: str, cell: str) -> None:
        parent = {"msg_type": "execute_request", "msg_id": cell}
        message = self.session.msg("status", {"execution_state": state}, parent={"header": parent})
        message["parent_header"] = parent
        self.iopub.receive(self.session.serialize(message))


async def test_a_cell_that_began_before_the_watch_was_connected_is_told_until_it_ends() -> None:
    bench = Bench()
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
