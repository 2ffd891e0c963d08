"""A moment is told in UTC, in whichever zone it is known: a budget's end is by its own clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sublet_quota.reasons.budget_levels import BudgetNews, budget_words
from sublet_quota.reasons.moments import is_over_words, moment_words, said_moment_words
from sublet_quota.reasons.shared_clauses import server_clause

BERLIN = datetime(2026, 12, 1, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def test_a_moment_of_another_zone_is_told_in_utc() -> None:
    assert moment_words(BERLIN) == "2026-11-30 23:00 UTC"
    assert moment_words(BERLIN.astimezone(UTC)) == "2026-11-30 23:00 UTC"


def test_a_moment_that_somebody_wrote_is_repeated_and_told_in_utc_once() -> None:
    written = BERLIN.isoformat()
    assert said_moment_words(written, BERLIN) == f"{written} (2026-11-30 23:00 UTC)"
    in_utc = "2026-11-30T23:00:00Z"
    assert said_moment_words(in_utc, BERLIN) == in_utc


def test_an_end_that_is_over_is_told_as_it_was_written_and_what_time_it_is() -> None:
    now = datetime(2026, 12, 1, 10, 30, tzinfo=UTC)
    assert is_over_words(BERLIN, now) == (
        "until=2026-12-01T00:00:00+01:00 (2026-11-30 23:00 UTC) is over, as it is "
        "2026-12-01 10:30 UTC: give a later end, or none"
    )


def test_hours_of_a_budget_are_there_again_at_the_moment_that_is_told() -> None:
    words = budget_words(
        BudgetNews.OVER, group="lab", owner=None, hours=10, left=0, again_at=BERLIN
    )
    assert "hours again at 2026-11-30 23:00 UTC" in words


def test_a_server_is_named_with_whose_it_is() -> None:
    assert server_clause("ada", "big") == "server 'big' of ada"
    assert server_clause("ada", "") == "the default server of ada"
