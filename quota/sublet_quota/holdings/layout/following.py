"""Vacant parts follow entitled slices that lie elsewhere, as a borrowed one that became entitled.

A part without any entitled slice of its group moves to where one lies that has no part there:
beside what is laid out, or in exchange with parts that are vacant, too. Nothing else moves.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from sublet_quota.holdings.layout.packing import Packing
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.shares.group_tree import NodeName

IsVacant = Callable[[NodeName, GpuId], bool]
"""Whether no entitled slice of a group, nor of those in it, lies on a card."""


@dataclass(frozen=True, slots=True)
class EntitledSlice:
    """An entitled slice, and the groups whose guarantee it is within."""

    slice_id: SliceId
    nodes: tuple[NodeName, ...]
    """From the top."""
    gpu_id: GpuId
    cards: Fraction


def follow(
    packing: Packing, slices: Iterable[EntitledSlice], is_vacant: IsVacant
) -> frozenset[SliceId]:
    """Move vacant parts of a layout to entitled slices that have none where they lie.

    Return the slices that still have none, as no part that is large enough could come.
    """
    without: set[SliceId] = set()
    for one in slices:
        lies_in = packing.parts.get(one.gpu_id, {})
        if one.gpu_id not in packing.cards.order or any(node in lies_in for node in one.nodes):
            continue
        if not _bring_part(packing, one, is_vacant):
            without.add(one.slice_id)
    return frozenset(without)


def _bring_part(packing: Packing, one: EntitledSlice, is_vacant: IsVacant) -> bool:
    """Bring the part that fits best; return whether one came."""
    needed = ceil(one.cards * packing.demand.units)
    for node in reversed(one.nodes):
        there = sorted(
            packing.where.get(node, {}).items(),
            key=lambda part: (part[1] < needed, part[1], packing.cards.order[part[0]]),
        )
        for gpu_id, _ in there:
            if is_vacant(node, gpu_id) and _move(packing, node, gpu_id, one.gpu_id, is_vacant):
                return True
    return False


def _move(packing: Packing, node: NodeName, gpu_id: GpuId, to: GpuId, is_vacant: IsVacant) -> bool:
    """Move a part; return whether it could be."""
    size = packing.parts[gpu_id][node]
    if packing.is_blocked(to, node, size):
        return False
    others = () if size <= packing.room(to) else tuple(_exchanged(packing, to, is_vacant))
    freed = sum(packing.parts[to][other] for other in others)
    if size > packing.room(to) + freed or freed > packing.room(gpu_id) + size:
        return False
    if any(packing.is_blocked(gpu_id, other, packing.parts[to][other]) for other in others):
        return False
    sizes = {other: packing.lift(other, to) for other in others}
    packing.put(node, to, packing.lift(node, gpu_id))
    for other, lifted in sizes.items():
        packing.put(other, gpu_id, lifted)
    return True


def _exchanged(packing: Packing, gpu_id: GpuId, is_vacant: IsVacant) -> Iterator[NodeName]:
    """Yield the groups whose parts on a card are vacant."""
    for node in sorted(packing.parts.get(gpu_id, {}), key=packing.cards.lot):
        if is_vacant(node, gpu_id):
            yield node
