"""Why a job is as it is, in words: every code has them, with its numbers, and nobody is named."""

import pytest
from sublet_quota.errors import ReasonError
from sublet_quota.reasons.job_reasons import (
    MOST_TOLD,
    JobReason,
    JobReasonCode,
    job_clause,
    numbers_of,
)
from sublet_quota.reasons.jobs_off import JobsOff
from sublet_quota.reasons.waiting import QueueReason, WaitReason

CODE = JobReasonCode
TOLD_ALONE = {CODE.TOLD_BEFORE, CODE.NOTEBOOK_FAILED, CODE.CANNOT_START, CODE.CLUSTER_REFUSED}
SAY_NOTHING = {CODE.BEGUN, CODE.DONE}


def a_reason(code: JobReasonCode, told: str = "") -> JobReason:
    """One with a number for each name: the name itself where that is an id."""
    ids = {"node", "namespace", "gpu_type"}
    return JobReason(code, {n: n if n in ids else 7 for n in numbers_of(code)}, told)


@pytest.mark.parametrize("code", JobReasonCode)
def test_every_code_has_its_clause_with_its_numbers(code: JobReasonCode) -> None:
    told = job_clause(a_reason(code))
    assert (told == "") is (code in TOLD_ALONE | SAY_NOTHING)
    assert not told.endswith((".", " ", ":"))
    assert "{" not in told
    for name, value in a_reason(code).numbers.items():
        assert str(value) in told, name


@pytest.mark.parametrize("code", [code for code in JobReasonCode if code not in SAY_NOTHING])
def test_words_from_outside_stand_behind_the_clause(code: JobReasonCode) -> None:
    clause = job_clause(a_reason(code))
    expected = f"{clause}: {{0}} oh" if clause else "{0} oh"
    assert job_clause(a_reason(code, "{0} oh")) == expected


@pytest.mark.parametrize(
    ("reason", "clause"),
    [
        (
            JobReason(CODE.PLACED, {"gpu": 0, "node": "node-a"}),
            "waits for its room on GPU 0 of node-a",
        ),
        (
            JobReason(CODE.CELL_FAILED, {"cell": 3}, "ValueError: no"),
            "cell 3: ValueError: no",
        ),
        (
            JobReason(CODE.NO_NODE_OF_TYPE, {"gpu_type": "H100\n"}),
            "waits for a GPU of type 'H100\\n': no node has one",
        ),
        (
            JobReason(CODE.SILENTLY_FAILED).under(attempt=2, of_attempts=3),
            "attempt 2 of 3 failed: failed without saying why",
        ),
        (
            JobReason(CODE.MACHINE_RESTARTED).under(begun_times=3),
            "its machine was restarted; it was begun 3 times, and is not tried again",
        ),
        (
            JobReason(CODE.CANCELLED).under(unkilled=1),
            "by its owner; a process of it waits for a disk or a file server, and cannot be killed",
        ),
        (
            JobReason(CODE.DONE).under(unkilled=1),
            "a process of it waits for a disk or a file server, and cannot be killed",
        ),
        (
            JobReason(CODE.CONTAINER_BEING_STARTED, told="FailedMount").under(begins_within_s=1800),
            "its pod has not begun within 30 min: its container is being started: FailedMount",
        ),
        (
            JobReason(CODE.UNSCHEDULABLE, told="0/1 nodes").under(rest_s=90),
            "the cluster has found no node for it yet: 0/1 nodes; it is queued again in 90 s",
        ),
        (
            JobReason(CODE.EVICTED).under(attempt=1, of_attempts=2, begins_within_s=10),
            "attempt 1 of 2 failed: its pod has not begun within 10 s: had to leave its GPU",
        ),
    ],
)
def test_numbers_and_circumstances_are_told_in_order(reason: JobReason, clause: str) -> None:
    assert job_clause(reason) == clause


def test_a_reason_has_the_numbers_of_its_code_and_no_others() -> None:
    with pytest.raises(ReasonError, match=r"needs \['gpu', 'node'\], and was given \['gpu'\]"):
        JobReason(CODE.PLACED, {"gpu": 0})
    with pytest.raises(ReasonError, match="was given"):
        JobReason(CODE.SUBMITTED, {"gpu": 0})
    with pytest.raises(ReasonError, match="of_attempts"):
        JobReason(CODE.SUBMITTED).under(attempt=1)


def test_only_so_much_of_what_was_told_is_kept() -> None:
    assert JobReason(CODE.EVICTED, told="x" * 100_000).told == "x" * MOST_TOLD


def test_a_program_can_tell_the_codes_of_jobs_from_those_of_who_waits() -> None:
    waits = {*map(str, QueueReason), *map(str, WaitReason), *map(str, JobsOff)}
    assert waits.isdisjoint(map(str, JobReasonCode))
