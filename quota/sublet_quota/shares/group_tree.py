"""The tree of groups, as one GPU type sees it: weights, guarantees and limits, in cards.

Every amount is held by a leaf: by a group without groups in it, or by the direct members of
another, who are one more child of weight 1, guaranteed nothing. Who is in no group is a direct
member of the root. No order means anything, neither of groups nor of names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, NewType

from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.cards import NO_CARD

NodeName = NewType("NodeName", str)
"""The name of a group, of its direct members, or of the root."""

ROOT: Final = NodeName("")
SPENT: Final = NodeName("//")
"""The leaf of those whose budget is over: of weight 0, guaranteed nothing, beside all groups."""
_DIRECT: Final = "/"


def direct_members(group: NodeName) -> NodeName:
    """Return the name of the direct members of a group that has groups in it."""
    return NodeName(group + _DIRECT)


def group_of(node: NodeName) -> NodeName:
    """Return the name of the group of which these are direct members; of a group its own."""
    return NodeName(node.removesuffix(_DIRECT))


@dataclass(frozen=True, slots=True)
class GroupNode:
    """A group and what it is due of one GPU type."""

    name: NodeName
    weight: int = 1
    """The group's part of what guarantees leave, beside its siblings'; 0: what nobody else wants.
    """
    guaranteed: Fraction = NO_CARD
    limit: Fraction | None = None
    """The most that the group may have, guaranteed and borrowed together; ``None``: no limit."""
    children: tuple["GroupNode", ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that contradict each other."""
        if isinstance(self.weight, bool) or not isinstance(self.weight, int) or self.weight < 0:
            message = (
                f"{self.name!r} has the weight {self.weight!r}: give a whole number, 0 or more"
            )
            raise GroupTreeError(message)
        if self.guaranteed < 0:
            message = f"{self.name!r} is guaranteed {self.guaranteed} cards: give 0 or more"
            raise GroupTreeError(message)
        if self.limit is not None and self.limit < self.guaranteed:
            message = (
                f"{self.name!r} is guaranteed {self.guaranteed} cards, and limited to"
                f" {self.limit}: a limit counts guaranteed and borrowed cards together"
            )
            raise GroupTreeError(message)
        promised = sum((child.guaranteed for child in self.children), NO_CARD)
        if promised > self.guaranteed:
            message = (
                f"the groups in {self.name!r} are guaranteed {promised} cards together,"
                f" {self.name!r} itself {self.guaranteed}: raise it to {promised}, or lower theirs"
            )
            raise GroupTreeError(message)


@dataclass(frozen=True, slots=True)
class GroupTree:
    """All groups under one root, with the way from the root to each."""

    root: GroupNode
    nodes: Mapping[NodeName, GroupNode] = field(init=False)
    """Every node, parents before their children; also the root, and direct members."""
    paths: Mapping[NodeName, tuple[NodeName, ...]] = field(init=False)
    """The way to each node: from the child of the root to the node itself; the root's is empty."""

    def __post_init__(self) -> None:
        """Find every node, and refuse two of one name."""
        nodes: dict[NodeName, GroupNode] = {}
        paths: dict[NodeName, tuple[NodeName, ...]] = {}
        waiting: list[tuple[GroupNode, tuple[NodeName, ...]]] = [(self.root, ())]
        for node, path in waiting:
            if node.name in nodes:
                message = f"there are two groups {node.name!r}: give each a name of its own"
                raise GroupTreeError(message)
            nodes[node.name], paths[node.name] = node, path
            waiting.extend((child, (*path, child.name)) for child in node.children)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "paths", paths)

    @classmethod
    def of(cls, groups: Iterable[GroupNode], *, with_spent: bool = False) -> "GroupTree":
        """Return the tree of a document's groups, with direct members as one more child each.

        ``with_spent``: with the leaf of those whose budget is over.
        """
        top = tuple(_with_direct_members(group) for group in groups)
        spent = (GroupNode(SPENT, weight=0),) if with_spent else ()
        root = GroupNode(
            ROOT,
            guaranteed=sum((group.guaranteed for group in top), NO_CARD),
            children=(*top, GroupNode(direct_members(ROOT)), *spent),
        )
        return cls(root)

    def leaf_of(self, group: NodeName | None) -> NodeName:
        """Return where a member's amounts count who is charged to a group; ``None``: to no group.

        Raises ``GroupTreeError`` for a group that is not in the tree.
        """
        name = ROOT if group is None else group
        if name not in self.nodes:
            message = f"there is no group {name!r}"
            raise GroupTreeError(message)
        return direct_members(name) if self.nodes[name].children else name

    def in_common(self, one: NodeName, other: NodeName) -> int:
        """Return how many steps of their ways two nodes have in common."""
        steps = 0
        for mine, theirs in zip(self.paths[one], self.paths[other], strict=False):
            if mine != theirs:
                break
            steps += 1
        return steps

    def below(self, name: NodeName) -> Iterator[NodeName]:
        """Yield a node and all that are in it; ``KeyError`` where the tree has no such node."""
        waiting = [self.nodes[name]]
        for node in waiting:
            yield node.name
            waiting.extend(node.children)

    def leaves(self) -> Iterator[NodeName]:
        """Yield the nodes that hold amounts."""
        return (name for name, node in self.nodes.items() if not node.children)

    def require_leaves(self, names: Iterable[NodeName]) -> None:
        """Raise ``GroupTreeError`` where one of the nodes holds no amounts, or is not there."""
        for name in names:
            if name not in self.nodes or self.nodes[name].children:
                message = f"{name!r} is no leaf of the tree: leaf_of says where amounts count"
                raise GroupTreeError(message)

    def with_guarantees(self, guaranteed: Mapping[NodeName, Fraction]) -> "GroupTree":
        """Return the tree with other guarantees for the nodes that are named.

        A limit that is less than what is guaranteed now is raised to that.
        """
        return GroupTree(_guaranteed_anew(self.root, guaranteed))

    def sums(self, of_leaves: Mapping[NodeName, Fraction]) -> dict[NodeName, Fraction]:
        """Return what every node has, from what leaves have."""
        self.require_leaves(of_leaves)
        sums = dict.fromkeys(self.nodes, NO_CARD)
        for leaf, amount in of_leaves.items():
            sums[ROOT] += amount
            for name in self.paths[leaf]:
                sums[name] += amount
        return sums


def _with_direct_members(group: GroupNode) -> GroupNode:
    if not group.name or group.name.endswith(_DIRECT):
        message = f"{group.name!r} is no name for a group: it is empty or ends with {_DIRECT!r}"
        raise GroupTreeError(message)
    if not group.children:
        return group
    children = tuple(_with_direct_members(child) for child in group.children)
    return replace(group, children=(*children, GroupNode(direct_members(group.name))))


def _guaranteed_anew(node: GroupNode, guaranteed: Mapping[NodeName, Fraction]) -> GroupNode:
    children = tuple(_guaranteed_anew(child, guaranteed) for child in node.children)
    cards = guaranteed.get(node.name, node.guaranteed)
    limit = None if node.limit is None else max(node.limit, cards)
    return replace(node, guaranteed=cards, limit=limit, children=children)
