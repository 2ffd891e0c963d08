"""What is due to each of several slices that would all have the whole card.

Rank by rank, owners before jobs, each has the share that it is shown, as far as those before leave
it; where the shares of one rank come to more than is left, they are divided by weight. What all of
them leave belongs to nobody, and is divided by weight among all but those that are called back,
which have what nobody of a lower rank wants: nothing, beside others that compute. Who may not have
so much, or wants no more, leaves it to the others; what none of them may have is nobody's.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from types import MappingProxyType
from typing import Final

from sublet_quota.compute.card_use import CARD_MILLI, ComputingSlice
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank

_ALL: Final[Mapping[SliceId, Fraction]] = MappingProxyType({})


def dues(
    slices: Sequence[ComputingSlice], wants: Mapping[SliceId, Fraction] = _ALL
) -> dict[SliceId, Fraction]:
    """Return the part of the card's time that is due to each.

    These come to one in all, or to less where all are at their caps. ``wants``: how much some want
    at most, of those that would not have all of it.
    """
    due = {each.slice_id: Fraction(0) for each in slices}
    most = {s.slice_id: min(s.cap, wants.get(s.slice_id, s.cap)) for s in slices}
    left = Fraction(1)
    for _, equals in groupby(sorted(slices, key=in_order), key=_rank):
        group = tuple(equals)
        shares = {s.slice_id: min(Fraction(s.weight, CARD_MILLI), most[s.slice_id]) for s in group}
        given = min(left, sum(shares.values(), Fraction(0)))
        _divide(given, group, due, shares)
        left -= given
    lowest = min((each.rank for each in slices), default=Rank.BORROWED)
    sharing = [s for s in slices if s.rank is not Rank.CALLED_BACK or s.rank is lowest]
    _divide(left, sharing, due, most)
    # Those who come first may not have all of it, and nobody else wants the rest.
    last = [s for s in slices if s not in sharing]
    _divide(1 - sum(due.values(), Fraction(0)), last, due, most)
    return due


def _divide(
    left: Fraction,
    sharing: Sequence[ComputingSlice],
    due: dict[SliceId, Fraction],
    most: Mapping[SliceId, Fraction],
) -> None:
    """Give these slices what is left beside what is due to them, as far as each may have it."""
    while sharing and left > 0:
        parts = _by_weight(left, sharing)
        capped = [s for s in sharing if due[s.slice_id] + parts[s.slice_id] > most[s.slice_id]]
        if not capped:
            capped = list(sharing)
        more = {
            s.slice_id: min(parts[s.slice_id], most[s.slice_id] - due[s.slice_id]) for s in capped
        }
        for slice_id, part in more.items():
            due[slice_id] += part
        left -= sum(more.values())
        done = more.keys()
        sharing = [s for s in sharing if s.slice_id not in done]


def _rank(computing: ComputingSlice) -> tuple[Rank, bool]:
    return computing.rank, computing.is_job


def in_order(computing: ComputingSlice) -> tuple[Rank, bool, SliceId]:
    """Return the key by which slices come: the lowest rank first, owners before jobs."""
    return *_rank(computing), computing.slice_id


def _by_weight(part: Fraction, slices: Sequence[ComputingSlice]) -> dict[SliceId, Fraction]:
    total = sum(each.weight for each in slices)
    return {each.slice_id: part * each.weight / total for each in slices}
