"""The layout as slices see it: room for the entitled, who makes way, and what is in the way."""

from fractions import Fraction

import pytest
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.quota_cases import H100, NOON, document, gpu, holdings, notebook, part

TYPES = "gpu_types: {H100: {match: '*H100*'}}\n"
ONE = TYPES + "groups: {a: {guaranteed: {H100: 1}}, b: {}}"
HALVES = TYPES + "groups: {a: {guaranteed: {H100: 1/2}}, b: {guaranteed: {H100: 1/2}}}"
TWO = TYPES + "groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}}"
A, B = NodeName("a"), NodeName("b")
C0, C1 = GpuId("c0"), GpuId("c1")
CARDS = (gpu("c0"), gpu("c1", index=1))
WHOLE = GpuAmount(H100.usable_mib, 1000)


def home(held: Holdings, node: NodeName) -> tuple[GpuId, ...]:
    return held.layout("H100").usable_by(node)


def test_what_others_borrow_takes_no_room_of_the_entitled() -> None:
    held = holdings(
        ONE, CARDS[0], *(notebook(f"b{n}", group="b", on="c0", amount=part(1)) for n in (1, 2))
    )
    assert held.room(C0).shared_mib < H100.usable_mib
    assert WHOLE.fits_in(held.room_for_entitled(C0, A))
    assert held.room_for_entitled(C0, B) == NOTHING


def test_a_groups_entitled_slices_overcommit_each_other_on_their_whole_card() -> None:
    held = holdings(ONE, CARDS[0], notebook("a", group="a", on="c0", amount=part(3 / 4)))
    assert held.room_for_entitled(C0, A).memory_mib >= H100.usable_mib * 3 // 4


