"""What everybody used: sums that wear off, and what is written off for good."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.jobs.turns.past_uses import (
    LagWrittenOff,
    PastUse,
    UseSums,
    estimate_of,
    lags_of,
    less_lags,
    past_use_of,
)
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.past_use import CardUse, Span, past_use

from tests.quota.shares.trees import group, tree
from tests.support.quota_cases import NOON

HOUR = timedelta(hours=1)
HALF_LIFE = 8 * HOUR
TREE = tree(group("a", group("x"), group("y")), group("b"))
ADA, BOB = UserName("ada"), UserName("bob")
X, Y, B = (GroupName(name) for name in "xyb")


def at(hours: float) -> datetime:
    return NOON + hours * HOUR


def a_use(began: float, ended: float | None, cards: str = "1", rate: int = 1) -> CardUse:
    span = Span(at(began), None if ended is None else at(ended))
    return CardUse(Fraction(cards), Fraction(rate), span)


uses = st.lists(
    st.tuples(
        st.sampled_from([(X, ADA), (X, BOB), (B, ADA), (None, BOB)]),
        st.integers(0, 20),
        st.integers(0, 20),
        st.sampled_from(["1", "1/3", "2"]),
    ),
    max_size=10,
).map(
    lambda rows: [
        (payer, a_use(began, began + lasts, cards)) for payer, began, lasts, cards in rows
    ]
)


@given(uses, st.integers(41, 80))
def test_sums_are_what_adding_up_from_scratch_gives(
    told: list[tuple[tuple[GroupName | None, UserName], CardUse]], hours: int
) -> None:
    sums = UseSums(HALF_LIFE, NOON)
    for payer, use in sorted(told, key=lambda each: each[1].span.ended or NOON):
        assert use.span.ended is not None
        sums.add(payer, use, use.span.ended)
    found = past_use_of(TREE, sums.with_open((), at(hours)), (), at(hours), HALF_LIFE)
    leaves = [(NodeName(payer[0] or "/"), use) for payer, use in told]
    expected = past_use(TREE, leaves, at(hours), HALF_LIFE)
    for name, amount in expected.items():
        assert found.used[name] == pytest.approx(amount)
    for leaf in TREE.leaves():
        of_persons = sum(used for (node, _), used in found.used_by.items() if node == leaf)
        assert of_persons == pytest.approx(found.used[leaf])


def test_what_lasts_counts_by_now_and_is_not_kept() -> None:
    sums = UseSums(HALF_LIFE, NOON)
    lasting = [((B, ADA), a_use(0, None))]
    first = sums.with_open(lasting, at(1))[B, ADA]
    assert first == pytest.approx(3600, rel=0.05)
    assert sums.with_open(lasting, at(1))[B, ADA] == first
    assert sums.with_open((), at(1)).get((B, ADA), 0) == 0


def test_only_who_pays_and_what_is_above_pays() -> None:
    sums = UseSums(HALF_LIFE, NOON)
    sums.add((X, ADA), a_use(0, 1), at(1))
    past = past_use_of(TREE, sums.with_open((), at(1)), (), at(1), HALF_LIFE)
    assert {name for name, amount in past.used.items() if amount} == {"a", "x"}
    assert set(past.used_by) == {("x", "ada")}


def test_the_use_of_a_group_that_is_no_more_counts_for_its_persons() -> None:
    past = past_use_of(TREE, {(GroupName("gone"), ADA): 5.0}, (), NOON, HALF_LIFE)
    assert (past.used["/"], past.used_by) == (5.0, {("/", "ada"): 5.0})


def test_after_four_weeks_alone_no_more_counts_than_most_lag() -> None:
    full = 2 * 4 * 3600.0
    past = PastUse({"a": 10 * full, "b": 0.0, "x": 10 * full, "y": 0.0, "a/": 0.0, "/": 0.0})
    past = PastUse({NodeName(name): amount for name, amount in past.used.items()})
    lags = lags_of(TREE, past, {(NodeName("x"), ADA), (NodeName("b"), BOB)}, full, NOON)
    left = less_lags(past, lags)
    assert left.used["a"] == pytest.approx(full)
    assert left.used["x"] == 10 * full
    assert lags_of(TREE, left, {(NodeName("x"), ADA), (NodeName("b"), BOB)}, full, NOON) == ()


def test_of_persons_in_a_group_no_more_counts_either() -> None:
    full = 3600.0
    past = PastUse({NodeName("b"): 9 * full}, {(NodeName("b"), ADA): 9 * full})
    past = PastUse({**dict.fromkeys(TREE.nodes, 0.0), **past.used}, past.used_by)
    lags = lags_of(TREE, past, {(NodeName("b"), ADA), (NodeName("b"), BOB)}, full, NOON)
    assert [(lag.node, lag.owner) for lag in lags] == [("b", "ada")]
    assert less_lags(past, lags).used_by[NodeName("b"), ADA] == pytest.approx(full)


def test_what_was_written_off_wears_off_like_use() -> None:
    lag = LagWrittenOff(NodeName("b"), None, 100.0, NOON)
    sums = {(B, ADA): 60.0}
    assert past_use_of(TREE, sums, (lag,), at(8), HALF_LIFE).used["b"] == 10.0
    of_ada = replace(lag, owner=ADA)
    past = past_use_of(TREE, sums, (of_ada,), at(8), HALF_LIFE)
    assert (past.used["b"], past.used_by[NodeName("b"), ADA]) == (60.0, 10.0)


@pytest.mark.parametrize(
    ("max_run", "last_runs", "expected"),
    [(24, (), 24), (24, (1, 2, 3), 3), (2, (1, 9), 2), (24, (1, 1, 1, 1, 1, 20), 1)],
)
def test_a_job_is_thought_to_take_no_longer_than_its_owners_last(
    max_run: int, last_runs: tuple[int, ...], expected: int
) -> None:
    assert estimate_of(max_run * HOUR, [hours * HOUR for hours in last_runs]) == expected * HOUR
