"""What the groups hold and want of one GPU type, kept as slices come and go."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import ROOT, GroupTree, NodeName


class SumsOf(Mapping[NodeName, Fraction]):
    """Sums by node, as they are now; nothing at any node that has none."""

    def __init__(self, sums: Mapping[NodeName, Fraction]) -> None:
        self._sums = sums

    def __getitem__(self, name: NodeName) -> Fraction:
        """Return a node's sum."""
        return self._sums.get(name, NO_CARD)

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._sums)

    def __len__(self) -> int:
        return len(self._sums)


class PathSums:
    """Cards by node, from what leaves have: of each leaf and of all above it but the root."""

    def __init__(self, tree: GroupTree) -> None:
        self._tree = tree
        self.sums: dict[NodeName, Fraction] = {}
        """By node; who has nothing is not there."""

    def change(self, leaf: NodeName, cards: Fraction) -> None:
        """Let a leaf have so much more, or less."""
        for name in self._tree.paths[leaf]:
            _add(self.sums, name, cards)


class Wants:
    """The cards that each node holds, and what it asks for and may have.

    That is what ``division.wanted`` says where every leaf asks for what it holds.
    """

    def __init__(self, tree: GroupTree) -> None:
        self._tree = tree
        self.held: dict[NodeName, Fraction] = {}
        """By node, the root too; who holds nothing is not there."""
        self._inside: dict[NodeName, Fraction] = {}
        """What the children of a node want together, or a leaf asks for."""

    def change(self, leaf: NodeName, cards: Fraction) -> None:
        """Let a leaf hold so much more, or less."""
        for name in (ROOT, *self._tree.paths[leaf]):
            _add(self.held, name, cards)
        _want(self._tree, self._inside, leaf, cards)

    def asking(self, asks: Mapping[NodeName, Fraction]) -> Mapping[NodeName, Fraction]:
        """Return what each node wants where these leaves ask for so much beyond what they hold.

        That goes on changing. Raises ``GroupTreeError`` where no leaf asks.
        """
        self._tree.require_leaves(asks)
        ways = {name for leaf in asks for name in (*self._tree.paths[leaf], ROOT)}
        beside = {name: self._inside[name] for name in ways if name in self._inside}
        for leaf, cards in asks.items():
            _want(self._tree, beside, leaf, cards)
        asking = {name: beside.get(name, NO_CARD) for name in ways}
        return _Bounded(self._tree, self._inside, asking)


class _Bounded(Mapping[NodeName, Fraction]):
    def __init__(
        self,
        tree: GroupTree,
        inside: Mapping[NodeName, Fraction],
        asking: Mapping[NodeName, Fraction],
    ) -> None:
        """``asking``: what it is at those nodes below which somebody asks for more."""
        self._tree = tree
        self._inside = inside
        self._asking = asking

    def __getitem__(self, name: NodeName) -> Fraction:
        inside = self._asking.get(name)
        if inside is None:
            inside = self._inside.get(name, NO_CARD)
        limit = self._tree.nodes[name].limit
        return inside if limit is None else min(inside, limit)

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._tree.nodes)

    def __len__(self) -> int:
        return len(self._tree.nodes)


def _want(
    tree: GroupTree, inside: dict[NodeName, Fraction], leaf: NodeName, cards: Fraction
) -> None:
    more = cards
    for name in (*reversed(tree.paths[leaf]), ROOT):
        limit = tree.nodes[name].limit
        before = _within(limit, inside.get(name, NO_CARD))
        _add(inside, name, more)
        more = _within(limit, inside.get(name, NO_CARD)) - before
        if not more:
            return


def _within(limit: Fraction | None, cards: Fraction) -> Fraction:
    return cards if limit is None else min(cards, limit)


def _add(sums: dict[NodeName, Fraction], name: NodeName, cards: Fraction) -> None:
    now = sums.get(name, NO_CARD) + cards
    if now:
        sums[name] = now
    else:
        sums.pop(name, None)
