"""Who is held to its share by an open turn: whom turns of its own do not suit, and who has more.

Who does not fill its own turns, or runs on beyond them, runs freely beside the turns of others
while it has no more than is due to it: nothing would be gained. Where it has more, it runs beside
them in a part of each period only. So the card never waits for its program, as one of the others
always has a turn. It runs freely again where nearly all of the time comes to its due; it takes
turns like the others where its rest is over.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice
from sublet_quota.compute.measured import are_at_caps, computes, runs_freely, used, who_has_more
from sublet_quota.compute.rests import Rest, rest_of
from sublet_quota.compute.turns import Round
from sublet_quota.names.ids import SliceId

UNSEEN: Final = Fraction(2)
"""What makes a first open turn of one that was not seen to run freely: as if it had half of it."""
LONGEST_PART: Final = Fraction(95, 100)
"""Whoever needs more of the time than this to have its due runs freely."""
IDLE_FOR: Final = timedelta(seconds=10)
"""For so long who computes no longer keeps its open turn, which costs nobody anything: whoever
computes again and again for a moment is not freed each time."""


def who_may_open(
    use: CardUse, rests: Mapping[SliceId, Rest], but: Collection[SliceId]
) -> list[ComputingSlice]:
    """Return who computes and can be held by an open turn, and takes no turns."""
    return [
        each
        for each in use
        if each.slice_id not in but
        and each.not_pausable is None
        and computes(each)
        and rest_of(each.slice_id, rests, use.now) is not None
    ]


def who_opens(
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    others: Sequence[ComputingSlice],
    use: CardUse,
) -> list[ComputingSlice]:
    """Return who of the others has more than is due to it beside those who take turns."""
    there = [*closed, *opened]

    def who_more(those: Sequence[ComputingSlice]) -> frozenset[SliceId]:
        return who_has_more([*there, *those], runs_freely(use, [*there, *those]))

    found = [each for each in others if each.slice_id in who_more([each])]
    # Whoever leaves what is due to it unused makes nobody else have more than is due.
    more = who_more(found)
    return [each for each in found if each.slice_id in more]


def first_corrections(
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    new: Sequence[ComputingSlice],
) -> dict[SliceId, Fraction]:
    """Return what makes the first open turn of each new one as long as it takes to have its due.

    While it ran freely it had what was measured.
    """
    there = (*closed, *opened, *new)
    had = 1.0 if are_at_caps(there) else sum(used(each) for each in there)
    return {each.slice_id: Fraction(had / used(each)).limit_denominator(1000) for each in new}


def who_stays_open(
    there: Sequence[ComputingSlice],
    taken: Round,
    rests: Mapping[SliceId, Rest],
    idle_since: Mapping[SliceId, datetime],
    now: datetime,
) -> list[ComputingSlice]:
    """Return who keeps its open turn."""
    parts = taken.open_parts
    return [
        each
        for each in there
        if parts[each.slice_id] < LONGEST_PART
        and rest_of(each.slice_id, rests, now) is not None
        and now - idle_since.get(each.slice_id, now) < IDLE_FOR
    ]
