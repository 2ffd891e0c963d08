"""The virtual clock, and numbers from a seed and a name."""

from datetime import timedelta
from itertools import permutations

import pytest
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.closed_loop.clock import Clock, Phase
from sublet_quota.errors import SubletQuotaError

from tests.support.loop_cases import HOUR, MINUTE, MONDAY


def told_in(order: tuple[str, ...]) -> list[str]:
    clock, seen = Clock(MONDAY), []
    for name in order:
        clock.at(MONDAY + HOUR, Phase.ASKS, name, lambda name=name: seen.append(name))
    while clock.step(MONDAY + 2 * HOUR):
        pass
    return seen


def test_what_falls_on_one_moment_goes_by_no_order_of_telling_and_no_order_of_names() -> None:
    names = ("ada", "bob", "eve", "zoe")
    found = {tuple(told_in(order)) for order in permutations(names)}
    assert len(found) == 1
    assert found != {names}


def test_what_ends_goes_before_who_asks() -> None:
    clock, seen = Clock(MONDAY), []
    clock.at(MONDAY, Phase.ASKS, "a", lambda: seen.append("asks"))
    clock.at(MONDAY, Phase.ENDS, "b", lambda: seen.append("ends"))
    assert clock.step(MONDAY)
    assert clock.step(MONDAY)
    assert seen == ["ends", "asks"]


def test_time_stands_at_the_end_and_nothing_later_happens() -> None:
    clock = Clock(MONDAY)
    clock.at(MONDAY + HOUR, Phase.ASKS, "late", lambda: pytest.fail("it is after the end"))
    assert not clock.step(MONDAY + MINUTE)
    assert clock.now == MONDAY + MINUTE


def test_nothing_happens_in_the_past() -> None:
    clock = Clock(MONDAY)
    with pytest.raises(SubletQuotaError, match="past"):
        clock.at(MONDAY - MINUTE, Phase.ASKS, "ada", lambda: None)


def test_a_row_of_numbers_follows_from_seed_and_name_alone() -> None:
    first = [Draws(1, "ada").uniform() for _ in range(3)]
    row = Draws(1, "ada")
    assert first == [first[0]] * 3
    assert [row.uniform() for _ in range(3)] != first
    assert Draws(2, "ada").uniform() != first[0] != Draws(1, "bob").uniform()


def test_numbers_are_spread_as_they_should_be() -> None:
    drawn = Draws(7, "many")
    many = [drawn.uniform() for _ in range(20_000)]
    assert 0 <= min(many) < max(many) < 1
    assert sum(many) / len(many) == pytest.approx(0.5, abs=0.01)
    waits = sorted(drawn.lognormal(HOUR, 1.0) for _ in range(20_001))
    assert waits[10_000] / HOUR == pytest.approx(1, rel=0.05)
    means = sum((drawn.exponential(HOUR) for _ in range(20_000)), timedelta()) / 20_000
    assert means / HOUR == pytest.approx(1, rel=0.05)
    assert {drawn.below(3) for _ in range(100)} == {0, 1, 2}
