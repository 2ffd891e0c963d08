"""Where guarantees lie: which part of which card is whose, so that nobody waits for others' work.

A group has whole cards and one rest; what a group guarantees beyond the groups in it is its own
part, for all in it. A part is a share of the card, and of the CPU and the memory of the node that
go with a card.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from sublet_quota.holdings.layout.packing import Packing
from sublet_quota.names.ids import GpuId
from sublet_quota.shares.group_tree import GroupTree, NodeName


class Part(NamedTuple):
    """What is laid out on a card for a group."""

    node: NodeName
    cards: Fraction
    """Of the card's memory and compute; the node's CPU and memory by the same share of a card's."""


class NotLaidOut(NamedTuple):
    """A part that lies nowhere, as the parts do not pack: a warning."""

    node: NodeName
    cards: Fraction


class InPieces(NamedTuple):
    """A rest that lies on several cards, none of which is all its group's: a warning."""

    node: NodeName
    cards: Fraction
    largest: Fraction
    """The largest piece, with what lies beside it for the groups in this one."""


class Layout:
    """The parts of all groups on the cards of one type, as they are now."""

    def __init__(self, packing: Packing, problems: tuple[NotLaidOut, ...] = ()) -> None:
        self.packing = packing
        """The parts, in units of a card."""
        self.problems = problems
        """What does not pack; the groups' entitled slices find room elsewhere, or wait."""

    def copy(self) -> "Layout":
        """Return a layout that stays as this one is now, while parts of this one move."""
        return Layout(self.packing.copy(), self.problems)

    @property
    def tree(self) -> GroupTree:
        """The guarantees that are laid out."""
        return self.packing.demand.tree

    @property
    def parts(self) -> Mapping[GpuId, tuple[Part, ...]]:
        """The parts by card; cards without any are not there."""
        return {gpu_id: self.on(gpu_id) for gpu_id in self.packing.parts}

    def on(self, gpu_id: GpuId) -> tuple[Part, ...]:
        """Return the parts on a card, the larger first."""
        here = self.packing.parts.get(gpu_id, {})
        sizes = sorted(here.items(), key=lambda part: (-part[1], part[0]))
        return tuple(Part(node, self._cards(size)) for node, size in sizes)

    def is_free(self, gpu_id: GpuId) -> bool:
        """Whether nothing is laid out on a card."""
        return gpu_id not in self.packing.parts

    def laid_out_mib(self, gpu_id: GpuId, usable_mib: int) -> int:
        """Return how much of a card that gives so much is laid out, rounded up."""
        filled = self.packing.filled.get(gpu_id, 0)
        return -(-filled * usable_mib // self.packing.demand.units)

    def of_node(self, node: NodeName) -> tuple[GpuId, ...]:
        """Return the cards laid out for a group: those of the groups in it first, then its own."""
        inside = (gpu_id for name in self._inside(node) for gpu_id in self._own(name))
        return tuple(dict.fromkeys(inside))

    def usable_by(self, leaf: NodeName) -> tuple[GpuId, ...]:
        """Return the cards where a slice of a leaf is due: its own, then those of groups above."""
        names = reversed(self.tree.paths[leaf])
        return tuple(dict.fromkeys(gpu_id for name in names for gpu_id in self._own(name)))

    def part_for(self, gpu_id: GpuId, leaf: NodeName) -> Fraction:
        """Return the share of a card that is laid out for a leaf and the groups above it."""
        here = self.packing.parts.get(gpu_id, {})
        return self._cards(sum(here.get(name, 0) for name in self.tree.paths[leaf]))

    def in_pieces(self) -> Iterator[InPieces]:
        """Yield the rests that lie on several cards; a card that is all a group's is no piece."""
        for node, there in sorted(self.packing.where.items()):
            if len(there) == 1:
                continue
            inside = tuple(self._inside(node))
            beside = {
                gpu_id: sum(self.packing.parts[gpu_id].get(name, 0) for name in inside)
                for gpu_id in there
            }
            pieces = [gpu_id for gpu_id in there if beside[gpu_id] < self.packing.demand.units]
            if len(pieces) > 1:
                rest = sum(there[gpu_id] for gpu_id in pieces)
                largest = max(beside[gpu_id] for gpu_id in pieces)
                yield InPieces(node, self._cards(rest), self._cards(largest))

    def _own(self, node: NodeName) -> tuple[GpuId, ...]:
        there = self.packing.where.get(node, {})
        order = self.packing.cards.order
        return tuple(sorted(there, key=lambda gpu_id: (-there[gpu_id], order[gpu_id])))

    def _inside(self, node: NodeName) -> Iterator[NodeName]:
        for child in self.tree.nodes[node].children:
            yield from self._inside(child.name)
        yield node

    def _cards(self, size: int) -> Fraction:
        return Fraction(size, self.packing.demand.units)
