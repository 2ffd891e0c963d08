"""The agent, its watchdog and the hub service come and go; owners notice nothing."""

import json
import os
import signal
import time

import pytest
from sublet_agent.app.watchdog import let_owners_run
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.support.agent_world import agent_world
from tests.support.lag import measured_lag
from tests.support.simulated_gpus import UNTIL_TOLD_S

APPLICATION = "sublet_agent.app.application"
CANARY = "a-canary-of-a-secret"
STAYS_AWAY = {"lend_at_least_s": 600.0}
"""Who is idle does not come home by themselves: another's cell that has its promise, and holds
nothing yet, keeps its room however late it takes it."""


def test_when_the_agent_dies_it_is_started_again_and_owners_go_on(tmp_path, *, nvidia):
    # Whose cell runs on while the agent is away may count as idle, and is suspended for the other:
    # a call of it then waits until the agent looks whether it might. By then the other must have
    # taken what it came for.
    options = ("--SubletAgent.tick_s=0.05", "--SubletAgent.busy_wakes_after_s=10")
    with agent_world(tmp_path, *options, module=APPLICATION, nvidia=nvidia) as world:
        world.serve(world.notebook("a", 50), world.notebook("b", 50), turn_s=0.2, **STAYS_AWAY)
        ada, ben = world.kernel("a"), world.kernel("b")
        hers = ada.enter_and_fill(40, 1)
        os.kill(world.agent.child_pid(), signal.SIGKILL)
        world.until(lambda: len(world.service.hellos) == 2)
        world.service.status = None
        world.agent.wait_until_serving()
        world.until_idle("a")
        late = world.kernel("b")
        his = late.enter_and_fill(40, 2)
        assert late.enter_and_digest() == his
        assert ada.digest() == hers
        assert ben.pid


def _cannot_be_suspended(world, kernel):
    for _ in range(500):
        world.gpus.administration.fail(
            OperationKind.CHECKPOINT, CudaCode.ILLEGAL_STATE, pid=kernel.pid
        )


def test_a_kernel_that_died_at_the_gate_leaves_no_promise_to_a_new_agent(tmp_path, *, nvidia):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", nvidia=nvidia) as world:
        # A new slice counts as active: it must not push her away before she cannot be.
        world.serve(world.notebook("b", 50))
        world.until_idle("b")
        world.serve_too(world.notebook("a", 60))
        ada = world.kernel("a")
        hers = ada.enter_and_fill(55, 1)
        _cannot_be_suspended(world, ada)
        world.until_idle("a")
        gone = world.kernel("b")
        gone.tenant.begin("enter()")
        world.until(lambda: world.events("refused-move", "a"))
        gone.kill()
        world.until_idle("b")
        refused = len(world.events("refused-move", "a"))
        world.agent.kill()
        world.agent.start()
        world.agent.wait_until_serving()
        ben = world.kernel("b")
        ben.tenant.begin("enter()")
        world.until(lambda: len(world.events("refused-move", "a")) > refused)
        assert not world.report("b").gate_open
        assert ada.digest() == hers


