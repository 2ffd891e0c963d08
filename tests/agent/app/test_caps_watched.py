"""Owners are told when their slices come to their caps: in events, in cells, over deaths of agents.

A cell is told with the next level that names it, so these wait for what they look for.
"""

import os
import signal
from datetime import UTC, datetime

from tests.support.agent_world import agent_world

APPLICATION = "sublet_agent.app.application"
MORE = "(more := gpu.allocate(gib={})).fill(2)"


def _cell_is_told(world, kernel, count):
    """Have a kernel repeat that its cell runs, until it was told so much."""

    def told():
        kernel.run("[level(busy=True), say(type='share')][0]")
        return len(kernel.notices()) >= count

    world.until(told)
    return kernel.notices()


def test_nine_tenths_of_the_cap_and_more_than_it_are_told_once_each_and_the_way_back(world):
    world.serve(world.notebook("a", 10), world.notebook("b", 10), idle_after_s=600.0)
    ada, ben = world.kernel("a"), world.kernel("b")
    ben.enter_and_fill(1, 1)
    ada.enter_and_fill(9.5, 1)
    world.until(lambda: world.events("near-cap", "a"))
    ada.run(MORE.format(2))
    world.until(lambda: world.events("over-cap", "a"))
    world.until(lambda: world.report("a").over_cap_since is not None)
    ada.run("more.free()")
    ada.run("held.free()")
    world.until(lambda: world.events("within-cap", "a"))
    assert world.report("a").over_cap_since is None
    assert [len(world.events(kind, "a")) for kind in ("near-cap", "over-cap")] == [1, 1]
    assert not [e for kind in ("near-cap", "over-cap") for e in world.events(kind, "b")]


def test_a_cell_that_runs_is_told_and_the_next_one_at_the_gate_and_nobody_elses(world):
    world.serve(world.notebook("a", 10), world.notebook("b", 10), idle_after_s=600.0)
    ada, ben = world.kernel("a"), world.kernel("b")
    ben.enter_and_fill(1, 1)
    ada.enter()
    ada.fill(9.5, 1)
    (near,) = _cell_is_told(world, ada, 1)
    assert near[1].startswith("Your slice holds")
    assert "almost all of its cap" in near[1]
    ada.run(MORE.format(2))
    world.until(lambda: world.events("over-cap", "a"))
    _, over = _cell_is_told(world, ada, 2)
    assert "more than its cap" in over[1]
    late = world.kernel("a")
    late.enter()
    assert [crossing for crossing, _ in late.notices()] == [over[0]]
    late.enter()
    assert len(late.notices()) == 1
    ben.enter()
    assert ben.notices() == []


def test_a_new_agent_tells_nothing_anew_and_names_the_same_crossing(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", module=APPLICATION) as world:
        world.serve(world.notebook("a", 10), idle_after_s=600.0)
        ada = world.kernel("a")
        ada.enter_and_fill(12, 1)
        world.until(lambda: world.events("over-cap", "a"))
        since = world.report("a").over_cap_since
        ada.enter()
        os.kill(world.agent.child_pid(), signal.SIGKILL)
        world.until(lambda: len(world.service.hellos) == 2)
        world.service.status = None
        world.agent.wait_until_serving()
        assert world.report("a").over_cap_since == since
        told_before = ada.notices()
        ada.reconnect()
        ada.enter()
        assert [c for c, _ in ada.notices()] == [c for c, _ in told_before]
        assert len(world.events("over-cap", "a")) == 1


def test_a_job_over_what_it_asked_for_is_told_alike(world):
    world.serve(world.job("j", 10))
    job = world.kernel("j")
    job.enter_and_fill(12, 1)
    world.until(lambda: world.events("over-cap", "j"))
    assert world.report("j").over_cap


def test_who_is_over_makes_way_at_once_for_who_keeps_to_theirs_and_loses_nothing(world):
    world.serve(world.notebook("a", 40), idle_after_s=600.0)
    ada = world.kernel("a")
    hers = ada.enter_and_fill(45, 1)
    world.until(lambda: world.report("a").over_cap)
    # Only now: who is new counts as active, and what is over makes way for them in its cell, too.
    world.serve_too(world.notebook("b", 40))
    ben = world.kernel("b")
    his = ben.enter_and_fill(35, 2)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    assert world.report("a").wait.reason == "over-cap"
    assert world.report("a").over_cap
    ben.run("held.free()")
    ben.ends_cell()
    world.give_up("b")
    world.until(lambda: world.truth(ada.pid) == "running")
    assert (ada.digest(), his != hers) == (hers, True)


def test_that_a_slice_over_its_cap_is_to_be_ended_is_said_in_its_cells_too(world):
    slice_a = world.notebook("a", 10)
    world.serve(slice_a, idle_after_s=600.0)
    ada = world.kernel("a")
    ada.enter_and_fill(12, 1)
    world.until(lambda: world.events("over-cap", "a"))
    ada.enter()
    ends_at = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
    world.service.assign(slice_a.model_copy(update={"over_cap_ends_at": ends_at}))
    before, last = _cell_is_told(world, ada, 2)
    assert "it is ended at" not in before[1]
    assert "it is ended at 2030-01-01 12:00 UTC" in last[1]
