"""Whose room is taken for a request: borrowed slices make way for whom it is due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.shares.division import divide
from sublet_quota.shares.entitlement import Piece, entitle
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName
from sublet_quota.shares.reclaim import Position, Request, Taken, TooLittle, take

from tests.quota.shares.trees import any_pieces, any_tree, group, piece, renamed, tree


def asked_by(request: Request, *pieces: Sequence[Piece]) -> dict[NodeName, Fraction]:
    asks = {request.node: request.cards}
    for one in [one for some in pieces for one in some]:
        asks[one.node] = asks.get(one.node, Fraction(0)) + one.cards
    return asks


def takes(
    made: GroupTree,
    supply: int | Fraction,
    on: Sequence[Piece],
    request: Request,
    waiting: Sequence[Piece] = (),
) -> Taken | TooLittle:
    """Who makes way on ``supply`` cards; the pieces that are ``waiting`` are asked for, too."""
    shares = divide(made, Fraction(supply), asked_by(request, on, waiting))
    free = Fraction(supply) - sum(one.cards for one in on)
    need = max(Fraction(0), request.cards - free)
    newest_first = tuple(reversed(on))
    return take(Position.of(made, shares, on), request, need, newest_first)


def pieces_of(text: str) -> list[Piece]:
    """``a:1 b:1/2!`` - pieces of groups, oldest first; ``!``: cannot be suspended."""
    made = []
    for number, one in enumerate(text.split(), 1):
        node, _, cards = one.partition(":")
        made.append(piece(f"{node}{number}", node, cards.rstrip("!"), suspendable="!" not in cards))
    return made


@dataclass(frozen=True)
class Case:
    groups: tuple[GroupNode, ...]
    on: str
    asks: str
    taken: str
    waiting: str = ""
    suspendable: bool = True


A, B, C = group("a"), group("b"), group("c")
A1, A2, B2 = (group(n, guaranteed=g) for n, g in (("a", 1), ("a", 2), ("b", 2)))
LAB = group("lab", group("nlp", guaranteed=1), group("cv"), guaranteed=2)
CASES = {
    "room that is free is nobody's": Case((A, B), "b:1 b:1 b:1", "a:1", ""),
    "who is within their guarantee takes from who borrows": Case(
        (A1, B), "b:1 b:1 b:1 b:1", "a:1", "b4"
    ),
    "nothing is taken from the entitled": Case(
        (A1, group("b", guaranteed=3)), "b:1 b:1 b:2", "a:1", "b3"
    ),
    "a slice that straddles the guarantee may be taken": Case((A1, B2), "b:3 b:1", "a:1", "b1"),
    "for who stays within their share, from who stays at or above theirs": Case(
        (A, B), "b:1 b:1 b:1 b:1", "a:1", "b4"
    ),
    "at their share nobody takes": Case((A, B), "a:2 b:1 b:1", "a:1", "too little: 0"),
    "nobody is taken below their share": Case((A, B), "b:2 b:2", "a:3/2", "too little: 0"),
    "nor by a slice that is too large": Case((A, B), "a:1 b:3", "a:1", "too little: 0"),
    "a smaller one of theirs goes": Case((A, B), "b:1 b:3", "a:1", "b1"),
    "of several the furthest above their share": Case((A, B, C), "b:1 c:1 c:1 c:1", "a:1", "c4"),
    "a heavier group is less far above": Case(
        (A1, group("b", weight=3), C), "b:1 b:1 c:1 c:1", "a:1", "c4"
    ),
    "weight 0 goes before all others": Case(
        (A, B, group("c", weight=0)), "b:1 b:1 b:1 c:1", "a:1", "c4"
    ),
    "as few as are needed": Case((A2, B), "b:1/2 b:1/2 b:1 b:2", "a:2", "b4"),
    "one that is enough instead of several": Case((A2, B), "b:3 b:1", "a:2", "b1"),
    "the furthest above though another's is newer": Case(
        (A1, B, C), "c:1 c:1 c:1/2 b:1 b:1/2", "a:1", "c2"
    ),
    "who would be the furthest above with the request gives of its own": Case(
        (A1, B2), "a:3/5 a:4/5 b:2 b:3/5", "a:2/5", "a2"
    ),
    "nothing unless the request then fits": Case(
        (A2, B), "b:1! b:1! b:1! b:1", "a:2", "too little: 1"
    ),
    "only what can be suspended": Case((A1, B), "b:1! b:1! b:1 b:1!", "a:1", "b3"),
    "what cannot be suspended later may not borrow": Case(
        (A, B), "b:1 b:1 b:1 b:1", "a:1", "too little: 0", suspendable=False
    ),
    "but it has its guarantee": Case((A1, B), "b:1 b:1 b:1 b:1", "a:1", "b4", suspendable=False),
    "a guarantee is kept against one's own borrowed slices, too": Case(
        (A1, group("b", guaranteed=3)), "a:3/5 b:1 b:1 b:2/5 a:1", "a:2/5", "a5"
    ),
    "what a group lent to a sibling it takes back before it goes to others": Case(
        (LAB, group("b", guaranteed=2)), "cv:1 cv:1 b:1 b:1", "nlp:1", "cv2"
    ),
    "first inside, and then from others as far as the parent is within its guarantee": Case(
        (
            group("lab", group("nlp", guaranteed=1), group("cv"), guaranteed=1),
            A1,
            group("b", guaranteed=2),
        ),
        "cv:1/2 a:3/2 b:2",
        "nlp:1",
        "a2 cv1",
    ),
    "what a sibling is due is not had from others meanwhile": Case(
        (LAB, B2), "cv:1 b:1 b:1 b:1", "cv:1", "too little: 0", waiting="nlp:1"
    ),
    "in a group that is within its guarantee, from outside": Case(
        (LAB, B), "cv:1 b:1 b:1 b:1", "cv:1", "b4"
    ),
    "what is within the parent's guarantee is entitled against outsiders": Case(
        (LAB, group("b", guaranteed=2)), "cv:1 cv:1 lab/:1 b:1", "b:1", "lab/3"
    ),
    "a group beyond its share takes only inside": Case(
        (LAB, group("b", weight=9)), "cv:1 cv:1 b:1 b:1", "nlp:1", "cv2"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_for_a_request_on_four_cards(name: str) -> None:
    case = CASES[name]
    made = tree(*case.groups)
    (asked,) = pieces_of(case.asks)
    answer = takes(
        made,
        4,
        entitle(made, pieces_of(case.on)),
        Request(asked.node, asked.cards, suspendable=case.suspendable),
        pieces_of(case.waiting),
    )
    if isinstance(answer, TooLittle):
        assert f"too little: {answer.takable}" == case.taken
    else:
        assert " ".join(sorted(one.piece_id for one in answer.pieces)) == case.taken


class Cards:
    """Pieces on the cards of one type, and others that wait for room: suspended, or new."""

    def __init__(self, made: GroupTree, supply: Fraction, pieces: Sequence[Piece]) -> None:
        self.made, self.supply = made, supply
        self.on: tuple[Piece, ...] = ()
        self.waiting = list(pieces)

    def ask(self, one: Piece) -> Taken | TooLittle:
        others = [other for other in self.waiting if other != one]
        request = Request(one.node, one.cards, one.suspendable)
        return takes(self.made, self.supply, self.on, request, others)

    def let_in(self, one: Piece, taken: Taken) -> None:
        self.waiting.remove(one)
        stay = [other for other in self.on if other not in taken.pieces]
        gone = [piece(p.piece_id, p.node, p.cards) for p in taken.pieces]
        self.on = entitle(self.made, [*stay, one])
        self.waiting.extend(gone)
        assert sum(other.cards for other in self.on) <= self.supply


@st.composite
def any_cards(draw: st.DrawFn) -> Cards:
    made = draw(any_tree())
    supply = made.root.guaranteed + draw(st.integers(0, 5))
    return Cards(made, supply, draw(any_pieces(made, 14)))


@given(any_cards())
@settings(max_examples=200)
def test_who_makes_way_never_takes_it_back_from_whom_it_was_taken_for(cards: Cards) -> None:
    for one in tuple(cards.waiting):
        answer = cards.ask(one)
        if not isinstance(answer, Taken):
            continue
        cards.let_in(one, answer)
        for gone in answer.pieces:
            (back,) = [p for p in cards.waiting if p.piece_id == gone.piece_id]
            again = cards.ask(back)
            if isinstance(again, Taken):
                assert one.piece_id not in {p.piece_id for p in again.pieces}


@given(any_cards(), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_taking_comes_to_rest(cards: Cards, random) -> None:
    moves = 0
    while True:
        random.shuffle(cards.waiting)
        for one in tuple(cards.waiting):
            answer = cards.ask(one)
            if isinstance(answer, Taken):
                cards.let_in(one, answer)
                moves += 1
                break
        else:
            break
        assert moves < 150, "room goes round and round"


@given(any_cards())
@settings(max_examples=200)
def test_a_guarantee_can_always_be_reached(cards: Cards) -> None:
    for one in tuple(cards.waiting):
        answer = cards.ask(one)
        if isinstance(answer, Taken):
            cards.let_in(one, answer)
    sums = Position.of(cards.made, {}, cards.on).entitled
    for leaf in cards.made.leaves():
        room = cards.made.nodes[leaf].guaranteed - sums[leaf]
        if room > 0:
            assert isinstance(cards.ask(piece("new", leaf, room)), Taken)


@given(any_cards(), st.randoms(use_true_random=False))
def test_neither_names_nor_the_order_of_groups_matter(cards: Cards, random) -> None:
    names = [name for name in cards.made.nodes if name]
    new = dict(zip(names, random.sample(names, len(names)), strict=True))
    other = Cards(
        GroupTree(renamed(cards.made.root, new, random)),
        cards.supply,
        [replace(one, node=new[one.node]) for one in cards.waiting],
    )
    for one, theirs in zip(tuple(cards.waiting), tuple(other.waiting), strict=True):
        answer, alike = cards.ask(one), other.ask(theirs)
        if not isinstance(answer, Taken):
            assert answer == alike
            continue
        assert isinstance(alike, Taken)
        assert [p.piece_id for p in answer.pieces] == [p.piece_id for p in alike.pieces]
        cards.let_in(one, answer)
        other.let_in(theirs, alike)


@given(any_cards())
def test_what_is_taken_is_borrowed_enough_and_no_piece_too_many(cards: Cards) -> None:
    for one in tuple(cards.waiting):
        answer = cards.ask(one)
        if not isinstance(answer, Taken):
            continue
        free = cards.supply - sum(other.cards for other in cards.on)
        if answer.pieces:
            got = sum(other.cards for other in answer.pieces)
            assert free + got >= one.cards
            path = cards.made.paths[one.node]
            for other in answer.pieces:
                theirs = cards.made.paths[other.node]
                common = sum(x == y for x, y in zip(path, theirs, strict=False))
                assert other.entitled <= common
        else:
            assert free >= one.cards
        cards.let_in(one, answer)
