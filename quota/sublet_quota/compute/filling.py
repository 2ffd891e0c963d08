"""Whether those who take turns use them: judged by what was measured beside the turns they had."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice
from sublet_quota.compute.measured import COMPUTES, ROUNDED, computes, used
from sublet_quota.compute.past import PastCompute
from sublet_quota.compute.rests import longer_rest
from sublet_quota.compute.turns import Round
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

FILLS: Final = 0.96
"""Who uses so much of its own turns, but for a switch each, fills them."""
USES: Final = 0.5
"""Whoever uses less of what its turns left to it holds others up, also where nothing is lost."""
SWITCH: Final = timedelta(milliseconds=1)
"""What of a turn may go by before its slice computes."""

SURE_AFTER: Final = timedelta(seconds=1)
"""For so long a slice is seen not to fill its turns before that counts: figures are of a second."""
AGAIN_WITHIN: Final = timedelta(seconds=30)
"""Whoever stops computing twice in this time comes and goes."""


def fills(each: ComputingSlice, granted: float) -> bool:
    """Whether a slice used what it could of the card's time, as far as that was granted."""
    return used(each) + ROUNDED >= FILLS * granted


def nothing_is_left(use: CardUse, taken: Round) -> bool:
    """Whether nobody's turns cost anything: others run beside them, and the card is full.

    Those have more beside one program than beside another, so that nobody can be judged alone, but
    for whom hardly uses its turns.
    """
    runs_beside = use.foreign >= COMPUTES or any(
        computes(each) and each.slice_id not in taken.closed_ones for each in use
    )
    return runs_beside and use.busy is not None and use.busy + ROUNDED >= FILLS


def granted_parts(use: CardUse, taken: Round, period: timedelta) -> Mapping[SliceId, float]:
    """Return the part of the card's time that each one's turns left to it, but for the switches.

    Whoever runs beside them had its time of all of them alike.
    """
    freely = use.foreign + sum(used(each) for each in use if each.slice_id not in taken.who)
    opened = sum(used(each) for each in use if each.slice_id in taken.opened_ones)
    for_turns, parts, granted = max(0.0, 1.0 - freely), taken.parts, {}
    for each in use:
        part = parts.get(each.slice_id)
        if part is not None:
            had = part if each.turns is None else each.turns
            left = max(0.0, had * for_turns - part * opened)
            granted[each.slice_id] = left - SWITCH / period
    return granted


def has_stopped(each: ComputingSlice, granted: float) -> bool:
    """Whether who takes turns computes no longer: not where it had no more than it used."""
    if computes(each):
        return False
    awaited = each.runs_a_cell or each.is_job
    return each.stopped or not (awaited or fills(each, granted))


def who_fills(
    use: CardUse,
    past: PastCompute,
    taken: Round,
    staying: Sequence[ComputingSlice],
    granted: Mapping[SliceId, float],
) -> tuple[PastCompute, list[ComputingSlice], list[ComputingSlice]]:
    """Return who goes on taking turns one after another, and who has stopped once more.

    The first are those that fill their turns, or may do so. ``granted``: what the turns of each
    left to it (``granted_parts``).
    """
    rests, left_at, filling, again = dict(past.rests), dict(past.left_at), [], []
    short_since: dict[SliceId, datetime] = {}
    all_fill = nothing_is_left(use, taken)

    def rest(each: ComputingSlice) -> None:
        before = rests.get(each.slice_id)
        rests[each.slice_id] = longer_rest(before, use.now, ShareKept.WAITS_FOR_PROGRAM)

    for each in staying:
        if has_stopped(each, granted[each.slice_id]):
            before = left_at.get(each.slice_id)
            if before is not None and use.now - before < AGAIN_WITHIN and not each.stopped:
                rest(each)
                again.append(each)
            left_at[each.slice_id] = use.now
            continue
        if fills(each, granted[each.slice_id]):
            filling.append(each)
            if granted[each.slice_id] > 0:
                rests.pop(each.slice_id, None)
            continue
        since = past.short_since.get(each.slice_id, use.now)
        if all_fill and used(each) >= USES * granted[each.slice_id]:
            filling.append(each)
        elif use.now - since >= SURE_AFTER:
            rest(each)
        else:
            filling.append(each)
            short_since[each.slice_id] = since
    past = replace(past, rests=rests, short_since=short_since, left_at=left_at)
    return past, filling, again
