"""Shares converge to weights under contention, for large jobs and small; bursts gain nothing."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.shares.group_tree import NodeName

from tests.quota.shares.card_model import HALF_LIFE, MOST_LAG, CardModel, Kind
from tests.quota.shares.trees import Number, group, tree

CARDS = Fraction(8)
HALF_LIFE_H = HALF_LIFE / timedelta(hours=1)
MOST_LAG_H = MOST_LAG / timedelta(hours=1)


def jobs(  # noqa: PLR0913 - a builder
    name: str,
    cards: Number,
    hours: float,
    *,
    at_once: int = 3,
    from_h: float = 0,
    says_h: float | None = None,
) -> Kind:
    says = None if says_h is None else timedelta(hours=says_h)
    lasts = timedelta(hours=hours)
    return Kind(NodeName(name), Fraction(cards), lasts, says, at_once, from_h)


def model(weights: Mapping[str, int], *kinds: Kind) -> CardModel:
    return CardModel(
        tree(*(group(name, weight=weight) for name, weight in weights.items())), CARDS, kinds
    )


def off_by(run: CardModel, weights: Mapping[str, int], from_h: float, to_h: float) -> float:
    """How far the group is off its weight that is furthest off, as a part of all that was had."""
    had = {name: run.had(name, from_h, to_h) for name in weights}
    total = sum(had.values())
    return max(
        abs(had[name] / total - weight / sum(weights.values())) for name, weight in weights.items()
    )


LARGE, SMALL = (4, 2), ("1/2", 1 / 3)
WHOLE = (8, 1)
SCENES: dict[str, tuple[dict[str, int], tuple[tuple[Number, float], ...]]] = {
    "small jobs of equal groups": ({"a": 1, "b": 1}, (SMALL, SMALL)),
    "large jobs of equal groups": ({"a": 1, "b": 1}, (LARGE, LARGE)),
    "large and small jobs of equal groups": ({"a": 1, "b": 1}, (LARGE, SMALL)),
    "large jobs of the lighter group": ({"a": 1, "b": 3}, (LARGE, SMALL)),
    "large jobs of the heavier group": ({"a": 3, "b": 1}, (LARGE, SMALL)),
    "jobs on all cards beside small ones": ({"a": 1, "b": 1}, (WHOLE, SMALL)),
    "three groups": ({"a": 2, "b": 1, "c": 1}, (SMALL, LARGE, SMALL)),
}


@pytest.mark.parametrize("name", SCENES)
def test_within_a_half_life_everybody_has_their_weight_though_one_was_alone_before(
    name: str,
) -> None:
    weights, sizes = SCENES[name]
    alone_h = 3 * HALF_LIFE_H
    kinds = [
        jobs(group_name, cards, hours, at_once=20, from_h=alone_h if number else 0)
        for number, (group_name, (cards, hours)) in enumerate(zip(weights, sizes, strict=True))
    ]
    run = model(weights, *kinds)
    begin, end = alone_h + HALF_LIFE_H, alone_h + 3 * HALF_LIFE_H
    run.run(end)
    one_job = max(float(Fraction(cards)) * hours for cards, hours in sizes)
    allowed = max(0.05, one_job / (float(CARDS) * (end - begin)))
    assert off_by(run, weights, begin, end) <= allowed


def test_who_was_alone_for_long_waits_no_longer_than_most_lag() -> None:
    alone_h = 6 * HALF_LIFE_H
    run = model({"a": 1, "b": 1}, jobs("a", 1, 0.5), jobs("b", 1, 0.5, at_once=20, from_h=alone_h))
    run.run(alone_h + MOST_LAG_H + 1)
    assert run.had("a", alone_h + 0.5, alone_h + MOST_LAG_H / 2) == 0
    assert run.had("a", alone_h + 0.5, alone_h + MOST_LAG_H + 1) > 0


def test_many_requests_at_once_gain_nothing() -> None:
    run = model({"a": 1, "b": 1}, jobs("a", 1, 2, at_once=200), jobs("b", 1, 2, at_once=8))
    run.run(2 * HALF_LIFE_H)
    for hours in (2.0, HALF_LIFE_H, 2 * HALF_LIFE_H):
        assert run.had("a", 0, hours) <= run.had("b", 0, hours) + 2


def test_too_short_an_estimate_gains_nothing_for_long() -> None:
    weights = {"a": 1, "b": 1}
    run = model(weights, jobs("a", 1, 2, at_once=20, says_h=0.1), jobs("b", 1, 2, at_once=20))
    run.run(4 * HALF_LIFE_H)
    assert off_by(run, weights, HALF_LIFE_H, 4 * HALF_LIFE_H) <= 0.05


def test_weight_0_has_what_nobody_else_wants() -> None:
    run = model({"a": 1, "b": 0}, jobs("a", 3, 1, at_once=2), jobs("b", 1, 1, at_once=20))
    run.run(HALF_LIFE_H)
    assert run.had("a", 0, HALF_LIFE_H) == 6 * HALF_LIFE_H
    assert run.had("b", 0, HALF_LIFE_H) == 2 * HALF_LIFE_H
