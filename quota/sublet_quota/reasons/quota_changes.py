"""What becomes of a slice because of others' guarantees: the words of such events."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.shared_clauses import USERS_WITHOUT_GROUP


class QuotaChange(StrEnum):
    """What has become of a slice."""

    CALLED_BACK = "called-back"
    MOVES = "moves"
    MAKES_ROOM = "makes-room"
    MOVED = "moved"
    STAYS = "stays"
    LEAVES_FAILED = "leaves-failed"
    COMES_HOME = "comes-home"
    GOES_ELSEWHERE = "goes-elsewhere"
    BEGINS_ELSEWHERE = "begins-elsewhere"
    OWNER_AT_WORK_THERE = "owner-at-work-there"
    RUNS_AGAIN = "runs-again"
    BROUGHT_BACK = "brought-back"
    HELD_BACK = "held-back"
    HELD_BACK_FOR_JOB = "held-back-for-job"
    HELD_BACK_ON_CARD = "held-back-on-card"
    GOES_ON = "goes-on"
    RECHARGED = "recharged"
    RECHARGED_AFTER_LEAVING = "recharged-after-leaving"
    AS_BEFORE = "as-before"
    AS_BEFORE_AFTER_LEAVING = "as-before-after-leaving"
    AS_BEFORE_NO_MORE = "as-before-no-more"


_SUSPENDED_MEANWHILE: Final = (
    "it is suspended, loses nothing, and goes on as soon as there is room below that"
)
_WORDS: Final[Mapping[QuotaChange, str]] = MappingProxyType(
    {
        QuotaChange.CALLED_BACK: (
            "its room on the card is due to {group}: it takes turns behind them, and loses nothing"
        ),
        QuotaChange.MOVES: (
            "its room on the card is due to {group}: it moves to GPU {card} of its node, and loses "
            "nothing"
        ),
        QuotaChange.MAKES_ROOM: (
            "it moves to GPU {card} of its node while it is idle, and is entitled there just the "
            "same: so room in pieces becomes one"
        ),
        QuotaChange.MOVED: "it is on GPU {card} of its node now",
        QuotaChange.STAYS: "it stays on its card, and does not move to another: {why}",
        QuotaChange.LEAVES_FAILED: "its card fails: it comes back on GPU {card} of its node",
        QuotaChange.COMES_HOME: (
            "GPU {card} of its node is its group's: it moves there when it is idle"
        ),
        QuotaChange.GOES_ELSEWHERE: (
            "it stands still on its card, and GPU {card} of its node is free: it moves there, and "
            "loses nothing"
        ),
        QuotaChange.BEGINS_ELSEWHERE: "it had not begun there, and another GPU is free",
        QuotaChange.OWNER_AT_WORK_THERE: "an owner is at work on the other GPU",
        QuotaChange.RUNS_AGAIN: "it runs again where it is",
        QuotaChange.BROUGHT_BACK: "there is room again: it has its place on the card back",
        QuotaChange.HELD_BACK: (
            f"a slice of {{group}} has taken its place below a limit: {_SUSPENDED_MEANWHILE}"
        ),
        QuotaChange.HELD_BACK_FOR_JOB: (
            "a guaranteed job of {group} has taken its place below a limit: "
            f"{_SUSPENDED_MEANWHILE}"
        ),
        QuotaChange.HELD_BACK_ON_CARD: (
            "a job of {group}, which comes before it, runs on its card: it is suspended, loses "
            "nothing, and goes on as soon as there is room again"
        ),
        QuotaChange.GOES_ON: "there is room again: it goes on",
        QuotaChange.RECHARGED: (
            "charged to {group} instead of {former}, which lets a slice of {for_group} in"
        ),
        QuotaChange.RECHARGED_AFTER_LEAVING: (
            "charged to {group} instead of {former}, in which its owner is no more"
        ),
        QuotaChange.AS_BEFORE_AFTER_LEAVING: (
            "its owner is in {group} no more: it counts as before until {until}"
        ),
        QuotaChange.AS_BEFORE: (
            "what {group} is guaranteed, or may be held, has become less: "
            "it counts as before until {until}"
        ),
        QuotaChange.AS_BEFORE_NO_MORE: (
            "it counts as before no longer: it is within what {group} is guaranteed, or borrowed"
        ),
    }
)


def quota_change_words(  # noqa: PLR0913 - the facts of the sentences
    change: QuotaChange,
    *,
    group: str | None = None,
    former: str | None = None,
    for_group: str | None = None,
    until: datetime | None = None,
    card: int | None = None,
    why: str = "",
) -> str:
    """Return what happened to a slice, as one clause.

    ``group``: whom it is about; of a slice that was charged to another group, that one, ``former``
    the one before, and ``for_group`` whose slice that lets in. ``None``: nobody's group. ``card``:
    the place among its node's cards of the one that a slice moves to; ``why`` it does not.
    """
    return _WORDS[change].format(
        group=group or USERS_WITHOUT_GROUP,
        former=former or "no group",
        for_group=for_group or USERS_WITHOUT_GROUP,
        card="" if card is None else card,
        why=why,
        until="" if until is None else moment_words(until),
    )


def reserved_words(group: str, reserved_from: str) -> str:
    """Return that a slice was called back for a reservation, as one clause.

    ``reserved_from``: from when on (``ranks.from_words``).
    """
    return (
        f"its room on the card is reserved for {group} {reserved_from}: it takes turns behind "
        "them, and loses nothing"
    )
