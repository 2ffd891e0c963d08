"""A group's share: its guarantee, and by weight of what the others leave."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.division import divide
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName

from tests.quota.shares.trees import (
    Number,
    amounts,
    any_asks,
    any_tree,
    cards,
    group,
    renamed,
    told,
    tree,
)


@dataclass(frozen=True)
class Case:
    groups: tuple[GroupNode, ...]
    supply: Number
    asks: dict[NodeName, Fraction]
    shares: str


A, B = group("a"), group("b")
SCIENCE = group("science", group("nlp", guaranteed=4), group("cv"), guaranteed=6, weight=3)
CASES = {
    "who asks for nothing has no share": Case((A, B), 8, cards(a=8), "a=8 b=0"),
    "equal weights share equally": Case((A, B), 8, cards(a=8, b=8), "a=4 b=4"),
    "parts of cards are shared exactly": Case((A, B), 5, cards(a=8, b=8), "a=5/2 b=5/2"),
    "who needs less than their part leaves the rest": Case((A, B), 8, cards(a=1, b=8), "a=1 b=7"),
    "the rest goes by weight": Case((group("a", weight=3), B), 8, cards(a=8, b=8), "a=6 b=2"),
    "guarantees first, then what is left by weight": Case(
        (group("a", guaranteed=4), B), 8, cards(a=8, b=8), "a=6 b=2"
    ),
    "an unused guarantee is lent": Case(
        (group("a", guaranteed=8), B), 8, cards(a=1, b=8), "a=1 b=7"
    ),
    "a limit counts guaranteed and borrowed together": Case(
        (group("a", guaranteed=2, limit=3), B), 8, cards(a=8, b=8), "a=3 b=5"
    ),
    "weight 0 gets what nobody else wants": Case(
        (group("a", weight=0), B), 8, cards(a=8, b=5), "a=3 b=5"
    ),
    "weight 0 gets nothing while others want it": Case(
        (group("a", weight=0), B), 8, cards(a=8, b=9), "a=0 b=8"
    ),
    "weight 0 has its guarantee": Case(
        (group("a", weight=0, guaranteed=2), B), 8, cards(a=8, b=9), "a=2 b=6"
    ),
    "a group's share is divided in it": Case(
        (SCIENCE, B), 8, cards(nlp=8, cv=8, b=8), "science=15/2 nlp=23/4 cv=7/4 b=1/2"
    ),
    "direct members are one more child": Case(
        (SCIENCE,),
        8,
        {**cards(nlp=4, cv=8), NodeName("science/"): Fraction(8)},
        "nlp=4 cv=2 science/=2",
    ),
    "what is within the parent's guarantee goes to who asks in it": Case(
        (SCIENCE, group("b", weight=30)), 8, cards(cv=8, b=8), "cv=68/11 b=20/11"
    ),
    "a parent's limit binds its children together": Case(
        (group("a", group("a1"), group("a2"), limit=3), B),
        8,
        cards(a1=8, a2=8, b=8),
        "a1=3/2 a2=3/2 b=5",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_shares(name: str) -> None:
    case = CASES[name]
    shares = divide(tree(*case.groups), Fraction(case.supply), case.asks)
    expected = {n: Fraction(v) for n, v in (one.split("=") for one in case.shares.split())}
    assert told(shares, expected) == told(expected, expected)


def test_what_limits_over_several_types_leave_binds_a_group_and_all_in_it() -> None:
    made = tree(group("a", group("a1", guaranteed=4), guaranteed=4), B)
    shares = divide(made, Fraction(8), cards(a1=8, b=4), cards(a=3))
    assert told(shares, ("a", "a1", "b")) == "a=3 a1=3 b=4"


def test_more_guaranteed_than_there_is_is_refused_with_the_numbers() -> None:
    with pytest.raises(GroupTreeError, match="9 cards are guaranteed, and there are 8"):
        divide(tree(group("a", guaranteed=9)), Fraction(8), {})


@st.composite
def any_case(draw: st.DrawFn) -> tuple[GroupTree, Fraction, dict[NodeName, Fraction]]:
    made = draw(any_tree())
    supply = made.root.guaranteed + draw(amounts(12))
    return made, supply, draw(any_asks(made))


def bounded(made: GroupTree, asks: dict[NodeName, Fraction], name: NodeName) -> Fraction:
    """What a node asks for and may have."""
    node = made.nodes[name]
    below = [bounded(made, asks, child.name) for child in node.children]
    asked = sum(below, Fraction(0)) if node.children else asks[name]
    return asked if node.limit is None else min(asked, node.limit)


@given(any_case())
def test_a_guarantee_is_always_in_the_share(case) -> None:
    made, supply, asks = case
    for name, share in divide(made, supply, asks).items():
        want = bounded(made, asks, name)
        assert min(want, made.nodes[name].guaranteed) <= share <= want


@given(any_case())
def test_shares_are_all_of_the_supply_while_somebody_asks_and_never_more(case) -> None:
    made, supply, asks = case
    shares = divide(made, supply, asks)
    assert shares[ROOT] == min(supply, bounded(made, asks, ROOT))
    for name, node in made.nodes.items():
        if node.children:
            assert sum(shares[child.name] for child in node.children) == shares[name]


@given(any_case())
def test_nobody_envies_a_sibling_what_both_have_beyond_their_guarantees(case) -> None:
    made, supply, asks = case
    shares = divide(made, supply, asks)

    def beyond(node: GroupNode) -> Fraction:
        return max(Fraction(0), shares[node.name] - node.guaranteed)

    for parent in made.nodes.values():
        for one in parent.children:
            if shares[one.name] == bounded(made, asks, one.name):
                continue  # has all that it asks for and may have
            for other in parent.children:
                if not one.weight:
                    continue
                assert beyond(one) * other.weight >= beyond(other) * one.weight
                if not other.weight:
                    assert beyond(other) == 0


@given(any_case())
def test_everybody_has_at_least_what_a_pool_of_their_own_by_weight_would_give(case) -> None:
    made, supply, asks = case
    shares = divide(made, supply, asks)
    siblings = made.root.children
    weights = sum(node.weight for node in siblings)
    rest = supply - made.root.guaranteed
    for node in siblings:
        alone = node.guaranteed + rest * node.weight / weights
        assert shares[node.name] >= min(bounded(made, asks, node.name), alone)


@given(any_case(), amounts(5))
def test_more_cards_take_nothing_from_anybody(case, more: Fraction) -> None:
    made, supply, asks = case
    before, after = divide(made, supply, asks), divide(made, supply + more, asks)
    assert all(after[name] >= share for name, share in before.items())


@given(any_case(), st.data())
def test_asking_for_more_takes_nothing_from_oneself(case, data: st.DataObject) -> None:
    made, supply, asks = case
    leaf = data.draw(st.sampled_from(sorted(asks)))
    more = {**asks, leaf: asks[leaf] + 1}
    assert divide(made, supply, more)[leaf] >= divide(made, supply, asks)[leaf]


@given(any_case(), st.randoms(use_true_random=False))
def test_neither_names_nor_the_order_of_keys_matter(case, random) -> None:
    made, supply, asks = case
    names = [name for name in made.nodes if name != ROOT]
    new = dict(zip(names, random.sample(names, len(names)), strict=True))
    other = GroupTree(renamed(made.root, new, random))
    asked = list(asks.items())
    random.shuffle(asked)
    shares = divide(made, supply, asks)
    theirs = divide(other, supply, {new[name]: amount for name, amount in asked})
    assert {new.get(name, name): share for name, share in shares.items()} == theirs
