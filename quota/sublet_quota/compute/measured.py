"""What was measured of slices beside what is due to them, and beside what they may have at most."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.dues import dues
from sublet_quota.names.ids import SliceId

FULL: Final = 0.95
"""A card that is busy for so much of the time is full."""
COMPUTES: Final = 0.02
"""Whom nobody waits for does not compute, with less of the card's time than this."""
TAKEN: Final = 0.8
"""Turns were taken in so much of the time, or the parts that slices had say nothing of them."""
WITHIN: Final = 0.05
"""How far from its due a part may be before that counts."""
ROUNDED: Final = 0.01
"""Figures come in hundredths."""


def used(each: ComputingSlice) -> float:
    """Return the part of the card's time that a slice had; 0 where it is not told."""
    return each.used or 0.0


def ids_of(slices: Sequence[ComputingSlice]) -> frozenset[SliceId]:
    """Return whose these are."""
    return frozenset(each.slice_id for each in slices)


def computes(each: ComputingSlice) -> bool:
    """Whether a slice computes: one that somebody waits for, by any use that is told.

    Others would have the rest of the card also where they leave it next to nothing.
    """
    awaited = each.runs_a_cell or each.is_job
    return used(each) > 0 if awaited else used(each) >= COMPUTES


def is_full(use: CardUse) -> bool:
    """Whether a card is full; one that does not tell may be."""
    return use.busy is None or use.busy >= FULL


def were_taken(use: CardUse) -> bool:
    """Whether turns were taken in nearly all of the time that was measured."""
    return use.turned is None or use.turned >= TAKEN


def may_be_beyond_its_cap(each: ComputingSlice, use: CardUse) -> bool:
    """Whether a slice may have more than it may at most; who stands still has nothing by now."""
    if each.not_pausable is NotPausable.STANDS_STILL:
        return False
    at_most = 1.0 if use.busy is None else use.busy
    return _is_more_than_the_cap(at_most if each.used is None else each.used, each)


def may_need_turns(each: ComputingSlice, use: CardUse) -> bool:
    """Whether a slice may have less than its share, as it computes on a full card, or too much.

    As far as the card tells: what is not known may be so.
    """
    may_compute = each.used is None or computes(each)
    return (is_full(use) and may_compute) or may_be_beyond_its_cap(each, use)


def runs_freely(use: CardUse, taking: Sequence[ComputingSlice]) -> list[ComputingSlice]:
    """Return who computes beside those that take turns, at all times."""
    ids, still = ids_of(taking), NotPausable.STANDS_STILL
    return [
        each
        for each in use
        if each.slice_id not in ids and computes(each) and each.not_pausable is not still
    ]


def are_at_caps(slices: Sequence[ComputingSlice]) -> bool:
    """Whether these may not have all of the card, also where nobody else computes."""
    return sum(dues(slices).values()) < 1


def dues_beside(
    slices: Sequence[ComputingSlice], freely: Sequence[ComputingSlice] = ()
) -> dict[SliceId, Fraction]:
    """Return what is due to each of these beside others that run freely.

    Those want no more than they have, as nobody holds them up.
    """
    wants = {each.slice_id: Fraction(used(each)).limit_denominator(1000) for each in freely}
    due = dues([*slices, *freely], wants)
    return {each.slice_id: due[each.slice_id] for each in slices}


def _off_dues(
    slices: Sequence[ComputingSlice], freely: Sequence[ComputingSlice]
) -> Iterator[tuple[SliceId, float, float]]:
    """Yield what each had, and what is due to it of what these had together.

    Where all of these are at their caps, that is as much as each may have, whatever they had.
    """
    due, had = dues_beside(slices, freely), sum(used(each) for each in slices)
    whole = float(sum(due.values()))
    of_these = 1.0 if are_at_caps(slices) or not whole else had / whole
    for each in slices:
        yield each.slice_id, used(each), float(due[each.slice_id]) * of_these


def who_gets_less(
    slices: Sequence[ComputingSlice], freely: Sequence[ComputingSlice] = ()
) -> frozenset[SliceId]:
    """Return who has less than is due to it of what these have together.

    ``freely``: who computes beside them and takes no turns.
    """
    return frozenset(
        slice_id
        for slice_id, had, due in _off_dues(slices, freely)
        if had + ROUNDED < (1 - WITHIN) * due
    )


def is_beyond_its_cap(each: ComputingSlice) -> bool:
    """Whether a slice that can be paused has more than it may."""
    return each.not_pausable is None and _is_more_than_the_cap(used(each), each)


def _is_more_than_the_cap(part: float, each: ComputingSlice) -> bool:
    return part > (1 + WITHIN) * float(each.cap) + ROUNDED


def who_has_more(
    slices: Sequence[ComputingSlice], freely: Sequence[ComputingSlice] = ()
) -> frozenset[SliceId]:
    """Return who has more than is due to it of what these have together."""
    return frozenset(
        slice_id
        for slice_id, had, due in _off_dues(slices, freely)
        if had - ROUNDED > (1 + WITHIN) * due
    )
