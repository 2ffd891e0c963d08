"""A moment is told in UTC, in whichever zone it is known: a budget's end is by its own clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sublet_quota.reasons.budget_levels import BudgetNews, budget_words
from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.shared_clauses import server_clause

BERLIN = datetime(2026, 12, 1, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def test_a_moment_of_another_zone_is_told_in_utc() -> None:
    assert moment_words(BERLIN) == "2026-11-30 23:00 UTC"
    assert moment_words(BERLIN.astimezone(UTC)) == "2026-11-30 23:00 UTC"


def test_hours_of_a_budget_are_there_again_at_the_moment_that_is_told() -> None:
    words = budget_words(
        BudgetNews.OVER, group="lab", owner=None, hours=10, left=0, again_at=BERLIN
    )
    assert "hours again at 2026-11-30 23:00 UTC" in words


def test_a_server_is_named_with_whose_it_is() -> None:
    assert server_clause("ada", "big") == "server 'big' of ada"
    assert server_clause("ada", "") == "the default server of ada"
