"""The budget of keeps: how long owners may say a day that their slice is not to be lent."""

from datetime import timedelta

from sublet_quota.document.right_values import Rights
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.refuse import refuse


def refuse_keep(rights: Rights, kept_today: timedelta, asked: timedelta) -> Refusal | None:
    """Return why the owner may not keep a slice for ``asked`` more; ``None``: they may.

    ``kept_today`` is what was granted in the last 24 hours, less what was given up unused.
    """
    most = rights.keep_a_day.value
    if not asked or kept_today + asked <= most:
        return None
    left = max(timedelta(), most - kept_today)
    asked_min, left_min, most_min = (_minutes(t) for t in (asked, left, most))
    if not most_min:
        return refuse(LimitRefusal.NO_KEEPS, owner=rights.owner, asked_min=asked_min)
    return refuse(
        LimitRefusal.KEPT_LONG if left_min else LimitRefusal.KEPT_ALL_DAY,
        owner=rights.owner,
        asked_min=asked_min,
        left_min=left_min,
        most_min=most_min,
    )


def _minutes(duration: timedelta) -> int:
    return int(duration.total_seconds() // 60)
