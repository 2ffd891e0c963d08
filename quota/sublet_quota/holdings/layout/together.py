"""Who of several groups' entitled slices on one card has their place there, and who takes turns.

A slice that became entitled where it lies may lie on a card of another group. Those that have a
part of the card stay, the ones within their part first; of others the oldest, as long as all fit on
it together. Slices of one group alone may be more than the card: they overcommit only each other.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.names.ids import SliceId
from sublet_quota.shares.group_tree import NodeName


class OnCard(NamedTuple):
    """A slice of a card that is entitled against everybody."""

    since: datetime
    lot: int
    slice_id: SliceId
    leaf: NodeName
    amount: GpuAmount


def without_place(
    slices: Iterable[OnCard], parts: Mapping[NodeName, Fraction], usable_mib: int
) -> frozenset[SliceId]:
    """Return the slices that take turns behind others; ``parts``: what is laid out for each leaf.

    Those that are left are of one leaf, or fit on the card together.
    """
    card = GpuAmount(usable_mib, WHOLE_GPU_MILLI)
    here = sorted(slices)
    if sum((one.amount for one in here), NOTHING).fits_in(card):
        return frozenset()
    held, leaves = NOTHING, set[NodeName]()
    without: set[SliceId] = set()
    for one in _in_turn(here, parts, usable_mib):
        alone = leaves <= {one.leaf}
        if alone or (held + one.amount).fits_in(card):
            held += one.amount
            leaves.add(one.leaf)
        else:
            without.add(one.slice_id)
    return frozenset(without)


def _in_turn(
    here: list[OnCard], parts: Mapping[NodeName, Fraction], usable_mib: int
) -> list[OnCard]:
    """Return the oldest first, of those within their part, then with a part, then without."""
    held: dict[NodeName, GpuAmount] = {}
    turns: list[tuple[int, OnCard]] = []
    for one in here:
        part = parts.get(one.leaf, Fraction(0))
        room = GpuAmount(ceil(part * usable_mib), ceil(part * WHOLE_GPU_MILLI))
        so_far = held.get(one.leaf, NOTHING) + one.amount
        within = so_far.fits_in(room)
        if within:
            held[one.leaf] = so_far
        turns.append((0 if within else 1 if part else 2, one))
    return [one for _, one in sorted(turns)]
