"""Who uses a card without a slice, and how much: whose accounts are looked for; no canaries."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sublet_agent.measurement.loop import SamplingLoop, SamplingTools
from sublet_agent.moves.driver_limits import DriverLimits
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.state_files.cap_watches import CapWatchesFile

from tests.support.agent_cases import Bench
from tests.support.fake_device import GPU
from tests.support.fake_freezer import FakeFreezer

pytestmark = pytest.mark.asyncio


@dataclass
class Residency:
    """What a sampling loop needs of a GPU's loop."""

    gpu: ServedGpu
    slices: dict[Any, Any] = field(default_factory=dict)
    look_again: Any = None
    limits: Any = field(default_factory=DriverLimits)
    shares: Any = field(default_factory=lambda: SimpleNamespace(who=frozenset()))

    def poke(self) -> None:
        """Nobody acts here."""

    async def keep_shares(self) -> None:
        """Nobody computes here."""


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


def sampling(bench: Bench, freezer: FakeFreezer) -> SamplingLoop:
    gpu = ServedGpu(bench.device.gpus()[0], bench.device.memory(GPU))
    residency: Any = Residency(gpu)
    tools = SamplingTools(
        moves=replace(bench.tools, freezer=freezer),
        attribution=bench.attribution,
        calls=bench.pool,
        samples=bench.pool,
        clock=bench.clock,
        record=lambda *_, **__: None,
        changed=lambda: None,
        activity=ActivitySettings(),
        cap_watches=CapWatchesFile(Path("/proc/no-such-folder/cap-watches.json")),
        period_s=1.0,
    )
    loop = SamplingLoop(residency, tools)
    gpu.note_canary(bench.table.identify(100))
    return loop


async def test_who_tries_a_card_for_the_agent_is_no_stranger_there(bench):
    for pid in (100, 200):
        bench.table.add(pid)
        bench.device.add(pid, 8)
    freezer = FakeFreezer([])
    await sampling(bench, freezer).sample_once()
    assert freezer.strangers == [200]


async def test_who_has_just_tried_a_card_is_neither_stranger_nor_foreign_there(
    bench,
):
    bench.table.add(100)
    bench.device.add(100, 8)
    freezer = FakeFreezer([])
    loop = sampling(bench, freezer)
    gpu = loop._residency.gpu
    gpu.note_canary(None)
    await loop.sample_once()
    assert freezer.strangers == []
    assert not gpu.reading.foreign


@pytest.mark.parametrize(
    ("used", "percent"), [((30, 20), 50), ((30, None), None), ((90, 80), 100), ((), 0)]
)
async def test_what_processes_of_no_slice_use_is_added_up_without_the_canarys(bench, used, percent):
    bench.table.add(100)
    bench.device.add(100, 8, utilisation_percent=25)
    for pid, each in enumerate(used, start=200):
        bench.table.add(pid)
        bench.device.add(pid, 8, utilisation_percent=each)
    loop = sampling(bench, FakeFreezer([]))
    await loop.sample_once()
    assert loop._residency.gpu.reading.foreign_percent == percent
