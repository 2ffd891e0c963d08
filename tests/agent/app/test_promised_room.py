"""Nobody is promised room that is not there, whatever was released, resized or not answered."""

import pytest
from sublet_agent.devices.interface import ProcessState
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.support.agent_world import agent_world
from tests.support.simulated_gpus import UNTIL_TOLD_S

FAULTY = "tests.support.faulty_agent"
LONG = {"idle_after_s": 60.0, "turn_s": 60.0}
LEND = {"idle_after_s": 2.0, "turn_s": 60.0, "lend_at_least_s": 600.0}
"""Who comes when another is idle has time to take what it came for, also on a busy machine: the
other does not come home by themselves."""


@pytest.fixture
def faults(tmp_path, monkeypatch):
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv("SUBLET_TEST_FAULTS", str(folder))
    return folder


def held_up(world, kernel, slice_id):
    """Let a cell ask, and see that it is held up."""
    kernel.tenant.begin("enter()")
    world.until(lambda: world.report(slice_id).wait is not None)


def until_sampled(world):
    """Wait until the card was measured once more."""
    seen = world.status.gpus[0].energy_mj
    world.until(lambda: world.status.gpus[0].energy_mj != seen)


def test_what_a_released_slice_holds_is_promised_to_nobody(tmp_path):
    with agent_world(tmp_path) as world:
        world.serve(world.notebook("a", 60), world.notebook("c", 60), **LONG)
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.until(lambda: world.report("a").memory_mib > 50 * 1024)
        cleo = world.kernel("c")
        held_up(world, cleo, "c")
        world.service.assign(world.notebook("c", 60))
        world.until(lambda: [s.slice_id for s in world.status.slices] == ["c"])
        seen = world.status.sequence
        world.until(lambda: world.status.sequence > seen + 2)
        assert not world.report("c").gate_open
        assert ada.digest() == hers
        ada.kill()
        cleo.tenant.end()
        cleo.fill(55, 2)


def test_a_released_slice_that_comes_back_takes_room_at_once(tmp_path):
    with agent_world(tmp_path, speed=100) as world:
        world.serve(world.notebook("a", 60), world.notebook("c", 60), **LEND)
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.until_idle("a")
        cleo = world.kernel("c")
        cleo.enter()
        # Told, and not seen: once she is idle he may be on his way back.
        world.until(lambda: world.events("suspended", "a"))
        world.until_idle("c")
        world.until(lambda: world.events("gate-opened", "c"))
        opened = len(world.events("gate-opened", "c"))
        world.service.assign(world.notebook("c", 60))
        world.until(lambda: world.truth(ada.pid) != "checkpointed")
        held_up(world, cleo, "c")
        world.until(lambda: world.truth(ada.pid) == "running")
        seen = world.status.sequence
        world.until(lambda: world.status.sequence > seen + 2)
        assert len(world.events("gate-opened", "c")) == opened
        assert ada.digest() == hers


def test_a_larger_size_is_promised_when_there_is_room_for_it(tmp_path):
    with agent_world(tmp_path, speed=5) as world:
        world.serve(world.notebook("a", 30), world.notebook("c", 40), **LONG)
        ada, cleo = world.kernel("a"), world.kernel("c")
        ada.enter()
        # Her cell runs on: who has run none for some seconds is promised what they hold alone.
        ada.run("level(busy=True)")
        ada.fill(5, 5)
        cleo.enter_and_fill(38, 38)
        world.until(lambda: world.report("c").memory_mib > 38 * 1024)
        world.set_pool(turn_s=0.5)
        world.service.assign(world.notebook("a", 60), world.notebook("c", 40))
        world.until(lambda: world.report("c").move is not None)
        ada.enter()
        assert world.truth(cleo.pid) == "checkpointed"
        ada.run("more = gpu.allocate(gib=50)")


