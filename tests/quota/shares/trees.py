"""Builders of group trees for tests, by hand and at random."""

from collections.abc import Iterable
from fractions import Fraction

from hypothesis import strategies as st
from sublet_quota.shares.entitlement import Piece, PieceId
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName

Number = int | str | Fraction


def group(
    name: str,
    *children: GroupNode,
    guaranteed: Number = 0,
    weight: int = 1,
    limit: Number | None = None,
) -> GroupNode:
    return GroupNode(
        NodeName(name),
        weight,
        Fraction(guaranteed),
        None if limit is None else Fraction(limit),
        children,
    )


def tree(*groups: GroupNode) -> GroupTree:
    return GroupTree.of(groups)


def cards(**amounts: Number) -> dict[NodeName, Fraction]:
    return {NodeName(name): Fraction(amount) for name, amount in amounts.items()}


def told(amounts: dict[NodeName, Fraction], names: Iterable[str]) -> str:
    """The amounts of some nodes, in one line."""
    return " ".join(f"{name}={amounts[NodeName(name)]}" for name in names)


def amounts(most: int) -> st.SearchStrategy[Fraction]:
    """Cards: whole ones, and parts that do not divide each other."""
    return st.sampled_from(
        [Fraction(number, parts) for parts in (1, 3, 4) for number in range(most * parts + 1)]
    )


parts = amounts(4)


@st.composite
def any_group(draw: st.DrawFn, name: str, depth: int) -> GroupNode:
    children = ()
    if depth:
        count = draw(st.integers(0, 3))
        children = tuple(draw(any_group(f"{name}.{n}", depth - 1)) for n in range(count))
    guaranteed = draw(parts) + sum((child.guaranteed for child in children), Fraction(0))
    limit = draw(st.none() | parts)
    return GroupNode(
        NodeName(name),
        draw(st.sampled_from((0, 1, 1, 2, 3))),
        guaranteed,
        None if limit is None else guaranteed + limit,
        children,
    )


@st.composite
def any_tree(draw: st.DrawFn, depth: int = 2) -> GroupTree:
    return tree(*(draw(any_group(f"g{n}", depth)) for n in range(draw(st.integers(1, 4)))))


@st.composite
def any_asks(draw: st.DrawFn, of: GroupTree) -> dict[NodeName, Fraction]:
    return {name: draw(amounts(9)) for name in of.leaves()}


def renamed(node: GroupNode, new: dict[NodeName, NodeName], random) -> GroupNode:
    children = [renamed(child, new, random) for child in node.children]
    random.shuffle(children)
    return GroupNode(
        new.get(node.name, node.name), node.weight, node.guaranteed, node.limit, tuple(children)
    )


def piece(
    name: str, node: str, cards: Number = 1, *, suspendable: bool = True, entitled: int = 0
) -> Piece:
    return Piece(PieceId(name), NodeName(node), Fraction(cards), suspendable, entitled)


@st.composite
def any_pieces(draw: st.DrawFn, of: GroupTree, most: int = 12) -> list[Piece]:
    leaves = sorted(of.leaves())
    sizes = amounts(2).filter(bool)
    return [
        piece(f"p{number}", draw(st.sampled_from(leaves)), draw(sizes))
        for number in range(draw(st.integers(0, most)))
    ]
