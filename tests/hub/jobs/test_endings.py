"""What the end of an attempt means for its job: the same whether it was a process or pods."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_hub.jobs.endings import (
    Ending,
    Failed,
    Lost,
    PrintedLog,
    Seen,
    Succeeded,
    change_of,
    ending_of,
    evicted,
    lost_gpu_state,
    wish_to_end,
)
from sublet_hub.ledger.records import JobRecord
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import JobId, SliceId, UserName

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIB = 2**20
MOST_ATTEMPTS = 3
SHORT_LOG = PrintedLog(0, MIB)


def a_job(**facts: Any) -> JobRecord:
    """A job that runs for the first time."""
    job = JobRecord(
        job_id=JobId("j1"),
        owner=UserName("ada"),
        groups=(),
        name="train",
        notebook="train.ipynb",
        parameters={},
        kernel=None,
        memory_mib=1024,
        compute_milli=1000,
        gpu_type=None,
        priority=0,
        max_run_s=None,
        state=JobState.RUNNING,
        reason="",
        submitted_at=NOW,
        started_at=NOW,
        slice_id=SliceId("s1"),
        attempts=1,
    )
    return replace(job, **facts)


CANCELLED = {"cancel_asked_at": NOW, "cancel_asked_by": "ada"}
BY_ADMIN = {"cancel_asked_at": NOW, "cancel_asked_by": "root"}
LAST_TIME = {"attempts": 3}
SILENT = Failed("its process ended while the service was away")

ENDINGS: dict[str, tuple[dict[str, Any], Seen, Ending]] = {
    "done": ({}, Succeeded(), Ending(JobMove.FINISH, "", 0)),
    "done before its wish to be cancelled was acted on": (
        CANCELLED,
        Succeeded(),
        Ending(JobMove.FINISH, "", 0),
    ),
    "failed": ({}, Failed("oh", 1), Ending(JobMove.FAIL, "oh", 1, may_retry=True)),
    "failed as it will again": (
        {},
        Failed("oh", 3, may_retry=False),
        Ending(JobMove.FAIL, "oh", 3),
    ),
    "failed while it was cancelled": (
        CANCELLED,
        Failed("told to end", 143),
        Ending(JobMove.CANCEL, "by its owner", 143),
    ),
    "lost while it was cancelled": (
        BY_ADMIN,
        Lost("its node died"),
        Ending(JobMove.CANCEL, "by an admin"),
    ),
    "lost": ({}, Lost("its node died"), Ending(JobMove.GO_BACK, "its node died")),
    "lost for the second time": (
        {"attempts": 2},
        Lost("its node died"),
        Ending(JobMove.GO_BACK, "its node died"),
    ),
    "lost too often": (
        LAST_TIME,
        Lost("its node died"),
        Ending(JobMove.FAIL, "its node died; it was begun 3 times, and is not tried again"),
    ),
    "lost, and not too often: what failed by itself does not count": (
        {**LAST_TIME, "failed_attempts": 1},
        Lost("its node died"),
        Ending(JobMove.GO_BACK, "its node died"),
    ),
    "lost too often, where that counts as a failed attempt": (
        LAST_TIME,
        Lost("its machine was restarted", at_last=SILENT),
        Ending(JobMove.FAIL, SILENT.why, may_retry=True),
    ),
    "evicted": (
        {},
        evicted("managed memory"),
        Ending(JobMove.GO_BACK, "had to leave its GPU: managed memory"),
    ),
    "evicted without a word": ({}, evicted(""), Ending(JobMove.GO_BACK, "had to leave its GPU")),
    "evicted while it was cancelled": (
        CANCELLED,
        evicted("managed memory"),
        Ending(JobMove.CANCEL, "by its owner"),
    ),
    "its GPU memory is lost": (
        {},
        lost_gpu_state("an error"),
        Ending(JobMove.GO_BACK, "its GPU state was lost: an error"),
    ),
}


@pytest.mark.parametrize(("facts", "seen", "ending"), ENDINGS.values(), ids=ENDINGS)
def test_what_was_seen_of_an_attempt_says_what_becomes_of_its_job(
    facts: dict[str, Any], seen: Seen, ending: Ending
) -> None:
    assert ending_of(a_job(**facts), seen, MOST_ATTEMPTS) == ending


WISHES: dict[str, tuple[dict[str, Any], PrintedLog, timedelta, Ending | None]] = {
    "nobody wants it to end": ({"max_run_s": 60}, SHORT_LOG, timedelta(seconds=60), None),
    "its owner does": (
        CANCELLED,
        SHORT_LOG,
        timedelta(),
        Ending(JobMove.CANCEL, "by its owner"),
    ),
    "an admin does": (BY_ADMIN, SHORT_LOG, timedelta(), Ending(JobMove.CANCEL, "by an admin")),
    "its runner has time to end it by itself": (
        {"max_run_s": 60},
        SHORT_LOG,
        timedelta(seconds=75),
        None,
    ),
    "its runner has not ended it in time": (
        {"max_run_s": 60},
        SHORT_LOG,
        timedelta(seconds=76),
        Ending(JobMove.FAIL, "ran for longer than 60 s"),
    ),
    "its log is as long as it may be": ({}, PrintedLog(MIB, MIB), timedelta(), None),
    "its log is too long": (
        {},
        PrintedLog(2 * MIB + 1, 2 * MIB, "its log, with the time of each line,"),
        timedelta(),
        Ending(JobMove.FAIL, "its log, with the time of each line, grew beyond 2 MiB: print less"),
    ),
    "a wish comes before a limit": (
        CANCELLED,
        PrintedLog(2, 1),
        timedelta(),
        Ending(JobMove.CANCEL, "by its owner"),
    ),
}


@pytest.mark.parametrize(("facts", "log", "after", "ending"), WISHES.values(), ids=WISHES)
def test_why_a_running_job_must_end(
    facts: dict[str, Any], log: PrintedLog, after: timedelta, ending: Ending | None
) -> None:
    assert wish_to_end(a_job(**facts), log, NOW + after) == ending


WAITS = {"state": JobState.WAITING, "slice_id": None}
PLACED = {"state": JobState.PLACED}
BACK = Ending(JobMove.GO_BACK, "its node died")
FAILED = Ending(JobMove.FAIL, "oh", 1, may_retry=True)

CHANGES: dict[str, tuple[dict[str, Any], Ending, tuple[JobState, int, int]]] = {
    "done": ({}, Ending(JobMove.FINISH, "", 0), (JobState.DONE, 1, 0)),
    "cancelled": ({}, Ending(JobMove.CANCEL, "by its owner"), (JobState.CANCELLED, 1, 0)),
    "goes back": ({}, BACK, (JobState.WAITING, 1, 0)),
    "goes back, of which the ledger did not know that it was placed": (
        {**WAITS, "attempts": 0},
        BACK,
        (JobState.WAITING, 0, 0),
    ),
    "failed without retries": ({}, FAILED, (JobState.FAILED, 1, 0)),
    "failed with a retry left": ({"retries": 1}, FAILED, (JobState.WAITING, 1, 1)),
    "failed after its last retry": (
        {"retries": 1, "attempts": 2, "failed_attempts": 1},
        FAILED,
        (JobState.FAILED, 2, 1),
    ),
    "failed as it will again": (
        {"retries": 1},
        Ending(JobMove.FAIL, "oh", 3),
        (JobState.FAILED, 1, 0),
    ),
    "failed before it began, which was an attempt": (
        {**PLACED, "retries": 1, "attempts": 0},
        FAILED,
        (JobState.WAITING, 1, 1),
    ),
}


@pytest.mark.parametrize(("facts", "ending", "after"), CHANGES.values(), ids=CHANGES)
def test_what_an_ending_changes(
    facts: dict[str, Any], ending: Ending, after: tuple[JobState, int, int]
) -> None:
    change = change_of(a_job(**facts), ending, NOW)
    (job,) = change.jobs
    assert (job.state, job.attempts, job.failed_attempts) == after
    assert job.slice_id is None


def test_a_job_that_is_over_keeps_its_exit_code_and_why() -> None:
    (job,) = change_of(a_job(), FAILED, NOW).jobs
    assert (job.exit_code, job.reason, job.ended_at) == (1, "oh", NOW)
