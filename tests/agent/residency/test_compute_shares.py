"""On which cards slices compute in turns."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.residency.compute_shares import ComputeShares
from sublet_agent.residency.served_gpu import CardReading, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_quota.compute.policy import ShareKept
from sublet_quota.names.ids import SliceId

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment
from tests.support.served_slices import activity_record, after

GIB = 1024
SHARES = {"a": 750, "b": 250}


def slices_that_fill_the_card(bench):
    """Two slices that had half of the card each, in place of their shares."""
    slices = []
    for pid, (name, share) in enumerate(SHARES.items(), start=1):
        served = ServedSlice(SliceId(name), GPU, activity_record(), START)
        told = slice_assignment(name, GPU, 20 * GIB, compute_milli=share, created_at=START)
        served.assign(told, START)
        target = bench.process(name, pid, 10 * GIB)
        served.processes.track(target.identity).note_measured(10 * GIB, 50)
        slices.append(served)
    return slices


def simulated_card():
    memory = GpuMemory(80 * GIB, 20 * GIB, 60 * GIB)
    gpu = ServedGpu(Gpu(GPU, 0, "Fake GPU", 80 * GIB, simulated=True), memory)
    gpu.read(CardReading(memory=memory, utilisation_percent=100, measured_until=START))
    return gpu


def test_turns_end_while_the_driver_does_not_come_back_from_a_switch(tmp_path):
    bench, asked, comes_back = Bench(tmp_path), Event(), Event()
    bench.device.before["pause", 2] = lambda: asked.set() or comes_back.wait()
    slices = slices_that_fill_the_card(bench)
    with ThreadPoolExecutor(1) as calls:
        shares = ComputeShares(simulated_card(), bench.tools, calls)
        assert not shares.note(slices, after(0.1), may_begin=True)
        assert asked.wait(60)
        assert not shares.note(slices, after(0.2), may_begin=True)
        bench.clock.passes(1.1)
        assert shares.note(slices, after(1.2), may_begin=True)
        comes_back.set()
        asyncio.run(shares.stop())
    assert set(bench.states().values()) == {"running"}
    bench.close()


def test_who_had_no_turn_for_a_while_is_not_taken_for_one_that_left_it_unused(tmp_path):
    bench, asked, comes_back = Bench(tmp_path), Event(), Event()
    bench.device.before["pause", 2] = lambda: asked.set() or comes_back.wait()
    slices, gpu = slices_that_fill_the_card(bench), simulated_card()
    with ThreadPoolExecutor(1) as calls:
        shares = ComputeShares(gpu, bench.tools, calls)
        shares.note(slices, after(0.1), may_begin=True)
        assert asked.wait(60)
        for seconds in range(2, 8):
            now = bench.clock.passes(1)
            gpu.read(replace(gpu.reading, measured_until=now, read_by=now))
            shares.note(slices, now, may_begin=True)
            assert shares.kept(SliceId("a")) is ShareKept.BY_TURNS, seconds
        comes_back.set()
        asyncio.run(shares.stop())
    bench.close()


@pytest.mark.parametrize(
    ("simulated", "wanted", "take_turns"),
    [
        (True, None, True),
        (True, False, False),
        (False, None, False),
        (False, True, True),
    ],
    ids=["simulated", "simulated, not wanted", "real", "real, wanted"],
)
def test_turns_are_taken_on_simulated_cards_and_on_real_ones_where_they_are_asked_for(
    tmp_path, simulated, wanted, take_turns
):
    bench = Bench(tmp_path)
    memory = GpuMemory(80 * GIB, 20 * GIB, 60 * GIB)
    gpu = ServedGpu(Gpu(GPU, 0, "Fake GPU", 80 * GIB, simulated=simulated), memory)
    gpu.read(CardReading(memory=memory, utilisation_percent=100, measured_until=START))
    with ThreadPoolExecutor(1) as calls:
        shares = ComputeShares(gpu, bench.tools, calls, wanted=wanted)
        shares.note(slices_that_fill_the_card(bench), after(0.1), may_begin=True)
        assert shares.who == (frozenset(SHARES) if take_turns else frozenset())
        asyncio.run(shares.stop())
    bench.close()
