"""Tenants who stop their own processes (Ctrl-Z) while the driver moves them."""

import os
import signal

import pytest
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.agent_world import agent_world
from tests.support.simulated_gpus import UNTIL_TOLD_S

LONG_S = 60.0


@pytest.fixture
def filled(tmp_path, *, nvidia):
    """A world with a notebook that is away, and two that are on the card, and who they are."""
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", nvidia=nvidia) as world:
        slices = (world.notebook("a", 50), world.notebook("b", 20), world.notebook("c", 30))
        # Who is idle does not come home by themselves while a cell has its promise, and holds
        # nothing yet.
        world.serve(*slices, lend_at_least_s=600.0)
        ada, ben, cat = world.kernel("a"), world.kernel("b"), world.kernel("c")
        hers = ada.enter_and_fill(40, 1)
        world.until_idle("a")
        his = cat.enter_and_fill(25, 3)
        ben.enter_and_fill(18, 2)
        world.until(lambda: world.truth(ada.pid) == "checkpointed", LONG_S)
        yield world, ada, hers, ben, cat, his


def stop_in_mid(world, kind, kernel):
    process = world.gpus.administration.inspect
    world.until(lambda: process().process(kernel.pid).operation == kind.value, LONG_S)
    os.kill(kernel.pid, signal.SIGSTOP)
    # A signal takes hold once the process gets a processor: were the move over by then, it would
    # be its own process that was stopped behind it, and nobody would let that go on.
    told = f"process {kernel.pid} was stopped in mid-move, and goes on"
    world.until(lambda: told in world.agent.text(), LONG_S)
    world.gpus.administration.clear_faults()


def test_who_stops_in_mid_restore_comes_back_and_holds_up_nobody(filled):
    world, ada, hers, ben, cat, _ = filled
    ben.enter()
    world.gpus.administration.delay(OperationKind.RESTORE, UNTIL_TOLD_S, pid=ada.pid)
    ada.tenant.begin("enter()[0]")
    stop_in_mid(world, OperationKind.RESTORE, ada)
    world.until(lambda: world.truth(ada.pid) == "running", LONG_S)
    world.until(lambda: world.truth(ben.pid) == "running", LONG_S)
    assert ada.tenant.end() == "'open'"
    assert ada.digest() == hers
    assert cat.pid


def test_who_stops_in_mid_suspend_goes_and_makes_room(filled):
    world, ada, hers, ben, cat, his = filled
    world.until_idle("b", "c")
    # Whoever must go for her is stopped on the way.
    world.gpus.administration.delay(OperationKind.CHECKPOINT, UNTIL_TOLD_S, pid=cat.pid)
    ada.tenant.begin("enter()[0]")
    stop_in_mid(world, OperationKind.CHECKPOINT, cat)
    world.until(lambda: world.truth(ada.pid) == "running", LONG_S)
    assert ada.tenant.end() == "'open'"
    assert ada.digest() == hers
    assert cat.enter_and_digest() == his
    assert ben.pid
