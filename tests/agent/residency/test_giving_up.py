"""An owner gives a slice up for now: idle at once, and back with the next cell."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings

from tests.support.agent_cases import START, FakeClock, level
from tests.support.agent_world import agent_world

IDLE_AFTER = timedelta(seconds=300)
AGAIN = timedelta(seconds=30)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def activity_record():
    return ActivityRecord(START, ActivitySettings())


def judged(activity_record, clock):
    return activity_record.judge(IDLE_AFTER, AGAIN, clock.now(), clock.now())


def run_a_cell(activity_record, clock, cell, sequence):
    activity_record.cell_enters(cell, "k", clock.now())
    clock.passes(1)
    activity_record.kernel_reports(level("k", sequence, None), clock.now())


def test_who_gives_up_is_idle_from_that_moment_on(activity_record, clock):
    run_a_cell(activity_record, clock, "c1", 1)
    assert judged(activity_record, clock).active
    activity_record.gives_up(IDLE_AFTER, clock.now())
    after = judged(activity_record, clock)
    assert (after.active, after.since) == (False, clock.now())


def test_use_from_before_that_is_measured_late_does_not_bring_it_back(activity_record, clock):
    activity_record.gives_up(IDLE_AFTER, clock.now())
    clock.passes(1)
    activity_record.gpu_is_used(clock.now())
    assert not judged(activity_record, clock).active
    clock.passes(5)
    activity_record.gpu_is_used(clock.now())
    assert judged(activity_record, clock).active


def test_use_that_may_be_from_before_does_not_bring_it_back_however_late_it_is_measured(
    activity_record, clock
):
    before = clock.now()
    clock.passes(1)
    activity_record.gives_up(IDLE_AFTER, clock.now())
    clock.passes(5)
    activity_record.gpu_is_used(clock.now(), before)
    assert not judged(activity_record, clock).active
    activity_record.gpu_is_used(clock.now(), clock.now())
    assert judged(activity_record, clock).active


def test_the_next_cell_brings_it_back_and_its_use_counts_at_once(activity_record, clock):
    activity_record.gives_up(IDLE_AFTER, clock.now())
    run_a_cell(activity_record, clock, "c1", 1)
    assert judged(activity_record, clock).active
    activity_record.gpu_is_used(clock.now())
    clock.passes(299)
    assert judged(activity_record, clock).active


def test_a_running_cell_is_not_given_up(activity_record, clock):
    activity_record.cell_enters("c1", "k", clock.now())
    activity_record.gives_up(IDLE_AFTER, clock.now())
    assert judged(activity_record, clock).active


@pytest.fixture
def world(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03") as made:
        yield made


def test_a_waiting_job_gets_the_room_that_an_owner_gives_up_and_the_next_cell_gets_it_back(world):
    world.serve(world.notebook("a", 60), world.job("j", 70), idle_after_s=3600)
    ada = world.kernel("a")
    ada.enter()
    hers = ada.fill(20, 1)
    ada.ends_cell()
    world.until(lambda: not world.report("a").running_cell)
    given_up = world.notebook("a", 60, given_up_at=datetime.now(UTC))
    # Use that was measured in the last sample may still be on its way.
    world.service.assign(given_up, world.job("j", 70))
    world.until(lambda: world.report("j").gate_open, within_s=60)
    assert not world.report("a").active
    ada.enter()
    assert ada.digest() == hers


def test_a_share_says_which_kernel_holds_what_and_how_large_the_card_is(world):
    world.serve(world.notebook("a", 60, compute_milli=250))
    ada = world.kernel("a")
    ada.enter()
    ada.fill(3, 1)
    world.until(lambda: world.report("a").memory_mib > 3 * 1024, within_s=60)
    ada.run("mine = say(type='share')")
    assert ada.run("mine['processes'][0]['kernel']") == f"'k{ada.pid}'"
    assert ada.run("mine['processes'][0]['pid'] == os.getpid()") == "True"
    assert int(ada.run("mine['processes'][0]['memory_mib']")) > 3 * 1024
    assert ada.run("(mine['compute_milli'], mine['gpu_memory_mib'] > 60 * 1024)") == "(250, True)"
    assert ada.run("(mine['running_cell'], mine['waiting_kernels'])") == "(True, [])"
