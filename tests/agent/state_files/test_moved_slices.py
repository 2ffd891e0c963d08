"""Where slices are that changed cards: from the file, and from what was suspended."""

import pytest
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.state_files.journal import JournalEntry, Step, Target
from sublet_agent.state_files.moved_slices import MovedSlice, MovedSlices
from sublet_quota.residency.snapshot import Holder

A, B, C = "GPU-a", "GPU-b", "GPU-c"
THERE = MovedSlice(B, A)
BACK = MovedSlice(A, B)


def entry(gpu_id, left_gpu_id=None, pid=1):
    target = Target(ProcessIdentity("boot", pid, pid), gpu_id, "s", Holder.NOTEBOOK, 5, left_gpu_id)
    return JournalEntry(Step.SUSPENDED, target)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "moved-slices.json"


def test_what_is_kept_is_found_by_the_next_agent_of_this_boot(path):
    MovedSlices(path, "boot").keep("s", THERE, ())
    assert MovedSlices(path, "boot").find("s") == THERE
    assert MovedSlices(path, "another").find("s") is None


def test_what_is_not_served_any_more_is_forgotten(path):
    moved = MovedSlices(path, "boot")
    moved.keep("s", THERE, ())
    moved.keep("t", THERE, ())
    moved.forget_all_but({"t"})
    assert MovedSlices(path, "boot").find("s") is None
    assert MovedSlices(path, "boot").find("t") == THERE


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"boot": "boot"}', '{"boot": "boot", "slices": 1}']
)
def test_a_file_that_cannot_be_read_says_nothing(path, text):
    path.write_text(text)
    assert MovedSlices(path, "boot").find("s") is None


@pytest.mark.parametrize(
    ("kept", "journal", "is_on"),
    [
        (None, [entry(B, A)], THERE),
        (None, [entry(A)], None),
        (None, [entry(B, A), entry(B, A, pid=2)], THERE),
        # Written in half: nothing was brought back there yet.
        (None, [entry(B, A), entry(A, pid=2)], None),
        (THERE, [entry(B), entry(B, A, pid=2)], THERE),
        (THERE, [entry(B)], THERE),
        (THERE, [entry(A)], BACK),
        (THERE, [entry(A), entry(B, A, pid=2)], BACK),
        (THERE, [], THERE),
        # Its way was changed to a third card, and back, and that was written in half.
        (THERE, [entry(B, A), entry(C, A, pid=2)], THERE),
        (MovedSlice(C, A), [entry(B, A), entry(C, A, pid=2)], MovedSlice(C, A)),
        (None, [entry(C, A), entry(B, A, pid=2)], THERE),
    ],
)
def test_the_journal_counts_for_more(path, kept, journal, is_on):
    if kept is not None:
        MovedSlices(path, "boot").keep("s", kept, ())
    moved = MovedSlices(path, "boot")
    moved.believe(journal)
    assert moved.find("s") == is_on
    assert MovedSlices(path, "boot").find("s") == is_on
