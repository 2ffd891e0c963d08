"""What a new agent does with the processes that the one before left standing still."""

import threading
from pathlib import Path

import pytest
from sublet_agent.app.watchdog import let_owners_run
from sublet_agent.devices.interface import DeviceError, NoAnswerError, ProcessState
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.recovery import recover
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.state_files.journal import Step
from sublet_procfs.tenant_memory import ReadingLimits, TenantMemory
from sublet_quota.residency.snapshot import Holder

from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment
from tests.support.held_memory import holding_process, pretended_process

GIB = 1024


def assigned(slice_id, holder=Holder.NOTEBOOK):
    return slice_assignment(slice_id, GPU, 40 * GIB, uid=1000, holder=holder)


def left(bench, slice_id, pid, step, state):
    """Add a process of a slice as the agent before left it; slice ``j`` is a job's."""
    holder = Holder.JOB if slice_id == "j" else Holder.NOTEBOOK
    target = bench.process(slice_id, pid, GIB, holder, state=state)
    bench.journal.write(step, [target])
    return target


def test_a_paused_owner_runs_on(bench):
    left(bench, "s", 1, Step.PAUSING, ProcessState.PAUSED)
    recovered = recover(bench.tools, bench.attribution, [assigned("s")])
    assert [t.identity.pid for t in recovered.unpaused] == [1]
    assert bench.states() == {1: "running"}


def test_a_paused_job_waits_for_what_the_policy_says(bench):
    target = left(bench, "j", 1, Step.PAUSING, ProcessState.PAUSED)
    recovered = recover(bench.tools, bench.attribution, [assigned("j", Holder.JOB)])
    assert [t.identity.pid for t in recovered.paused_jobs] == [1]
    assert bench.states() == {1: "paused"}
    assert bench.paused_processes.of(target.identity) == {PauseReason.POLICY}


def test_a_job_that_stays_paused_does_so_also_where_that_was_for_a_turn_only(bench):
    # The agent before wrote that it pauses it for good, and died before it did so.
    left(bench, "j", 1, Step.PAUSING, ProcessState.PAUSED)
    bench.device.leased.add(1)
    recover(bench.tools, bench.attribution, [assigned("j", Holder.JOB)])
    assert bench.device.leased == set()
    assert bench.states() == {1: "paused"}


def test_a_part_that_waits_for_the_other_does_so_also_where_it_was_paused_for_a_turn_only(bench):
    left(bench, "s", 1, Step.SUSPENDED, ProcessState.SUSPENDED)
    left(bench, "s", 2, Step.PAUSING_FOR_A_TURN, ProcessState.PAUSED)
    bench.device.leased.add(2)
    recover(bench.tools, bench.attribution, [assigned("s")])
    assert bench.device.leased == set()
    assert bench.states() == {1: "suspended", 2: "paused"}


def test_a_job_that_a_lease_has_let_run_is_paused_for_a_move_beside_it(bench):
    job = left(bench, "j", 1, Step.PAUSING, ProcessState.PAUSED)
    bench.device.fail("pause", 1, NoAnswerError("under way"))
    recover(bench.tools, bench.attribution, [assigned("j", Holder.JOB)])
    bench.device.unpause(1)
    assert bench.paused_processes.pause([job], PauseReason.MOVE, 1000) == []
    assert bench.states() == {1: "paused"}


def test_a_paused_job_that_is_assigned_no_more_runs_on(bench):
    left(bench, "j", 1, Step.PAUSING, ProcessState.PAUSED)
    recover(bench.tools, bench.attribution, [])
    assert bench.states() == {1: "running"}


@pytest.mark.parametrize("step", [Step.SUSPENDING, Step.SUSPENDED, Step.RESUMING, Step.PAUSING])
def test_the_device_says_what_is_suspended_whatever_was_noted(bench, step):
    target = left(bench, "s", 1, step, ProcessState.SUSPENDED)
    recovered = recover(bench.tools, bench.attribution, [assigned("s")])
    assert [t.identity for t in recovered.suspended] == [target.identity]
    assert bench.host.free_mib() == 10**6 - GIB


@pytest.mark.parametrize("step", [Step.SUSPENDING, Step.RESUMING])
def test_a_move_whose_end_the_device_has_told_is_noted_as_over(bench, step):
    target = left(bench, "s", 1, step, ProcessState.SUSPENDED)
    recover(bench.tools, bench.attribution, [assigned("s")])
    (entry,) = bench.journal.entries()
    assert (entry.step, entry.target) == (Step.SUSPENDED, target)


