"""The nodes with cards of one kind, and the order in which they suit each request.

After a change those nodes alone are looked at again that are other than before, and for a request
when somebody asks for it: what is asked for often has few of them.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from sublet_quota.amounts.node_amounts import NodeRoom
from sublet_quota.names.ids import NodeId
from sublet_quota.placement.packing.asked_mix import Want
from sublet_quota.placement.packing.node_worth import (
    ENDLESS,
    Choice,
    FreeCards,
    NodeWorth,
    Room,
)
from sublet_quota.shares.lots import lot_of

Scored = tuple[int, int, int, int, NodeId, int]
"""What more is lost, memory and compute of the rooms that it takes from, the node's lot, the node,
and the place of the choice among all: the least is best.
"""
_MOST_WANTS: Final = 256
"""For so many different requests the order is kept; who asked longest ago is forgotten."""
_MANY: Final = 4
"""Where one in so many nodes is other than before, all are put in order again."""


@dataclass(slots=True)
class _Node:
    """A node as it is now."""

    cards: FreeCards
    cpu_milli: int
    memory_mib: int
    lost: int
    lot: int


@dataclass(slots=True)
class _Order:
    """The nodes in the order in which they suit one request."""

    seen: int = 0
    scored: list[Scored] = field(default_factory=list)
    of_node: dict[NodeId, tuple[Scored, ...]] = field(default_factory=dict)


class ScoredNodes:
    """What is free on each node, and how requests suit there."""

    def __init__(self, worth: NodeWorth) -> None:
        self._worth = worth
        self._nodes: dict[NodeId, _Node] = {}
        self._changes = 0
        self._changed: dict[NodeId, int] = {}
        """When each node changed last, in that order; also those that are gone."""
        self._orders: dict[Want, _Order] = {}

    def put(self, node: NodeId, rooms: tuple[Room, ...], left: NodeRoom) -> None:
        """Enter a node, or how it is now: the free rooms of its open cards, and what else is left.

        ``rooms`` are in any order; none is below zero.
        """
        cpu = ENDLESS if left.cpu_milli is None else left.cpu_milli
        memory = ENDLESS if left.memory_mib is None else left.memory_mib
        cards, known = self._worth.cards(rooms), self._nodes.get(node)
        as_now = cards.rooms, cpu, memory
        if known is None or (known.cards.rooms, known.cpu_milli, known.memory_mib) != as_now:
            lost = self._worth.lost(cards, self._worth.beside(cpu, memory))
            self._nodes[node] = _Node(cards, cpu, memory, lost, lot_of(node))
            self._note(node)

    def take_out(self, node: NodeId) -> None:
        """Forget a node, if it is there."""
        if self._nodes.pop(node, None) is not None:
            self._note(node)

    def best_first(self, want: Want) -> Iterator[tuple[int, NodeId, Choice]]:
        """Yield where a request fits, the best first, with what more is lost, in millionths.

        Each node comes once for every way in which it may have the request.
        """
        for more, _, _, _, node, place in self._order(want).scored:
            choices = self._worth.choices(want.amount, want.gpus, self._nodes[node].cards)
            yield more // self._worth.weight, node, choices[place]

    def _note(self, node: NodeId) -> None:
        self._changes += 1
        self._changed.pop(node, None)
        self._changed[node] = self._changes

    def _order(self, want: Want) -> _Order:
        """Return the order for a request, as the nodes are now."""
        order = self._orders.pop(want, None)
        if order is None:
            order = _Order()
            if len(self._orders) >= _MOST_WANTS:
                del self._orders[next(iter(self._orders))]
        self._orders[want] = order
        changed = tuple(self._changed_since(order.seen))
        order.seen = self._changes
        if len(changed) * _MANY > len(self._nodes):
            self._order_anew(order, want, changed)
        else:
            self._order_again(order, want, changed)
        return order

    def _changed_since(self, seen: int) -> Iterator[NodeId]:
        for node in reversed(self._changed):
            if self._changed[node] <= seen:
                return
            yield node

    def _order_anew(self, order: _Order, want: Want, changed: tuple[NodeId, ...]) -> None:
        for node in changed:
            entries = self._scored(want, node)
            if entries:
                order.of_node[node] = entries
            else:
                order.of_node.pop(node, None)
        order.scored = sorted(chain.from_iterable(order.of_node.values()))

    def _order_again(self, order: _Order, want: Want, changed: tuple[NodeId, ...]) -> None:
        for node in changed:
            for one in order.of_node.pop(node, ()):
                del order.scored[bisect_left(order.scored, one)]
            entries = self._scored(want, node)
            if entries:
                order.of_node[node] = entries
                for one in entries:
                    insort(order.scored, one)

    def _scored(self, want: Want, name: NodeId) -> tuple[Scored, ...]:
        node, takes, worth = self._nodes.get(name), want.takes, self._worth
        if node is None:
            return ()
        cpu, memory = node.cpu_milli, node.memory_mib
        if (takes.cpu_milli and cpu < takes.cpu_milli) or (
            takes.memory_mib and memory < takes.memory_mib
        ):
            return ()
        # What is endless stays so.
        beside = worth.beside(
            cpu if cpu == ENDLESS else cpu - takes.cpu_milli,
            memory if memory == ENDLESS else memory - takes.memory_mib,
        )
        lost, lot = node.lost, node.lot
        if worth.each_alone and want.gpus == 1:
            if want.amount is None:
                return ()
            found = worth.lost_by_one(want.amount, node.cards, beside)
            return tuple(
                (after - lost, room[0], room[1], lot, name, n)
                for n, (after, room) in enumerate(found)
            )
        choices = worth.choices(want.amount, want.gpus, node.cards)
        return tuple(
            (worth.lost(one.after, beside) - lost, one.memory_mib, one.compute_milli, lot, name, n)
            for n, one in enumerate(choices)
        )
