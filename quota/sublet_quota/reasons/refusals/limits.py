"""Refusals for the limits of quotas: a user's, their group's, the keeps of a day, jobs at once."""

from enum import unique
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row

_BY_USER: Final = "Stop another server, or pick a smaller size."
_BY_GROUP: Final = "Wait until a member stops a server, or pick a smaller size."
_MEMORY: Final = "has {used_mib} of memory and may have {limit_mib}: {asked_mib} more is too much."
_COMPUTE: Final = (
    "has {used_milli} of compute and may have {limit_milli}: {asked_milli} more is too much."
)
_OF_MEMORY: Final = ("asked_mib", "used_mib", "limit_mib")
_OF_COMPUTE: Final = ("asked_milli", "used_milli", "limit_milli")
_KEEP: Final = (
    "'{owner}' may keep slices from being lent for {most_min} min a day, and has {left_min} min "
    "left: {asked_min} min is too much."
)
_OF_KEEP: Final = ("asked_min", "left_min", "most_min")


@unique
class LimitRefusal(RefusalCode):
    """Which limit would be passed."""

    USER_SLICES = Row(
        RefusalReason.TOO_MANY_SLICES,
        "'{owner}' has {slices} and may have {most_slices}. Stop another server first.",
        ("slices", "most_slices"),
    )
    GROUP_SLICES = Row(
        RefusalReason.GROUP_LIMIT,
        "Group '{group}' has {slices} and may have {most_slices}. Wait until a member stops a "
        "server.",
        ("slices", "most_slices"),
    )
    USER_MEMORY = Row(RefusalReason.USER_LIMIT, f"'{{owner}}' {_MEMORY} {_BY_USER}", _OF_MEMORY)
    USER_COMPUTE = Row(RefusalReason.USER_LIMIT, f"'{{owner}}' {_COMPUTE} {_BY_USER}", _OF_COMPUTE)
    GROUP_MEMORY = Row(
        RefusalReason.GROUP_LIMIT, f"Group '{{group}}' {_MEMORY} {_BY_GROUP}", _OF_MEMORY
    )
    GROUP_COMPUTE = Row(
        RefusalReason.GROUP_LIMIT, f"Group '{{group}}' {_COMPUTE} {_BY_GROUP}", _OF_COMPUTE
    )
    KEPT_LONG = Row(
        RefusalReason.KEEP_BUDGET, f"{_KEEP} Ask for {{left_min}} min or less.", _OF_KEEP
    )
    KEPT_ALL_DAY = Row(RefusalReason.KEEP_BUDGET, f"{_KEEP} Try again tomorrow.", _OF_KEEP)
    """None of the day's budget is left."""
    JOBS = Row(
        RefusalReason.TOO_MANY_JOBS,
        "'{owner}' has {jobs} jobs waiting or running and may have {most_jobs}. Cancel one, or "
        "wait until one ends.",
        ("jobs", "most_jobs"),
    )
