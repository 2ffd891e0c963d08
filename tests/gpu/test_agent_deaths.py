"""The agent, and the process that calls the driver for it, are killed at each step of a move.

Each step is seen in the journal, where the agent writes it before the driver is called. Whoever is
killed, an owner's bytes are as they were, their neighbours run on, and the next cell is let in.
"""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sublet_agent.state_files.journal import Step

from tests.gpu.conftest import agent_of, open_node
from tests.support.agent_world import AgentWorld
from tests.support.running_agent import DRIVER_HELPER

LEAVES = (Step.PAUSING, Step.SUSPENDING, Step.SUSPENDED)
COMES_BACK = (Step.RESUMING, Step.RESUMED, Step.UNPAUSING, Step.RUNNING)
MANY_DEATHS = 5
"""After so many in a row the watchdog waits for long before it starts the agent again."""


def the_agent(world: AgentWorld) -> list[int]:
    """The agent's own process, below its watchdog."""
    return [world.agent.child_pid()]


def the_driver_helper(world: AgentWorld) -> list[int]:
    """The process that makes the calls of the driver for this agent, with what it has forked."""
    if world.gpus.device.simulated:
        pytest.skip("simulated GPUs are called without a helper")
    found: list[int] = []

    def is_there() -> bool:
        # The one before it may have been killed just now.
        found[:] = driver_helpers(str(world.agent.folder))
        return bool(found)

    world.until(is_there)
    return found


def driver_helpers(folder: str) -> Iterator[int]:
    """The processes that make calls of the driver for the agent in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if DRIVER_HELPER in words and any(folder in word for word in words):
                yield int(process.name)


def both(world: AgentWorld) -> list[int]:
    return [*the_driver_helper(world), *the_agent(world)]


WHO = [
    pytest.param(the_agent, id="agent"),
    pytest.param(the_driver_helper, id="driver-helper"),
    pytest.param(both, id="both"),
]


def has_ended(pid: int) -> bool:
    """Whether a process, with all its threads, is gone or waits only for its parent to ask."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE and len(process.threads()) <= 1
    return True


@contextmanager
def killed_at(
    world: AgentWorld, step: Step, pid: int, who: Callable[[AgentWorld], list[int]]
) -> Iterator[None]:
    """Kill as soon as the journal says that this step is about to be done to a process."""
    read = world.agent.journal.stat().st_size
    given_up = threading.Event()
    killed = threading.Event()
    victims = who(world)

    def watch() -> None:
        rest = b""
        with world.agent.journal.open("rb") as file:
            file.seek(read)
            while not given_up.is_set():
                rest += file.read()
                *lines, rest = rest.split(b"\n")
                for line in filter(None, lines):
                    told = json.loads(line)
                    if told["pid"] == pid and told["step"] == step:
                        for victim in victims:
                            with contextlib.suppress(ProcessLookupError):
                                os.kill(victim, signal.SIGKILL)
                        killed.set()
                        return
                time.sleep(0.0005)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
        world.until(killed.is_set)
        # A connection to one that is dying would be reset.
        world.until(lambda: all(map(has_ended, victims)))
    finally:
        given_up.set()
        watching.join()


@pytest.fixture(scope="module")
def watched(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentWorld]:
    """A real agent with the watchdog that starts it again."""
    folder = tmp_path_factory.mktemp("watched")
    with (
        open_node(kind) as node,
        agent_of(kind, node, folder, "sublet_agent.app.application") as made,
    ):
        yield made


@pytest.fixture
def world(watched: AgentWorld) -> Iterator[AgentWorld]:
    """The same for each death: whoever comes next finds it without slices."""
    kernels = watched.kernels = []
    yield watched
    for kernel in kernels:
        kernel.kill()
    watched.service.assign()
    watched.until(lambda: not watched.status.slices)
    if watched.agent.logs[-1].read_text().count(") ended with ") >= MANY_DEATHS:
        watched.agent.stop()
        watched.agent.start()
        watched.agent.wait_until_serving()


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("step", [*LEAVES, *COMES_BACK], ids=str)
def test_whoever_is_killed_at_whichever_step_nothing_is_lost(
    world: AgentWorld, step: Step, who: Callable[[AgentWorld], list[int]]
) -> None:
    held = max(1, world.card_gib // 20)
    job = world.job("j", world.card_gib - held // 2 or 1)
    owner, neighbour = world.notebook("a", world.card_gib // 2), world.notebook("b", 2)
    world.serve(owner, neighbour)
    ada, ben = world.kernel("a"), world.kernel("b")
    ada.enter()
    hers = ada.fill(held, 1)
    ben.enter()
    his = ben.fill(0.25, 2)
    if step in LEAVES:
        with killed_at(world, step, ada.pid, who):
            world.service.assign(owner, neighbour, job)
    else:
        world.service.assign(owner, neighbour, job)
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        with killed_at(world, step, ada.pid, who):
            ada.tenant.begin("enter() and None")
        # The agent that it waited for may be gone, and with it the connection.
        with contextlib.suppress(Exception):
            ada.tenant.end()
    world.agent.wait_until_serving()
    for kernel, digest in ((ada, hers), (ben, his)):
        kernel.reconnect()
        assert kernel.enter_and_digest() == digest
        world.until(lambda pid=kernel.pid: world.truth(pid) in {"running", "checkpointed"})
    assert not world.events("lost")
