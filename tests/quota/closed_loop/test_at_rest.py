"""Simulated weeks: nothing flaps, order decides nothing, and no card is free while work waits."""

from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import Asked, AskedServer
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.simulation import simulate

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

GROUPS = """
groups:
  science: {guaranteed: {H100: 2}, groups: {nlp: {guaranteed: {H100: 1}}, vision: {weight: 2}}}
  guests: {weight: 2}
"""
TURNED = """
groups:
  guests: {weight: 2}
  science: {groups: {vision: {weight: 2}, nlp: {guaranteed: {H100: 1}}}, guaranteed: {H100: 2}}
"""


def some_days(seed: int, days: int = 3) -> tuple[Asked, ...]:
    habits = Habits(cards=Fraction(1, 2), jobs_a_day=3, comes_today=1)
    people = [
        Person(f"{group}-{n}", (group,), habits)
        for group in ("nlp", "vision", "guests")
        for n in range(4)
    ]
    return days_of(people, MONDAY, MONDAY + timedelta(days=days), seed)


def test_neither_the_order_of_asking_nor_that_of_keys_matters() -> None:
    asked = some_days(1, 1)
    order = Draws(1, "order")
    mixed = sorted(asked, key=lambda _: order.uniform())
    lasts = timedelta(days=1)
    first = simulate(scene(GROUPS, asked, lasts, on=cards(3)))
    turned = simulate(scene(TURNED, mixed, lasts, on=tuple(reversed(cards(3)))))
    assert dict(first.shares) == pytest.approx(dict(turned.shares))
    assert first.cells == turned.cells
    assert first.jobs == turned.jobs
    assert first.called_back == turned.called_back


def test_all_who_ask_at_one_moment_are_answered_alike_in_any_order() -> None:
    text = "pools: [{name: one, memory_overcommit: 1, default: true}]" + GROUPS
    asked = [
        a_server(f"{group}{n}", group, "1/2", cells=3)
        for group in ("nlp", "vision", "guests")
        for n in range(6)
    ]
    answers = [
        {(a.name, a.rank) for a in Cluster(scene(text, order, HOUR, on=cards(3))).run().answers}
        for order in (asked, asked[::-1])
    ]
    assert answers[0] == answers[1]


def test_once_all_are_answered_nothing_changes_its_place() -> None:
    asked = [
        a_server(f"{group}{n}", group, "1/2", at=at * HOUR + n * MINUTE, cells=300)
        for at, group in enumerate(("guests", "vision", "nlp"))
        for n in range(8)
    ]
    text = "pools: [{name: one, memory_overcommit: 1, default: true}]" + GROUPS
    record = watched(scene(text, asked, 12 * HOUR, on=cards(3)))
    assert record.places
    assert max(change.at for change in record.places) <= MONDAY + 2 * HOUR + 8 * MINUTE
    assert figures_of(record).flaps == 0


def test_groups_that_are_refused_and_ask_again_take_from_each_other_only_once() -> None:
    text = """
pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]
groups: {a: {}, b: {}, c: {}}
"""
    asked: list[AskedServer] = [
        a_server(f"{group}{n}", group, "1/2", cells=300, thinks=5 * MINUTE, patience=10 * HOUR)
        for group in ("a", "b", "c")
        for n in range(6)
    ]
    record = watched(scene(text, asked, 12 * HOUR, on=cards(3)))
    assert len(record.places) == sum(change.called_back for change in record.places)
    assert figures_of(record).flaps == 0
    assert max((change.at for change in record.places), default=MONDAY) <= MONDAY + HOUR


def test_slices_at_rest_are_not_moved() -> None:
    asked = [a_server(f"s{n}", "guests", "1/2", cells=40, thinks=20 * MINUTE) for n in range(4)]
    record = watched(scene(GROUPS, asked, 24 * HOUR, on=cards(2)))
    assert record.moves == []


def test_no_job_waits_while_a_card_is_free_that_it_may_use() -> None:
    asked = [*some_days(3, 1), *jobs("more", "guests", 20, "1", 3 * HOUR, every=HOUR)]
    scenario = scene(GROUPS, asked, timedelta(days=1), on=cards(3))
    cluster = Cluster(scenario)
    free_since: dict[str, datetime] = {}
    while cluster.step():
        now = cluster.clock.now
        for gpu_id, model in cluster.cards.models.items():
            if model.slices or not cluster.jobs.waiting:
                free_since.pop(gpu_id, None)
            else:
                assert now - free_since.setdefault(gpu_id, now) <= 2 * scenario.manner.round
    assert figures_of(cluster.finish()).jobs_done > 12


def test_a_week_of_thirty_people_ask_the_policy_some_thousand_times() -> None:
    """What makes weeks pass in seconds: time goes from one thing to the next, never by ticks."""
    people = [
        Person(f"{group}-{n}", (group,)) for group in ("nlp", "vision", "guests") for n in range(10)
    ]
    lasts = timedelta(days=7)
    asked = days_of(people, MONDAY, MONDAY + lasts, 1)
    cluster = Cluster(scene(GROUPS, asked, lasts, on=cards(8)))
    figures = figures_of(cluster.run())
    cells = sum(waits.count for waits in figures.cells.values())
    assert cells > 700
    assert sum(model.asked for model in cluster.cards.models.values()) < 20 * cells
