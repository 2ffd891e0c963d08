"""Simulated weeks: shares go by weight, turns even out, and nobody gains by asking all at once."""

from datetime import timedelta
from fractions import Fraction
from functools import cache

import pytest
from sublet_quota.closed_loop.asks.asked import AskedJob, Manner
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import hours_of, shares
from sublet_quota.closed_loop.record.envy import envy_h
from sublet_quota.closed_loop.record.records import Record

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

HALF_LIFE = 8 * HOUR
FAIR = "fair_share: {half_life: 8h, most_lag: 4h}\n"
LARGE, SMALL = ("1", 2 * HOUR), ("1/4", 40 * MINUTE)
CARDS = 3
ALONE, LASTS = 2 * HALF_LIFE, 5 * HALF_LIFE


@cache
def contended(name: str) -> Record:
    """Groups that always ask for more than there is; the first is alone for two half-lives."""
    weights, sizes = SCENES[name]
    groups = ", ".join(f"{group}: {{weight: {weight}}}" for group, weight in weights.items())
    asked: list[AskedJob] = []
    for number, (group, (part, works)) in enumerate(zip(weights, sizes, strict=True)):
        began = ALONE if number else timedelta()
        # Each asks for a quarter more than its part, and at first for all: some always wait.
        wanted = CARDS * (weights[group] / sum(weights.values()) if number else 1.0) * 1.25
        every = works * float(Fraction(part)) / wanted
        asked += jobs(
            group, group, int((LASTS - began) / every) + 8, part, works, at=began, every=every
        )
    text = FAIR + f"groups: {{{groups}}}"
    manner = Manner(round=10 * MINUTE)
    return Cluster(scene(text, asked, LASTS, on=cards(CARDS), manner=manner)).run()


SCENES: dict[str, tuple[dict[str, int], tuple[tuple[str, timedelta], ...]]] = {
    "small jobs": ({"a": 1, "b": 1}, (SMALL, SMALL)),
    "large jobs": ({"a": 1, "b": 1}, (LARGE, LARGE)),
    "large beside small": ({"a": 1, "b": 1}, (LARGE, SMALL)),
    "three times the weight": ({"a": 1, "b": 3}, (LARGE, SMALL)),
    "three groups": ({"a": 2, "b": 1, "c": 1}, (SMALL, LARGE, SMALL)),
}


@pytest.mark.parametrize("name", SCENES)
def test_shares_converge_to_weights_within_one_half_life(name: str) -> None:
    weights, sizes = SCENES[name]
    record = contended(name)
    begin, end = MONDAY + ALONE + HALF_LIFE, MONDAY + LASTS
    found = shares(record, begin, end)
    one_job = max(float(Fraction(part)) * (works / HOUR) for part, works in sizes)
    allowed = max(0.05, one_job / (CARDS * ((end - begin) / HOUR)))
    for group, weight in weights.items():
        assert found[group] == pytest.approx(weight / sum(weights.values()), abs=allowed), found


@pytest.mark.parametrize("name", ["large jobs", "large beside small", "three groups"])
def test_nobody_has_less_than_with_cards_of_their_own(name: str) -> None:
    """Sharing incentive: who always asks has what their weight's part of the cards would give."""
    weights, sizes = SCENES[name]
    record = contended(name)
    begin, end = MONDAY + ALONE, MONDAY + LASTS
    found = hours_of(record, begin, end)
    one_job = max(float(Fraction(part)) * (works / HOUR) for part, works in sizes)
    for group, weight in weights.items():
        own = CARDS * ((end - begin) / HOUR) * weight / sum(weights.values())
        # On cards of their own what runs now would have begun, and whole jobs fit no better.
        assert found[group] >= own * 0.95 - CARDS * one_job, found


def test_nobody_envies_another_of_the_same_group() -> None:
    asked = [
        *jobs("x", "a", 60, "1", 2 * HOUR, owner="ada", every=HOUR / 2),
        *jobs("y", "a", 300, "1/4", HOUR, owner="bob", every=HOUR / 6),
        *jobs("z", "a", 60, "1/2", HOUR, owner="eve", at=9 * HOUR, every=HOUR / 4),
    ]
    record = watched(scene(FAIR + "groups: {a: {}}", asked, 30 * HOUR, on=cards(2)))
    # One job of the largest, and what was had before somebody came (half a card more for 9 hours).
    assert envy_h(record, "a") <= 2 * CARDS


def test_who_asks_all_at_once_gains_nothing() -> None:
    steady = jobs("s", "steady", 96, "1", HOUR, every=HOUR / 2)
    at_once = jobs("b", "at-once", 96, "1", HOUR)
    spread = jobs("b", "at-once", 96, "1", HOUR, every=HOUR / 2)
    text = FAIR + "groups: {steady: {}, at-once: {}}"
    had = {}
    for name, asked in (("burst", at_once), ("spread", spread)):
        record = Cluster(scene(text, [*steady, *asked], 48 * HOUR)).run()
        had[name] = hours_of(record, MONDAY, MONDAY + 48 * HOUR)["at-once"]
    assert had["burst"] <= had["spread"] + 2


def test_weight_0_has_what_nobody_else_wants() -> None:
    asked = [
        *jobs("a", "a", 40, "1", HOUR, every=HOUR),
        *jobs("zero", "zero", 100, "1", HOUR),
    ]
    text = FAIR + "groups: {a: {}, zero: {weight: 0}}"
    record = watched(scene(text, asked, 40 * HOUR))
    found = hours_of(record, MONDAY, MONDAY + 40 * HOUR)
    assert found["a"] == pytest.approx(39, abs=1.5)
    assert found["zero"] == pytest.approx(39, abs=2.5)


def test_servers_of_groups_that_ask_for_all_have_shares_by_weight() -> None:
    text = """
pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]
groups: {a: {weight: 1}, b: {weight: 3}}
"""
    of_a = [a_server(f"a{n}", "a", "1/4", cells=400, thinks=MINUTE) for n in range(16)]
    of_b = [
        a_server(f"b{n}", "b", "1/4", at=HOUR, cells=400, thinks=MINUTE, patience=HOUR)
        for n in range(16)
    ]
    record = watched(scene(text, [*of_a, *of_b], 5 * HOUR, on=cards(4)))
    granted = {a.name for a in record.answers if a.rank is not None}
    assert sum(name.startswith("b") for name in granted) == 12
    assert sum(change.called_back for change in record.places) == 12
