"""The policy in a closed loop with a model of the card: thousands of steps, people at random.

The bounds that are asserted, with ``out`` and ``back`` the times in which a full card leaves and
comes back, and ``turn`` the pool's turn:

- an active owner runs within ``(k + 1) * (longest turn + out + back)`` and the move in flight,
  where k owners were waiting when its wait began, and ``turn + out + back`` for each newcomer who
  has a first turn meanwhile, none of them more often than a longest turn has turns, and once more;
- while no owner has work and a job waits, one runs within ``2 * (out + back)`` and the move in
  flight;
- a wake from rest moves each slice at most twice: out of the way, and home again;
- when nothing changes any more and nobody waits, the policy falls silent.
"""

import pytest
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.turns import longest_turn

from tests.quota.residency.town import (
    SETTINGS,
    STEP_S,
    back_s,
    found_town,
    out_s,
    quiet_bound_s,
    run_until_quiet,
    strike,
)
from tests.support.model_device import ModelSlice


@pytest.mark.parametrize("seed", range(12))
def test_owners_run_within_their_bound_and_memory_is_never_exceeded(seed):
    town = found_town(seed, owners=4)
    for _ in range(2000):
        town.step()
        town.check_that_owners_run_in_time()
    assert town.device.moves_done > 10
    assert town.longest > SETTINGS.turn.total_seconds() / 2


@pytest.mark.parametrize("seed", range(100, 110))
def test_jobs_run_whenever_no_owner_has_work_and_never_put_owners_off(seed):
    town = found_town(seed)
    town.wakes, town.idles = 0.002, 0.05
    for _ in range(2000):
        town.jobs_come_and_end()
        town.step()
        town.check_that_owners_run_in_time()
        town.check_that_jobs_run_in_time()
    assert town.device.done


@pytest.mark.parametrize("seed", range(400, 410))
def test_cells_that_run_on_in_idle_slices_never_run_out_of_memory_and_put_nobody_off(seed):
    town = found_town(seed)
    town.wakes, town.idles, town.dawdles = 0.002, 0.05, 0.7
    for _ in range(2000):
        town.jobs_come_and_end()
        town.step()
        town.check_that_owners_run_in_time()
        town.check_that_jobs_run_in_time()
    assert town.device.done


@pytest.mark.parametrize("seed", range(500, 510))
def test_who_cannot_be_stopped_at_the_end_of_a_turn_keeps_what_it_was_promised(seed):
    town = found_town(seed, owners=4)
    town.wakes, town.dawdles = 0.05, 0.3
    for _ in range(2000):
        if town.chance.random() < 0.02:
            town.chance.choice(town.device.owners).fails_to_stop = town.chance.randint(1, 3)
        town.step()
    assert town.device.moves_done > 10


@pytest.mark.parametrize("seed", range(200, 208))
def test_when_everybody_is_idle_all_slices_that_fit_come_home_and_then_it_is_quiet(seed):
    town = found_town(seed)
    device = town.device
    for _ in range(400):
        town.jobs_come_and_end()
        town.step()
    for job in device.jobs:
        device.end(job.name)
    for owner in device.owners:
        device.fall_idle(owner.name)
    while device.move is not None:
        device.pass_time(STEP_S)
    for job in device.jobs:
        device.end(job.name)
    run_until_quiet(device, quiet_bound_s(device))
    free_mib = device.total_mib - device.margin_mib - device.used_mib
    assert all(s.image_mib > free_mib for s in device.owners if s.state is SliceState.SUSPENDED)


@pytest.mark.parametrize("seed", range(300, 330))
def test_a_wake_from_rest_moves_each_slice_at_most_out_and_home(seed):
    town = found_town(seed)
    device = town.device
    for owner in device.owners:
        device.wake(owner.name)
        owner.wants_mib = owner.cap_mib
        while not owner.gate_open:
            town.device.pass_time(STEP_S)
            device.settle()
        device.pass_time(10)
        device.fall_idle(owner.name)
    if seed % 2:
        device.add(ModelSlice("job", 40, is_job=True, wants_mib=40))
    run_until_quiet(device, 2 * quiet_bound_s(device))
    before = {s.name: s.moves for s in device.slices.values()}
    device.wake(town.chance.choice(device.owners).name)
    run_until_quiet(device, quiet_bound_s(device))
    for owner in device.owners:
        device.fall_idle(owner.name)
    run_until_quiet(device, 2 * quiet_bound_s(device))
    assert all(s.moves - before[s.name] <= 2 for s in device.slices.values())


@pytest.mark.parametrize("seed", range(400, 410))
def test_with_faults_everything_stays_safe_and_recovers_when_they_are_over(seed):
    town = found_town(seed, host_mib=120)
    device = town.device
    for _ in range(1500):
        town.jobs_come_and_end()
        strike(town)
        town.step()
    device.foreign_present, device.foreign_mib, device.lending = False, 0, True
    for served in device.slices.values():
        # Who could not be suspended starts again.
        if served.unsuspendable is not None:
            served.unsuspendable, served.held_mib = None, 0
            served.state = SliceState.RESIDENT
        served.refuses_suspend = False
    device.host_mib = 1000
    town.waits.clear()
    ran = {s.name: s.ran_s for s in device.owners}
    for owner in device.owners:
        device.wake(owner.name)
    town.idles = town.wakes = town.interrupts = 0
    for _ in range(
        int(
            len(ran)
            * (longest_turn(SETTINGS).total_seconds() + out_s(device) + back_s(device))
            / STEP_S
        )
    ):
        town.step()
        town.check_that_owners_run_in_time()
    assert all(s.ran_s > ran[s.name] for s in device.owners)
