"""How long things take, who gets how much of the card, and what it draws."""

import math

import pytest
from sublet_agent.simulated.machine.speeds import Speeds

from tests.support.simulated_machine import Bench

GIB = 1024
CONTEXT = 512


@pytest.fixture
def bench() -> Bench:
    return Bench(Speeds())


def taken(bench: Bench, began: float, reply) -> float:
    bench.pass_time(120)
    assert reply.ok, reply.error
    return reply.at_s - began


def test_a_lock_takes_a_millisecond(bench: Bench) -> None:
    bench.tenant(1).memory_info()
    assert taken(bench, 0, bench.lock(1)) == pytest.approx(0.001)


def test_a_lock_lets_the_running_short_kernel_end_and_no_more(bench: Bench) -> None:
    tenant = bench.tenant(1)
    job = tenant.compute(10.0, kernel_s=0.02)
    bench.pass_time(0.005)
    locked = bench.lock(1)
    assert taken(bench, 0, locked) == pytest.approx(0.02)
    assert not job.done


def test_a_lock_waits_for_every_single_kernel_that_was_submitted(bench: Bench) -> None:
    tenant = bench.tenant(1)
    for _ in range(3):
        tenant.compute(0.1, math.inf, wait=False)
    assert taken(bench, 0, bench.lock(1)) == pytest.approx(0.3)


def test_an_interrupted_computation_goes_on_where_it_was(bench: Bench) -> None:
    tenant = bench.tenant(1)
    job = tenant.compute(1.0, kernel_s=0.01)
    bench.pass_time(0.4)
    bench.lock(1)
    bench.pass_time(100)
    assert not job.done
    began = bench.machine.time_s
    bench.unlock(1)
    bench.pass_time(10)
    assert job.at_s == pytest.approx(began + 0.6 + 0.001)


@pytest.mark.parametrize(("mib", "seconds"), [(30 * GIB - CONTEXT, 10.0), (2, 514 / 3072)])
def test_a_checkpoint_goes_at_three_gib_a_second(bench: Bench, mib: int, seconds: float) -> None:
    bench.tenant(1).allocate(1, mib)
    bench.lock(1)
    bench.pass_time(1)
    began = bench.machine.time_s
    assert taken(bench, began, bench.checkpoint(1)) == pytest.approx(seconds)


def test_a_restore_goes_at_six_point_four_gib_a_second(bench: Bench) -> None:
    bench.tenant(1).allocate(1, 32 * GIB - CONTEXT)
    bench.suspend(1)
    began = bench.machine.time_s
    assert taken(bench, began, bench.restore(1)) == pytest.approx(5.0)


def test_no_move_takes_less_than_35_milliseconds() -> None:
    bench = Bench(Speeds(back_mib_s=1e9, back_total_mib_s=1e9))
    bench.tenant(1).allocate(1, 2)
    bench.suspend(1)
    began = bench.machine.time_s
    assert taken(bench, began, bench.restore(1)) == pytest.approx(0.035)


def test_three_processes_share_the_way_out(bench: Bench) -> None:
    for pid in (1, 2, 3):
        bench.tenant(pid).allocate(1, 7 * GIB - CONTEXT)
        bench.lock(pid)
    bench.pass_time(1)
    began = bench.machine.time_s
    replies = [bench.checkpoint(pid) for pid in (1, 2, 3)]
    bench.pass_time(60)
    assert [reply.at_s - began for reply in replies] == [pytest.approx(6.0)] * 3


def test_a_speed_factor_divides_times() -> None:
    fast = Bench(Speeds().faster(10))
    fast.tenant(1).allocate(1, 30 * GIB - CONTEXT)
    fast.lock(1)
    fast.pass_time(1)
    began = fast.machine.time_s
    assert taken(fast, began, fast.checkpoint(1)) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_speed_that_is_no_positive_number_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="give a number above zero"):
        Speeds().faster(factor)


def test_freed_memory_counts_only_when_the_whole_process_is_out(bench: Bench) -> None:
    bench.tenant(1).allocate(1, 30 * GIB)
    bench.lock(1)
    bench.pass_time(1)
    bench.checkpoint(1)
    bench.pass_time(9)
    assert bench.free_mib == 50 * GIB - CONTEXT
    bench.pass_time(2)
    assert bench.free_mib == 80 * GIB


