"""Shares of a full card's compute are kept by turns, and nobody is left paused by them."""

import json
import os
import signal
import time

import pytest
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_quota.reasons.share_kept import ShareKept

from tests.support.agent_world import agent_world
from tests.support.simulated_gpus import UNTIL_TOLD_S

APPLICATION = "sublet_agent.app.application"
UNEQUAL = {"a": 750, "b": 250}


def serve_both(world):
    """Two notebooks with shares of 3:1, each of which computes without an end."""
    slices = [world.notebook(name, 20, compute_milli=share) for name, share in UNEQUAL.items()]
    world.serve(*slices, idle_after_s=600.0)
    return compute_both(world)


def compute_both(world, line="gpu.compute(100000)"):
    """Their kernels, each of which computes so."""
    kernels = [world.kernel(name) for name in UNEQUAL]
    for kernel in kernels:
        kernel.enter()
        kernel.tenant.begin(line)
    return kernels


def takes_turns(world, kernels):
    """Wait until each of them was paused for the other's turn."""

    def paused():
        entries = [json.loads(line) for line in world.agent.journal.read_text().splitlines()]
        return {e["pid"] for e in entries if e["step"] == "pausing-for-a-turn"}

    world.until(lambda: {kernel.pid for kernel in kernels} <= paused())


def is_told(world, **kept):
    """Wait until the service is told that it stands so with the share of each of these slices."""
    world.until(lambda: {name: world.report(name).compute_kept for name in kept} == kept)


def busy_ms(world):
    return {p.pid: p.busy_ms for p in world.gpus.device.processes(world.gpus.gpu_id)}


