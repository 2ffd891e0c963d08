"""A real agent and what it cannot move: that stays on its card, owners wait or jobs end."""

import time

import psutil
import pytest
from sublet_agent.simulated.machine.card import Figure
from sublet_quota.reasons.obstacles import Obstacle

from tests.support.agent_world import DIGEST, agent_world
from tests.support.lag import measured_lag
from tests.support.silent_cards import hide_memory, silence, tell_everything


def until_seen(world, gib):
    """Wait until the agent has seen what the slice holds: else it could lend that."""
    world.until(lambda: world.report("a").memory_mib >= gib * world.gib)


def test_managed_memory_makes_a_slice_unsuspendable_and_says_so(world):
    world.serve(world.notebook("a", 40))
    ada = world.kernel("a")
    ada.enter()
    ada.run("m = gpu.allocate_managed(gib=10)")
    until_seen(world, 10)
    world.serve_too(world.job("j", 75))
    world.until(lambda: world.report("a").unsuspendable is not None)
    assert world.report("a").obstacle is Obstacle.NOT_SUPPORTED
    assert world.truth(ada.pid) == "running"
    assert not world.report("j").gate_open
    assert world.status.gpus[0].lendable_mib <= 39 * world.gib


def test_a_slice_whose_backend_cannot_suspend_stays_on_its_card_and_says_so(world):
    why = "suspending programs with HAMi's library in them has not been seen to work"
    world.serve(world.notebook("a", 40, never_suspended=why))
    ada = world.kernel("a")
    ada.enter_and_fill(30, 1)
    until_seen(world, 30)
    world.serve_too(world.job("j", 75))
    world.until_idle("a")
    said = world.report("a")
    assert (said.unsuspendable, said.obstacle) == (why, Obstacle.ENGINE)
    assert world.status.gpus[0].lendable_mib <= 39 * world.gib
    assert not world.report("j").gate_open
    assert world.truth(ada.pid) == "running"


def test_ipc_is_seen_beforehand_and_never_suspended(world):
    world.serve(world.notebook("a", 40))
    ada = world.kernel("a")
    hers = ada.enter_and_fill(10, 1)
    ada.run("held.share()")
    world.serve_too(world.job("j", 75))
    world.until(lambda: world.report("a").obstacle is Obstacle.CUDA_IPC)
    world.until_idle("a")
    assert ada.digest() == hers
    assert world.gpus.administration.inspect().lost == ()


def test_a_slice_whose_memory_is_not_told_is_never_suspended_and_says_so(world):
    a, j = world.notebook("a", 40), world.job("j", 75)
    world.serve(a)
    ada = world.kernel("a")
    hers = ada.enter_and_fill(10, 1)
    hide_memory(world, ada.pid)
    world.until(lambda: not world.report("a").memory_told)
    # Only now, so that nothing could be lent before.
    world.service.assign(a, j)
    world.until(lambda: world.report("a").obstacle is Obstacle.MEMORY_UNKNOWN)
    world.until_idle("a")
    # It counts with its cap: nothing of that is lent, whatever it holds.
    assert world.status.gpus[0].lendable_mib <= 39 * world.gib
    assert world.truth(ada.pid) == "running"
    tell_everything(world, ada.pid)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    # Told a moment after it is so.
    world.until(lambda: world.report("a").memory_told)
    world.service.assign(a)
    assert ada.enter_and_digest() == hers


def test_beside_a_process_of_no_slice_the_gpu_is_pause_only_and_says_so(world):
    a, j = world.notebook("a", 40), world.job("j", 75)
    world.serve(a)
    ada = world.kernel("a")
    stranger = world.gpus.tenant()
    ada.enter_and_fill(30, 1)
    stranger.run("b = gpu.allocate(gib=1)")
    world.until(lambda: world.status.gpus[0].foreign_processes is not None)
    foreign = world.status.gpus[0].foreign_processes
    assert (foreign.count, foreign.pids) == (1, (stranger.pid,))
    # It may have been seen before it held anything.
    world.until(lambda: world.status.gpus[0].foreign_processes.held_mib >= world.gib)
    assert world.status.gpus[0].lendable_mib == 0
    # Only now, so that nothing could be lent before the stranger was seen.
    world.service.assign(a, j)
    world.until(lambda: world.report("j").wait is not None)
    world.until_idle("a")
    assert world.truth(ada.pid) == "running"
    stranger.kill()
    world.until(lambda: world.truth(ada.pid) == "checkpointed")


