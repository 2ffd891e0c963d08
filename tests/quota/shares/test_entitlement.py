"""Which slices are entitled: within the guarantee, one step below the common ancestor."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.shares.entitlement import Piece, PieceId, entitle, entitled_sums

from tests.quota.shares.trees import any_pieces, any_tree, group, piece, tree

LAB = group("lab", group("nlp", guaranteed=1), group("cv", guaranteed=1), guaranteed=3)
CASES = {
    "slices within the guarantee are entitled": ("x:1/2 y:1/2", "x1 y1"),
    "one beyond it is borrowed": ("x:1/2 y:1/2 z:1/2", "x1 y1 z0"),
    "one that straddles it is borrowed": ("x:3/5 y:3/5", "x1 y0"),
    "a smaller one that fits beside is entitled": ("x:3/5 y:3/5 z:2/5", "x1 y0 z1"),
    "the oldest comes first": ("x:1 y:1", "x1 y0"),
}


def shown(pieces: tuple[Piece, ...]) -> str:
    return " ".join(f"{one.piece_id}{one.entitled}" for one in pieces)


@pytest.mark.parametrize("name", CASES)
def test_in_a_group_that_is_guaranteed_one_card(name: str) -> None:
    told, expected = CASES[name]
    pieces = [piece(one[0], "a", one[2:]) for one in told.split()]
    assert shown(entitle(tree(group("a", guaranteed=1)), pieces)) == expected


def test_what_is_entitled_stays_so_when_an_older_one_would_fit() -> None:
    made = tree(group("a", guaranteed=1))
    x, y, z = entitle(
        made, [piece("x", "a", "3/5"), piece("y", "a", "4/5"), piece("z", "a", "2/5")]
    )
    assert shown(entitle(made, [y, z])) == "y0 z1"
    assert shown(entitle(made, [x, y])) == "x1 y0"


def test_when_an_entitled_one_ends_the_oldest_borrowed_one_that_fits_follows() -> None:
    made = tree(group("a", guaranteed=1))
    pieces = [piece("x", "a"), piece("y", "a", "3/2"), piece("z", "a"), piece("w", "a")]
    assert shown(entitle(made, entitle(made, pieces)[1:])) == "y0 z1 w0"


def test_what_a_group_borrows_within_its_parents_guarantee_is_entitled_against_outsiders() -> None:
    pieces = [piece("x", "nlp"), piece("y", "nlp"), piece("z", "nlp")]
    assert shown(entitle(tree(LAB), pieces)) == "x2 y1 z1"


def test_a_siblings_guarantee_comes_first_in_the_parents() -> None:
    pieces = [*(piece(name, "nlp") for name in "wxyz"), piece("c", "cv")]
    assert shown(entitle(tree(LAB), pieces)) == "w2 x1 y0 z0 c2"


def test_direct_members_use_what_the_groups_in_it_leave_of_a_guarantee() -> None:
    pieces = [piece("d", "lab/"), piece("e", "lab/"), piece("x", "nlp")]
    assert shown(entitle(tree(LAB), pieces)) == "d1 e1 x2"


def test_who_is_in_no_group_is_guaranteed_nothing() -> None:
    assert shown(entitle(tree(LAB), [piece("x", "/", "1/9")])) == "x0"


@given(st.data())
def test_entitled_amounts_fit_the_guarantees_and_nothing_that_fits_is_left_out(
    data: st.DataObject,
) -> None:
    made = data.draw(any_tree())
    pieces = entitle(made, data.draw(any_pieces(made)))
    sums = entitled_sums(made, pieces)
    for name, node in made.nodes.items():
        assert sums[name] <= node.guaranteed
    for one in pieces:
        path = made.paths[one.node]
        for name in path[one.entitled :]:
            assert sums[name] + one.cards > made.nodes[name].guaranteed


@given(st.data())
def test_asked_again_nothing_changes(data: st.DataObject) -> None:
    made = data.draw(any_tree())
    pieces = entitle(made, data.draw(any_pieces(made)))
    assert entitle(made, pieces) == pieces


@given(st.data())
def test_nothing_that_comes_or_ends_makes_an_entitled_slice_a_borrowed_one_among_siblings(
    data: st.DataObject,
) -> None:
    made = data.draw(any_tree())
    pieces = entitle(made, data.draw(any_pieces(made)))
    for turn in range(4):
        fully = {p.piece_id for p in pieces if p.entitled == len(made.paths[p.node])}
        kept = [one for one in pieces if data.draw(st.booleans())]
        new = [
            replace(one, piece_id=PieceId(f"{turn}{one.piece_id}"), entitled=0)
            for one in data.draw(any_pieces(made, 4))
        ]
        pieces = entitle(made, [*kept, *new])
        for one in pieces:
            if one.piece_id in fully:
                assert one.entitled == len(made.paths[one.node])
