"""Odd cards at the first shortage: whose slices are on them keeps them, whatever the names."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.fair_turns import FairTurns
from sublet_quota.shares.group_tree import NodeName

from tests.support.quota_cases import document, gpu, notebook, part

GROUPS = ("a", "b", "c")


def hub(guaranteed: dict[str, int], holds: dict[str, int], *, drawn: int = 0) -> Holdings:
    """A card for each that is guaranteed; each group has whole cards, one after another."""
    names = ", ".join(f"{name}: {{guaranteed: {{H100: {n}}}}}" for name, n in guaranteed.items())
    text = f"gpu_types: {{H100: {{match: '*H100*'}}}}\ngroups: {{{names}}}"
    cards = [gpu(f"c{n}", index=n) for n in range(sum(guaranteed.values()))]
    held = Holdings(document(text), cards, turns=FairTurns(drawn))
    place = 0
    for group, count in holds.items():
        for number in range(count):
            name = f"{group}{number}"
            held.put(notebook(name, f"of-{name}", part(1), f"c{place}", group=group))
            place += 1
    return held


def without_cards(held: Holdings, missing: int) -> None:
    """Close the last cards, one after another, on which nobody lies where that is possible."""
    last = len(tuple(held.gpus())) - 1
    for n in range(last, last - missing, -1):
        held.put_gpu(gpu(f"c{n}", index=n, closed="silent"))


@pytest.mark.parametrize("holder", ["a", "b"])
@pytest.mark.parametrize("drawn", range(4))
def test_who_holds_two_cards_keeps_the_odd_one_before_who_holds_none(
    holder: str, drawn: int
) -> None:
    held = hub({"a": 2, "b": 2}, {holder: 2}, drawn=drawn)
    without_cards(held, 1)
    assert [held.rank(SliceId(f"{holder}{n}")) for n in range(2)] == [Rank.ENTITLED] * 2


@pytest.mark.parametrize("first", ["a", "b"])
def test_who_used_least_has_the_odd_card_of_those_that_hold_one(first: str) -> None:
    held = hub({"a": 2, "b": 2}, {"a": 2, "b": 2})
    turns = FairTurns()
    turns.replace({NodeName(name): int(name != first) for name in ("a", "b")})
    again = Holdings(held.document, held.gpus(), held.slices(), turns=turns)
    without_cards(again, 1)
    kept = {n: again.tree("H100").nodes[NodeName(n)].guaranteed for n in ("a", "b")}
    assert kept[NodeName(first)] == 2


@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.integers(1, 6),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_no_odd_card_goes_to_who_needs_none_while_who_holds_it_loses_it(
    guaranteed: list[int], holds: list[int], missing: int, drawn: int
) -> None:
    said = dict(zip(GROUPS, guaranteed, strict=True))
    has = {name: min(n, said[name]) for name, n in zip(GROUPS, holds, strict=True)}
    there = sum(guaranteed) - missing
    if there < 0:
        return
    held = hub(said, has, drawn=drawn)
    without_cards(held, missing)
    nodes = held.tree("H100").nodes
    kept = {name: nodes[NodeName(name)].guaranteed for name in GROUPS}
    whole = {name: said[name] * there // sum(guaranteed) for name in GROUPS}
    needless = [n for n in GROUPS if kept[n] > whole[n] and has[n] <= whole[n]]
    losing = [n for n in GROUPS if kept[n] == whole[n] and has[n] > kept[n]]
    assert sum(kept.values()) == Fraction(there)
    assert not (needless and losing)
