"""By how much turns are longer or shorter than what is due, so that each slice has that.

Those who take turns one after another are set right among themselves, by what they had together.
Who has an open turn is set right by what all of them had, as its turn is as long as it takes.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from sublet_quota.compute.card_use import ComputingSlice
from sublet_quota.compute.measured import (
    ROUNDED,
    WITHIN,
    are_at_caps,
    computes,
    dues_beside,
    used,
    who_has_more,
)
from sublet_quota.compute.turns import Round
from sublet_quota.names.ids import SliceId

CORRECTED_AT_MOST: Final = Fraction(3)
_CORRECTED_BY: Final = Fraction(1, 4)
"""By how much of what was off the next turns are longer or shorter: figures are rounded."""
_ONE: Final = Fraction(1)
_TWICE: Final = Fraction(2)


def bounded(correction: Fraction, most: Fraction = CORRECTED_AT_MOST) -> Fraction:
    """Return a correction within bounds, and with small numbers."""
    return min(most, max(1 / CORRECTED_AT_MOST, correction)).limit_denominator(1000)


def corrected(
    before: Mapping[SliceId, Fraction],
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    freely: Sequence[ComputingSlice] = (),
) -> dict[SliceId, Fraction]:
    """Return what corrects the next turns of all of them.

    ``freely``: who computes beside them and takes no turns.
    """
    due = dues_beside([*closed, *opened], freely)
    of_closed = sum((due[each.slice_id] for each in closed), Fraction(0))
    of_all = sum(due.values(), Fraction(0))
    had_closed = sum(used(each) for each in closed)
    had_all = had_closed + sum(used(each) for each in opened)
    corrections = {}
    for each in closed:
        is_due = due[each.slice_id] / of_closed if of_closed else Fraction(0)
        old = before.get(each.slice_id, _ONE)
        corrections[each.slice_id] = bounded(_nearer(old, each, had_closed, is_due))
    for each in opened:
        is_due, old = due[each.slice_id], before.get(each.slice_id, _ONE)
        if is_due > 0:
            is_due /= of_all
            # Who has an open turn and does not compute now is not given a longer one for that.
            new = _nearer(old, each, had_all, is_due) if computes(each) else old
            old = bounded(new, max(CORRECTED_AT_MOST, 1 / is_due))
        corrections[each.slice_id] = old
    return corrections


def corrected_for_caps(
    before: Mapping[SliceId, Fraction],
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    freely: Sequence[ComputingSlice],
) -> dict[SliceId, Fraction]:
    """Return what corrects the turns of those that are to have no more than they may."""
    due, corrections = dues_beside([*closed, *opened], freely), {}
    for each in (*closed, *opened):
        old, is_due = before.get(each.slice_id, _ONE), due[each.slice_id]
        if is_due > 0 and (computes(each) or each in closed):
            old = bounded(_nearer(old, each, 1.0, is_due), max(_ONE, 1 / is_due))
        corrections[each.slice_id] = old
    return corrections


def of_opened(
    before: Mapping[SliceId, Fraction], opened: Sequence[ComputingSlice], taken: Round
) -> dict[SliceId, Fraction]:
    """Return what corrects the open turns of those that had others until now.

    They are longer by what each left unused of those.
    """
    longer = {}
    for each in opened:
        part = taken.parts.get(each.slice_id)
        if part is not None and used(each) > 0:
            left = min(_TWICE, max(_ONE, Fraction(part / used(each))))
            longer[each.slice_id] = bounded(before.get(each.slice_id, _ONE) * left)
    return longer


def first_of_capped(
    joining: Sequence[ComputingSlice],
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    freely: Sequence[ComputingSlice],
) -> dict[SliceId, Fraction]:
    """Return what corrects the first turns of those that join others at their caps.

    Whoever had no more than is due, though it ran at all times, has all of the time that there is,
    where others run beside its turns.
    """
    taking = [*closed, *opened]
    if not are_at_caps(taking) or not (opened or freely):
        return {}
    due = dues_beside(taking, freely)
    of_closed = sum((due[each.slice_id] for each in closed), Fraction(0))
    no_more = [each for each in joining if used(each) <= (1 + WITHIN) * due[each.slice_id]]
    return {each.slice_id: 1 / of_closed for each in no_more if of_closed}


def _nearer(before: Fraction, each: ComputingSlice, had: float, is_due: Fraction) -> Fraction:
    if is_due <= 0 or had <= 0:
        return before
    off = Fraction(used(each) / had) / is_due - 1
    return before / (1 + off * _CORRECTED_BY)


def who_runs_on(
    slices: Sequence[ComputingSlice], corrections: Mapping[SliceId, Fraction], taken: Round
) -> list[ComputingSlice]:
    """Return who has more than is due though its turns are as short as they are ever made.

    Not whose turns were longer than meant: that is the machine's doing. Nor beside open turns, in
    which others have what the driver gives them.
    """
    if taken.opened:
        return []
    more, parts = who_has_more(slices), taken.parts
    return [
        each
        for each in slices
        if each.slice_id in more
        and corrections.get(each.slice_id, _ONE) <= 1 / CORRECTED_AT_MOST
        and (each.turns is None or each.turns <= parts[each.slice_id] + ROUNDED)
    ]
