"""How long slices are let alone that turns of computing do not suit, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

FIRST_REST: Final = timedelta(minutes=3)
"""Turns that turn out to waste time do so for three seconds, half of them at most: under 1 %."""
LONGEST_REST: Final = timedelta(minutes=48)


@dataclass(frozen=True, slots=True)
class Rest:
    """The time in which a slice runs freely that did not fill its turns, or ran on beyond them."""

    until: datetime
    lasts: timedelta
    why: ShareKept = ShareKept.WAITS_FOR_PROGRAM


def longer_rest(before: Rest | None, now: datetime, why: ShareKept) -> Rest:
    """Return a slice's next rest, twice as long as the one before."""
    lasts = FIRST_REST if before is None else min(LONGEST_REST, 2 * before.lasts)
    return Rest(now + lasts, lasts, why)


def rest_of(slice_id: SliceId, rests: Mapping[SliceId, Rest], now: datetime) -> Rest | None:
    """Return the rest that a slice has now."""
    rest = rests.get(slice_id)
    return rest if rest is not None and now < rest.until else None