def test_those_that_fill_a_card_with_unequal_shares_take_turns(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        kernels = serve_both(world)
        takes_turns(world, kernels)
        is_told(world, a=ShareKept.BY_TURNS, b=ShareKept.BY_TURNS)
        began = busy_ms(world)
        world.until(lambda: all(busy_ms(world)[k.pid] > began[k.pid] for k in kernels))


def test_who_is_alone_has_no_more_than_the_pool_lets_a_slice_have(tmp_path):
    with agent_world(tmp_path) as world:
        world.serve(world.notebook("a", 20, compute_milli=125), max_compute_milli=250)
        kernel = world.kernel("a")
        kernel.enter()
        kernel.tenant.begin("gpu.compute(100000)")

        def share():
            """Return the part of two seconds in which it computed."""
            began_s, began = time.monotonic(), busy_ms(world).get(kernel.pid, 0)
            world.until(lambda: time.monotonic() - began_s > 2)
            return (busy_ms(world)[kernel.pid] - began) / (1000 * (time.monotonic() - began_s))

        world.until(lambda: 0.22 <= share() <= 0.28)
        is_told(world, a=ShareKept.CAPPED)
        assert world.report("a").compute_most_milli == 250


@pytest.mark.parametrize("turns", [True, False], ids=["by turns", "without"])
def test_whose_share_a_process_of_no_slice_takes_is_told_so(tmp_path, turns):
    options = ("--SubletAgent.tick_s=0.05", f"--SubletAgent.compute_turns={turns}")
    with agent_world(tmp_path, *options) as world:
        stranger = world.gpus.tenant()
        stranger.begin("gpu.compute(100000)")
        world.serve(world.notebook("a", 20, compute_milli=1000), idle_after_s=600.0)
        kernel = world.kernel("a")
        kernel.enter()
        kernel.tenant.begin("gpu.compute(100000)")
        is_told(world, a=ShareKept.FOREIGN)
        world.until(lambda: 45 <= (world.report("a").compute_foreign_percent or 0) <= 55)
        used = world.status.gpus[0].foreign_processes.utilisation_percent
        assert used is not None
        stranger.kill()
        is_told(world, a=ShareKept.NOT_NEEDED)
        assert world.report("a").compute_foreign_percent is None


def test_turns_are_taken_beside_a_process_of_no_slice_which_takes_of_each(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        world.gpus.tenant().begin("gpu.compute(100000)")
        kernels = serve_both(world)
        takes_turns(world, kernels)
        is_told(world, a=ShareKept.FOREIGN, b=ShareKept.FOREIGN)


def test_who_computes_by_kernels_too_long_to_be_paused_is_told_so_and_nobody_stays_paused(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        shares = {"a": 250, "b": 500, "c": 250}
        slices = [world.notebook(name, 10, compute_milli=each) for name, each in shares.items()]
        world.serve(*slices, idle_after_s=600.0)
        kernels = [world.kernel(name) for name in shares]
        for kernel in kernels:
            kernel.enter()
            kernel_ms = 200 if kernel is kernels[0] else 1
            kernel.tenant.begin(f"gpu.compute(100000, kernel_ms={kernel_ms})")
        is_told(world, a=ShareKept.LONG_KERNELS)
        alone_pausable = ShareKept.ALONE_PAUSABLE
        is_told(world, a=ShareKept.LONG_KERNELS, b=alone_pausable, c=alone_pausable)
        # The others go on taking turns, and nobody is left paused when these end.
        began = busy_ms(world)
        world.until(lambda: all(busy_ms(world)[k.pid] > began[k.pid] + 100 for k in kernels))
        assert world.agent.stop() == 0
        assert [world.truth(k.pid) for k in kernels] == ["running"] * 3


def test_without_turns_nobody_is_paused_and_each_computes_as_long(tmp_path):
    options = ("--SubletAgent.tick_s=0.05", "--SubletAgent.compute_turns=False")
    with agent_world(tmp_path, *options) as world:
        ada, ben = serve_both(world)
        world.until(lambda: min(busy_ms(world).get(k.pid) or 0 for k in (ada, ben)) > 2000)
        is_told(world, a=ShareKept.TURNS_OFF, b=ShareKept.NOT_NEEDED)
        assert "pausing-for-a-turn" not in world.agent.journal.read_text()


def test_who_is_paused_for_a_turn_when_the_agent_dies_runs_on_whosever_it_is(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", module=APPLICATION) as world:
        kernels = serve_both(world)
        takes_turns(world, kernels)
        # Whoever of them it is in the middle of pausing or letting run.
        os.kill(world.agent.child_pid(), signal.SIGKILL)
        world.until(lambda: "the agent (process" in world.agent.text())
        world.until(lambda: [world.truth(k.pid) for k in kernels] == ["running"] * 2)


def test_who_is_paused_for_a_turn_runs_on_where_agent_and_watchdog_die_at_once(tmp_path):
    """As where their container goes: nobody starts anything again."""
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", module=APPLICATION) as world:
        kernels = serve_both(world)
        takes_turns(world, kernels)
        agent = world.agent.child_pid()
        world.agent.process.kill()
        os.kill(agent, signal.SIGKILL)
        world.agent.process.wait()
        world.until(lambda: [world.truth(k.pid) for k in kernels] == ["running"] * 2)
        began = busy_ms(world)
        world.until(lambda: all(busy_ms(world)[k.pid] > began[k.pid] for k in kernels))
        # They stay so: nothing pauses them again.
        assert [world.truth(k.pid) for k in kernels] == ["running"] * 2


def test_who_is_paused_for_a_turn_when_the_drivers_helper_dies_runs_on_and_turns_go_on(tmp_path):
    """Of the stand-in's driver, which a starved machine's programs do not keep full.

    So ben is paused for what the pool lets a slice have, whether the card is full or not.
    """
    options = ("--SubletAgent.tick_s=0.05", "--SubletAgent.compute_turns=True")
    with agent_world(tmp_path, *options, nvidia=True) as world:
        slices = [world.notebook(n, 20, compute_milli=c) for n, c in (("a", 750), ("b", 100))]
        world.serve(*slices, idle_after_s=600.0, max_compute_milli=100)
        _, ben = compute_both(world, "gpu.compute(100000, at_once=15)")
        for _ in range(2):
            world.until(lambda: world.truth(ben.pid) == "locked")
            helper = world.agent.helper_pid()
            os.kill(helper, signal.SIGKILL)
            world.until(lambda: world.truth(ben.pid) == "running")
            world.until(lambda: world.truth(ben.pid) == "locked")
            assert world.agent.helper_pid() != helper


def test_an_agent_that_stops_leaves_nobody_paused(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", module=APPLICATION) as world:
        kernels = serve_both(world)
        takes_turns(world, kernels)
        assert world.agent.stop() == 0
        assert [world.truth(k.pid) for k in kernels] == ["running"] * 2


def test_no_turns_are_taken_while_memory_moves(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", speed=100) as world:
        kernels = serve_both(world)
        takes_turns(world, kernels)
        world.serve_too(world.notebook("c", 20, compute_milli=100))
        far = world.kernel("c")
        far.enter_and_fill(10, 1)
        world.gpus.administration.delay(OperationKind.CHECKPOINT, UNTIL_TOLD_S, pid=far.pid)
        world.give_up("c")
        world.serve_too(world.notebook("d", 35))
        world.kernel("d").tenant.begin("enter()")
        world.until(lambda: world.truth(far.pid) == "locked")
        world.until(lambda: [world.truth(k.pid) for k in kernels] == ["running"] * 2)
        for _ in range(50):
            assert [world.truth(k.pid) for k in kernels] == ["running"] * 2
        world.gpus.administration.clear_faults()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cell_that_is_interrupted_while_its_slice_is_paused_is_interrupted(tmp_path, number):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        ada, ben = serve_both(world)
        takes_turns(world, (ada, ben))
        world.until(lambda: world.truth(ben.pid) == "locked")
        os.kill(ben.pid, number)
        with pytest.raises(Exception, match=r"KeyboardInterrupt|ended|JSON"):
            ben.tenant.end()