@pytest.mark.parametrize("step", [Step.SUSPENDING, Step.RESUMING])
def test_a_part_that_is_back_and_waits_for_the_other_is_noted_as_moving_no_more(bench, step):
    left(bench, "s", 1, Step.SUSPENDED, ProcessState.SUSPENDED)
    other = left(bench, "s", 2, step, ProcessState.PAUSED)
    recover(bench.tools, bench.attribution, [assigned("s")])
    assert bench.paused_processes.of(other.identity) == {PauseReason.SLICE}
    steps = {entry.target.identity.pid: entry.step for entry in bench.journal.entries()}
    assert steps == {1: Step.SUSPENDED, 2: Step.RESUMED}


@pytest.mark.parametrize("step", [Step.SUSPENDING, Step.RESUMING])
def test_a_move_of_which_the_device_tells_nothing_is_not(bench, step, monkeypatch):
    def says_nothing(pid):
        message = f"the state of {pid}"
        raise NoAnswerError(message)

    left(bench, "s", 1, step, ProcessState.SUSPENDED)
    monkeypatch.setattr(bench.device, "state", says_nothing)
    recovered = recover(bench.tools, bench.attribution, [assigned("s")])
    assert len(recovered.suspended) == 1
    (entry,) = bench.journal.entries()
    assert entry.step is step


@pytest.mark.parametrize("step", [Step.SUSPENDING, Step.SUSPENDED, Step.RESUMING])
def test_the_device_says_what_runs_whatever_was_noted(bench, step):
    left(bench, "s", 1, step, ProcessState.RUNNING)
    recovered = recover(bench.tools, bench.attribution, [assigned("s")])
    assert recovered.suspended == []
    assert bench.journal.entries() == ()


def test_a_paused_owner_who_is_stopped_is_let_run_once_they_could_answer(bench):
    left(bench, "s", 1, Step.PAUSING, ProcessState.PAUSED)
    bench.device.processes_here[1].stopped = True
    recover(bench.tools, bench.attribution, [assigned("s")])
    bench.paused_processes.settle()
    assert bench.states() == {1: "paused"}
    bench.device.processes_here[1].stopped = False
    bench.paused_processes.settle()
    assert bench.states() == {1: "running"}


def test_the_rescue_of_other_owners_does_not_wait_for_one_who_is_stopped(bench):
    left(bench, "s", 1, Step.PAUSING, ProcessState.PAUSED)
    left(bench, "t", 2, Step.PAUSING, ProcessState.PAUSED)
    bench.device.processes_here[1].stopped = True
    assert let_owners_run(bench.folder / "journal.jsonl", bench.device, bench.table) == [2]


def test_a_slice_of_which_a_part_is_away_waits_for_that_part(bench):
    left(bench, "s", 1, Step.SUSPENDED, ProcessState.SUSPENDED)
    other = left(bench, "s", 2, Step.PAUSING, ProcessState.PAUSED)
    recover(bench.tools, bench.attribution, [assigned("s")])
    assert bench.states() == {1: "suspended", 2: "paused"}
    assert bench.paused_processes.of(other.identity) == {PauseReason.SLICE}


def test_a_state_that_cannot_be_read_is_not_taken_for_running(bench, monkeypatch):
    left(bench, "s", 1, Step.SUSPENDED, ProcessState.SUSPENDED)

    def fails(pid):
        message = f"the state of {pid}: an error that passes"
        raise DeviceError(message)

    monkeypatch.setattr(bench.device, "state", fails)
    recovered = recover(bench.tools, bench.attribution, [assigned("s")])
    assert len(recovered.suspended) == 1


def test_without_a_journal_a_suspended_process_is_found_by_its_slice(bench):
    bench.process("s", 1, GIB, state=ProcessState.SUSPENDED)
    bench.table.environments[1] = {"SUBLET_SLICE_ID": "s"}
    bench.attribution.serve([assigned("s")])
    (found,) = recover(bench.tools, bench.attribution, [assigned("s")]).suspended
    assert (found.identity.pid, found.image_mib) == (1, 40 * GIB)


HOSTILE = range(2001, 2008)
"""As many accounts as leave room for one more to be looked at."""
BEN = 1002


def with_two_slices_each(bench, uids):
    """Have accounts of whose processes only the environment tells which slice's they are."""
    slices = [
        slice_assignment(f"{part}-{uid}", GPU, 40 * GIB, uid=uid) for uid in uids for part in "ab"
    ]
    bench.attribution.serve(slices)
    return slices


