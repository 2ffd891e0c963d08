"""Refusals for the limits of quotas: a person's, a group's, the keeps of a day, jobs at once.

A person's limits bind over all they hold, a group's over what is charged to it and to the groups
in it. ``line`` is where the quota document says the limit.
"""

from enum import unique
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row

_OF_TYPE: Final = (
    "has {held_cards} of {gpu_type} and may have {limit_cards} ({line}): {asked_cards} more is too "
    "much. {helps}"
)
_CARDS: Final = (
    "has {held_cards} and may have {limit_cards} of all types ({line}): {asked_cards} more is too "
    "much. {helps}"
)
_MEMORY: Final = (
    "has {used_mib} of memory and may have {limit_mib} ({line}): {asked_mib} more is too much. "
    "{helps}"
)
_SLICES: Final = "has {slices} and may have {most_slices} ({line}). {helps}"
_OF_CARDS: Final = ("asked_cards", "held_cards", "limit_cards")
_OF_MEMORY: Final = ("asked_mib", "used_mib", "limit_mib")
_OF_SLICES: Final = ("slices", "most_slices")
_KEEP: Final = (
    "'{owner}' may keep slices from being lent for {most_min} min a day, and has {left_min} min "
    "left: {asked_min} min is too much."
)
_OF_KEEP: Final = ("asked_min", "left_min", "most_min")


@unique
class LimitRefusal(RefusalCode):
    """Which limit would be passed."""

    USER_TYPE = Row(RefusalReason.USER_LIMIT, f"'{{owner}}' {_OF_TYPE}", _OF_CARDS)
    USER_CARDS = Row(RefusalReason.USER_LIMIT, f"'{{owner}}' {_CARDS}", _OF_CARDS)
    USER_MEMORY = Row(RefusalReason.USER_LIMIT, f"'{{owner}}' {_MEMORY}", _OF_MEMORY)
    USER_SLICES = Row(RefusalReason.TOO_MANY_SLICES, f"'{{owner}}' {_SLICES}", _OF_SLICES)
    GROUP_TYPE = Row(RefusalReason.GROUP_LIMIT, f"Group '{{group}}' {_OF_TYPE}", _OF_CARDS)
    GROUP_CARDS = Row(RefusalReason.GROUP_LIMIT, f"Group '{{group}}' {_CARDS}", _OF_CARDS)
    GROUP_MEMORY = Row(RefusalReason.GROUP_LIMIT, f"Group '{{group}}' {_MEMORY}", _OF_MEMORY)
    GROUP_SLICES = Row(RefusalReason.GROUP_LIMIT, f"Group '{{group}}' {_SLICES}", _OF_SLICES)
    KEPT_FOR_OTHERS = Row(
        RefusalReason.GROUP_LIMIT,
        "Below the limit of group '{group}' ({line}) there is room, which is kept for who comes "
        "before in line.",
    )
    """The wish waits in line."""
    KEPT_LONG = Row(
        RefusalReason.KEEP_BUDGET, f"{_KEEP} Ask for {{left_min}} min or less.", _OF_KEEP
    )
    KEPT_ALL_DAY = Row(RefusalReason.KEEP_BUDGET, f"{_KEEP} Try again tomorrow.", _OF_KEEP)
    """None of the day's budget is left."""
    NO_KEEPS = Row(
        RefusalReason.KEEP_BUDGET,
        "'{owner}' may not keep slices from being lent: {asked_min} min is too much. Ask an "
        "administrator.",
        ("asked_min",),
    )
    JOBS = Row(
        RefusalReason.TOO_MANY_JOBS,
        "'{owner}' has {jobs} waiting or running and may have {most_jobs}. Cancel one, or "
        "wait until one ends.",
        ("jobs", "most_jobs"),
    )
    NO_JOBS = Row(
        RefusalReason.TOO_MANY_JOBS,
        "'{owner}' may have no jobs ({line}). Ask an administrator.",
    )
    """For who may have 0: there is none to cancel."""
