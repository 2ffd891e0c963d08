"""Who joins the turns that others take, and how long their first ones are.

Where all that take turns are at their caps, time is left that is nobody's: others run freely in it,
and join only where they have more than they may, or where somebody has less than is due.
"""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from sublet_quota.compute.card_use import CardUse, ComputingSlice
from sublet_quota.compute.corrections import first_of_capped, of_opened
from sublet_quota.compute.measured import (
    are_at_caps,
    computes,
    ids_of,
    is_beyond_its_cap,
    is_full,
    runs_freely,
    who_gets_less,
)
from sublet_quota.compute.open_turns import first_corrections, who_may_open, who_opens
from sublet_quota.compute.past import PastCompute
from sublet_quota.compute.rests import rest_of
from sublet_quota.compute.turns import Round
from sublet_quota.names.ids import SliceId


def may_take_turns(each: ComputingSlice, past: PastCompute, now: datetime) -> bool:
    """Whether a slice can take turns one after another with others, and has no rest."""
    return each.not_pausable is None and rest_of(each.slice_id, past.rests, now) is None


def who_joins(
    use: CardUse,
    past: PastCompute,
    filling: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    left: frozenset[SliceId],
) -> tuple[list[ComputingSlice], list[ComputingSlice]]:
    """Return who takes turns from now on, too, and who begins an open one.

    Where all that take turns are at their caps, others join only where they have more than they
    may, or where one of them has less than is due on a full card.
    """
    taking = [*filling, *opened]
    stay = ids_of(taking)
    joining = [
        e
        for e in use
        if e.slice_id not in stay and computes(e) and may_take_turns(e, past, use.now)
    ]
    freely = who_may_open(use, past.rests, stay | left)
    if are_at_caps(taking):
        with_all = [*taking, *joining]
        less = who_gets_less(with_all, runs_freely(use, with_all))
        lacking = less if is_full(use) else frozenset()
        if not lacking & ids_of([*filling, *joining]):
            freely = [each for each in freely if is_beyond_its_cap(each)]
        if not lacking & ids_of(joining):
            joining = [each for each in joining if is_beyond_its_cap(each)]
    return joining, who_opens([*filling, *joining], opened, freely, use)


def first_turns(
    use: CardUse,
    past: PastCompute,
    taken: Round,
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
) -> dict[SliceId, Fraction]:
    """Return what corrects the first turns of those that take none now, or other ones."""
    new = [each for each in opened if each.slice_id not in taken.who]
    there = [each for each in opened if each.slice_id in taken.who]
    kept = ids_of([*closed, *there]) if are_at_caps([*closed, *opened]) else ids_of(there)
    corrections = {who: each for who, each in past.corrections.items() if who in kept}
    had_all = taken.opened and not taken.idle
    joining = [each for each in closed if had_all or each.slice_id not in taken.who]
    freely = runs_freely(use, [*closed, *opened])
    corrections |= of_opened(corrections, there, taken)
    corrections |= first_of_capped(joining, closed, opened, freely)
    return corrections | first_corrections(closed, there, new)
