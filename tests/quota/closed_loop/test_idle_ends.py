"""Simulated nights of forgotten servers: their owners are warned, and what is at work stays."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from sublet_quota.closed_loop.asks.asked import Cell
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, scene
from tests.support.loop_rules import watched

IDLE = "groups: {lab: {each: {max_idle: 2h}}}"


def test_a_server_is_ended_after_its_owner_was_warned() -> None:
    asked = [a_server("left", "lab", cells=2, stays=12 * HOUR), a_server("long", stays=12 * HOUR)]
    record = watched(scene(IDLE, asked, 24 * HOUR))
    (warned,) = record.warned
    done = MONDAY + 4 * MINUTE
    assert warned.slice_id == "left"
    assert abs(warned.at - (done + 90 * MINUTE)) < timedelta(seconds=1)
    assert abs(record.ended_idle["left"] - (done + 2 * HOUR)) < timedelta(seconds=1)
    assert record.ended_idle["left"] == warned.ends_at
    assert set(record.servers_left) == {"long"}


def test_who_comes_back_goes_on_where_they_were() -> None:
    cells = [Cell(MINUTE, MINUTE), Cell(5 * HOUR, MINUTE), Cell(MINUTE, MINUTE)]
    record = watched(scene(IDLE, [a_server("s", "lab", cells=cells)], 24 * HOUR))
    assert set(record.ended_idle) == {"s"}
    assert set(record.servers_left) == {"s+"}
    assert len(record.cells) == 3


def test_one_at_work_is_not_ended_however_long_its_cell_takes() -> None:
    cells = [Cell(MINUTE, 9 * HOUR), Cell(HOUR, MINUTE)]
    record = watched(scene(IDLE, [a_server("s", "lab", cells=cells)], 24 * HOUR))
    assert record.ended_idle == {}
    assert record.warned == []


@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_ended_unwarned_and_forgotten_servers_make_room(seed: int) -> None:
    lasts = timedelta(days=2)
    habits = Habits(cards=Fraction(1, 2), comes_today=1, forgets=0.8, jobs_a_day=0)
    people = [Person(f"p{n}", ("lab",), habits) for n in range(6)]
    asked = days_of(people, MONDAY, MONDAY + lasts, seed)
    text = "pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]\n"
    with_end, without = (
        watched(scene(text + rules, asked, lasts)) for rules in (IDLE, "groups: {lab: {}}")
    )
    warned = {each.slice_id: each for each in with_end.warned}
    assert len(with_end.ended_idle) > 3
    for slice_id, at in with_end.ended_idle.items():
        assert at - warned[slice_id].at >= 30 * MINUTE
        assert at - warned[slice_id].idle_since >= 2 * HOUR
    held = [figures_of(each).hours["H100"].held for each in (with_end, without)]
    assert held[0] < 0.8 * held[1]


def test_who_puts_the_end_off_is_warned_again_before_the_next() -> None:
    asked = replace(a_server("s", "lab", cells=1, stays=7 * HOUR), extends=True)
    record = watched(scene(IDLE, [asked], 24 * HOUR))
    assert record.ended_idle == {}
    apart = [b.at - a.at for a, b in pairwise(record.warned)]
    assert apart == [90 * MINUTE] * (len(record.warned) - 1)
    assert len(record.warned) > 3
