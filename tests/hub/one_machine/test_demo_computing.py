"""Whether who computes in the demo while others do something is at work all that time."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sublet_hub.one_machine.demo.jupyter_client import CellOutcome
from sublet_hub.one_machine.demo.story import computes_meanwhile
from sublet_hub.one_machine.part_keeper import PartGoneError

from tests.support.demo_cast import stage_of_a_job

pytestmark = pytest.mark.asyncio


class FakeService:
    """Tells of an owner who is active on the one card, and of no loss."""

    async def service(self, _method: str, path: str) -> Any:
        lease = {"owner": "ada", "holder": "notebook"}
        slices = [{"lease": lease, "report": {"active": True}}]
        return [{"slices": slices}] if path == "gpus" else []


@dataclass
class Kernel:
    """Runs cells in a thread, beside a GPU that counts what is computed."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cells: int = 0
    ended: int = 0
    computed: int = 0

    async def run(self, code: str, _timeout_s: float) -> CellOutcome:
        self.cells += 1
        self.begun.set()
        await asyncio.to_thread(exec, code, {"os": os, "gpu": SimpleNamespace(compute=self._gpu)})
        self.ended += 1
        return CellOutcome("", 0.0, 0.0)

    def _gpu(self, seconds: float) -> None:
        self.computed += 1
        time.sleep(seconds / 10)


def stage_of(kernel: Any) -> Any:
    stage: Any = stage_of_a_job(seen_in=(1,), pid=1, attempts=1)
    stage.admin, stage.kernels = FakeService(), {"ada": kernel}
    return stage


async def test_one_cell_lasts_as_long_as_what_others_do_and_ends_with_it():
    kernel = Kernel()
    async with computes_meanwhile(stage_of(kernel), "ada"):
        await kernel.begun.wait()
        assert (kernel.cells, kernel.ended) == (1, 0)
    assert (kernel.cells, kernel.ended) == (1, 1)


async def test_a_story_that_cannot_go_on_does_not_wait_for_the_cell():
    class Stuck(Kernel):
        async def run(self, _code: str, _timeout_s: float) -> CellOutcome:
            self.begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    async def tell() -> None:
        kernel = Stuck()
        async with computes_meanwhile(stage_of(kernel), "ada"):
            await kernel.begun.wait()
            raise PartGoneError

    with pytest.raises(PartGoneError):
        await tell()
