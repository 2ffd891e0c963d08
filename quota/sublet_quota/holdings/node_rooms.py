"""What nodes have beside their GPUs, and which of them are other than before.

Nothing is known of a node until it is told, and then nothing of it bounds anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from sublet_quota.amounts.node_amounts import (
    NEEDS_NOTHING,
    UNKNOWN_ROOM,
    NodeAmount,
    NodeNeed,
    NodeRoom,
)
from sublet_quota.names.ids import NodeId

_MOST_AMOUNTS: Final = 64
"""For so many amounts it is known which nodes have too little."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node, as its agent or the cluster describes it."""

    node: NodeId
    has: NodeRoom
    """What slices may take there together: not what the system and others take."""


@dataclass(frozen=True, slots=True)
class AskedBeside:
    """A size that people ask for, with what such a request takes besides."""

    size: str
    gpus: int = 1
    """On how many cards of one node."""
    takes: NodeNeed = NEEDS_NOTHING
    """Of the node, for all these cards together."""


@dataclass(slots=True)
class _Short:
    """The nodes that had too little for an amount after so many changes."""

    touches: int = -1
    nodes: set[NodeId] = field(default_factory=set)


class NodeRooms:
    """What is told of nodes; when each of them changed last, in its cards, slices or itself."""

    def __init__(self) -> None:
        self._told: dict[NodeId, NodeRoom] = {}
        self._left: dict[NodeId, NodeRoom] = {}
        """What is left of nodes, as far as somebody has asked since they changed."""
        self._short: dict[NodeAmount, _Short] = {}
        self._touched: dict[NodeId, int] = {}
        """In the order in which they changed, those that changed last at the end."""
        self.touches = 0
        """How often a node changed."""

    @property
    def told(self) -> Mapping[NodeId, NodeRoom]:
        """What each node has, as far as that is told."""
        return self._told

    def has(self, node: NodeId) -> NodeRoom:
        """Return what a node has."""
        return self._told.get(node, UNKNOWN_ROOM)

    def put(self, facts: NodeFacts) -> bool:
        """Note what a node has; return whether that is new."""
        if self.has(facts.node) == facts.has:
            return False
        if facts.has == UNKNOWN_ROOM:
            del self._told[facts.node]
        else:
            self._told[facts.node] = facts.has
        self.touch(facts.node)
        return True

    def touch(self, node: NodeId) -> None:
        """Note that a node is other than before."""
        self.touches += 1
        self._left.pop(node, None)
        self._touched.pop(node, None)
        self._touched[node] = self.touches

    def left(self, node: NodeId, taken: Callable[[], Iterable[NodeAmount]]) -> NodeRoom:
        """Return what is left of a node, of which so much is taken."""
        if node not in self._told:
            return UNKNOWN_ROOM
        known = self._left.get(node)
        if known is None:
            known = self.has(node)
            for amount in taken():
                known = known.less(amount)
            self._left[node] = known
        return known

    def short_of(
        self, amount: NodeAmount, left: Callable[[NodeId], NodeRoom]
    ) -> AbstractSet[NodeId]:
        """Return the nodes on which too little is left for an amount, as they are now."""
        short = self._short.pop(amount, None)
        if short is None:
            short = _Short()
            if len(self._short) >= _MOST_AMOUNTS:
                del self._short[next(iter(self._short))]
        self._short[amount] = short
        for node in self.touched_since(short.touches):
            if left(node).lacks(amount) is None:
                short.nodes.discard(node)
            else:
                short.nodes.add(node)
        short.touches = self.touches
        return short.nodes

    def touched_since(self, touches: int) -> Iterator[NodeId]:
        """Yield the nodes that changed after so many changes, each once."""
        for node in reversed(self._touched):
            if self._touched[node] <= touches:
                return
            yield node
