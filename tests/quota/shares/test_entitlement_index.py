"""Entitlement as slices come and go: what ``entitle`` says of what was entitled before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.shares.entitled_by_age import Age
from sublet_quota.shares.entitlement import Piece, PieceId, entitle, entitled_sums
from sublet_quota.shares.entitlement_index import EntitlementIndex
from sublet_quota.shares.group_tree import GroupNode, GroupTree

from tests.quota.shares.trees import amounts, any_tree, group, piece, tree

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAB = group("lab", group("nlp", guaranteed=1), group("cv", guaranteed=1), guaranteed=3)


def filled(of: GroupTree, *pieces: Piece) -> EntitlementIndex:
    index = EntitlementIndex(of)
    for number, one in enumerate(pieces):
        index.put(one, NOON + timedelta(seconds=number), 0)
    return index


def told(index: EntitlementIndex) -> str:
    return " ".join(f"{one.piece_id}{one.entitled}" for one in index.pieces())


def test_a_grown_slice_pushes_no_other_one_out() -> None:
    index = filled(tree(group("lab", guaranteed=2)), piece("x", "lab"), piece("y", "lab"))
    index.put(piece("x", "lab", "3/2"), NOON, 0)
    assert told(index) == "x0 y1"


def test_a_grown_slice_stays_entitled_within_the_guarantee() -> None:
    index = filled(tree(group("lab", guaranteed=2)), piece("x", "lab", "1/2"), piece("y", "lab"))
    index.put(piece("x", "lab", 1), NOON, 0)
    assert told(index) == "x1 y1"


def test_one_more_slice_is_entitled_as_far_as_its_groups_and_those_above_have_room() -> None:
    index = filled(tree(LAB), piece("x", "nlp"))
    asked = [("nlp", 1), ("nlp", 2), ("nlp", 3), ("cv", 1), ("lab/", 1)]
    assert [index.steps_for(node, Fraction(cards)) for node, cards in asked] == [1, 1, 0, 2, 1]


def test_what_a_change_concerns_is_told_once() -> None:
    index = filled(tree(group("lab", guaranteed=1)), piece("x", "lab"), piece("y", "lab"))
    index.changes()
    index.remove(PieceId("x"))
    assert (index.changes(), index.changes()) == ({"y"}, frozenset())


def test_less_guaranteed_leaves_the_oldest_that_fit() -> None:
    index = filled(tree(group("lab", guaranteed=2)), piece("x", "lab"), piece("y", "lab"))
    index.under(tree(group("lab", guaranteed=1)))
    assert told(index) == "x1 y0"


@st.composite
def other_guarantees(draw: st.DrawFn, node: GroupNode) -> GroupNode:
    children = tuple(draw(other_guarantees(child)) for child in node.children)
    promised = sum((child.guaranteed for child in children), Fraction(0))
    return replace(
        node, guaranteed=promised + draw(amounts(3)), limit=None, children=children
    )  # fmt: skip


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_changes_one_by_one_come_to_what_entitle_says(data) -> None:
    first = data.draw(any_tree())
    index = EntitlementIndex(first)
    ages: dict[PieceId, tuple[int, int]] = {}
    known: dict[PieceId, Piece] = {}
    leaves = sorted(first.leaves())
    for step in range(data.draw(st.integers(1, 25))):
        change = data.draw(st.sampled_from(["put", "put", "resize", "remove", "document"]))
        if change == "put" or not known:
            name = PieceId(f"p{step}")
            cards = data.draw(amounts(2).filter(bool))
            known[name] = piece(name, data.draw(st.sampled_from(leaves)), cards)
            ages[name] = (data.draw(st.integers(0, 5)), step)
            index.put(known[name], NOON + timedelta(hours=ages[name][0]), step)
        elif change == "resize":
            name = data.draw(st.sampled_from(sorted(known)))
            smaller = known[name].cards * data.draw(st.sampled_from([Fraction(1, 2), Fraction(1)]))
            known[name] = replace(known[name], cards=smaller)
            index.put(known[name], NOON + timedelta(hours=ages[name][0]), ages[name][1])
        elif change == "remove":
            name = data.draw(st.sampled_from(sorted(known)))
            del known[name]
            index.remove(name)
        else:
            index.under(GroupTree(data.draw(other_guarantees(first.root))))
        oldest_first = sorted(known.values(), key=lambda one: ages[one.piece_id])
        expected = entitle(index.tree, oldest_first)
        assert tuple(index.pieces()) == expected
        sums = entitled_sums(index.tree, expected)
        assert {name: index.entitled.get(name, 0) for name in first.nodes if name} == {
            name: amount for name, amount in sums.items() if name
        }
        for leaf in leaves:
            asked = piece("new", leaf, data.draw(st.sampled_from([Fraction(1, 4), Fraction(1)])))
            assert (
                index.steps_for(leaf, asked.cards)
                == entitle(index.tree, [*expected, asked])[-1].entitled
            )
        known = {one.piece_id: one for one in expected}


@given(st.data())
@settings(deadline=None)
def test_many_at_once_come_to_what_entitle_says(data) -> None:
    of = data.draw(any_tree())
    leaves = sorted(of.leaves())
    pieces = [
        piece(f"p{n}", data.draw(st.sampled_from(leaves)), data.draw(amounts(2).filter(bool)),
              entitled=data.draw(st.integers(0, 1)))
        for n in range(data.draw(st.integers(0, 12)))
    ]  # fmt: skip
    index = EntitlementIndex(of)
    index.fill((one, Age(True, NOON, n, one.piece_id)) for n, one in enumerate(pieces))
    assert tuple(index.pieces()) == entitle(of, pieces)
