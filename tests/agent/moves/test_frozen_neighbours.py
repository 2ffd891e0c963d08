"""Who takes GPU memory the moment they are born, while somebody else's comes back."""

import ast
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from sublet_agent.cgroups.groups_file import is_anything_frozen, thaw_left_over
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_quota.reasons.not_frozen import NotFrozen

from tests.support.agent_world import agent_world
from tests.support.control_groups import leave_no_groups, needs_freezer
from tests.support.grabbers import Grabber
from tests.support.lag import measured_lag
from tests.support.simulated_gpus import UNTIL_TOLD_S

APPLICATION = "sublet_agent.app.application"
QUICK = "--SubletAgent.tick_s=0.03"
GRAB_MIB = 30 * 1024
WITHIN_S = 120.0
# He takes the room she needs in about every second of her returns, so all of these in vain
# happens once in a million.
TRIES = 20


@pytest.fixture
def world(tmp_path, request):
    needs_freezer(tmp_path)
    options = getattr(request, "param", {})
    groups = tmp_path / "state" / GROUPS_NAME
    try:
        with agent_world(
            tmp_path, QUICK, *options.get("more", ()), speed=20, **_how(options)
        ) as made:
            yield made
            thaw_left_over(groups)
    finally:
        leave_no_groups(groups)


def _how(options):
    return {"module": options["module"]} if "module" in options else {}


def first_process(kernel):
    table = LinuxProcessTable()
    start = table.started_at(table.identify(kernel.pid))
    return {"root_pid": kernel.pid, "root_start_time": start, "uid": os.getuid()}


def begin(world):
    """Two owners whose notebooks do not fit together; hers holds 50 GiB in five pieces."""
    ada, ben = world.kernel("a"), world.kernel("b")
    world.serve(
        world.notebook("a", 60, **first_process(ada)),
        world.notebook("b", 60, **first_process(ben)),
        turn_s=0.2,
    )
    ada.enter()
    hers = [
        ada.run(f"[b := gpu.allocate(gib=10), globals().update(b{n}=b), b.fill({n})][-1]")
        for n in range(5)
    ]
    return ada, ben, hers


def her_bytes(ada):
    return [ada.run(f"b{n}.sha256()") for n in range(5)]


def her_bytes_in_a_cell(ada):
    """Let her look in one line with the gate's opening: the next turn is his."""
    names = ", ".join(f"b{n}.sha256()" for n in range(5))
    told = ast.literal_eval(ada.run(f"enter()[0] == 'open' and [{names}]"))
    return [repr(each) for each in told]


def is_lost_before_she_is_let_in(world, ada):
    # Not when she first comes back: where he is idle she does so unasked, and leaves again.
    lost = world.gpus.administration.inspect
    world.until(lambda: lost().lost or ada.tenant.has_answered(), WITHIN_S)
    return bool(lost().lost)


@pytest.mark.parametrize("whose", ["a neighbour's", "her own"])
def test_a_fork_and_allocate_loop_takes_nothing_from_who_comes_back(world, tmp_path, whose):
    ada, ben, hers = begin(world)
    greedy = ada if whose == "her own" else ben
    grabber = Grabber(greedy, GRAB_MIB, tmp_path / "rest")
    for _ in range(4):
        ben.enter()
        grabber.begin()
        ada.enter()
        grabber.rest()
        assert world.gpus.administration.inspect().lost == ()
        assert her_bytes_in_a_cell(ada) == hers


@pytest.mark.parametrize("world", [{"more": ["--SubletAgent.freeze=False"]}], indirect=True)
def test_without_the_freezer_such_a_loop_loses_the_notebook_and_it_is_said_that_it_may(
    world, tmp_path
):
    ada, ben, _ = begin(world)
    assert world.status.gpus[0].unfrozen is NotFrozen.SWITCHED_OFF
    grabber = Grabber(ben, GRAB_MIB, tmp_path / "rest")
    for _ in range(TRIES):
        ben.enter()
        grabber.begin()
        ada.tenant.begin("enter()[0]")
        if is_lost_before_she_is_let_in(world, ada):
            return
        ada.tenant.end()
        grabber.rest()
    pytest.fail(f"{TRIES} times she came back and nothing was lost")


def test_the_agent_says_that_it_can_freeze(world):
    begin(world)
    assert world.status.gpus[0].unfrozen is None


def frozen_in_a_restore(world):
    """Let her memory be on its way, and him frozen, until the driver is told to go on."""
    ada, ben, hers = begin(world)
    # Before he comes: once he is idle she comes back, asked for or not.
    world.gpus.administration.delay(OperationKind.RESTORE, UNTIL_TOLD_S, pid=ada.pid)
    ben.enter()
    ada.tenant.begin("enter()[0]")
    world.until(lambda: world.is_restored_now(ada), WITHIN_S)
    assert is_anything_frozen(world.agent.folder / "state" / GROUPS_NAME)
    return ada, ben, hers


def let_the_driver_go_on(world):
    """Let her come back now, also where nobody waits for it any more."""
    world.gpus.administration.clear_faults()


@pytest.mark.parametrize("world", [{"module": APPLICATION}], indirect=True)
def test_when_the_agent_dies_the_watchdog_thaws_whom_it_had_frozen(world):
    ada, ben, hers = frozen_in_a_restore(world)
    with measured_lag() as lag:
        os.kill(world.agent.child_pid(), signal.SIGKILL)
        died = time.monotonic()
        let_the_driver_go_on(world)
        assert ben.run("1 + 1") == "2"
        took_s = time.monotonic() - died
    assert took_s - lag.total_s < 10
    with pytest.raises(Exception, match="JSONDecodeError"):
        ada.tenant.end()
    assert her_bytes(ada) == hers


def test_a_new_agent_thaws_whom_the_one_before_left_frozen(world):
    ada, ben, hers = frozen_in_a_restore(world)
    world.agent.kill()
    let_the_driver_go_on(world)
    world.agent.start()
    assert ben.run("1 + 1") == "2"
    world.agent.wait_until_serving()
    with pytest.raises(Exception, match="JSONDecodeError"):
        ada.tenant.end()
    assert her_bytes(ada) == hers


def test_where_its_folder_is_lost_a_new_agent_thaws_also_whom_no_slice_has_any_more(world):
    ada, ben, hers = frozen_in_a_restore(world)
    world.agent.kill()
    let_the_driver_go_on(world)
    shutil.rmtree(world.agent.folder / "state")
    # Nobody says any more whose his processes are.
    world.service.slices = tuple(s for s in world.service.slices if s.slice_id == "a")
    world.agent.start()
    assert ben.run("1 + 1") == "2"
    with pytest.raises(Exception, match="JSONDecodeError"):
        ada.tenant.end()
    world.agent.wait_until_serving()
    ada.reconnect()
    assert her_bytes_in_a_cell(ada) == hers


def test_who_began_before_the_slice_had_a_group_is_taken_in_when_seen_on_the_gpu(world):
    kernel = world.kernel("a")
    stranger = world.kernel("a")
    world.serve(world.notebook("a", 60, **first_process(kernel)))
    stranger.fill(1, 1)

    def is_in():
        return "/slice-a/" in Path(f"/proc/{stranger.pid}/cgroup").read_text()

    world.until(is_in, WITHIN_S)