def test_what_a_cell_took_since_it_was_measured_is_promised_to_nobody(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=2", speed=100) as world:
        world.serve(world.notebook("a", 60), world.notebook("c", 48), **LONG)
        ada, cleo = world.kernel("a"), world.kernel("c")
        ada.enter_and_fill(5, 1)
        world.until(lambda: world.report("a").memory_mib > 5 * 1024)
        cleo.tenant.begin("enter()[0]")
        ada.run("more = gpu.allocate(gib=45)")
        world.gpus.administration.delay(OperationKind.CHECKPOINT, UNTIL_TOLD_S, pid=ada.pid)
        world.set_pool(turn_s=0.5)
        world.until(lambda: world.report("a").move is not None)
        ada.ends_cell()
        # While she is on her way it is decided once more, after a sample.
        for _ in range(2):
            until_sampled(world)
        world.gpus.administration.clear_faults()
        assert cleo.tenant.end() == "'open'"
        assert world.truth(ada.pid) == "checkpointed"
        cleo.fill(47, 2)


def test_what_a_job_took_since_it_was_measured_is_promised_to_nobody(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=2", speed=100) as world:
        # She has time to take what she comes for: nobody falls idle by themselves.
        world.serve(world.notebook("a", 60), world.job("j", 70), **LONG)
        world.give_up("a")  # a new slice counts as active
        world.until(lambda: world.report("j").gate_open)
        job = world.kernel("j")
        job.fill(5, 1)
        world.until(lambda: world.report("j").memory_mib > 5 * 1024)
        ada = world.kernel("a")
        job.run("more = gpu.allocate(gib=60)")
        ada.enter_and_fill(55, 2)
        world.until(lambda: world.events("suspended", "j"))


@pytest.mark.parametrize("failures", [1, 2])
def test_nothing_is_decided_before_a_card_has_answered(tmp_path, faults, failures):
    with agent_world(tmp_path, speed=20, module=FAULTY) as world:
        world.serve(world.notebook("b", 45), world.notebook("z", 60), **LONG)
        world.give_up("b")  # a new slice counts as active
        zoe = world.kernel("z")
        hers = zoe.enter_and_fill(50, 1)
        zoe.ends_cell()
        world.give_up("z")
        world.until_idle("z", "b")
        world.agent.kill()
        (faults / "samples").write_text(str(failures))
        world.agent.start()
        world.agent.wait_until_serving()
        ben = world.kernel("b")
        ben.enter_and_fill(44, 2)
        assert world.truth(zoe.pid) == "checkpointed"
        # To an agent that has just begun both were at work: he has his turn.
        ben.ends_cell()
        world.give_up("b")
        zoe.reconnect()
        assert zoe.enter_and_digest() == hers


def test_who_may_be_suspended_is_not_forgotten_while_the_driver_says_nothing(tmp_path, faults):
    with agent_world(tmp_path, speed=20, module=FAULTY) as world:
        world.serve(world.notebook("a", 60), world.notebook("c", 60), **LEND)
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.until_idle("a")
        (faults / f"state-{ada.pid}").write_text(ProcessState.SUSPENDED)
        cleo = world.kernel("c")
        cleo.tenant.begin("enter()")
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        world.until(lambda: world.report("a").move is None)
        seen = world.status.sequence
        world.until(lambda: world.status.sequence > seen + 3)
        (faults / f"state-{ada.pid}").unlink()
        cleo.kill()
        assert ada.enter_and_digest() == hers


def test_a_cell_of_a_slice_that_was_released_before_a_restart_is_told_so(tmp_path):
    with agent_world(tmp_path) as world:
        world.serve(world.notebook("a", 60), world.notebook("c", 60), **LEND)
        ada = world.kernel("a")
        ada.enter_and_fill(50, 1)
        world.until_idle("a")
        cleo = world.kernel("c")
        cleo.enter_and_fill(50, 2)
        assert world.truth(ada.pid) == "checkpointed"
        world.service.assign(world.notebook("c", 60))
        world.until(lambda: [s.slice_id for s in world.status.slices] == ["c"])
        world.agent.kill()
        world.agent.start()
        world.agent.wait_until_serving()
        ada.reconnect()
        assert ada.run("enter()[0]") == "'unknown'"


def test_a_process_of_a_paused_job_that_could_not_be_paused_is_paused_later(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        world.serve(world.notebook("a", 50), world.job("j", 20))
        job = world.kernel("j")
        world.until(lambda: world.report("j").gate_open)
        job.fill(5, 1)
        world.set_pool(**LONG)
        ada = world.kernel("a")
        ada.enter()
        world.until(lambda: world.truth(job.pid) == "locked")
        born = world.kernel("j")
        world.gpus.administration.fail(OperationKind.LOCK, CudaCode.NOT_READY, pid=born.pid)
        born.tenant.begin("held = gpu.allocate(gib=5)")
        world.until(lambda: world.truth(born.pid) == "locked")
