"""Past use: worn off by age, less what was lent or suspended; an estimate until it has ended."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.past_use import (
    CardUse,
    Span,
    WrittenOff,
    lag_written_off,
    past_use,
    per_weight,
    use_of,
)

from tests.quota.shares.trees import Number, group, tree
from tests.support.quota_cases import NOON

DAY = timedelta(days=1)
HALF_LIFE = timedelta(hours=1)


def span(began_h: float, ended_h: float | None) -> Span:
    ended = None if ended_h is None else NOON + timedelta(hours=ended_h)
    return Span(NOON + timedelta(hours=began_h), ended)


def use(  # noqa: PLR0913 - a builder
    began_h: float,
    ended_h: float | None,
    *off: Span,
    cards: Number = 1,
    rate: Number = 1,
    estimate_h: float = 0,
    hardware_failed: bool = False,
) -> CardUse:
    return CardUse(
        Fraction(cards),
        Fraction(rate),
        span(began_h, ended_h),
        off,
        timedelta(hours=estimate_h),
        hardware_failed,
    )


def counted(one: CardUse, at_h: float = 0) -> float:
    return use_of(one, NOON + timedelta(hours=at_h), HALF_LIFE)


def test_what_was_used_just_now_counts_nearly_in_full() -> None:
    assert counted(use(-0.001, 0)) == pytest.approx(3.6, rel=1e-3)


def test_use_counts_half_after_the_half_life() -> None:
    fresh = counted(use(-1, 0))
    assert counted(use(-1, 0), at_h=1) == pytest.approx(fresh / 2)
    assert counted(use(-1, 0), at_h=2) == pytest.approx(fresh / 4)


def test_it_counts_by_the_part_of_the_card_and_by_the_types_rate() -> None:
    assert counted(use(-1, 0, cards="1/4", rate=4)) == pytest.approx(counted(use(-1, 0)))


@given(st.floats(0.1, 9), st.floats(0, 1), st.floats(0, 1))
def test_two_parts_count_like_the_whole(hours: float, part: float, age_h: float) -> None:
    middle = -age_h - hours * part
    whole = counted(use(-age_h - hours, -age_h))
    parts = counted(use(-age_h - hours, middle)) + counted(use(middle, -age_h))
    assert parts == pytest.approx(whole)


def test_what_was_lent_paused_or_suspended_does_not_count() -> None:
    whole = counted(use(-4, 0))
    off = span(-3, -2), span(-1.5, -1)
    lent = sum(counted(replace(use(0, 0), span=one)) for one in off)
    assert counted(use(-4, 0, *off)) == pytest.approx(whole - lent)


def test_what_stands_suspended_counts_nothing_until_it_is_back() -> None:
    one = use(-4, None, span(-1, None))
    assert counted(one, at_h=3) == pytest.approx(counted(one, at_h=0) / 8)


def test_an_attempt_counts_unless_its_card_or_node_failed() -> None:
    assert counted(use(-1, 0)) > 0
    assert counted(use(-1, 0, hardware_failed=True)) == 0


def test_an_estimate_is_charged_at_admission() -> None:
    assert counted(use(0, None, estimate_h=2)) == pytest.approx(counted(use(-2, 0)))


def test_the_estimate_stays_until_it_is_used_up_and_then_counts_what_it_is() -> None:
    one = use(0, None, estimate_h=2)
    assert counted(one, at_h=1) == pytest.approx(counted(one, at_h=0))
    assert counted(one, at_h=3) == pytest.approx(counted(use(-3, 0)))


def test_once_it_has_ended_it_counts_what_it_was() -> None:
    assert counted(use(0, 0.5, estimate_h=2), at_h=0.5) == pytest.approx(counted(use(-0.5, 0)))
    assert counted(use(0, 0, estimate_h=2), at_h=0) == 0


def test_use_counts_for_the_group_that_pays_and_all_above_it() -> None:
    made = tree(group("lab", group("nlp")), group("b"))
    nlp, direct = NodeName("nlp"), NodeName("lab/")
    used = past_use(made, [(nlp, use(-1, 0)), (direct, use(-1, 0))], NOON, HALF_LIFE)
    hour = counted(use(-1, 0))
    assert used["lab"] == pytest.approx(2 * hour)
    assert used["nlp"] == used["lab/"] == pytest.approx(hour)
    assert used["b"] == 0


def test_what_is_written_off_wears_off_and_concerns_siblings_alone() -> None:
    made = tree(group("lab", group("nlp")), group("b"))
    off = WrittenOff(NodeName("lab"), counted(use(-2, -1)), NOON)
    used = past_use(made, [(NodeName("nlp"), use(-2, -1))], NOON + HALF_LIFE, HALF_LIFE, [off])
    assert used["lab"] == pytest.approx(0)
    assert used["nlp"] == pytest.approx(off.amount / 2)


def test_weight_0_has_used_more_than_anybody() -> None:
    assert per_weight(0.0, 0) == inf
    assert per_weight(6.0, 3) == 2


def lagging(weights: Mapping[str, int], used: Mapping[str, float], full: float = 24) -> str:
    names = {NodeName(name): weight for name, weight in weights.items()}
    of = {NodeName(name): amount for name, amount in used.items()}
    off = lag_written_off(names, of, full, NOON)
    return " ".join(sorted(f"{each.node}-{each.amount:g}" for each in off))


LAGS = {
    "less than may lag is left alone": ({"a": 1, "b": 1}, {"a": 24, "b": 0}, ""),
    "who lags more is met at what the other can use in the time": (
        {"a": 1, "b": 1},
        {"a": 100, "b": 10},
        "a-66",
    ),
    "use is weighed": ({"a": 1, "b": 3}, {"a": 100, "b": 0}, "a-92"),
    "several who used less catch up together": (
        {"a": 1, "b": 1, "c": 1},
        {"a": 100, "b": 0, "c": 0},
        "a-88",
    ),
    "several who used more are met alike": (
        {"a": 1, "b": 2, "c": 1},
        {"a": 100, "b": 300, "c": 0},
        "a-76 b-252",
    ),
    "weight 0 stands apart": ({"a": 0, "b": 1}, {"a": 100, "b": 0}, ""),
    "nobody asks": ({}, {}, ""),
}


@pytest.mark.parametrize("name", LAGS)
def test_no_more_than_most_lag_of_full_use_counts(name: str) -> None:
    weights, used, written_off = LAGS[name]
    assert lagging(weights, used) == written_off


asking = st.dictionaries(
    st.sampled_from("abcdef").map(NodeName),
    st.tuples(st.integers(0, 4), st.floats(0, 1000)),
    max_size=6,
)


@given(asking, st.floats(0.1, 100))
def test_with_most_lag_of_all_cards_everybody_has_caught_up(
    siblings: dict[NodeName, tuple[int, float]], full: float
) -> None:
    weights = {name: weight for name, (weight, _) in siblings.items()}
    used = {name: amount for name, (_, amount) in siblings.items()}
    off = {each.node: each.amount for each in lag_written_off(weights, used, full, NOON)}
    left = {name: used[name] - off.get(name, 0) for name in used if weights[name]}
    most = max((left[name] / weights[name] for name in left), default=0)
    missing = sum(most * weights[name] - left[name] for name in left)
    assert missing <= full * 1.000001
    by_use = sorted(left, key=lambda name: used[name] / weights[name])
    assert all(left[x] / weights[x] <= left[y] / weights[y] * 1.000001 for x, y in pairwise(by_use))


def test_steady_use_comes_near_what_a_card_counts_at_most() -> None:
    assert counted(use(-999, 0)) == pytest.approx(HALF_LIFE.total_seconds() / log(2))
