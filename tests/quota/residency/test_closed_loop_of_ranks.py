"""Ranks in a closed loop with a model of the card: thousands of steps, people at random.

Beside the bounds of ``test_closed_loop.py``, which hold for each rank from when nobody of a lower
one is at work:

- who alone is of the lowest rank at work waits while memory moves, and for nobody's turn;
- a slice that was called back is moved out and home again, and not once more.
"""

import pytest
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Rank

from tests.quota.residency.town import (
    STEP_S,
    back_s,
    found_town_of_ranks,
    out_s,
    quiet_bound_s,
    run_until_quiet,
    strike,
)
from tests.support.model_device import ModelSlice


@pytest.mark.parametrize("seed", range(600, 612))
def test_owners_of_each_rank_run_within_their_bound(seed):
    town = found_town_of_ranks(seed, owners=4)
    called_back = 0
    for _ in range(2000):
        town.step()
        town.check_that_owners_run_in_time()
        town.check_that_who_is_of_the_lowest_rank_waits_for_no_turn()
        waits = town.device.decision.waits
        called_back += any(w.reason is WaitReason.CALLED_BACK for w in waits)
    assert town.device.moves_done > 10
    assert called_back > 10


@pytest.mark.parametrize("seed", range(620, 630))
def test_owners_and_jobs_run_within_their_bounds_while_ranks_change(seed):
    town = found_town_of_ranks(seed, owners=3)
    town.wakes, town.idles, town.dawdles = 0.004, 0.05, 0.3
    for _ in range(2000):
        town.jobs_come_and_end()
        town.ranks_change()
        town.step()
        town.check_that_owners_run_in_time()
        town.check_that_jobs_run_in_time()
    assert town.device.done


@pytest.mark.parametrize("seed", range(640, 650))
def test_with_faults_and_changing_ranks_everything_stays_safe(seed):
    town = found_town_of_ranks(seed, owners=3, host_mib=120)
    for _ in range(1500):
        town.jobs_come_and_end()
        town.ranks_change()
        strike(town)
        town.step()
    assert town.device.moves_done > 10


@pytest.mark.parametrize("seed", range(660, 670))
def test_an_entitled_cell_moves_a_borrowed_one_out_and_home_and_nothing_twice(seed):
    town = found_town_of_ranks(seed)
    device = town.device
    for number, owner in enumerate(device.owners):
        owner.rank, owner.wants_mib = Rank.BORROWED if number else Rank.ENTITLED, owner.cap_mib
    entitled, borrowed = device.owners[:2]
    entitled.cap_mib = borrowed.cap_mib = borrowed.wants_mib = entitled.wants_mib = 50
    device.wake(borrowed.name)
    run_until_quiet(device, 2 * quiet_bound_s(device))
    before = {s.name: s.moves for s in device.slices.values()}
    device.wake(entitled.name)
    waited_s = 0.0
    while not entitled.gate_open:
        assert waited_s <= out_s(device) + back_s(device)
        device.pass_time(STEP_S)
        device.settle()
        waited_s += STEP_S
    run_until_quiet(device, 2 * quiet_bound_s(device))
    assert not borrowed.gate_open
    device.fall_idle(entitled.name)
    run_until_quiet(device, 2 * quiet_bound_s(device))
    assert borrowed.gate_open
    assert all(s.moves - before[s.name] <= 2 for s in device.slices.values())


def test_two_that_borrow_take_turns_in_what_an_entitled_one_leaves():
    town = found_town_of_ranks(680)
    device = town.device
    device.slices.clear()
    device.add(ModelSlice("entitled", 40, rank=Rank.ENTITLED, wants_mib=40))
    for name in ("b1", "b2"):
        device.add(ModelSlice(name, 30, wants_mib=30))
    for name in device.slices:
        device.wake(name)
    town.wakes = town.idles = town.interrupts = 0
    for _ in range(1000):
        town.step()
    slices = device.slices
    assert slices["entitled"].moves == 0
    assert slices["entitled"].ran_s > 499
    assert abs(slices["b1"].ran_s - slices["b2"].ran_s) < 40
    assert min(slices["b1"].ran_s, slices["b2"].ran_s) > 100