def test_a_part_of_a_card_is_never_overcommitted() -> None:
    held = holdings(HALVES, CARDS[0], notebook("a", group="a", on="c0", amount=part(1 / 4)))
    left = held.room_for_entitled(C0, A)
    assert left == GpuAmount(H100.usable_mib // 2 - H100.usable_mib // 4, 250)
    assert held.room_for_entitled(C0, B) == part(1 / 2)


def test_what_cannot_be_suspended_of_others_is_in_the_way() -> None:
    stays = notebook("b", group="b", on="c0", amount=part(1 / 4), unsuspendable=True)
    held = holdings(ONE, CARDS[0], stays)
    assert held.room_for_entitled(C0, A).memory_mib == H100.usable_mib - part(1 / 4).memory_mib


def test_what_others_hold_for_good_in_their_own_part_is_not_in_the_way() -> None:
    stays = notebook("b", group="b", on="c0", amount=part(1 / 4), unsuspendable=True)
    assert holdings(HALVES, CARDS[0], stays).room_for_entitled(C0, A) == part(1 / 2)


def test_a_childs_slice_uses_its_own_part_before_what_its_parent_keeps() -> None:
    text = (
        TYPES
        + """groups:
  p: {guaranteed: {H100: 1}, groups: {a: {guaranteed: {H100: 1/2}}, b: {}}}
"""
    )
    held = holdings(text, CARDS[0], notebook("a", group="a", on="c0", amount=part(1 / 2)))
    assert held.room_for_entitled(C0, B) == part(1 / 2)
    held.put(notebook("more", group="a", on="c0", amount=part(1 / 4), since=1))
    assert held.room_for_entitled(C0, B).compute_milli == 250


def test_a_guarantee_lies_on_no_card_where_nothing_can_be_suspended() -> None:
    held = holdings(ONE, gpu("c0", pause_only=True), CARDS[1])
    assert home(held, A) == (C1,)
    assert held.room_for_entitled(C0, A) == NOTHING


def test_a_guarantee_moves_away_from_what_cannot_be_suspended_any_more() -> None:
    held = holdings(ONE, *CARDS)
    (card,) = home(held, A)
    held.put(notebook("b", group="b", on=card, amount=part(1)))
    assert home(held, A) == (card,)
    held.mark_unsuspendable(SliceId("b"), unsuspendable=True)
    assert set(home(held, A)) == {C0, C1} - {card}


def test_a_guarantee_follows_a_slice_that_became_entitled_elsewhere() -> None:
    held = holdings(ONE, *CARDS)
    (card,) = home(held, A)
    other = ({C0, C1} - {card}).pop()
    held.put(notebook("first", group="a", on=card, amount=part(1)))
    held.put(notebook("second", group="a", on=other, amount=part(1), since=1))
    assert home(held, A) == (card,)
    held.remove(SliceId("first"))
    assert home(held, A) == (other,)


def test_vacant_guarantees_change_places_for_it() -> None:
    held = holdings(TWO, *CARDS)
    ((card,), (other,)) = home(held, A), home(held, B)
    held.put(notebook("first", group="a", on=card, amount=part(1)))
    held.put(notebook("second", group="a", on=other, amount=part(1), since=1))
    held.remove(SliceId("first"))
    assert (home(held, A), home(held, B)) == ((other,), (card,))


def test_a_guarantee_follows_later_where_it_could_not_at_once() -> None:
    text = TYPES + "groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}, c: {}}"
    held = holdings(text, *CARDS)
    ((card,), (other,)) = home(held, A), home(held, B)
    held.put(notebook("first", group="a", on=card, amount=part(1)))
    held.put(notebook("second", group="a", on=other, amount=part(1), since=1))
    held.put(notebook("theirs", group="b", on=other, amount=part(1), since=2))
    held.remove(SliceId("first"))
    assert (home(held, A), home(held, B)) == ((card,), (other,))
    held.remove(SliceId("theirs"))
    assert (home(held, A), home(held, B)) == ((other,), (card,))


def test_a_new_document_moves_no_part_in_vain() -> None:
    held = holdings(TWO, *CARDS, gpu("c2", index=2))
    before = home(held, A), home(held, B)
    more = TYPES + "groups: {a: {guaranteed: {H100: 2}}, b: {guaranteed: {H100: 1}}}"
    after = held.under(document(more), NOON)
    assert set(home(after, A)) > set(before[0])
    assert home(after, B) == before[1]


def test_borrowed_slices_that_no_longer_fit_under_the_overcommit_make_way() -> None:
    slices = [notebook(f"b{n}", group="b", on="c0", amount=part(1 / 2), since=n) for n in range(3)]
    held = holdings(ONE, CARDS[0], *slices)
    assert held.making_way(C0, A, WHOLE).called_back == ("b2",)
    assert held.making_way(C0, A, part(1 / 4)).called_back == ()


def test_who_is_furthest_above_their_share_makes_way_first() -> None:
    text = TYPES + "groups: {a: {guaranteed: {H100: 1}}, b: {weight: 3}, c: {}}"
    slices = [
        notebook("b1", group="b", on="c0", amount=part(1 / 2)),
        notebook("b2", group="b", on="c0", amount=part(1 / 2), since=1),
        notebook("c1", group="c", on="c0", amount=part(1 / 2)),
        notebook("c2", group="c", on="c0", amount=part(1 / 2), since=1),
    ]
    held = holdings(text, *CARDS, *slices)
    assert held.making_way(C0, A, part(1 / 2)).called_back == ("c2",)


def test_what_is_called_back_already_makes_way_no_more() -> None:
    slices = [notebook(f"b{n}", group="b", on="c0", amount=part(1 / 2), since=n) for n in range(3)]
    held = holdings(ONE, CARDS[0], *slices)
    held.mark_called_back(SliceId("b2"), called_back=True)
    assert held.making_way(C0, A, WHOLE).called_back == ()


def test_what_is_in_the_way_is_told() -> None:
    stays = notebook("b", group="b", on="c0", amount=part(1 / 4), unsuspendable=True)
    held = holdings(ONE, CARDS[0], stays)
    assert held.making_way(C0, A, WHOLE).in_the_way == ("b",)
    assert held.making_way(C0, A, part(1 / 2)).in_the_way == ()


def test_guarantees_that_are_not_kept_are_told_with_numbers() -> None:
    text = """
        gpu_types: {H100: {match: '*H100*', expect: 3}}
        groups: {a: {guaranteed: {H100: 2}}, b: {guaranteed: {H100: 1}}}
    """
    told = holdings(text, CARDS[0]).warnings()
    assert told[0].fault is GuaranteeFault.CARDS_SHORT
    assert told[-1].fault is GuaranteeFault.FEWER_THAN_EXPECTED
    assert {one.fault for one in told[1:-1]} == {GuaranteeFault.LESSENED}
    assert told[0].words == (
        "3 cards of H100 are guaranteed, and 1 card can keep guarantees: whole cards in proportion "
        "are in force"
    )


def test_of_cards_that_keep_no_guarantee_is_told_which_and_why() -> None:
    closed = gpu("c1", index=1, closed="gone: no answer")
    pause_only = gpu("c2", index=2, pause_only=True)
    text = TYPES + "groups: {a: {guaranteed: {H100: 3}}}\n"
    told = holdings(text, CARDS[0], closed, pause_only).warnings()[0]
    assert told.fault is GuaranteeFault.CARDS_SHORT
    assert told.words.endswith(
        "(not GPU 1 of node-a: gone: no answer; not GPU 2 of node-a: nothing can be suspended "
        "there now)"
    )


def test_rests_that_do_not_pack_are_told() -> None:
    thirds = ", ".join(f"{name}: {{guaranteed: {{H100: 2/3}}}}" for name in "abc")
    (told,) = holdings(TYPES + f"groups: {{{thirds}}}", *CARDS).warnings()
    assert (told.fault, told.told) == (GuaranteeFault.NOT_LAID_OUT, Fraction(2, 3))
    assert told.words.startswith("2/3 cards of H100 that are guaranteed to")


SPLIT = (
    TYPES
    + """groups:
  p: {guaranteed: {H100: 3/4}}
  q: {guaranteed: {H100: 3/4}}
  lab: {guaranteed: {H100: 1/2}, groups: {nlp: {}}}
"""
)


def test_a_rest_that_is_split_over_cards_is_told() -> None:
    (told,) = holdings(SPLIT, *CARDS).warnings()
    assert (told.fault, told.group) == (GuaranteeFault.IN_PIECES, "lab")
    assert (told.told, told.there) == (Fraction(1, 2), Fraction(1, 4))
    assert told.words == (
        "0.5 cards of H100 that are guaranteed to lab lie in pieces on several cards, 0.25 cards "
        "the largest: a larger slice may wait for others"
    )


def test_what_a_group_keeps_beside_its_childrens_parts_is_whole_with_them() -> None:
    text = "groups: {lab: {guaranteed: {H100: 2}, groups: {a: HAS, b: HAS}}}"
    has = "{guaranteed: {H100: 3/4}}"
    assert holdings(TYPES + text.replace("HAS", has), *CARDS).warnings() == ()


@pytest.mark.parametrize("amount", [part(1 / 2), GpuAmount(1024, 500)])
def test_who_lies_beyond_their_part_leaves_no_room_to_another_group(amount: GpuAmount) -> None:
    held = holdings(SPLIT, *CARDS)
    (card,) = home(held, NodeName("p"))
    held.put(notebook("n", group="nlp", amount=amount, on=card))
    left = held.room_for_entitled(card, NodeName("p"))
    assert (left + amount).fits_in(WHOLE)
    assert not part(3 / 4).fits_in(left)


def test_what_a_child_has_beyond_its_part_lies_in_what_its_parent_keeps() -> None:
    nested = "p: {guaranteed: {H100: 3/4}, groups: {a: {guaranteed: {H100: 1/4}}}}"
    text = f"groups: {{{nested}, q: {{guaranteed: {{H100: 1/4}}}}}}"
    held = holdings(TYPES + text, CARDS[0], notebook("a", group="a", on="c0", amount=part(3 / 4)))
    assert held.room_for_entitled(C0, NodeName("q")) == part(1 / 4)


def outside() -> Holdings:
    """On a's card lies a slice of b that became entitled there; b's card is full."""
    slices = [
        notebook("b0", group="b", on="c1", amount=part(1 / 2)),
        notebook("b1", group="b", on="c0", amount=part(1 / 2), since=1),
        notebook("a0", group="a", on="c0", amount=part(3 / 4), since=2),
    ]
    return holdings(TWO, *CARDS, *slices)


def test_who_is_entitled_on_others_card_takes_turns_behind_them_and_that_is_told() -> None:
    held = outside()
    ranks = [held.rank(SliceId(name)) for name in ("b0", "b1", "a0")]
    assert ranks == [Rank.ENTITLED, Rank.ENTITLED_IN_PART, Rank.ENTITLED]
    (told,) = held.warnings()
    assert (told.fault, told.group) == (GuaranteeFault.OUTSIDE, "b")
    assert (told.told, told.there) == (Fraction(1, 2), Fraction(1, 2))
    assert told.words == (
        "0.5 cards of H100 that b is guaranteed lie beside what is guaranteed to others, on their "
        "cards: 0.5 cards of it by turns behind them"
    )


def test_direct_members_on_others_card_are_told_by_their_groups_name() -> None:
    split = document(TWO.replace("b: {", "b: {groups: {c: {guaranteed: {H100: 1}}}, "))
    told = {(each.fault, each.group) for each in outside().under(split, NOON).warnings()}
    assert told >= {(GuaranteeFault.OUTSIDE, "b"), (GuaranteeFault.LESSENED, "c")}


def test_who_takes_turns_no_more_is_told_so() -> None:
    held = outside()
    held.ranks_changed()
    held.remove(SliceId("a0"))
    assert held.ranks_changed() == {"b1"}
    assert held.rank(SliceId("b1")) is Rank.ENTITLED
    held.put(notebook("a0", group="a", on="c0", amount=part(1 / 2), since=2))
    assert held.ranks_changed() == {"a0"}, "together they fit"
    assert [one.fault for one in held.warnings()] == [GuaranteeFault.OUTSIDE]
    held.put(notebook("a0", group="a", on="c0", amount=part(3 / 4), since=2))
    assert held.ranks_changed() == {"a0", "b1"}