def test_a_cell_that_was_let_through_keeps_its_promise_over_two_deaths_of_the_agent(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        world.serve(world.notebook("a", 60), turn_s=0.2, idle_after_s=60.0)
        ada = world.kernel("a")
        ada.run("from sublet_lab.kernel.kernel_link import KernelLink")
        ada.run("from tests.support.gated_cell import gated_cell")
        ada.run("cell = gated_cell(KernelLink(os.environ['SUBLET_AGENT_SOCKET'], 'k'), 'c0')")
        ada.run("cell.__enter__()")
        hers = ada.fill(20, 1)
        _cannot_be_suspended(world, ada)
        # Its cell runs on past a gate that closes when its turn ends. The other comes only now that
        # something is held: before, there was nothing that its turn could have waited for.
        world.serve_too(world.notebook("b", 50))
        # Told once in an agent's life.
        world.until(lambda: world.events("refused-move", "a"))
        for _ in range(2):
            refused = len(world.events("refused-move", "a"))
            world.agent.kill()
            world.agent.start()
            world.agent.wait_until_serving()
            ben = world.kernel("b")
            ben.tenant.begin("enter()")
            world.until(lambda seen=refused: len(world.events("refused-move", "a")) > seen)
            assert not world.report("b").gate_open
            ben.kill()
        ada.run("more = gpu.allocate(gib=38)")
        assert ada.digest() == hers


def test_neighbours_that_stood_still_for_a_restore_run_once_it_is_over(tmp_path, *, nvidia):
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.05", module=APPLICATION, speed=100, nvidia=nvidia
    ) as world:
        world.serve(world.notebook("a", 60), world.notebook("b", 10))
        ada, ben = world.kernel("a"), world.kernel("b")
        hers = ada.enter_and_fill(50, 1)
        ben.enter_and_fill(2, 2)
        world.serve_too(world.job("j", 75))
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        ben.enter()
        # It lasts until the agent has died in its middle.
        world.gpus.administration.delay(OperationKind.RESTORE, UNTIL_TOLD_S, pid=ada.pid)
        ada.tenant.begin("enter()[0]")
        world.until(lambda: world.is_restored_now(ada))
        assert world.truth(ben.pid) == "locked"
        with measured_lag() as lag:
            os.kill(world.agent.child_pid(), signal.SIGKILL)
            died = time.monotonic()
            world.gpus.administration.clear_faults()
            world.until(lambda: world.truth(ben.pid) == "running", 60)
            took_s = time.monotonic() - died
        # Others than this process may have had to wait for the machine.
        assert took_s - lag.total_s < 10
        with pytest.raises(Exception, match="JSONDecodeError"):
            ada.tenant.end()
        world.agent.wait_until_serving()
        ada.reconnect()
        assert ada.enter_and_digest() == hers


def test_the_watchdog_lets_owners_run_and_leaves_jobs_and_suspended_slices(tmp_path, *, nvidia):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", nvidia=nvidia) as world:
        world.serve(world.notebook("a", 30), world.notebook("c", 60))
        far = world.kernel("c")
        far.enter_and_fill(55, 1)
        world.serve_too(world.job("j", 40))
        world.until(lambda: world.truth(far.pid) == "checkpointed")
        job = world.kernel("j")
        job.fill(10, 2)
        ada = world.kernel("a")
        # She is at work until the agent is gone: in between the job would run on.
        ada.tenant.begin("enter() and gpu.allocate(gib=5) and gpu.compute(600)")
        world.until(lambda: world.report("a").memory_mib > 5 * world.gib)
        # Before it is seen that she computes she may have been idle for a moment, and the job ran.
        world.until(lambda: world.report("a").gpu_busy_ms and world.report("a").active)
        world.until(lambda: world.truth(job.pid) == "locked")
        world.agent.kill()
        world.gpus.device.pause(ada.pid, 10_000)
        with world.agent.journal.open("a") as journal:
            entry = next(
                json.loads(text)
                for text in world.agent.journal.read_text().splitlines()
                if json.loads(text)["pid"] == far.pid
            )
            start = _start_ticks(ada.pid)
            lines = {**entry, "pid": ada.pid, "start": start, "slice": "a", "step": "pausing"}
            journal.write(json.dumps(lines) + "\n")

        freed = let_owners_run(world.agent.journal, world.gpus.device, LinuxProcessTable())
        assert freed == [ada.pid]
        assert [world.truth(k.pid) for k in (ada, job, far)] == [
            "running",
            "locked",
            "checkpointed",
        ]


def test_a_suspended_notebook_is_found_even_when_the_journal_was_lost(tmp_path, *, nvidia):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", nvidia=nvidia) as world:
        world.serve(world.notebook("a", 60))
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.serve_too(world.job("j", 75))
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        world.agent.kill()
        world.agent.journal.unlink()
        world.agent.start()
        world.agent.wait_until_serving()
        ada.reconnect()
        assert ada.enter_and_digest() == hers


