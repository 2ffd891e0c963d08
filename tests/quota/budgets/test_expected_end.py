"""When a budget will be spent at its pace."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_quota.budgets.expected_end import expected_end

BEGAN = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RENEWS = BEGAN + 31 * DAY


@pytest.mark.parametrize(
    ("spent", "hours", "days", "renews_at", "after_days"),
    [
        (50, 100, 10, RENEWS, 20),
        (50, 100, 10, None, 20),
        (90, 100, 9, RENEWS, 10),
        (10, 100, 10, RENEWS, None),
        (0, 100, 10, RENEWS, None),
        (100, 100, 10, RENEWS, None),
        (120, 100, 10, RENEWS, None),
        (1, 100, 0.01, RENEWS, None),
        (0.001, 1000, 10, None, None),
    ],
)
def test_it_ends_at_the_pace_so_far(
    spent: float, hours: float, days: float, renews_at: datetime | None, after_days: float | None
) -> None:
    ends_at = expected_end(
        spent=spent, hours=hours, begins_at=BEGAN, renews_at=renews_at, now=BEGAN + days * DAY
    )
    assert ends_at == (None if after_days is None else BEGAN + after_days * DAY)
