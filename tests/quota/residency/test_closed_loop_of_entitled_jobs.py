"""Entitled jobs in a closed loop with a model of the card, beside owners and other jobs.

The bounds are those of ``test_closed_loop_of_ranks.py``, with entitled jobs among those who borrow:
each runs within the bound of ``test_closed_loop.py``, where k of its rank were waiting when its
wait began, and nobody who is entitled was at work. Nobody is ended.
"""

import pytest
from sublet_quota.residency.snapshot import Rank

from tests.quota.residency.town import found_town, found_town_of_ranks, strike
from tests.support.model_device import ModelSlice


@pytest.mark.parametrize("seed", range(700, 712))
def test_owners_who_borrow_and_an_entitled_job_run_within_their_bound(seed):
    town = found_town(seed, owners=4)
    for _ in range(2000):
        town.entitled_jobs_come_and_end()
        town.jobs_come_and_end()
        town.step()
        town.check_that_owners_run_in_time()
    assert town.device.moves_done > 10
    assert any(name.startswith("due") for name in town.device.done)
    assert not town.device.evictions


@pytest.mark.parametrize("seed", range(720, 730))
def test_an_entitled_owner_waits_for_no_jobs_turn(seed):
    town = found_town_of_ranks(seed, owners=4)
    for _ in range(2000):
        town.entitled_jobs_come_and_end()
        town.ranks_change()
        town.step()
        town.check_that_owners_run_in_time()
        if any(s.active and s.rank < Rank.BORROWED for s in town.device.owners):
            town.check_that_who_is_of_the_lowest_rank_waits_for_no_turn()
        else:
            town.alone_since = ("", town.time_s)
    assert not town.device.evictions


@pytest.mark.parametrize("seed", range(740, 752))
def test_with_faults_and_entitled_jobs_everything_stays_safe(seed):
    town = found_town_of_ranks(seed, owners=3, host_mib=120)
    for _ in range(1500):
        town.entitled_jobs_come_and_end()
        town.jobs_come_and_end()
        town.ranks_change()
        strike(town)
        town.step()
    assert town.device.moves_done > 10


def test_an_entitled_job_and_an_owner_who_borrows_share_the_card_by_turns():
    town = found_town(760)
    device = town.device
    device.slices.clear()
    device.add(ModelSlice("b", 50, wants_mib=50))
    device.add(ModelSlice("due", 60, is_job=True, wants_mib=60, rank=Rank.ENTITLED))
    device.wake("b")
    town.wakes = town.idles = town.interrupts = 0
    for _ in range(1000):
        town.step()
    borrowed, job = device.slices["b"], device.slices["due"]
    assert abs(borrowed.ran_s - job.ran_s) < 60
    assert min(borrowed.ran_s, job.ran_s) > 90
