"""From which groups the slices on a card borrow: whose guarantees lie where they are.

Who is entitled has room in its group's part first, and in those of the groups above it. What is
borrowed then has, the oldest first, what is left there, what is laid out for nobody, and what is
left of others' parts, the largest first. A notebook's slice for which nothing is left takes turns
with who is guaranteed the largest part; a job has then what idle slices lend, which is no
guarantee's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece, PieceId, is_entitled_against
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName, group_of

_WHOLE: Final = Fraction(1)
_NOBODYS: Final = ROOT
"""By which the room is named that is laid out for nobody: the root has no part."""


@dataclass(frozen=True, slots=True)
class BorrowedFrom:
    """What one slice has of what a group is guaranteed on its card."""

    slice_id: SliceId
    group: GroupName
    cards: Fraction


@dataclass(frozen=True, slots=True)
class _There:
    """A slice on the card."""

    holding: Holding
    piece: Piece
    path: tuple[NodeName, ...]

    @property
    def is_entitled(self) -> bool:
        if not self.holding.is_notebook:
            return self.holding.entitled_job
        return self.piece.entitled == len(self.path)


def may_borrow(holdings: Holdings, slice_id: SliceId) -> bool:
    """Whether a slice may have what another group is guaranteed: it has its place by no right."""
    holding, piece = holdings.slice(slice_id), holdings.piece(slice_id)
    gpu_type = None if holding is None else holdings.type_of(holding.gpu_id)
    if holding is None or gpu_type not in holdings.document.types_guaranteed:
        return False
    if not holding.is_notebook:
        return not holding.entitled_job
    return piece is not None and piece.entitled < len(holdings.tree(gpu_type).paths[piece.node])


def borrowed_on(holdings: Holdings, gpu_id: GpuId) -> tuple[BorrowedFrom, ...]:
    """Return what the slices on a card borrow, and from which groups."""
    gpu_type = holdings.type_of(gpu_id)
    if gpu_type is None or gpu_type not in holdings.document.types_guaranteed:
        return ()
    layout = holdings.layout(gpu_type)
    parts = {part.node: part.cards for part in layout.on(gpu_id)}
    if not parts:
        return ()
    left = {**parts, _NOBODYS: _WHOLE - sum(parts.values(), NO_CARD)}
    there = sorted(_there(holdings, layout.tree, gpu_id), key=_notebooks_then_age)
    for one in there:
        if one.is_entitled:
            _take(left, one.piece.cards, reversed(one.path))
    found: list[BorrowedFrom] = []
    for one in there:
        if not one.is_entitled:
            found += _borrowed(layout.tree, one, parts, left)
    return tuple(found)


def _notebooks_then_age(one: _There) -> tuple[bool, datetime, int]:
    return (not one.holding.is_notebook, *one.holding.age)


def _there(holdings: Holdings, tree: GroupTree, gpu_id: GpuId) -> Iterator[_There]:
    """Yield the slices that have a place on a card, in no order."""
    for holding in holdings.slices_on(gpu_id):
        if holding.called_back or holding.held_back:
            continue
        piece = holdings.piece(holding.slice_id) or _of_job(holdings, tree, holding)
        if piece is not None and piece.node in tree.paths:
            yield _There(holding, piece, tree.paths[piece.node])


def _of_job(holdings: Holdings, tree: GroupTree, holding: Holding) -> Piece | None:
    facts = holdings.gpu(holding.gpu_id)
    group = None if holding.group is None else NodeName(holding.group)
    if facts is None or holding.is_notebook or (group is not None and group not in tree.nodes):
        return None
    cards = cards_on(holding.amount, facts.kind)
    return Piece(PieceId(holding.slice_id), tree.leaf_of(group), cards)


def _borrowed(
    tree: GroupTree,
    one: _There,
    parts: Mapping[NodeName, Fraction],
    left: dict[NodeName, Fraction],
) -> Iterator[BorrowedFrom]:
    rest = _take(left, one.piece.cards, (*reversed(one.path), _NOBODYS))
    lenders = [
        node
        for node in parts
        if node not in one.path and not is_entitled_against(tree, one.piece, node)
    ]
    lenders.sort(key=lambda node: (-left[node], -parts[node], node))
    taken: dict[NodeName, Fraction] = {}
    for node in lenders:
        after = _take(left, rest, (node,))
        taken[node], rest = rest - after, after
    if lenders and one.holding.is_notebook:
        taken[max(lenders, key=lambda node: (parts[node], node))] += rest
    for node, cards in taken.items():
        if cards:
            yield BorrowedFrom(one.holding.slice_id, GroupName(group_of(node)), cards)


def _take(left: dict[NodeName, Fraction], cards: Fraction, names: Iterable[NodeName]) -> Fraction:
    """Take cards from what is left of these parts, one after the other; return what is missing."""
    for name in names:
        taken = min(cards, left.get(name, NO_CARD))
        if taken:
            left[name] -= taken
            cards -= taken
    return cards
