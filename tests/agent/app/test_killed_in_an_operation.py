"""An agent that is killed while the driver does something, with or without its files and helper.

Whoever stands still then runs before a cell of theirs is let through: it would stand in its first
GPU call, count as idle after a while, and be lent.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.agent_world import AgentWorld, Kernel, agent_world
from tests.support.simulated_gpus import UNTIL_TOLD_S
from tests.support.tenants import TenantError

KINDS = [
    OperationKind.LOCK,
    OperationKind.CHECKPOINT,
    OperationKind.RESTORE,
    OperationKind.UNLOCK,
]
"""In the order in which a slice leaves and comes back."""


def is_under_way(world: AgentWorld, kernel: Kernel, kind: OperationKind) -> bool:
    process = world.gpus.administration.inspect().process(kernel.pid)
    return process is not None and process.operation == kind


def until_under_way(world: AgentWorld, kernel: Kernel, kind: OperationKind) -> bool:
    """Let a slice leave for a job, and come back; return whether its cell waits by then."""
    comes_back = kind in KINDS[2:]
    if not comes_back:
        world.gpus.administration.delay(kind, UNTIL_TOLD_S, pid=kernel.pid)
    world.give_up("a")
    world.serve_too(world.job("j", 70))
    if comes_back:
        world.until(lambda: world.truth(kernel.pid) == "checkpointed")
        world.gpus.administration.delay(kind, UNTIL_TOLD_S, pid=kernel.pid)
        kernel.tenant.begin("enter()")
    world.until(lambda: is_under_way(world, kernel, kind))
    return comes_back


@pytest.fixture(params=["simulated", "nvidia", "nvidia-without-helper"])
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def world(tmp_path: Path, device: str) -> Iterator[AgentWorld]:
    nvidia = device != "simulated"
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03", nvidia=nvidia) as made:
        yield made


@contextlib.contextmanager
def helper_of(world: AgentWorld) -> Iterator[Callable[[], None]]:
    """Give what ends the driver's helper; it ends at the latest with this."""
    pid = world.agent.helper_pid()
    helper = None if pid is None else os.pidfd_open(pid)

    def end() -> None:
        if helper is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(helper, signal.SIGKILL)

    try:
        yield end
    finally:
        # Without its folder nobody else would find it.
        end()
        if helper is not None:
            os.close(helper)


@pytest.mark.parametrize("folder", ["kept", "lost"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_cell_is_let_through_before_its_process_runs(
    world: AgentWorld, kind: OperationKind, folder: str, device: str
) -> None:
    # So long that nobody is idle but by their own word: else the policy would move them, too.
    world.serve(world.notebook("a", 40), idle_after_s=600.0)
    kernel = world.kernel("a")
    held = kernel.enter_and_fill(10, 1)
    # Nobody gives up what a cell is known to use.
    kernel.ends_cell()
    has_cell = until_under_way(world, kernel, kind)
    with helper_of(world) as helper_ends:
        world.agent.kill()
        if device == "nvidia-without-helper":
            helper_ends()
        if folder == "lost":
            shutil.rmtree(world.agent.folder / "state")
        world.gpus.administration.clear_faults()
        if has_cell:
            with pytest.raises(TenantError):
                kernel.tenant.end()
        world.service.status = None
        world.agent.start()
        world.agent.wait_until_serving()
        world.report("a")
        kernel.reconnect()
        kernel.enter()
        assert world.truth(kernel.pid) == "running"
        assert kernel.digest() == held
        assert not world.events("lost")
