"""When a budget will be spent, if it is spent on as it was so far in its period."""

from datetime import datetime, timedelta
from typing import Final

_LEAST: Final = timedelta(hours=1)
"""What was spent in less time than that says nothing of a pace."""
_FARTHEST: Final = timedelta(days=366)


def expected_end(
    *,
    spent: float,
    hours: float,
    begins_at: datetime,
    renews_at: datetime | None,
    now: datetime,
) -> datetime | None:
    """Return when the hours of a budget are spent; ``None``: not in this period, or nobody can say.

    ``spent`` and ``hours`` are hours on cards. Of a rolling period (``renews_at`` is ``None`` while
    it has hours) the pace is that of the period's length.
    """
    if spent <= 0 or spent >= hours or now - begins_at < _LEAST:
        return None
    left = (hours - spent) / spent * (now - begins_at)
    if left > _FARTHEST or (renews_at is not None and now + left >= renews_at):
        return None
    return now + left
