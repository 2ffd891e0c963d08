"""A real agent tries its cards before it lends them: one that fails is pause-only, or closed."""

import ast
import json
import time
from contextlib import contextmanager

import pytest
from sublet_agent.simulated.administration import Administration
from sublet_agent.simulated.machine.card import CardSetup, ComputeMode
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.waiting import WaitReason

from tests.support.agent_world import agent_world
from tests.support.simulated_gpus import UNTIL_TOLD_S

TICK = "--SubletAgent.tick_s=0.03"
TRIES = (TICK, "--SubletAgent.canary=True")


@contextmanager
def after(tmp_path, prepare, *options):
    """Start an agent that tries its card, after something was prepared on the card."""
    with agent_world(tmp_path, TICK) as world:
        prepare(world)
        restart(world, *TRIES, *options)
        yield world


def restart(world, *options):
    world.agent.stop()
    world.service.forget_status()
    world.agent.options = options
    world.agent.start()
    world.agent.wait_until_serving()


def unfit(world):
    return [each.why for each in world.status.gpus[0].unfit]


OF_A_TRIAL = 2
"""The canary, and who looks for what it left."""


def canaries(world):
    """Return how many processes of nobody's have ended on the card."""
    return len(world.gpus.administration.inspect().ended)


def test_a_card_that_passes_is_lent_and_not_tried_again_by_the_next_agent(tmp_path):
    with agent_world(tmp_path, *TRIES) as world:
        world.until(lambda: unfit(world) == [])
        assert world.status.gpus[0].foreign_processes is None
        world.until(lambda: world.status.gpus[0].lendable_mib == 79 * 1024)
        (verdict,) = json.loads((tmp_path / "state" / "canaries.json").read_text())["gpus"].values()
        assert verdict["verdict"] == "passed"
        tried = canaries(world)
        restart(world, *TRIES)
        assert unfit(world) == []
        assert canaries(world) == tried == OF_A_TRIAL


def suspend_a_notebook(world):
    world.serve(world.notebook("a", 40))
    world.ada = world.kernel("a")
    world.hers = world.ada.enter_and_fill(30, 1)
    world.serve_too(world.job("j", 70))
    world.until(lambda: world.truth(world.ada.pid) == "checkpointed")


def test_until_it_has_passed_nothing_is_moved_and_owners_read_why(tmp_path):
    def suspend_and_delay(world):
        suspend_a_notebook(world)
        # Kept from ending: the agent's start must not depend on it.
        world.gpus.administration.delay(OperationKind.CHECKPOINT, UNTIL_TOLD_S)

    with after(tmp_path, suspend_and_delay, "--SubletAgent.canary_within_s=600") as world:
        world.ada.reconnect()
        world.ada.tenant.begin("[enter(), level(busy=True), held.sha256(), level(busy=False)]")
        world.until(lambda: world.report("a").wait is not None)
        # A cell is told a moment later than the service.
        seen = world.status.sequence
        world.until(lambda: world.status.sequence > seen + 2)
        world.gpus.administration.clear_faults()
        (_, _, waits), _, told, _ = ast.literal_eval(world.ada.tenant.end())
        assert WaitReason.UNFIT_GPU in {wait["reason"] for wait in waits}
        assert repr(told) == world.hers
        # Told a moment after it is so.
        world.until(lambda: unfit(world) == [])
        assert world.gpus.administration.inspect().lost == ()


def test_who_is_away_comes_back_also_under_a_driver_that_is_not_trusted(tmp_path):
    def suspend_and_distrust(world):
        suspend_a_notebook(world)
        world.gpus.administration.set_up(world.gpu_id, CardSetup(), driver="595.71.05")

    with after(tmp_path, suspend_and_distrust) as world:
        world.until(lambda: unfit(world) == [Unfit.DRIVER])
        world.ada.reconnect()
        assert world.ada.enter_and_digest() == world.hers


@pytest.mark.parametrize(
    ("hazard", "why", "words"),
    [
        (Administration.corrupt_restore, Unfit.CANARY_CHANGED, "came back changed"),
        (Administration.leave_memory, Unfit.MEMORY_LEFT, "for the next account to read"),
    ],
)
def test_a_card_that_changes_or_leaves_bytes_is_pause_only_until_the_boot(
    tmp_path, hazard, why, words
):
    with after(tmp_path, lambda w: hazard(w.gpus.administration)) as world:
        world.until(lambda: unfit(world) == [why])
        a, j = world.notebook("a", 40), world.job("j", 70)
        world.serve(a, j)
        ada = world.kernel("a")
        ada.enter_and_fill(30, 1)
        world.until_idle("a")
        world.until(lambda: world.report("j").wait is not None)
        assert world.report("j").wait.reason is WaitReason.UNFIT_GPU
        assert world.truth(ada.pid) == "running"
        assert world.status.gpus[0].lendable_mib == 0
        assert world.status.gpus[0].closed is None
        restart(world, *TRIES)
        assert unfit(world) == [why]
        assert words in world.agent.text()


def test_a_card_that_takes_one_process_only_is_closed_and_not_tried(tmp_path):
    def one_process(world):
        setup = CardSetup(compute_mode=ComputeMode.EXCLUSIVE)
        world.gpus.administration.set_up(world.gpu_id, setup, driver="595.71.05")

    with after(tmp_path, one_process) as world:
        assert unfit(world) == [Unfit.DRIVER, Unfit.EXCLUSIVE]
        assert world.status.gpus[0].closed.startswith("unfit: ")
        assert "595.71.05" in world.status.gpus[0].unfit[0].detail
        time.sleep(0.5)
        assert canaries(world) == 0


def test_beside_a_process_of_no_slice_the_trial_waits(tmp_path):
    def somebody_is_there(world):
        world.stranger = world.gpus.tenant()
        world.stranger.run("b = gpu.allocate(gib=1)")

    with after(tmp_path, somebody_is_there) as world:
        world.until(lambda: world.status.gpus[0].foreign_processes is not None)
        assert unfit(world) == [Unfit.BEING_CHECKED]
        world.stranger.kill()
        world.until(lambda: unfit(world) == [])


def hang_beside_a_notebook(world):
    world.serve(world.notebook("a", 40))
    world.ada = world.kernel("a")
    world.ada.enter()
    world.hers = world.ada.fill(10, 1)
    world.gpus.administration.delay(OperationKind.RESTORE, UNTIL_TOLD_S)


def until_it_hangs(world):
    def operations():
        return [each.operation for each in world.gpus.administration.inspect().processes]

    world.until(lambda: "restore" in operations())
    assert world.truth(world.ada.pid) == "locked"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_agent_that_ends_in_the_middle_of_a_trial_leaves_nobody_paused(tmp_path, end):
    with after(tmp_path, hang_beside_a_notebook) as world:
        until_it_hangs(world)
        if end == "stop":
            assert world.agent.stop() == 0
            assert world.truth(world.ada.pid) == "running"
            world.agent.start()
        else:
            world.agent.kill()
            world.agent.start()
        world.agent.wait_until_serving()
        assert world.ada.digest() == world.hers
        world.until(lambda: unfit(world) == [])
        assert canaries(world) == 1 + OF_A_TRIAL


def test_a_driver_that_hangs_makes_a_card_pause_only_and_neighbours_go_on(tmp_path):
    with agent_world(tmp_path, TICK) as world:
        hang_beside_a_notebook(world)
        restart(world, *TRIES, "--SubletAgent.canary_within_s=1")
        world.until(lambda: unfit(world) == [Unfit.CANARY_STUCK])
        assert world.ada.digest() == world.hers
        assert world.truth(world.ada.pid) == "running"
