"""What would follow if groups claimed what is guaranteed to them anew, where it is laid out.

A preview of another document, and the room of reservations that begin soon, are both of this.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.layout.layout import Part
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.shares.group_tree import ROOT, NodeName

MOST_CLAIMS: Final = 200
"""So many are reckoned: of very many groups each takes as long as a decision."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A part of a guarantee that others' slices lie on."""

    group: GroupName
    gpu_type: str
    gpu_id: GpuId
    calls_back: tuple[SliceId, ...]
    """Who would make way there, as soon as the group wants it."""
    in_the_way: tuple[SliceId, ...]
    """Who cannot: until they have gone the guarantee is not met there."""
    amount: GpuAmount
    """What the group may still take there."""
    memory_mib: int
    """How much of the card's memory its part is, with what it has there."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The parts of guarantees that are laid out anew on others' slices."""

    found: tuple[Claim, ...]
    not_reckoned: int
    """How many parts were not looked at, as there are too many."""


def new_claims(before: Holdings, after: Holdings) -> Claims:
    """Return what follows of parts that are laid out otherwise than before."""
    parts = list(_with_others(after, _new_parts(before, after)))
    claims = (_claim(after, *each) for each in islice(parts, MOST_CLAIMS))
    found = tuple(claim for claim in claims if claim.calls_back or claim.in_the_way)
    return Claims(found, max(0, len(parts) - MOST_CLAIMS))


def claims_of(before: Holdings, after: Holdings, groups: Collection[str]) -> Iterator[Claim]:
    """Yield the parts of groups that are laid out otherwise than before, also on empty cards."""
    parts = (each for each in _new_parts(before, after) if each[2] in groups)
    return (_claim(after, *each) for each in parts)


_Place = tuple[str, GpuId, NodeName]


def _new_parts(before: Holdings, after: Holdings) -> Iterator[_Place]:
    for gpu_type in after.types():
        known, parts = before.layout(gpu_type).parts, after.layout(gpu_type).parts
        for gpu_id, here in sorted(parts.items()):
            there: frozenset[Part] = frozenset(known.get(gpu_id, ()))
            new = (part.node for part in here if part not in there and part.node != ROOT)
            yield from ((gpu_type, gpu_id, node) for node in new)


def _with_others(holdings: Holdings, parts: Iterator[_Place]) -> Iterator[_Place]:
    """Yield the parts on cards that have slices at all."""
    return (each for each in parts if holdings.load(each[1]).slices)


def _claim(holdings: Holdings, gpu_type: str, gpu_id: GpuId, node: NodeName) -> Claim:
    group = GroupName(node)
    leaf = holdings.leaf(group)
    amount = _claimed(holdings, gpu_type, gpu_id, leaf)
    way: tuple[SliceId, ...] = ()
    if not _is_free(holdings, gpu_id, amount):
        way = holdings.making_way(gpu_id, leaf, amount).called_back
    fixed = (
        each.slice_id
        for each in holdings.slices_on(gpu_id)
        if _is_in_the_way(holdings, each.slice_id, node, gpu_type)
    )
    memory_mib = _part_of(holdings, gpu_type, gpu_id, leaf).memory_mib
    return Claim(group, gpu_type, gpu_id, way, tuple(sorted(fixed)), amount, memory_mib)


def _claimed(holdings: Holdings, gpu_type: str, gpu_id: GpuId, leaf: NodeName) -> GpuAmount:
    """Return what a group may still take of a card: its part there, whatever the overcommit."""
    room, part = (
        holdings.room_for_entitled(gpu_id, leaf),
        _part_of(holdings, gpu_type, gpu_id, leaf),
    )
    return GpuAmount(
        min(room.memory_mib, part.memory_mib), min(room.compute_milli, part.compute_milli)
    )


def _part_of(holdings: Holdings, gpu_type: str, gpu_id: GpuId, leaf: NodeName) -> GpuAmount:
    """Return the part of a card that is laid out for a group."""
    facts = holdings.gpu(gpu_id)
    if facts is None:
        return NOTHING
    part = holdings.layout(gpu_type).part_for(gpu_id, leaf)
    return GpuAmount(int(facts.kind.usable_mib * part), int(WHOLE_GPU_MILLI * part))


def _is_free(holdings: Holdings, gpu_id: GpuId, amount: GpuAmount) -> bool:
    room = holdings.room(gpu_id)
    return room is not None and amount.fits_in(room.free(shared=True))


def _is_in_the_way(holdings: Holdings, slice_id: SliceId, node: NodeName, gpu_type: str) -> bool:
    """Whether a slice of others cannot make way for a group."""
    piece = holdings.piece(slice_id)
    if piece is None or piece.suspendable:
        return False
    path = holdings.tree(gpu_type).paths[piece.node]
    return node not in path[: piece.entitled]
