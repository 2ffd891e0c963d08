"""On which cards slices compute in turns."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory, NotSupportedError
from sublet_agent.moves.compute_turns import LEASE
from sublet_agent.residency.compute_shares import ComputeShares, TurnSettings
from sublet_agent.residency.served_gpu import CardReading, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_quota.compute.policy import PERIOD
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault
from sublet_quota.reasons.share_kept import ShareKept

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment
from tests.support.hub_world_processes import wait_for
from tests.support.served_slices import activity_record, after

GIB = 1024
SHARES = {"a": 750, "b": 250}


def slices_that_fill_the_card(bench, **told_of):
    """Two slices that had half of the card each, in place of their shares."""
    slices = []
    for pid, (name, share) in enumerate(SHARES.items(), start=1):
        served = ServedSlice(SliceId(name), GPU, activity_record(), START)
        told = slice_assignment(
            name, GPU, 20 * GIB, compute_milli=share, created_at=START, **told_of
        )
        served.assign(told, START)
        target = bench.process(name, pid, 10 * GIB)
        served.processes.track(target.identity).note_measured(10 * GIB, 50)
        slices.append(served)
    return slices


def a_card(*, simulated=True, busy=100):
    memory = GpuMemory(80 * GIB, 20 * GIB, 60 * GIB)
    gpu = ServedGpu(Gpu(GPU, 0, "Fake GPU", 80 * GIB, simulated=simulated), memory)
    gpu.read(CardReading(memory=memory, utilisation_percent=busy, measured_until=START))
    return gpu


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@contextlib.contextmanager
def shares_of(bench, gpu, wanted=None, period=PERIOD):
    """The shares of a card; in the end nobody takes turns."""
    with ThreadPoolExecutor(1) as calls:
        shares = ComputeShares(gpu, bench.tools, calls, TurnSettings(wanted, period))
        yield shares
        asyncio.run(shares.stop())


def test_turns_end_while_the_driver_does_not_come_back_from_a_switch(bench):
    asked, comes_back = Event(), Event()
    bench.device.before["pause", 2] = lambda: asked.set() or comes_back.wait()
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card()) as shares:
        assert not shares.note(slices, after(0.1), may_begin=True)
        assert asked.wait(60)
        assert not shares.note(slices, after(0.2), may_begin=True)
        bench.clock.passes(1.1)
        assert shares.note(slices, after(1.2), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.DRIVER_WAITS] * 2
        comes_back.set()
    assert set(bench.states().values()) == {"running"}


def test_who_had_no_turn_for_a_while_is_not_taken_for_one_that_left_it_unused(bench):
    asked, comes_back = Event(), Event()
    bench.device.before["pause", 2] = lambda: asked.set() or comes_back.wait()
    slices, gpu = slices_that_fill_the_card(bench), a_card()
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert asked.wait(60)
        for _ in range(6):
            now = bench.clock.passes(1)
            gpu.read(replace(gpu.reading, measured_until=now, read_by=now))
            shares.note(slices, now, may_begin=True)
        assert shares.kept(slices[0]) is ShareKept.DRIVER_WAITS
        comes_back.set()
        wait_for(lambda: shares.kept(slices[0]) is not ShareKept.DRIVER_WAITS, 60, "the driver")
        assert shares.kept(slices[0]) is ShareKept.BEING_MEASURED


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
    bench, simulated, wanted, take_turns
):
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card(simulated=simulated), wanted) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.who == (frozenset(SHARES) if take_turns else frozenset())
        kept = [shares.kept(each) for each in slices]
        if take_turns:
            assert kept == [ShareKept.BEING_MEASURED] * 2
        else:
            # The other has more than is due to it.
            assert kept == [ShareKept.TURNS_OFF, ShareKept.NOT_NEEDED]


@pytest.mark.parametrize(("period_ms", "lease_s"), [(40, 3), (100, 3), (200, 6)])
def test_turns_are_taken_in_the_period_that_is_set_and_nobody_is_paused_for_much_longer(
    bench, period_ms, lease_s
):
    period = timedelta(milliseconds=period_ms)
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card(), period=period) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        turns = shares._past.round.period(0)
        assert sum((turn.lasts for turn in turns), timedelta(0)) == period
    assert TurnSettings(period=period).lease_s == lease_s


def test_a_share_is_not_needed_while_the_card_has_time_to_spare(bench):
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card(busy=90)) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.NOT_NEEDED] * 2


def test_what_cannot_be_paused_is_told_with_the_reason_and_so_is_who_is_alone_beside_it(bench):
    bench.device.fail("pause", 2, NotSupportedError("MPS"))
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card()) as shares:

        def told():
            shares.note(slices, after(0.1), may_begin=True)
            return [shares.kept(each) for each in slices]

        wait_for(
            lambda: told() == [ShareKept.ALONE_PAUSABLE, ShareKept.NOT_PAUSABLE],
            60,
            "the pause to be refused",
        )


def test_turns_that_gave_way_to_a_move_are_not_told_to_keep_anything(bench):
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card()) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        asyncio.run(shares.stop())
        assert [shares.kept(each) for each in slices] == [ShareKept.MOVING] * 2


def test_turns_that_nobody_goes_on_with_in_time_are_told_as_that_and_not_as_a_move(bench):
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card()) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        bench.clock.passes((2 * LEASE).total_seconds())
        wait_for(lambda: not shares.who, 60, "turns to end")
        assert [shares.kept(each) for each in slices] == [ShareKept.TURNS_LAPSED] * 2
        # Once the card is measured again, they go on.
        shares.note(slices, after(20), may_begin=True)
        wait_for(
            lambda: (
                shares.note(slices, after(20), may_begin=True)
                or [shares.kept(each) for each in slices] == [ShareKept.BEING_MEASURED] * 2
            ),
            60,
            "turns to go on",
        )


def test_who_is_stopped_and_computes_no_longer_leaves_the_turns(bench):
    slices, gpu = slices_that_fill_the_card(bench), a_card()
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.who == frozenset(SHARES)
        bench.table.stopped.add(2)
        slices[1].processes.on_gpu()[0].note_measured(10 * GIB, 0)
        now = bench.clock.passes(3)
        gpu.read(replace(gpu.reading, measured_until=now, read_by=now))
        assert shares.note(slices, now, may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.NOT_NEEDED] * 2


def test_what_an_engine_keeps_takes_no_turns_and_is_told_as_the_engines(bench):
    slices = slices_that_fill_the_card(bench, compute_kept_by="by-hami")
    with shares_of(bench, a_card(simulated=False), wanted=True) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.who == frozenset()
        assert [shares.kept(each) for each in slices] == [ShareKept.BY_HAMI] * 2


def test_a_part_of_a_job_whose_others_are_on_other_cards_takes_no_turns_and_is_told_so(bench):
    slices = slices_that_fill_the_card(bench)
    there = slices[1].assignment
    slices[1].assign(there.model_copy(update={"on_several_cards": True}), START)
    with shares_of(bench, a_card()) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.who == frozenset()
        told = [shares.kept(each) for each in slices]
        assert told == [ShareKept.ALONE_PAUSABLE, ShareKept.ON_SEVERAL_CARDS]


def test_who_is_capped_is_told_the_most_that_it_has_and_not_that_its_share_is_kept(bench):
    gpu = a_card()
    gpu.set_pool(replace(gpu.pool, max_compute_milli=400), timedelta(minutes=10))
    slices = slices_that_fill_the_card(bench)[1:]
    slices[0].processes.on_gpu()[0].note_measured(10 * GIB, 90)
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.kept(slices[0]) is ShareKept.BEING_MEASURED
        assert shares.most_milli(slices[0]) == 400
        asyncio.run(shares.stop())
        assert shares.kept(slices[0]) is ShareKept.MOVING


@pytest.mark.parametrize("busy", [70, 100], ids=["time-to-spare", "full"])
def test_a_max_compute_that_is_not_kept_on_a_real_card_is_told_with_the_reason(bench, busy):
    gpu = a_card(busy=busy, simulated=False)
    gpu.set_pool(replace(gpu.pool, max_compute_milli=400), timedelta(minutes=10))
    slices = slices_that_fill_the_card(bench)[1:]
    slices[0].processes.on_gpu()[0].note_measured(10 * GIB, busy)
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.kept(slices[0]) is ShareKept.TURNS_OFF


def test_on_a_card_that_failed_the_reason_is_that(bench):
    gpu = a_card()
    gpu.close(ClosedGpu(GpuFault.XID, "79"))
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.CLOSED] * 2


def test_until_the_card_was_measured_it_is_not_known_how_it_stands(bench):
    memory = GpuMemory(80 * GIB, 20 * GIB, 60 * GIB)
    gpu = ServedGpu(Gpu(GPU, 0, "Fake GPU", 80 * GIB, simulated=True), memory)
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.NOT_MEASURED] * 2
        gpu.read(CardReading(memory=memory, utilisation_percent=50, measured_until=START))
        shares.note(slices, after(0.2), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.NOT_NEEDED] * 2


def a_card_beside_which_others_use(percent, *, simulated=True):
    gpu = a_card(simulated=simulated)
    gpu.read(replace(gpu.reading, foreign={9: GIB}, foreign_percent=percent))
    return gpu


@pytest.mark.parametrize("simulated", [True, False], ids=["by turns", "without"])
def test_whose_share_foreign_processes_take_is_told_so_with_how_much_they_use(bench, simulated):
    slices = slices_that_fill_the_card(bench)
    for served, percent in zip(slices, (38, 12), strict=True):
        served.processes.on_gpu()[0].note_measured(10 * GIB, percent)
    gpu = a_card_beside_which_others_use(50, simulated=simulated)
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.FOREIGN] * 2
        assert [shares.foreign_percent(each) for each in slices] == [50] * 2
        gpu.read(replace(gpu.reading, foreign={}, foreign_percent=0))
        for served, percent in zip(slices, (75, 25), strict=True):
            served.processes.on_gpu()[0].note_measured(10 * GIB, percent)
        shares.note(slices, after(0.2), may_begin=True)
        assert [shares.kept(each) for each in slices] == [ShareKept.NOT_NEEDED] * 2
        assert [shares.foreign_percent(each) for each in slices] == [None] * 2


def test_who_has_what_it_took_before_foreign_processes_came_is_told_that_it_lacks_nothing(bench):
    one, gpu = slices_that_fill_the_card(bench)[0], a_card(busy=10)
    (process,) = one.processes.on_gpu()
    process.note_measured(10 * GIB, 10)
    with shares_of(bench, gpu) as shares:
        for second in (1, 2):
            gpu.read(replace(gpu.reading, measured_until=after(second)))
            shares.note([one], after(second), may_begin=True)
        beside = replace(gpu.reading, utilisation_percent=100, foreign_percent=90)
        gpu.read(replace(beside, measured_until=after(4)))
        shares.note([one], after(4), may_begin=True)
        assert shares.kept(one) is ShareKept.NOT_NEEDED
        process.note_measured(10 * GIB, 5)
        shares.note([one], after(4.1), may_begin=True)
        assert shares.kept(one) is ShareKept.FOREIGN


def test_what_is_left_of_a_released_slice_is_as_foreign_as_any_process(bench):
    slices = slices_that_fill_the_card(bench)
    slices[1].release(activity_record())
    with shares_of(bench, a_card()) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.kept(slices[0]) is ShareKept.FOREIGN
        assert shares.foreign_percent(slices[0]) == 50
        assert shares.kept(slices[1]) is None


def test_turns_beside_foreign_use_are_told_as_their_driver_lets_them_be_taken(bench):
    """What keeps turns from being taken comes before what is taken of them."""
    slices, gpu = slices_that_fill_the_card(bench), a_card_beside_which_others_use(20)
    for served, percent in zip(slices, (40, 40), strict=True):
        served.processes.on_gpu()[0].note_measured(10 * GIB, percent)
    with shares_of(bench, gpu) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        assert shares.who == frozenset(SHARES)
        assert [shares.kept(each) for each in slices] == [ShareKept.BEING_MEASURED] * 2
        asyncio.run(shares.stop())
        assert [shares.kept(each) for each in slices] == [ShareKept.MOVING] * 2


def test_of_slices_that_are_gone_nothing_is_kept(bench):
    slices = slices_that_fill_the_card(bench)
    with shares_of(bench, a_card()) as shares:
        shares.note(slices, after(0.1), may_begin=True)
        shares.note([], after(0.2), may_begin=True)
        assert shares._kept == {}
        slices[0].release(activity_record())
        assert shares.kept(slices[0]) is None
        assert shares.kept(slices[1]) is ShareKept.NOT_NEEDED
