"""An agent that begins with nothing left of what the one before had kept: nobody is lost by it."""

import os
import shutil
import signal

import pytest
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.agent_world import AgentWorld, Kernel
from tests.support.simulated_gpus import UNTIL_TOLD_S
from tests.support.tenants import TenantError


def is_suspended(world: AgentWorld, kernel: Kernel) -> bool:
    return world.truth(kernel.pid) == "checkpointed"


def ends(world: AgentWorld) -> None:
    """Let the agent end, and all that it kept be lost."""
    world.agent.stop()
    shutil.rmtree(world.agent.folder / "state")


def begins(world: AgentWorld) -> None:
    """Let the next agent begin, and wait until the hub service has told it of all slices."""
    world.service.status = None
    world.agent.start()
    world.agent.wait_until_serving()
    for each in world.service.slices:
        world.report(each.slice_id)
    for kernel in world.kernels:
        kernel.reconnect()


def two_of_one_slice_are_suspended(world: AgentWorld) -> tuple[Kernel, str, Kernel, str]:
    """A notebook's two kernels hold memory, and a job that needs the card has it."""
    world.serve(world.notebook("a", 40))
    first, second = world.kernel("a"), world.kernel("a")
    one, other = first.enter_and_fill(10, 1), second.enter_and_fill(20, 2)
    world.give_up("a")
    world.serve_too(world.job("j", 70))
    world.until(lambda: is_suspended(world, first) and is_suspended(world, second))
    return first, one, second, other


def test_a_suspended_notebook_comes_back_when_its_owner_runs_a_cell(world: AgentWorld) -> None:
    first, one, second, other = two_of_one_slice_are_suspended(world)
    ends(world)
    begins(world)
    assert first.enter_and_digest() == one
    assert second.enter_and_digest() == other
    assert not world.events("lost")


def test_until_then_it_is_known_as_suspended(world: AgentWorld) -> None:
    first, one, second, other = two_of_one_slice_are_suspended(world)
    ends(world)
    begins(world)
    world.until(lambda: world.report("a").state == "suspended")
    world.until(lambda: len(world.events("recovered", "a")) == 2)
    assert is_suspended(world, first)
    assert is_suspended(world, second)
    world.service.assign(world.notebook("a", 40))
    assert first.enter_and_digest() == one
    assert second.enter_and_digest() == other


def test_one_whose_slice_is_unknown_is_told_and_comes_back_once_it_is_known(
    world: AgentWorld,
) -> None:
    first, one, second, other = two_of_one_slice_are_suspended(world)
    slices = world.service.slices
    ends(world)
    world.service.slices = ()
    begins(world)
    world.until(lambda: len(world.events("recovered")) == 2)
    told = " ".join(event.detail for event in world.events("recovered"))
    for kernel in (first, second):
        assert f"process {kernel.pid} " in told
        assert is_suspended(world, kernel)
    assert {event.slice_id for event in world.events("recovered")} == {None}
    world.service.assign(*slices)
    for each in slices:
        world.report(each.slice_id)
    assert first.enter_and_digest() == one
    assert second.enter_and_digest() == other


def test_one_that_is_stopped_then_comes_back_once_it_goes_on(world: AgentWorld) -> None:
    first, one, second, other = two_of_one_slice_are_suspended(world)
    ends(world)
    # Not before: an agent in the middle of a move lets it go on.
    os.kill(second.pid, signal.SIGSTOP)
    world.service.status = None
    world.agent.start()
    world.agent.wait_until_serving()
    world.until(lambda: world.events("recovered", "a"))
    os.kill(second.pid, signal.SIGCONT)
    world.until(lambda: len(world.events("recovered", "a")) == 2)
    for kernel in (first, second):
        kernel.reconnect()
    assert first.enter_and_digest() == one
    assert second.enter_and_digest() == other


def test_one_that_was_locked_and_whose_slice_is_unknown_runs_on(world: AgentWorld) -> None:
    world.serve(world.notebook("a", 40))
    kernel = world.kernel("a")
    held = kernel.enter_and_fill(10, 1)
    world.agent.stop()
    world.gpus.device.pause(kernel.pid, 1000)
    shutil.rmtree(world.agent.folder / "state")
    world.service.slices = ()
    begins(world)
    world.until(lambda: world.truth(kernel.pid) == "running")
    assert kernel.digest() == held


@pytest.mark.parametrize("kind", [OperationKind.CHECKPOINT, OperationKind.RESTORE])
def test_an_agent_that_is_killed_in_the_middle_of_a_move_is_no_exception(
    world: AgentWorld, kind: OperationKind
) -> None:
    world.serve(world.notebook("a", 40))
    kernel = world.kernel("a")
    held = kernel.enter_and_fill(10, 1)
    administration = world.gpus.administration

    def is_moved() -> bool:
        process = administration.inspect().process(kernel.pid)
        return process is not None and process.operation == kind

    administration.delay(kind, UNTIL_TOLD_S, pid=kernel.pid)
    world.give_up("a")
    world.serve_too(world.job("j", 70))
    if kind is OperationKind.RESTORE:
        world.until(lambda: is_suspended(world, kernel))
        kernel.tenant.begin("enter()")
    world.until(is_moved)
    world.agent.kill()
    administration.clear_faults()
    shutil.rmtree(world.agent.folder / "state")
    if kind is OperationKind.RESTORE:
        with pytest.raises(TenantError):
            kernel.tenant.end()
    begins(world)
    assert kernel.enter_and_digest() == held
    assert not world.events("lost")
