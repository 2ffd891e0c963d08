"""What owners are told whose servers are idle."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_quota.reasons.idle_servers import (
    IdleFacts,
    SparingJob,
    ToldIdle,
    idle_sentence,
    spared_sentence,
)

SINCE = datetime(2026, 11, 30, 8, 5, tzinfo=UTC)
ENDS = datetime(2026, 11, 30, 16, 5, tzinfo=UTC)


@pytest.mark.parametrize("told", ToldIdle)
def test_each_says_which_server_since_when_and_until_when(told: ToldIdle) -> None:
    said = idle_sentence(IdleFacts(told, "{big}", SINCE, timedelta(hours=8), ENDS))
    assert said.startswith("Your server '{big}' ")
    assert "2026-11-30 08:05 UTC" in said
    assert "2026-11-30 16:05 UTC" in said


def test_a_warning_says_what_is_lost_and_what_helps() -> None:
    assert idle_sentence(IdleFacts(ToldIdle.WARNED, "", SINCE, timedelta(hours=8), ENDS)) == (
        "Your server has been idle since 2026-11-30 08:05 UTC and will be ended at 2026-11-30 "
        "16:05 UTC, with all that is in its kernels' memory: run a cell, or extend it, if you "
        "still need it."
    )


@pytest.mark.parametrize(
    ("max_idle", "words"),
    [
        (timedelta(days=2), "may be so for 2 d."),
        (timedelta(minutes=90), "may be so for 90 min."),
        (timedelta(seconds=1.5), "may be so for 1.5 s."),
    ],
)
def test_how_long_it_may_be_idle_is_told_exactly(max_idle: timedelta, words: str) -> None:
    assert words in idle_sentence(IdleFacts(ToldIdle.ENDED, "", SINCE, max_idle, ENDS))


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (SparingJob("train", runs=True), "while job 'train', promoted from it, runs."),
        (SparingJob("train", runs=False), "while job 'train', promoted from it, waits to go on."),
        (SparingJob("train", runs=True, others=2), "job 'train' (and 2 more), promoted from it,"),
    ],
)
def test_it_is_told_for_which_job_a_server_is_not_ended(job: SparingJob, words: str) -> None:
    said = spared_sentence("big", SINCE, job)
    assert said.startswith("Your server 'big' has been idle since 2026-11-30 08:05 UTC, and is not")
    assert words in said
