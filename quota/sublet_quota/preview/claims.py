"""What would follow if groups claimed all that is guaranteed to them, where it is laid out."""

from collections.abc import Iterator
from dataclasses import dataclass

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.shares.group_tree import ROOT, NodeName


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


def claims(holdings: Holdings) -> Iterator[Claim]:
    """Yield the parts of guarantees on which slices of others lie, by type and card."""
    for gpu_type in holdings.types():
        layout = holdings.layout(gpu_type)
        for gpu_id, parts in sorted(layout.parts.items()):
            for part in parts:
                if part.node != ROOT:
                    claim = _claim(holdings, gpu_type, gpu_id, part.node)
                    if claim.calls_back or claim.in_the_way:
                        yield claim


def _claim(holdings: Holdings, gpu_type: str, gpu_id: GpuId, node: NodeName) -> Claim:
    group = GroupName(node)
    leaf = holdings.leaf(group)
    room = holdings.room_for_entitled(gpu_id, leaf)
    way = holdings.making_way(gpu_id, leaf, room)
    fixed = (
        each.slice_id
        for each in holdings.slices_on(gpu_id)
        if _is_in_the_way(holdings, each.slice_id, node, gpu_type)
    )
    return Claim(group, gpu_type, gpu_id, way.called_back, tuple(sorted(fixed)))


def _is_in_the_way(holdings: Holdings, slice_id: SliceId, node: NodeName, gpu_type: str) -> bool:
    """Whether a slice of others cannot make way for a group."""
    piece = holdings.piece(slice_id)
    if piece is None or piece.suspendable:
        return False
    path = holdings.tree(gpu_type).paths[piece.node]
    return node not in path[: piece.entitled]
