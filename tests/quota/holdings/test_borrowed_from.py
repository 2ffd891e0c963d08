"""From whose guarantee a slice on a card borrows."""

from fractions import Fraction

import pytest
from sublet_quota.holdings.borrowed_from import borrowed_on, may_borrow
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId

from tests.support.quota_cases import gpu, holdings, job_slice, notebook, part

ONE_CARD = """
    gpu_types: {H100: {match: '*H100*'}}
    pools: [{name: interactive, memory_overcommit: 4, compute_overcommit: 4}]
    groups: {a: {guaranteed: {H100: 1}}, b: {}}
"""
SHARED = """
    gpu_types: {H100: {match: '*H100*'}}
    pools: [{name: interactive, memory_overcommit: 4, compute_overcommit: 4}]
    groups: {a: {guaranteed: {H100: 1/2}}, c: {guaranteed: {H100: 1/4}}, b: {}}
"""
SIBLINGS = """
    gpu_types: {H100: {match: '*H100*'}}
    pools: [{name: interactive, memory_overcommit: 4, compute_overcommit: 4}]
    groups:
      lab: {guaranteed: {H100: 1}, groups: {nlp: {guaranteed: {H100: 1}}, cv: {}}}
"""


def told(held: Holdings) -> str:
    """Who borrows how much of whose, on the one card."""
    found = borrowed_on(held, GpuId("c0"))
    return "; ".join(f"{each.slice_id} has {each.cards} of {each.group}" for each in found)


def on_card(text: str, *slices: Holding) -> Holdings:
    return holdings(text, gpu("c0"), *slices)


@pytest.mark.parametrize(
    ("text", "slices", "expected"),
    [
        ("", [("x", None, 1)], ""),
        (ONE_CARD, [("x", "a", 1)], ""),
        (ONE_CARD, [("x", "b", 1 / 2)], "x has 1/2 of a"),
        (ONE_CARD, [("x", None, 1 / 2)], "x has 1/2 of a"),
        # Whoever is beyond a guarantee of their own has nobody else's.
        (ONE_CARD, [("x", "a", 1), ("y", "a", 1)], ""),
        # Nothing is left: it takes turns with whom it is guaranteed to.
        (ONE_CARD, [("x", "a", 1), ("y", "b", 1)], "y has 1 of a"),
        (SHARED, [("x", "b", 1 / 4)], ""),
        (SHARED, [("x", "b", 1 / 2)], "x has 1/4 of a"),
        (SHARED, [("x", "b", 1)], "x has 1/2 of a; x has 1/4 of c"),
        (SHARED, [("x", "a", 1 / 2), ("y", "c", 1 / 4), ("z", "b", 1 / 2)], "z has 1/4 of a"),
        (SHARED, [("x", "c", 1 / 4), ("y", "c", 1 / 2)], "y has 1/4 of a"),
        (SIBLINGS, [("x", "cv", 1 / 2)], "x has 1/2 of nlp"),
    ],
)
def test_it_borrows_of_whom_the_room_is_guaranteed_to_where_it_lies(
    text: str, slices: list[tuple[str, str | None, float]], expected: str
) -> None:
    held = on_card(
        text,
        *(notebook(name, group=group, amount=part(size), on="c0") for name, group, size in slices),
    )
    assert told(held) == expected


def test_a_job_borrows_what_is_left_of_a_guarantee_and_no_more() -> None:
    there = (
        notebook("x", group="a", amount=part(1 / 2), on="c0"),
        job_slice("j", group="b", on="c0"),
    )
    assert told(on_card(ONE_CARD, *there)) == "j has 1/2 of a"


def test_only_who_has_no_right_to_their_place_may_borrow() -> None:
    held = on_card(
        ONE_CARD,
        notebook("x", group="a", amount=part(1 / 2), on="c0"),
        notebook("y", group="b", amount=part(1 / 2), on="c0"),
        job_slice("j", group="b", on="c0"),
    )
    found = {name: may_borrow(held, SliceId(name)) for name in ("x", "y", "j", "gone")}
    assert found == {"x": False, "y": True, "j": True, "gone": False}


def test_who_was_called_back_has_nothing_of_anybody() -> None:
    held = on_card(ONE_CARD, notebook("x", group="b", amount=part(1 / 2), on="c0"))
    held.mark_called_back(SliceId("x"), called_back=True)
    assert told(held) == ""


def test_all_that_is_borrowed_is_no_more_than_the_slices_hold() -> None:
    names = [(f"s{number}", "ab"[number % 2], 1 / 2) for number in range(6)]
    held = on_card(
        SHARED,
        *(notebook(name, group=group, amount=part(size), on="c0") for name, group, size in names),
    )
    sums: dict[str, Fraction] = {}
    for each in borrowed_on(held, GpuId("c0")):
        sums[each.slice_id] = sums.get(each.slice_id, Fraction(0)) + each.cards
    assert sums
    assert all(cards <= Fraction(1, 2) for cards in sums.values())