def test_a_stopped_agent_leaves_no_owner_paused_and_its_successor_goes_on(tmp_path, *, nvidia):
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.05", module=APPLICATION, nvidia=nvidia
    ) as world:
        world.serve(world.notebook("a", 60), world.notebook("b", 60), turn_s=0.2, **STAYS_AWAY)
        ada, ben = world.kernel("a"), world.kernel("b")
        hers = ada.enter_and_fill(50, 1)
        world.until_idle("a", "b")
        ben.enter_and_fill(50, 2)
        assert world.agent.stop() == 0
        assert world.truth(ben.pid) == "running"
        world.agent.start()
        world.agent.wait_until_serving()
        ada.reconnect()
        assert ada.enter_and_digest() == hers


def test_without_the_hub_service_owners_are_served_and_after_a_while_nothing_is_lent(tmp_path):
    options = ("--SubletAgent.tick_s=0.05", "--SubletAgent.silence_s=4")
    # A service that is there speaks well within that time, also on a busy machine.
    with agent_world(tmp_path, *options, beat_s=0.2) as world:
        world.serve(world.notebook("a", 60))
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.serve_too(world.job("j", 70))
        world.until(lambda: world.report("j").gate_open)
        job = world.kernel("j")
        job.fill(60, 2)
        world.service.stop()
        world.until(lambda: world.truth(ada.pid) == "running")
        assert ada.digest() == hers
        assert world.truth(job.pid) in {"locked", "checkpointed"}
        ada.enter()


def test_a_new_agent_serves_what_was_assigned_last_before_it_hears_from_the_hub(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        world.serve(world.notebook("a", 60))
        world.agent.stop()
        world.service.stop()
        assert (tmp_path / "state" / "assignments.json").stat().st_mode & 0o777 == 0o600
        world.agent.start()
        world.agent.wait_until_serving()
        kernel = world.kernel("a")
        kernel.enter()


def test_events_are_told_once_whatever_happens_to_the_link(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05") as world:
        world.service.take_events = False
        world.serve(world.notebook("a", 60))
        ada = world.kernel("a")
        ada.enter_and_fill(50, 1)
        world.serve_too(world.job("j", 75))
        # On disk before it dies: that is a moment after it is so.
        kept = tmp_path / "state" / "events.jsonl"
        world.until(lambda: '"suspended"' in kept.read_text())
        world.agent.kill()
        world.service.take_events = True
        world.agent.start()
        world.until(lambda: world.events("suspended", "a"))
        world.service.drop()
        world.until(lambda: len(world.service.hellos) == 3)
        world.until(lambda: world.events("recovered", "a"))
        ids = [e.event_id for e in world.service.events]
        assert len(ids) == len(set(ids))


def test_assignments_of_another_epoch_are_not_obeyed(tmp_path):
    # Nothing is said beside what the test says.
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", beat_s=600) as world:
        world.serve(world.notebook("a", 60))
        for connection in tuple(world.service._connections):
            connection.epoch = 0
        sequence = world.status.acknowledged
        world.service.assign()
        world.until(lambda: "of epoch 0 ignored" in world.agent.text())
        assert world.report("a") is not None
        assert world.status.acknowledged == sequence


def test_the_nodes_secret_is_in_no_log_and_no_message(tmp_path):
    with agent_world(tmp_path, "--log-level=DEBUG") as world:
        world.until(lambda: len(world.service.hellos) == 1)
        world.service.secret = CANARY
        (tmp_path / "secret").write_text(CANARY)
        world.service.drop()
        world.until(lambda: len(world.service.hellos) == 2)
        assert "canary" not in world.agent.text()
        # The first that it tells may still be on its way.
        assert "canary" not in world.status.model_dump_json()


def _start_ticks(pid):

    return LinuxProcessTable().identify(pid).start_ticks
