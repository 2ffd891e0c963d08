"""The words of notebooks in line: when there will be room, and why one is in line no more."""

from datetime import UTC, datetime

import pytest
from sublet_quota.reasons.server_queue import (
    Expected,
    ExpectedFrom,
    LineEnd,
    WaitFacts,
    expected_words,
    line_end_words,
    wait_words,
)

AT = datetime(2026, 11, 30, 14, 5, tzinfo=UTC)
UNTIL = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize("by", ExpectedFrom)
def test_a_time_is_told_where_one_is_known_and_else_that_it_is_not(by: ExpectedFrom) -> None:
    known = {
        ExpectedFrom.KNOWN_ENDS,
        ExpectedFrom.IDLE_ENDS,
        ExpectedFrom.HELD_BEFORE,
        ExpectedFrom.CARD_OPENS,
        ExpectedFrom.RESERVATION_ENDS,
        ExpectedFrom.EXCEPTION_ENDS,
    }
    words = expected_words(Expected(AT if by in known else None, by, "H100"))
    assert "{" not in words
    assert ("2026-11-30 14:05 UTC" in words) is (by in known)
    assert ("not known" in words) is (by not in known | {ExpectedFrom.TURN_NOW})


def test_no_two_ends_are_told_alike() -> None:
    told = {line_end_words(end, said="x", waited="2 h") for end in LineEnd}
    assert len(told) == len(LineEnd)
    assert not any("{" in words for words in told)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (0, "nobody before it asks for the same GPUs."),
        (1, "1 before it asks for the same GPUs."),
        (2, "2 before it ask for the same GPUs."),
    ],
)
def test_a_wait_says_place_time_and_that_it_starts_by_itself(before: int, words: str) -> None:
    expected = Expected(AT, ExpectedFrom.HELD_BEFORE, "H100")
    told = wait_words(WaitFacts(3, before, expected, UNTIL, "No GPU has room."))
    assert told.startswith(f"Your notebook is in line, at place 3; {words} Room is expected")
    assert "starts by itself when its turn comes, or leaves the line at 2026-11-30 16:00" in told
    assert told.endswith("No GPU has room.")