def test_an_endless_kernel_beside_it_delays_a_return_and_loses_nobody(tmp_path):
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.pause_timeout_ms=100"
    ) as world:
        world.serve(world.notebook("a", 60), world.notebook("h", 10), turn_s=0.2)
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.serve_too(world.job("j", 70))
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        hostile = world.kernel("h")
        hostile.enter()
        hostile.run("gpu.launch_endless_kernel()")
        ada.begin_cell(DIGEST)
        world.until(lambda: world.events("refused-move", "a"))
        assert world.truth(ada.pid) == "checkpointed"
        hostile.kill()
        assert ada.end_cell() == hers


def test_a_neighbour_whose_main_thread_has_ended_holds_up_nobodys_return(world):
    world.serve(world.notebook("a", 60), world.notebook("h", 10))
    ada = world.kernel("a")
    hers = ada.enter_and_fill(50, 1)
    world.serve_too(world.job("j", 70))
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    hostile = world.kernel("h")
    # So little that it may stay beside the job.
    hostile.enter_and_fill(1, 2)
    hostile.run("import ctypes, threading, time")
    hostile.run("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()")
    hostile.tenant.begin("ctypes.CDLL(None).pthread_exit(None)")
    world.until(lambda: psutil.Process(hostile.pid).status() == psutil.STATUS_ZOMBIE)
    assert world.truth(hostile.pid) == "running"
    assert ada.enter_and_digest() == hers


TOLD_AS = {
    Figure.UTILISATION: "utilisation_percent",
    Figure.ENERGY: "energy_mj",
    Figure.TEMPERATURE: "temperature_c",
}


@pytest.mark.parametrize("figure", TOLD_AS)
def test_a_figure_that_a_card_does_not_tell_closes_nothing_and_is_said_once(world, figure):
    world.serve(world.notebook("a", 40))
    ada = world.kernel("a")
    ada.enter()
    world.until(lambda: getattr(world.status.gpus[0], TOLD_AS[figure]) is not None)
    silence(world, figure)
    world.until(lambda: getattr(world.status.gpus[0], TOLD_AS[figure]) is None)
    ada.fill(10, 1)
    world.until(lambda: world.report("a").memory_mib > 10 * world.gib)
    # Many more samples than it takes to close a card.
    for _ in range(30):
        time.sleep(0.02)
        assert world.status.gpus[0].closed is None
    assert world.agent.text().count(f"its {figure.value} is not told") == 1


@pytest.mark.parametrize("figure", [Figure.MEMORY, Figure.PROCESSES])
def test_a_card_that_cannot_say_what_is_on_it_is_closed_until_it_can(world, figure):
    silence(world, figure)
    world.until(lambda: world.status.gpus[0].closed is not None)
    assert world.status.gpus[0].closed.startswith("unreadable: ")
    tell_everything(world)
    world.until(lambda: world.status.gpus[0].closed is None)


def test_a_failing_card_is_closed_to_jobs_and_says_why(world):
    world.serve(world.notebook("a", 60))
    world.gpus.administration.report_ecc(world.gpu_id)
    world.until(lambda: world.status.gpus[0].closed is not None)
    assert "ecc" in world.status.gpus[0].closed
    world.until(lambda: world.events("gpu-closed"))
    world.serve_too(world.job("j", 70))
    world.until_idle("a")
    assert not world.report("j").gate_open


def test_a_job_that_cannot_be_moved_is_ended_when_an_owner_needs_its_room(tmp_path):
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.evict_grace_s=0.3"
    ) as world:
        world.serve(world.notebook("a", 60), world.job("j", 70))
        world.until(lambda: world.report("j").gate_open)
        job = world.kernel("j")
        job.run("m = gpu.allocate_managed(gib=60)")
        ada = world.kernel("a")
        with measured_lag() as lag:
            took_s, _ = ada.enter()
        ada.fill(55, 1)
        assert world.truth(job.pid) is None
        world.until(lambda: world.events("evicted", "j"))
        assert took_s - lag.total_s < 10
