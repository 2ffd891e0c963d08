"""Whose a process is: the account decides, the environment only chooses."""

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.cgroups.registry import Verdict
from sublet_agent.processes.peer import Peer
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_procfs.tenant_memory import ReadingLimits, TenantMemory

from tests.support.fake_device import FakeTable
from tests.support.fake_service_link import slice_assignment
from tests.support.held_memory import holding_process

ADA, BEN = 1001, 1002


@pytest.fixture
def table():
    return FakeTable()


def attribution(table, *slices):
    made = Attribution(table)
    made.serve(slices)
    return made


def assigned(slice_id, uid, **fields):
    return slice_assignment(slice_id, "GPU-1", 1024, uid=uid, **fields)


def test_an_account_with_one_slice_has_its_processes_in_it(table):
    process = table.add(10, uid=ADA)
    assert attribution(table, assigned("a", ADA), assigned("b", BEN)).slice_of(process) == "a"


def test_a_forged_environment_of_another_account_is_not_believed(table):
    forger = table.add(10, uid=BEN)
    table.environments[10] = {"SUBLET_SLICE_ID": "a"}
    assert attribution(table, assigned("a", ADA)).slice_of(forger) is None


def test_a_forged_environment_does_not_even_fall_back_to_the_forgers_own_slice(table):
    forger = table.add(10, uid=BEN)
    table.environments[10] = {"SUBLET_SLICE_ID": "a"}
    assert attribution(table, assigned("a", ADA), assigned("b", BEN)).slice_of(forger) is None


def test_the_environment_chooses_among_the_slices_of_one_account(table):
    notebook, job = table.add(10, uid=ADA), table.add(11, uid=ADA)
    table.environments[10] = {"SUBLET_SLICE_ID": "notebook"}
    table.environments[11] = {"SUBLET_SLICE_ID": "job"}
    answers = attribution(table, assigned("notebook", ADA), assigned("job", ADA))
    assert [answers.slice_of(notebook), answers.slice_of(job)] == ["notebook", "job"]


def test_who_keeps_its_environment_from_being_read_chooses_no_slice(tmp_path, table):
    holding_process(tmp_path, 11, uid=ADA)
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("boot")
    with TenantMemory(ReadingLimits(within_s=0.2)) as memory:
        table.environment = LinuxProcessTable(tmp_path, memory).environment
        process = table.add(11, uid=ADA)
        two = attribution(table, assigned("notebook", ADA), assigned("job", ADA))
        assert two.slice_of(process) is None


def test_what_is_told_at_once_is_told_without_reading_memory():
    class Unread(FakeTable):
        def environment(self, pid, name):
            message = f"{name} of {pid} was read"
            raise AssertionError(message)

    unread = Unread()
    stranger, ada = unread.add(10, uid=BEN), unread.add(11, uid=ADA)
    answers = attribution(unread, assigned("a", ADA))
    assert answers.peer_at_once(Peer(10, BEN, stranger)) == Verdict(None)
    assert answers.peer_at_once(Peer(11, ADA, ada)) is None
    answers.remember(ada, "a")
    assert answers.peer_at_once(Peer(11, ADA, ada)) == Verdict("a")
    assert answers.peer_at_once(Peer(11, BEN, ada)) == Verdict(None)


def test_without_a_word_in_the_environment_descent_decides(table):
    table.add(10, uid=ADA, start=500)
    table.add(11, uid=ADA, parent=10)
    child = table.add(12, uid=ADA, parent=11)
    slices = [
        assigned("a", ADA, root_pid=10, root_start_time=500.0),
        assigned("b", ADA, root_pid=99, root_start_time=1.0),
    ]
    assert attribution(table, *slices).slice_of(child) == "a"


def test_descent_from_a_pid_that_another_process_has_now_says_nothing(table):
    table.add(10, uid=ADA, start=900)
    child = table.add(12, uid=ADA, parent=10)
    slices = [
        assigned("a", ADA, root_pid=10, root_start_time=500.0),
        assigned("b", ADA, root_pid=99, root_start_time=1.0),
    ]
    assert attribution(table, *slices).slice_of(child) is None


def test_a_reused_pid_is_looked_at_anew(table):
    first = table.add(10, uid=ADA)
    answers = attribution(table, assigned("a", ADA))
    assert answers.slice_of(first) == "a"
    second = table.add(10, uid=BEN, start=999)
    assert answers.slice_of(second) is None


def test_a_socket_peer_whose_account_is_another_now_is_nobody(table):
    peer = Peer(10, ADA, table.add(10, uid=BEN))
    assert attribution(table, assigned("b", BEN)).slice_of_peer(peer) is None


def test_a_reused_pid_does_not_make_an_open_connection_somebody_elses(table):
    attacker = Peer(10, ADA, table.add(10, uid=ADA, start=100))
    answers = attribution(table)
    assert answers.slice_of_peer(attacker) is None
    victim = Peer(10, ADA, table.add(10, uid=ADA, start=999))
    answers.serve([assigned("victim", ADA)])
    assert answers.slice_of_peer(attacker) is None
    assert answers.slice_of_peer(victim) == "victim"


def test_a_socket_peer_that_had_ended_before_it_was_looked_at_is_nobody(table):
    table.add(10, uid=ADA)
    assert attribution(table, assigned("a", ADA)).slice_of_peer(Peer(10, ADA, None)) is None


def test_roots_processes_are_not_taken_for_a_notebook_by_their_account_alone(table):
    process = table.add(10, uid=0)
    assert attribution(table, assigned("a", 0)).slice_of(process) is None


def test_a_kernel_stays_its_slices_after_the_server_died_and_after_the_release(table):
    table.add(10, uid=ADA, start=500)
    kernel = table.add(11, uid=ADA, parent=10)
    answers = attribution(
        table,
        assigned("a", ADA, root_pid=10, root_start_time=500.0),
        assigned("b", ADA, root_pid=99, root_start_time=1.0),
    )
    assert answers.slice_of(kernel) == "a"
    table.kill(10)
    table.parents[11] = 1
    answers.serve([])
    assert answers.slice_of(kernel) == "a"


def test_the_dead_are_forgotten(table):
    process = table.add(10, uid=ADA)
    answers = attribution(table, assigned("a", ADA))
    answers.slice_of(process)
    table.kill(10)
    answers.forget_dead()
    assert answers._known == {}
