"""On a node with several cards a slice may be found on another than the assigned one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_quota.reasons.obstacles import Obstacle

from tests.support.agent_world import AgentWorld
from tests.support.control_groups import in_a_pod, leave_no_groups
from tests.support.fake_service_link import FakeServiceLink, gpu_assignment, slice_assignment
from tests.support.running_agent import RunningAgent
from tests.support.simulated_gpus import simulated_gpus

GIB = 1024
WITHIN_S = 60.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AgentWorld]:
    """An agent of two cards."""
    tmp_path.chmod(0o755)
    service = FakeServiceLink()
    service.start()
    with simulated_gpus("--gpus", "2", "--scale", "16384") as gpus:
        options = ("--SubletAgent.tick_s=0.03",)
        agent = RunningAgent(
            tmp_path, gpus.agent_options, service, options, "sublet_agent.app.serving"
        )
        agent.start()
        try:
            agent.wait_until_serving()
            service.gpus = tuple(gpu_assignment(gpu.gpu_id) for gpu in gpus.device.gpus())
            yield AgentWorld(gpus, service, agent)
        finally:
            agent.stop()
            service.stop()


def cards(world: AgentWorld) -> tuple[str, str]:
    first, second = (gpu.gpu_id for gpu in world.gpus.device.gpus())
    return first, second


def test_a_slice_that_is_assigned_to_another_card_is_served_there_alone(world: AgentWorld) -> None:
    first, second = cards(world)
    world.service.assign(slice_assignment("a", first, 10 * GIB))
    world.until(lambda: world.service.report("a") is not None, WITHIN_S)
    kernel = world.kernel("a", SUBLET_GPU_ID=second)
    world.service.assign(slice_assignment("a", second, 10 * GIB))
    # Who asks while it changes cards is told so, and asks again.
    world.until(lambda: kernel.run("enter()[0]") == "'open'", WITHIN_S)
    hers = kernel.fill(5, 1)
    world.until(lambda: world.report("a").memory_mib > 5 * GIB, WITHIN_S)
    assert [s.slice_id for s in world.status.slices] == ["a"]
    assert [gpu.foreign_processes for gpu in world.status.gpus] == [None, None]
    assert kernel.digest() == hers


def test_a_process_on_two_cards_is_paused_and_never_suspended(world: AgentWorld) -> None:
    first, second = cards(world)
    world.service.gpus = tuple(gpu_assignment(card, idle_after_s=0.5) for card in (first, second))
    a = slice_assignment("a", first, 60 * GIB)
    world.service.assign(a)
    world.until(lambda: world.service.report("a") is not None, WITHIN_S)
    kernel = world.kernel("a", SUBLET_GPU_ID=first)
    hers = kernel.enter_and_fill(5, 1)
    kernel.run(f"more = gpu.allocate(gib=5, on={second!r})")
    world.until(lambda: world.report("a").obstacle is Obstacle.SEVERAL_GPUS, WITHIN_S)
    # Only now, so that nothing could be lent before that was seen.
    world.service.assign(a, slice_assignment("j", first, 70 * GIB, holder="job"))
    assert "more than one GPU (0 and 1)" in world.report("a").unsuspendable
    world.until_idle("a")
    assert not world.report("j").gate_open
    assert world.truth(kernel.pid) == "running"
    assert world.report("a").gpu_id is None
    foreign = world.status.gpus[1].foreign_processes
    assert foreign is not None
    assert foreign.pids == (kernel.pid,)
    assert kernel.digest() == hers


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_cell_that_waits_where_its_slice_is_no_longer_served_does_not_wait_for_ever(
    world: AgentWorld, *, goes_on: bool
) -> None:
    first, second = cards(world)
    world.service.gpus = tuple(gpu_assignment(card, turn_s=3600) for card in (first, second))
    neighbour = slice_assignment("b", first, 50 * GIB)
    world.service.assign(neighbour, slice_assignment("a", first, 50 * GIB))
    world.until(lambda: len(world.status.slices) == 2, WITHIN_S)
    busy, waiting = world.kernel("b"), world.kernel("a")
    busy.enter_and_fill(40, 1)
    waiting.tenant.begin("enter()")
    world.until(lambda: world.report("a").wait is not None, WITHIN_S)
    elsewhere = (slice_assignment("a", second, 50 * GIB),) if goes_on else ()
    world.service.assign(neighbour, *elsewhere)
    assert waiting.tenant.end().startswith("['unknown'")
    if goes_on:
        # Who asks while it changes cards is told so, and asks again.
        world.until(lambda: waiting.run("enter()[0]") == "'open'", WITHIN_S)
    else:
        assert waiting.run("enter()").startswith("['unknown'")


def test_the_card_on_which_a_pods_processes_are_seen_is_reported(
    world: AgentWorld, tmp_path: Path
) -> None:
    first, second = cards(world)
    kernel = world.kernel("a", SUBLET_GPU_ID=second)
    try:
        with in_a_pod(tmp_path, kernel.pid) as uid:
            world.service.assign(slice_assignment("a", first, 10 * GIB, pod_uid=uid))
            world.until(lambda: world.service.report("a") is not None, WITHIN_S)
            assert world.report("a").gpu_id is None
            kernel.fill(5, 1)
            world.until(lambda: world.report("a").gpu_id == second, WITHIN_S)
            world.service.assign(slice_assignment("a", second, 10 * GIB, pod_uid=uid))
            world.until(lambda: world.report("a").memory_mib > 5 * GIB, WITHIN_S)
            assert world.report("a").gpu_id is None
            assert [gpu.foreign_processes for gpu in world.status.gpus] == [None, None]
            kernel.kill()
    finally:
        kernel.kill()
        leave_no_groups(tmp_path / "state" / GROUPS_NAME)
