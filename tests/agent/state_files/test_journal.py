"""What is about to be done is written down, whenever the agent dies."""

import json

import pytest
from sublet_agent.errors import JournalError
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.state_files.journal import Journal, Step, Target, read_journal
from sublet_quota.residency.snapshot import Holder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def target(pid, image_mib=0):
    return Target(ProcessIdentity("b", pid, pid), "GPU", "s", Holder.NOTEBOOK, image_mib)


def test_the_last_step_of_each_process_is_read_back(path):
    journal = Journal(path)
    journal.write(Step.PAUSING, [target(1), target(2)])
    journal.write(Step.SUSPENDING, [target(1, 500)])
    journal.close()
    found = {e.target.identity.pid: (e.step, e.target.image_mib) for e in read_journal(path)}
    assert found == {1: (Step.SUSPENDING, 500), 2: (Step.PAUSING, 0)}


def test_a_process_that_runs_again_needs_no_looking_after(path):
    journal = Journal(path)
    journal.write(Step.PAUSING, [target(1)])
    journal.write(Step.RUNNING, [target(1)])
    journal.close()
    assert read_journal(path) == ()


def test_how_much_room_an_image_needs_is_kept_by_later_steps(path):
    journal = Journal(path)
    journal.write(Step.SUSPENDING, [target(1, 500)])
    journal.write(Step.SUSPENDED, [target(1)])
    assert journal.entries()[0].target.image_mib == 500
    journal.close()


@pytest.mark.parametrize("cut", [1, 10, 40, 80])
def test_a_line_cut_off_by_death_is_skipped_and_the_next_agent_writes_on(path, cut):
    journal = Journal(path)
    journal.write(Step.SUSPENDING, [target(1, 500)])
    journal.write(Step.PAUSING, [target(2)])
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path)
    again.write(Step.PAUSING, [target(3)])
    again.close()
    steps = {e.target.identity.pid: e.step for e in read_journal(path)}
    assert steps[1] is Step.SUSPENDING
    assert steps[3] is Step.PAUSING


@pytest.mark.parametrize("left", [b"", bytes(4096), b"\xff\xfe\n" + bytes(100) + b"\n"])
def test_what_a_power_cut_leaves_of_it_is_skipped(path, left):
    path.write_bytes(left)
    journal = Journal(path)
    assert journal.entries() == ()
    journal.write(Step.PAUSING, [target(3)])
    journal.close()
    assert [e.target.identity.pid for e in read_journal(path)] == [3]


def test_a_long_journal_is_rewritten_with_what_matters(path):
    journal = Journal(path)
    journal.write(Step.SUSPENDING, [target(7, 500)])
    for _ in range(2500):
        journal.write(Step.PAUSING, [target(1)])
        journal.write(Step.RUNNING, [target(1)])
    journal.compact_if_long()
    journal.close()
    assert [json.loads(line)["pid"] for line in path.read_text().splitlines()] == [7]


def test_only_the_agents_account_may_read_it(path):
    Journal(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    with pytest.raises(JournalError, match="no-such-folder"):
        Journal(tmp_path / "no-such-folder" / "journal.jsonl")