def test_at_the_start_accounts_that_keep_their_memory_from_being_read_keep_no_other_unread(bench):
    class Holding(type(bench.table)):
        def environment(self, pid, name):
            if self.uids[pid] in HOSTILE:
                # As long as it takes: it was given up else.
                assert ben_was_read.wait(20)
                return None
            ben_was_read.set()
            return super().environment(pid, name)

    ben_was_read = threading.Event()
    bench.table.__class__ = Holding
    slices = with_two_slices_each(bench, [*HOSTILE, BEN])
    for pid, uid in enumerate(HOSTILE, 1):
        bench.table.add(pid, uid=uid)
    bench.process("b-1002", 99, GIB, state=ProcessState.SUSPENDED)
    bench.table.add(99, uid=BEN)
    bench.table.environments[99] = {"SUBLET_SLICE_ID": "b-1002"}
    (found,) = recover(bench.tools, bench.attribution, slices).suspended
    assert (found.identity.pid, found.slice_id) == (99, "b-1002")


@pytest.mark.parametrize(("in_vain", "most"), [(True, 2), (False, 3)])
def test_at_the_start_an_account_is_waited_for_a_few_times_however_many_processes_it_has(
    bench, tmp_path, in_vain, most
):
    waited = []

    class Reader:
        def ask(self, request, _within_s):
            if Path(request["path"]).is_fifo():
                waited.append(request["pid"])
                if in_vain:
                    raise TimeoutError
                return {"found": [], "took_s": 0.9}
            return {"found": ["SUBLET_SLICE_ID=b-1002"], "took_s": 0.001}

        def give_up(self):
            return True

    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("boot")
    memory = TenantMemory(ReadingLimits(), Reader)
    bench.table.environment = LinuxProcessTable(tmp_path, memory).environment
    slices = with_two_slices_each(bench, [HOSTILE[0], BEN])
    for pid in range(1, 40):
        holding_process(tmp_path, pid, uid=HOSTILE[0])
        bench.table.add(pid, uid=HOSTILE[0])
    bench.process("b-1002", 99, GIB, state=ProcessState.SUSPENDED)
    pretended_process(tmp_path, 99, uid=BEN)
    bench.table.add(99, uid=BEN)
    assert len(recover(bench.tools, bench.attribution, slices).suspended) == 1
    assert len(waited) == most


def test_another_process_with_the_pid_of_a_suspended_one_is_left_alone(bench):
    left(bench, "s", 1, Step.SUSPENDED, ProcessState.SUSPENDED)
    bench.table.add(1, start=999)
    recovered = recover(bench.tools, bench.attribution, [])
    assert recovered.suspended == []
    assert bench.device.calls == []


def test_what_may_still_be_moving_is_asked_before_anybody_is_let_run(bench):
    left(bench, "neighbour", 2, Step.PAUSING, ProcessState.PAUSED)
    left(bench, "s", 1, Step.RESUMING, ProcessState.PAUSED)
    order = []
    asked = bench.device.state
    bench.device.state = lambda pid: (order.append(("state", pid)), asked(pid))[1]
    bench.device.before["unpause", 2] = lambda: order.append(("unpause", 2))
    recover(bench.tools, bench.attribution, [assigned("s"), assigned("neighbour")])
    assert order[0] == ("state", 1)
    assert order.index(("unpause", 2)) > order.index(("state", 1))


def test_the_watchdog_lets_resident_owners_run_and_nobody_else(bench):
    left(bench, "owner", 1, Step.PAUSING, ProcessState.PAUSED)
    left(bench, "j", 2, Step.PAUSING, ProcessState.PAUSED)
    left(bench, "away", 3, Step.SUSPENDED, ProcessState.SUSPENDED)
    left(bench, "away", 4, Step.PAUSING, ProcessState.PAUSED)
    freed = let_owners_run(bench.folder / "journal.jsonl", bench.device, bench.table)
    assert freed == [1]
    assert bench.states() == {1: "running", 2: "paused", 3: "suspended", 4: "paused"}


def test_the_watchdog_tries_again_when_the_driver_does_not_unpause_at_once(bench):
    left(bench, "owner", 1, Step.PAUSING, ProcessState.PAUSED)
    bench.device.fail("unpause", 1, DeviceError("an error that passes"))
    assert let_owners_run(bench.folder / "journal.jsonl", bench.device, bench.table) == [1]


def test_the_watchdog_can_do_without_a_journal(bench):
    assert let_owners_run(bench.folder / "nothing.jsonl", bench.device, bench.table) == []