def test_how_far_a_move_has_come_is_told_on_both_ways(bench: Bench) -> None:
    bench.tenant(1).allocate(1, 30 * GIB - CONTEXT)
    assert bench.monitor.away_mib(1) == 0
    bench.lock(1)
    bench.pass_time(1)
    bench.checkpoint(1)
    bench.pass_time(4)
    assert bench.monitor.away_mib(1) == pytest.approx(12 * GIB, abs=1)
    bench.pass_time(60)
    assert bench.monitor.away_mib(1) == 30 * GIB
    bench.restore(1)
    bench.pass_time(2.5)
    assert bench.monitor.away_mib(1) == pytest.approx(14 * GIB, abs=1)
    bench.pass_time(60)
    assert bench.monitor.away_mib(1) == 0
    assert bench.monitor.away_mib(2) == 0


def test_two_processes_share_the_compute_and_a_lock_gives_it_all_to_the_other(
    bench: Bench,
) -> None:
    one, two = bench.tenant(1), bench.tenant(2)
    first, second = one.compute(1.0), two.compute(1.0)
    bench.pass_time(1.0)
    assert one.process.usage.total_s == pytest.approx(0.5)
    bench.lock(2)
    bench.pass_time(0.6)
    speeds = Speeds()
    lost_s = 0.5 * speeds.context_switch_s / (speeds.time_slice_s + speeds.context_switch_s)
    assert first.at_s == pytest.approx(1.5 + lost_s, abs=0.005)
    assert not second.done


def test_kernels_of_one_process_queue(bench: Bench) -> None:
    tenant = bench.tenant(1)
    first, second = tenant.compute(0.5), tenant.compute(0.25)
    waited = tenant.synchronize()
    bench.pass_time(1)
    assert first.at_s == pytest.approx(0.5)
    assert second.at_s == pytest.approx(0.75)
    assert waited.at_s == pytest.approx(0.75)


def test_busy_time_is_counted_for_each_process_and_never_falls(bench: Bench) -> None:
    one, two = bench.tenant(1), bench.tenant(2)
    one.compute(0.3)
    two.memory_info()
    bench.pass_time(5)
    listed = {each["pid"]: each for each in bench.monitor.processes("SIM-0")}
    assert listed[1]["busy_ms"] == 300
    assert listed[2]["busy_ms"] == 0


def test_utilisation_is_of_the_last_second(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.compute(0.25)
    bench.pass_time(0.5)
    assert bench.monitor.utilisation_percent("SIM-0") == 25
    assert bench.monitor.processes("SIM-0")[0]["utilisation_percent"] == 25
    bench.pass_time(2)
    assert bench.monitor.utilisation_percent("SIM-0") == 0


def test_a_card_draws_76_watts_until_a_process_on_it_has_computed(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    bench.pass_time(10)
    assert bench.card.energy_j == pytest.approx(760)
    tenant.compute(1.0)
    bench.pass_time(1)
    before = bench.card.energy_j
    bench.pass_time(10)
    assert bench.card.energy_j - before == pytest.approx(1310)


def test_pausing_saves_no_energy_and_suspending_the_last_one_does(bench: Bench) -> None:
    for pid in (1, 2):
        bench.tenant(pid).compute(0.1)
    bench.pass_time(1)
    bench.suspend(1)
    bench.lock(2)
    before = bench.card.energy_j
    bench.pass_time(10)
    assert bench.card.energy_j - before == pytest.approx(1310)
    bench.checkpoint(2)
    bench.pass_time(10)
    before = bench.card.energy_j
    bench.pass_time(10)
    assert bench.card.energy_j - before == pytest.approx(760)


def test_a_card_gets_warm_by_what_it_draws_and_cools_again(bench: Bench) -> None:
    assert bench.monitor.temperature_c("SIM-0") == 33
    bench.tenant(1).compute(600)
    bench.pass_time(20)
    # 63 % of the way to the 60 degrees that 350 W lead to.
    assert bench.monitor.temperature_c("SIM-0") == 50
    bench.pass_time(500)
    assert bench.monitor.temperature_c("SIM-0") == 60
    bench.pass_time(300)
    bench.suspend(1)
    bench.pass_time(300)
    assert bench.monitor.temperature_c("SIM-0") == 33


def test_a_suspended_process_is_not_listed(bench: Bench) -> None:
    for pid in (1, 2):
        bench.tenant(pid).allocate(1, GIB)
    bench.suspend(1)
    assert [each["pid"] for each in bench.monitor.processes("SIM-0")] == [2]


def test_a_process_can_be_restored_while_its_neighbours_are_locked(bench: Bench) -> None:
    one, two = bench.tenant(1), bench.tenant(2)
    one.allocate(1, 10 * GIB)
    bench.suspend(1)
    job = two.compute(20.0)
    bench.lock(2)
    bench.pass_time(1)
    restored = bench.restore(1)
    bench.pass_time(10)
    assert restored.ok
    bench.unlock(2)
    bench.pass_time(30)
    assert job.ok
