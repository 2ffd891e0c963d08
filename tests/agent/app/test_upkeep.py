"""What an agent does again and again goes on, whatever goes wrong in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sublet_agent.app import upkeep
from sublet_agent.app.upkeep import Upkeep, UpkeepTools
from sublet_agent.moves.thawing import AT_THE_LATEST_S
from sublet_agent.state_files.failed_gpus import FailedGpus

from tests.support.agent_cases import Bench
from tests.support.fake_device import BOOT

pytestmark = pytest.mark.asyncio


class House:
    """A node whose groups are tidied up, and what is thawed there."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.bench = Bench(folder)
        self.tidied = 0
        self.thawed = 0
        self.defects = 0
        self.again = asyncio.Event()
        registry: Any = SimpleNamespace(drop_empty=self._tidies, processes=list)
        groups: Any = SimpleNamespace(tidy=lambda *_: None)
        left_behind: Any = SimpleNamespace(thaw_without_word=self._thaws)
        self.upkeep = Upkeep(
            UpkeepTools(
                device=self.bench.device,
                looks=pool,
                clock=self.bench.clock,
                samplers={},
                closed=FailedGpus(folder / "closed-gpus.json", BOOT),
                registry=registry,
                attribution=self.bench.attribution,
                journal=self.bench.journal,
                groups=groups,
                slices=tuple,
                left_behind=left_behind,
            )
        )

    def _tidies(self) -> None:
        self.tidied += 1
        self.again.set()
        if self.defects:
            self.defects -= 1
            message = "a defect"
            raise RuntimeError(message)

    async def _thaws(self) -> None:
        self.thawed += 1

    async def rounds(self, more: int) -> None:
        """Wait until it was tidied up so often again."""
        until = self.tidied + more
        while self.tidied < until:
            self.again.clear()
            await asyncio.wait_for(self.again.wait(), 60)


@asynccontextmanager
async def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(upkeep, "_HOUSEKEEPING_S", 0.0)
    with ThreadPoolExecutor(1) as pool:
        house = House(folder, pool)
        keeping = asyncio.create_task(house.upkeep.keep_house())
        try:
            yield house
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            house.bench.close()


async def test_whom_nobody_says_anything_of_is_thawed_when_no_move_lasts_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(tmp_path, monkeypatch) as house:
        await house.rounds(2)
        house.bench.clock.passes(AT_THE_LATEST_S - 1)
        await house.rounds(2)
        assert house.thawed == 0
        house.bench.clock.passes(1)
        await house.rounds(3)
        assert house.thawed > 0


async def test_a_defect_is_told_and_the_house_is_kept_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with kept(tmp_path, monkeypatch) as house:
        house.defects = 2
        await house.rounds(4)
        assert "a defect" in caplog.text
