"""What the end of an attempt means for its job: the same whether it was a process or pods."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_hub.jobs.changes import waits_for
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
from sublet_hub.ledger.records import Change, JobRecord
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause

from tests.support.ledger_records import a_job_record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIB = 2**20
MOST_ATTEMPTS = 3
SHORT_LOG = PrintedLog(0, MIB)


def a_job(**facts: Any) -> JobRecord:
    """A job that runs for the first time."""
    running = {
        "memory_mib": 1024,
        "state": JobState.RUNNING,
        "reason": JobReason(JobReasonCode.BEGUN),
        "submitted_at": NOW,
        "started_at": NOW,
        "slice_id": SliceId("s1"),
        "attempts": 1,
    }
    return a_job_record("j1", "ada", **{**running, **facts})


CANCELLED = {"cancel_asked_at": NOW, "cancel_asked_by": "ada"}
BY_ADMIN = {"cancel_asked_at": NOW, "cancel_asked_by": "root"}
LAST_TIME = {"attempts": 3}
SILENT = Failed(JobReason(JobReasonCode.ENDED_UNSEEN))
OH = JobReason(JobReasonCode.NOTEBOOK_FAILED, told="oh")
NODE_DIED = JobReason(JobReasonCode.NODE_GAVE_UP, told="it died")
BY_OWNER = JobReason(JobReasonCode.CANCELLED)
DONE = Ending(JobMove.FINISH, JobReason(JobReasonCode.DONE), 0)

OVER_CAP = JobReason(
    JobReasonCode.MORE_THAN_ASKED, {"has_mib": 45 * 1024, "asked_mib": 40 * 1024, "over_s": 900}
)

ENDINGS: dict[str, tuple[dict[str, Any], Seen, Ending]] = {
    "done": ({}, Succeeded(), DONE),
    "done before its wish to be cancelled was acted on": (
        CANCELLED,
        Succeeded(),
        DONE,
    ),
    "failed": ({}, Failed(OH, 1), Ending(JobMove.FAIL, OH, 1, may_retry=True)),
    "failed as it will again": (
        {},
        Failed(OH, 3, may_retry=False),
        Ending(JobMove.FAIL, OH, 3),
    ),
    "failed while it was cancelled": (
        CANCELLED,
        Failed(JobReason(JobReasonCode.TOLD_TO_END), 143),
        Ending(JobMove.CANCEL, BY_OWNER, 143),
    ),
    "lost while it was cancelled": (
        BY_ADMIN,
        Lost(NODE_DIED),
        Ending(JobMove.CANCEL, JobReason(JobReasonCode.CANCELLED_BY_ADMIN)),
    ),
    "lost": ({}, Lost(NODE_DIED), Ending(JobMove.GO_BACK, NODE_DIED)),
    "lost for the second time": (
        {"attempts": 2},
        Lost(NODE_DIED),
        Ending(JobMove.GO_BACK, NODE_DIED),
    ),
    "lost too often": (
        LAST_TIME,
        Lost(NODE_DIED),
        Ending(JobMove.FAIL, NODE_DIED.under(begun_times=3)),
    ),
    "lost, and not too often: what failed by itself does not count": (
        {**LAST_TIME, "failed_attempts": 1},
        Lost(NODE_DIED),
        Ending(JobMove.GO_BACK, NODE_DIED),
    ),
    "lost too often, where that counts as a failed attempt": (
        LAST_TIME,
        Lost(JobReason(JobReasonCode.MACHINE_RESTARTED), at_last=SILENT),
        Ending(JobMove.FAIL, SILENT.why, may_retry=True),
    ),
    "evicted": (
        {},
        evicted("managed memory"),
        Ending(JobMove.GO_BACK, JobReason(JobReasonCode.EVICTED, told="managed memory")),
    ),
    "evicted without a word": (
        {},
        evicted(""),
        Ending(JobMove.GO_BACK, JobReason(JobReasonCode.EVICTED)),
    ),
    "evicted while it was cancelled": (
        CANCELLED,
        evicted("managed memory"),
        Ending(JobMove.CANCEL, BY_OWNER),
    ),
    "ended for having more than it asked for, however it was seen to end": (
        {"reason": OVER_CAP},
        Lost(NODE_DIED),
        Ending(JobMove.FAIL, OVER_CAP),
    ),
    "done, before it was ended for having more than it asked for": (
        {"reason": OVER_CAP},
        Succeeded(),
        DONE,
    ),
    "its GPU memory is lost": (
        {},
        lost_gpu_state("an error"),
        Ending(JobMove.GO_BACK, JobReason(JobReasonCode.GPU_STATE_LOST, told="an error")),
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
        Ending(JobMove.CANCEL, BY_OWNER),
    ),
    "an admin does": (
        BY_ADMIN,
        SHORT_LOG,
        timedelta(),
        Ending(JobMove.CANCEL, JobReason(JobReasonCode.CANCELLED_BY_ADMIN)),
    ),
    "it has run for longer than it may": (
        {"max_run_s": 60},
        SHORT_LOG,
        timedelta(seconds=61),
        Ending(JobMove.FAIL, JobReason(JobReasonCode.RAN_TOO_LONG, {"limit_s": 60})),
    ),
    "its log is as long as it may be": ({}, PrintedLog(MIB, MIB), timedelta(), None),
    "its log is too long": (
        {},
        PrintedLog(2 * MIB + 1, 2 * MIB),
        timedelta(),
        Ending(JobMove.FAIL, JobReason(JobReasonCode.LOG_TOO_LONG, {"limit_mib": 2})),
    ),
    "its log is too long with the time of each line": (
        {},
        PrintedLog(2 * MIB + 1, 2 * MIB, is_stamped=True),
        timedelta(),
        Ending(JobMove.FAIL, JobReason(JobReasonCode.STAMPED_LOG_TOO_LONG, {"limit_mib": 2})),
    ),
    "it has more than it asked for": (
        {"reason": OVER_CAP},
        SHORT_LOG,
        timedelta(),
        Ending(JobMove.FAIL, OVER_CAP),
    ),
    "a wish comes before a limit": (
        CANCELLED,
        PrintedLog(2, 1),
        timedelta(),
        Ending(JobMove.CANCEL, BY_OWNER),
    ),
}


@pytest.mark.parametrize(("facts", "log", "after", "ending"), WISHES.values(), ids=WISHES)
def test_why_a_running_job_must_end(
    facts: dict[str, Any], log: PrintedLog, after: timedelta, ending: Ending | None
) -> None:
    assert wish_to_end(a_job(**facts), log, timedelta(), NOW + after) == ending


def test_the_time_that_a_job_stood_still_does_not_count() -> None:
    job, hour = a_job(max_run_s=60), timedelta(hours=1)
    most = timedelta(seconds=60)
    assert wish_to_end(job, SHORT_LOG, hour, NOW + hour + most) is None
    ending = wish_to_end(job, SHORT_LOG, hour, NOW + hour + most + timedelta(seconds=1))
    assert ending is not None
    assert ending.why.code is JobReasonCode.RAN_TOO_LONG


WAITS = {"state": JobState.WAITING, "slice_id": None}
PLACED = {"state": JobState.PLACED}
BACK = Ending(JobMove.GO_BACK, NODE_DIED)
FAILED = Ending(JobMove.FAIL, OH, 1, may_retry=True)

CHANGES: dict[str, tuple[dict[str, Any], Ending, tuple[JobState, int, int]]] = {
    "done": ({}, DONE, (JobState.DONE, 1, 0)),
    "cancelled": ({}, Ending(JobMove.CANCEL, BY_OWNER), (JobState.CANCELLED, 1, 0)),
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
        Ending(JobMove.FAIL, OH, 3),
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
    assert (job.exit_code, job.reason, job.ended_at) == (1, OH, NOW)


def test_who_waits_for_its_next_attempt_and_the_record_are_told_which_one_failed() -> None:
    change = change_of(a_job(retries=2, failed_attempts=1, attempts=2), FAILED, NOW)
    (job,), (event,) = change.jobs, change.events
    assert job.reason == OH.under(attempt=2, of_attempts=3)
    assert job_clause(job.reason) == "attempt 2 of 3 failed: oh"
    assert event.detail == "j1: attempt 2 of 3 failed: oh"


def test_what_a_job_waits_for_is_written_once() -> None:
    why = JobReason(JobReasonCode.UNSCHEDULABLE, told="0/3\0 nodes")
    (waiting,) = (waits_for(a_job(**WAITS), why) or Change()).jobs
    assert waiting.reason.told == "0/3\ufffd nodes"
    assert waits_for(waiting, why) is None
