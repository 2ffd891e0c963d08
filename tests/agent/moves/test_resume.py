"""Resuming slices: each hazard, and what must be left after it."""

import errno
import os
import threading
from dataclasses import replace

from sublet_agent.devices.interface import DeviceError, ProcessState
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveEnd, MoveSettings, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.state_files.journal import Step
from sublet_quota.residency.snapshot import Holder

from tests.support.agent_cases import Bench

GIB = 1024


def suspended(bench, *targets):
    outcome = suspend_slice(bench.tools, bench.plan(*targets), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    bench.device.calls.clear()
    return tuple(outcome.suspended.values())


def test_a_resumed_slice_runs_and_its_host_memory_is_free_again(bench):
    images = suspended(bench, bench.process("s", 1, 8 * GIB), bench.process("s", 2, GIB))
    outcome = resume_slice(bench.tools, bench.plan(*images))
    assert outcome.end is MoveEnd.DONE
    assert bench.states() == {1: "running", 2: "running"}
    assert bench.host.free_mib() == 10**6


def test_everybody_else_stands_still_while_a_slice_comes_back(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("owner", 2, GIB)
    bench.process("job", 3, GIB, Holder.JOB)
    seen = {}
    bench.device.before["resume", 1] = lambda: seen.update(bench.states())
    resume_slice(bench.tools, bench.plan(image))
    assert seen == {1: "suspended", 2: "paused", 3: "paused"}
    assert bench.states() == {1: "running", 2: "running", 3: "running"}


def test_a_job_that_the_policy_paused_stays_paused_after_a_resume(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    job = bench.process("job", 3, GIB, Holder.JOB)
    bench.paused_processes.pause([job], PauseReason.POLICY, 100)
    resume_slice(bench.tools, bench.plan(image))
    assert bench.states() == {1: "running", 3: "paused"}


def test_a_job_paused_while_a_slice_comes_back_is_not_let_run_by_the_end_of_that(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    job = bench.process("job", 3, GIB, Holder.JOB)
    bench.device.before["resume", 1] = lambda: bench.paused_processes.pause(
        [job], PauseReason.POLICY, 100
    )
    resume_slice(bench.tools, bench.plan(image))
    assert bench.states() == {1: "running", 3: "paused"}


def test_a_restore_is_never_tried_without_room(bench):
    (image,) = suspended(bench, bench.process("s", 1, 30 * GIB))
    bench.process("other", 2, 50 * GIB)
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    assert "needed with the margin" in outcome.detail
    assert bench.device.counted()["resume"] == 0
    assert bench.states() == {1: "suspended", 2: "running"}


def test_beside_a_process_that_is_stopped_nothing_is_restored_and_the_reason_is_told(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("other", 2, GIB)
    bench.process("stopped", 3, GIB, stopped=True)
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    assert "process 3 beside it cannot be paused: process 3 is stopped" in outcome.detail
    assert bench.device.counted()["resume"] == 0
    assert bench.states() == {1: "suspended", 2: "running", 3: "running"}


def test_a_suspended_process_that_is_stopped_comes_back_once_it_goes_on(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("other", 2, GIB)
    bench.device.processes_here[1].stopped = True
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert (outcome.end, outcome.detail) == (
        MoveEnd.PUT_OFF,
        "process 1 is stopped: let it go on, or end it",
    )
    # Nobody was kept waiting for it.
    assert bench.device.calls == []
    bench.device.processes_here[1].stopped = False
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.DONE


def test_room_taken_between_pause_and_restore_is_seen(bench):
    (image,) = suspended(bench, bench.process("s", 1, 30 * GIB))
    bench.process("other", 2, GIB)
    bench.device.before["pause", 2] = lambda: setattr(
        bench.device.processes_here[2], "memory_mib", 55 * GIB
    )
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.PUT_OFF
    assert bench.device.counted()["resume"] == 0


class SlowJournal:
    """A journal in which something happens while it is written that a restore begins."""

    def __init__(self, journal, meanwhile):
        self._journal = journal
        self._meanwhile = meanwhile

    def write(self, step, targets):
        self._journal.write(step, targets)
        if step is Step.RESUMING:
            self._meanwhile()


def test_room_taken_while_a_restore_is_written_down_is_seen(bench):
    (image,) = suspended(bench, bench.process("s", 1, 30 * GIB))
    bench.process("other", 2, GIB)
    other = bench.device.processes_here[2]
    journal = SlowJournal(bench.tools.journal, lambda: setattr(other, "memory_mib", 55 * GIB))
    outcome = resume_slice(replace(bench.tools, journal=journal), bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.device.counted()["resume"] == 0
    assert [e.step for e in bench.tools.journal.entries() if e.target == image] == [Step.SUSPENDED]
    other.memory_mib = GIB
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.DONE


def test_beside_a_stranger_who_begins_while_a_restore_is_written_down_nothing_is_restored(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))

    def a_stranger_begins():
        bench.process("other", 2, GIB)
        del bench.owners[2]

    journal = SlowJournal(bench.tools.journal, a_stranger_begins)
    outcome = resume_slice(replace(bench.tools, journal=journal), bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.device.counted()["resume"] == 0


class BrokenTable:
    """A table of processes that cannot be looked at any more: the agent has no file left."""

    def __init__(self, table):
        self._table = table
        self.is_broken = False

    def __getattr__(self, name):
        return getattr(self._table, name)

    def identify(self, pid):
        if self.is_broken:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._table.identify(pid)


def test_a_restore_that_breaks_off_before_its_call_is_not_noted_as_coming(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    table = BrokenTable(bench.tools.table)

    def a_stranger_begins_and_no_file_is_left():
        bench.process("other", 2, GIB)
        del bench.owners[2]
        table.is_broken = True

    journal = SlowJournal(bench.tools.journal, a_stranger_begins_and_no_file_is_left)
    outcome = resume_slice(replace(bench.tools, journal=journal, table=table), bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.device.counted()["resume"] == 0
    assert [e.step for e in bench.tools.journal.entries() if e.target == image] == [Step.SUSPENDED]


def test_without_the_check_for_room_the_process_is_lost(tmp_path):
    bench = Bench(tmp_path, settings=MoveSettings(skip_room_check=True))
    (image,) = suspended(bench, bench.process("s", 1, 30 * GIB))
    bench.process("other", 2, 55 * GIB)
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert image.identity in outcome.refused
    assert bench.device.processes_here[1].poisoned
    bench.close()


def test_a_process_born_among_the_neighbours_is_paused_before_the_restore(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("other", 2, GIB)
    bench.device.before["pause", 2] = lambda: bench.process("other", 3, GIB)
    seen = {}
    bench.device.before["resume", 1] = lambda: seen.update(bench.states())
    resume_slice(bench.tools, bench.plan(image))
    assert seen == {1: "suspended", 2: "paused", 3: "paused"}


def test_a_process_born_while_a_restore_is_under_way_is_paused_at_once(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    stood_still = threading.Event()

    def a_process_begins():
        bench.process("other", 2, GIB)
        bench.device.before["pause", 2] = stood_still.set
        assert stood_still.wait(60)

    bench.device.before["resume", 1] = a_process_begins
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.DONE
    assert bench.states() == {1: "running", 2: "running"}


def test_beside_a_stranger_a_process_born_while_a_restore_is_under_way_is_paused_too(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    stood_still = threading.Event()

    def two_processes_begin():
        bench.process("unknown", 2, GIB)
        del bench.owners[2]
        bench.process("other", 3, GIB)
        bench.device.before["pause", 3] = stood_still.set
        assert stood_still.wait(60)

    bench.device.before["resume", 1] = two_processes_begin
    resume_slice(bench.tools, bench.plan(image))
    assert bench.states() == {1: "running", 2: "running", 3: "running"}


def test_a_neighbour_that_forks_and_allocates_without_end_delays_but_never_breaks(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))

    def fork():
        target = bench.process("hostile", max(bench.owners) + 1, GIB)
        bench.device.before["pause", target.identity.pid] = fork

    bench.process("hostile", 2, GIB)
    bench.device.before["pause", 2] = fork
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    states = bench.states()
    assert states.pop(1) == "suspended"
    assert set(states.values()) == {"running"}


def test_a_neighbour_with_an_endless_kernel_puts_the_resume_off_and_all_run_on(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("calm", 2, GIB)
    bench.process("hostile", 3, GIB, endless=True)
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.device.counted()["resume"] == 0
    assert bench.states() == {1: "suspended", 2: "running", 3: "running"}


def test_a_neighbour_that_ends_meanwhile_is_no_obstacle(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("other", 2, GIB)
    bench.device.before["pause", 2] = lambda: bench.end(2)
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.DONE


def test_beside_a_foreign_process_nothing_is_restored(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("unknown", 2, GIB)
    del bench.owners[2]
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert (outcome.end, bench.device.calls) == (MoveEnd.PUT_OFF, [])


def test_when_a_target_dies_on_the_way_back_its_neighbours_run_on(bench):
    (image,) = suspended(bench, bench.process("s", 1, 8 * GIB))
    bench.process("other", 2, GIB)
    bench.device.before["resume", 1] = lambda: bench.end(1)
    outcome = resume_slice(bench.tools, bench.plan(image))
    assert outcome.gone == {image.identity}
    assert bench.states() == {2: "running"}


def test_if_one_process_does_not_come_back_the_others_are_put_away_again(bench):
    images = suspended(bench, bench.process("s", 1, GIB), bench.process("s", 2, GIB))
    bench.device.fail("resume", 2, DeviceError("an error that passes"))
    outcome = resume_slice(bench.tools, bench.plan(*images))
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.states() == {1: "suspended", 2: "suspended"}
    assert resume_slice(bench.tools, bench.plan(*images)).end is MoveEnd.DONE
    assert bench.states() == {1: "running", 2: "running"}


def test_one_that_did_not_come_back_is_noted_as_away_and_not_as_coming(bench):
    (image,) = suspended(bench, bench.process("s", 1, GIB))
    bench.device.fail("resume", 1, DeviceError("an error that passes"))
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.PUT_OFF
    (entry,) = bench.journal.entries()
    assert (entry.step, entry.target) == (Step.SUSPENDED, image)


def test_a_neighbour_that_the_driver_does_not_unpause_at_once_is_tried_again(bench):
    (image,) = suspended(bench, bench.process("s", 1, GIB))
    other = bench.process("other", 2, GIB)
    bench.device.fail("unpause", 2, DeviceError("an error that passes"))
    resume_slice(bench.tools, bench.plan(image))
    assert bench.states()[2] == "paused"
    bench.paused_processes.settle()
    assert bench.states()[2] == "running"
    assert bench.paused_processes.of(other.identity) == frozenset()


def test_what_an_agent_before_this_one_brought_back_already_is_only_let_run(bench):
    (image,) = suspended(bench, bench.process("s", 1, GIB))
    bench.device.processes_here[1].state = ProcessState.PAUSED
    assert resume_slice(bench.tools, bench.plan(image)).end is MoveEnd.DONE
    assert bench.device.counted()["resume"] == 0
    assert bench.states() == {1: "running"}


def test_a_return_that_breaks_off_unexpectedly_leaves_it_whole_and_the_others_running(bench):
    other = bench.process("t", 3, GIB)
    images = suspended(bench, bench.process("s", 1, GIB))

    def break_off():
        raise RuntimeError("what nobody reckoned with")

    bench.device.before["resume", 1] = break_off
    outcome = resume_slice(bench.tools, bench.plan(*images))
    assert outcome.end is MoveEnd.PUT_OFF
    assert bench.states() == {1: "suspended", 3: "running"}
    assert bench.paused_processes.of(other.identity) == frozenset()
