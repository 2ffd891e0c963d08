"""Simulated days with budgets: all that is held is charged, and an end of hours ends nothing."""

from collections import Counter
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.budgets.charge import HeldKind
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

DAYS = timedelta(days=2)
POOL = "pools: [{name: one, memory_overcommit: 1, default: true}]\n"
BUDGET = "budget: {hours: 60, per: day, lent_rate: 0.25, each: {hours: 25}}"
GROUPS = POOL + f"groups: {{science: {{guaranteed: {{H100: 2}}, {BUDGET}}}, guests: {{}}}}"
US = timedelta(microseconds=1)


def held_us(record: Record) -> Counter[str]:
    held: Counter[str] = Counter()
    for (slice_id, _), microseconds in record.held.items():
        held[slice_id] += microseconds
    return held


@pytest.mark.parametrize("seed", range(2))
def test_held_is_used_idle_lent_and_suspended_to_the_microsecond(seed: int) -> None:
    habits = Habits(cards=Fraction(1, 2), jobs_a_day=2, comes_today=1)
    groups = ("science", "guests")
    people = [Person(f"{group}-{n}", (group,), habits) for group in groups for n in range(4)]
    asked = days_of(people, MONDAY, MONDAY + DAYS, seed)
    record = watched(scene(GROUPS, asked, DAYS, on=cards(3)))
    held = held_us(record)
    began = {each.name: each.at for each in record.answers if each.rank is not None}
    for name, at in began.items():
        assert held[name] == (record.servers_left.get(name, MONDAY + DAYS) - at) // US
    used: Counter[str] = Counter()
    for run in record.runs:
        used[run.slice_id] += (run.ended - run.began) // US
    assert used == {
        slice_id: microseconds
        for (slice_id, kind), microseconds in record.held.items()
        if kind is HeldKind.USED
    }
    kinds = {kind for _, kind in record.held}
    assert kinds == set(HeldKind)
    assert any(turned.is_over for turned in record.budgets)
    assert figures_of(record).refused_within_guarantee == 0


def over(at_end: str, *, others: int = 0) -> Record:
    text = (
        POOL
        + f"""
groups:
  science: {{guaranteed: {{H100: 2}}, budget: {{hours: 40, per: day, at_end: {at_end}}}}}
  guests: {{guaranteed: {{H100: 0}}}}
"""
    )
    asked = [
        *(a_server(f"s{n}", "science", "1", cells=30, works=HOUR) for n in range(2)),
        a_server("new", "science", "1/2", at=8 * HOUR, cells=9, patience=HOUR),
        *(a_server(f"g{n}", "guests", "1", at=7 * HOUR, patience=20 * HOUR) for n in range(others)),
        *jobs("j", "science", 1, "1", HOUR, at=26 * HOUR),
    ]
    return watched(scene(text, asked, 40 * HOUR))


@pytest.mark.parametrize("at_end", ["soft-landing", "no-new"])
def test_when_hours_are_over_nothing_ends_and_all_counts_as_borrowed(at_end: str) -> None:
    record = over(at_end)
    (first, again) = record.budgets[:2]
    # Two whole cards at four times the rate: eight hours an hour.
    assert (first.at - MONDAY) // MINUTE in range(300, 311)
    assert first.is_over
    assert again.at - MONDAY == timedelta(days=1)
    assert not again.is_over
    assert {"s0", "s1"} <= set(record.servers_left)
    ranks = {cell.rank for cell in record.cells if first.at < cell.asked_at < again.at - HOUR}
    assert ranks == {Rank.BORROWED}
    later = {cell.rank for cell in record.cells if cell.asked_at > again.at + HOUR}
    assert Rank.ENTITLED in later


def test_no_new_refuses_and_soft_landing_does_not() -> None:
    of_new = [each for each in over("no-new").answers if each.name == "new"]
    assert {each.refused for each in of_new} == {"budget-spent"}
    assert not any(each.within_guarantee for each in of_new)


def test_others_take_the_room_of_whose_hours_are_over() -> None:
    record = over("soft-landing", others=2)
    granted = {each.name: each.at for each in record.answers if each.rank is not None}
    assert {granted.get("g0"), granted.get("g1")} == {MONDAY + 7 * HOUR}
    away = {each.slice_id for each in record.places if each.called_back}
    assert away == {"s0", "s1"}
    assert {"s0", "s1"} <= set(record.servers_left)


def test_running_jobs_come_in_another_order_once_the_budget_of_one_is_over() -> None:
    text = (
        POOL
        + """
groups:
  science: {weight: 2, budget: {hours: 9, per: day}}
  guests: {}
  nobody: {guaranteed: {H100: 1}}
"""
    )
    asked = [
        *jobs("mine", "science", 1, works=20 * HOUR),
        *jobs("theirs", "guests", 1, works=20 * HOUR),
    ]
    cluster = Cluster(scene(text, asked, 19 * HOUR))
    orders: list[list[str]] = []
    while cluster.step():
        told = [(served.entitlement, who.group or "") for served, who in cluster.cards.slices()]
        order = [group for _, group in sorted(told)]
        if len(order) == 2 and order != orders[-1:]:
            orders.append(order)
    assert [order for at, order in enumerate(orders) if order not in orders[:at]] == [
        ["science", "guests"],
        ["guests", "science"],
    ]
    assert [turned.is_over for turned in cluster.record.budgets] == [True]
