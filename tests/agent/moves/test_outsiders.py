"""Who takes GPU memory outside of every slice's group, under an account that has a slice here."""

import tempfile
from pathlib import Path

import pytest
from sublet_agent.cgroups.groups_file import thaw_left_over
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.cgroups.standing_still import StandingStill, Stillness
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.accounts import an_account
from tests.support.agent_world import Kernel, agent_world
from tests.support.control_groups import leave_no_groups, needs_freezer
from tests.support.grabbers import Grabber

QUICK = "--SubletAgent.tick_s=0.03"
GRAB_MIB = 30 * 1024
WITHIN_S = 120.0
AS_LONG_AS_IT_TAKES_S = (3.0, 12.0, 45.0)
"""How long a return is made to last: as long as a machine needs to see something happen in it."""


@pytest.fixture
def world(tmp_path):
    needs_freezer(tmp_path)
    groups = tmp_path / "state" / GROUPS_NAME
    try:
        with agent_world(tmp_path, QUICK, speed=20) as made:
            yield made
            thaw_left_over(groups)
    finally:
        leave_no_groups(groups)


@pytest.fixture
def rest():
    """A file that processes of every account can see."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "rest"


def first_process(kernel):
    table = LinuxProcessTable()
    start = table.started_at(table.identify(kernel.pid))
    return {"root_pid": kernel.pid, "root_start_time": start, "uid": table.uid(kernel.pid)}


def begin(world):
    """Two owners whose notebooks do not fit together, and a third who has logged in otherwise."""
    cleo = an_account()
    ada, ben = world.kernel("a"), world.kernel("b")
    outsider = Kernel(world.gpus.tenant(uid=cleo))
    # Until it answers it may not have her account yet, and nobody keeps it from running.
    outsider.run("None")
    world.serve(
        world.notebook("a", 60, **first_process(ada)),
        world.notebook("b", 60, **first_process(ben)),
        world.notebook("c", 4, uid=cleo),
        turn_s=0.2,
    )
    ada.enter()
    hers = [
        ada.run(f"[b := gpu.allocate(gib=10), globals().update(b{n}=b), b.fill({n})][-1]")
        for n in range(5)
    ]
    return ada, ben, outsider, hers


def her_bytes(ada):
    names = ", ".join(f"b{n}.sha256()" for n in range(5))
    ada.begin_cell(f"[{names}]")
    return ada.end_cell()


def test_an_outsider_who_forks_and_allocates_takes_nothing_from_who_comes_back(world, rest):
    ada, ben, outsider, hers = begin(world)
    grabber = Grabber(outsider, GRAB_MIB, rest)
    for _ in range(4):
        ben.enter()
        grabber.begin()
        ada.enter()
        grabber.rest()
        assert world.gpus.administration.inspect().lost == ()
        assert her_bytes(ada) == f"[{', '.join(hers)}]"


_WAITS = """
import os, time
def takes_more_when(go):
    first = gpu.allocate(mib=16)
    while not os.path.exists(go):
        time.sleep(0.01)
    return gpu.allocate(mib=30 * 1024), first
"""


def is_frozen(pid):
    return StandingStill().why(pid) is Stillness.FROZEN


def coming_back_slowly(world, kernels, for_s):
    """Let her memory be on its way when this returns, for so long that much may happen.

    False: the machine was too busy to see it before it was over.
    """
    ada, ben, outsider = kernels
    before = times_resumed(world)
    world.gpus.administration.delay(OperationKind.RESTORE, for_s, pid=ada.pid)
    ben.enter()
    names = ", ".join(f"b{n}.sha256()" for n in range(5))
    ada.begin_cell(f"[{names}]")
    # Who begins to use the GPU before that is not restored beside.
    world.until(lambda: world.is_restored_now(ada) or times_resumed(world) > before, WITHIN_S)
    began = world.is_restored_now(ada)
    stands = is_frozen(outsider.pid)
    is_on_its_way = began and world.is_restored_now(ada)
    assert stands or not is_on_its_way
    if not is_on_its_way:
        is_back(world, ada, before)
    return is_on_its_way


def is_back(world, ada, before):
    """Wait until her cell is over, and the service knows that she came back."""
    ada.end_cell()
    world.until(lambda: times_resumed(world) > before, WITHIN_S)


def times_resumed(world):
    return len(world.events("resumed", "a"))


def a_stranger_freezes(world, kernels, rest, for_s):
    """Let a stranger begin to use the GPU meanwhile; returns it once it stands still.

    Nobody, where it came too late for that: afterwards nobody has to stand still.
    """
    ada, before = kernels[0], times_resumed(world)
    stranger = Kernel(world.gpus.tenant(uid=an_account()))
    stranger.run(f"exec({_WAITS!r})")
    if coming_back_slowly(world, kernels, for_s):
        stranger.tenant.begin(f"takes_more_when({str(rest)!r})")
        world.until(lambda: is_frozen(stranger.pid) or times_resumed(world) > before, WITHIN_S)
        if is_frozen(stranger.pid):
            return stranger
        is_back(world, ada, before)
    stranger.kill()
    return None


def test_a_stranger_who_begins_to_use_the_gpu_meanwhile_takes_no_more(world, rest):
    ada, ben, outsider, hers = begin(world)
    for for_s in AS_LONG_AS_IT_TAKES_S:
        before = times_resumed(world)
        stranger = a_stranger_freezes(world, (ada, ben, outsider), rest, for_s)
        if stranger is not None:
            break
    assert stranger is not None
    rest.touch()
    world.until(lambda: times_resumed(world) > before, WITHIN_S)
    stranger.kill()
    assert world.gpus.administration.inspect().lost == ()
    assert ada.end_cell() == f"[{', '.join(hers)}]"


def test_when_the_agent_dies_the_next_lets_outsiders_run_on(world):
    ada, ben, outsider, _ = begin(world)
    for for_s in AS_LONG_AS_IT_TAKES_S:
        if coming_back_slowly(world, (ada, ben, outsider), for_s):
            break
    world.agent.kill()
    world.agent.start()
    assert outsider.run("1 + 1") == "2"
    world.agent.wait_until_serving()
