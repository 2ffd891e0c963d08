"""By how much turns are longer or shorter than what is due, so that each slice has that.

Those who take turns one after another are set right among themselves, by what they had together.
Who has an open turn is set right by what all of them had, as its turn is as long as it takes.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from sublet_quota.compute.card_use import ComputingSlice
from sublet_quota.compute.dues import dues
from sublet_quota.compute.measured import ROUNDED, computes, used, who_has_more
from sublet_quota.compute.turns import Round
from sublet_quota.names.ids import SliceId

CORRECTED_AT_MOST: Final = Fraction(3)
_CORRECTED_BY: Final = Fraction(1, 4)
"""By how much of what was off the next turns are longer or shorter: figures are rounded."""
_ONE: Final = Fraction(1)


def bounded(correction: Fraction, most: Fraction = CORRECTED_AT_MOST) -> Fraction:
    """Return a correction within bounds, and with small numbers."""
    return min(most, max(1 / CORRECTED_AT_MOST, correction)).limit_denominator(1000)


def corrected(
    before: Mapping[SliceId, Fraction],
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
) -> dict[SliceId, Fraction]:
    """Return what corrects the next turns of all of them."""
    due = dues([*closed, *opened])
    of_closed = sum((due[each.slice_id] for each in closed), Fraction(0))
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
            # Who has an open turn and does not compute now is not given a longer one for that.
            new = _nearer(old, each, had_all, is_due) if computes(each) else old
            old = bounded(new, max(CORRECTED_AT_MOST, 1 / is_due))
        corrections[each.slice_id] = old
    return corrections


def corrected_for_cap(before: Fraction, each: ComputingSlice) -> Fraction:
    """Return what corrects the turns of one that is to have no more than it may."""
    most = max(_ONE, 1 / each.cap)
    return bounded(_nearer(before, each, 1.0, each.cap), most)


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
