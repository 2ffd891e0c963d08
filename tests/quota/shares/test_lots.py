"""Lots of groups: drawn once for all, so that no choice of a name wins a tie."""

from fractions import Fraction

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.shares.fair_turns import FairTurns
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.lots import lot_of

from tests.support.quota_cases import document, gpu

A_CARD_EACH = """
gpu_types: {H100: {match: "*H100*"}}
groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}}
"""


def under(text: str, drawn: int, cards: int) -> Holdings:
    gpus = [gpu(f"gpu-{n}") for n in range(cards)]
    return Holdings(document(text), gpus, turns=FairTurns(drawn))


def test_a_lot_is_the_same_for_the_same_draw_and_the_order_hangs_on_the_draw() -> None:
    assert lot_of("a", 7) == lot_of("a", 7)
    assert {lot_of("a", drawn) < lot_of("b", drawn) for drawn in range(20)} == {False, True}


def test_what_is_drawn_says_who_has_the_odd_card_and_says_so_again() -> None:
    def who(drawn: int) -> str:
        tree = under(A_CARD_EACH, drawn, 1).tree("H100")
        return next(name for name in "ab" if tree.nodes[NodeName(name)].guaranteed == Fraction(1))

    assert {who(drawn) for drawn in range(20)} == {"a", "b"}
    assert [who(drawn) for drawn in range(20)] == [who(drawn) for drawn in range(20)]


def test_what_is_drawn_says_whose_guarantee_lies_on_which_of_equal_cards() -> None:
    def where(drawn: int) -> tuple[str, ...]:
        layout = under(A_CARD_EACH, drawn, 2).layout("H100")
        return layout.of_node(NodeName("a"))

    assert {where(drawn) for drawn in range(20)} == {("gpu-0",), ("gpu-1",)}
