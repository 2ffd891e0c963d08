"""The budget of keeps: how long owners may say a day that their slice is not to be lent."""

from datetime import timedelta

from sublet_quota.document.rights import Rights
from sublet_quota.reasons.refusal import Refusal, RefusalReason


def refuse_keep(rights: Rights, kept_today: timedelta, asked: timedelta) -> Refusal | None:
    """Return why the owner may not keep a slice for ``asked`` more; ``None``: they may.

    ``kept_today`` is what was granted in the last 24 hours, less what was given up unused.
    """
    if not asked or kept_today + asked <= rights.keep_a_day:
        return None
    left = max(timedelta(), rights.keep_a_day - kept_today)
    asked_min, left_min, most_min = (_minutes(t) for t in (asked, left, rights.keep_a_day))
    advice = f"Ask for {left_min} min or less" if left_min else "Try again tomorrow"
    return Refusal(
        RefusalReason.KEEP_BUDGET,
        f"'{rights.owner}' may keep slices from being lent for {most_min} min a day, and has "
        f"{left_min} min left: {asked_min} min is too much. {advice}.",
        {"asked_min": asked_min, "left_min": left_min, "most_min": most_min},
    )


def _minutes(duration: timedelta) -> int:
    return int(duration.total_seconds() // 60)
