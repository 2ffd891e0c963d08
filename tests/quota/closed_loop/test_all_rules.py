"""Simulated days under all rules at once: order decides nothing, and nobody loses by sharing."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import Asked, AskedServer
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import Figures, figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.placement.other_card import home_of
from sublet_quota.residency.snapshot import Rank
from sublet_quota.server_queue.turns import next_placed

from tests.support.loop_cases import HOUR, MONDAY, a_server, cards, scene
from tests.support.loop_rules import watched

LASTS = timedelta(days=1)
POOL = "pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]\n"
RULES = """
notebooks: {when_full: queue, wait_most: 5h}
reservations:
  - {name: lab, for: course, guaranteed: {H100: 1}, at: "Mon 14:00-16:00", until: 2026-12-31}
"""
GROUPS = """
groups:
  science:
    guaranteed: {H100: 2}
    budget: {hours: 90, per: day, lent_rate: 0.25}
    groups: {nlp: {guaranteed: {H100: 1}}, vision: {weight: 2, each: {max_idle: 3h}}}
  course: {weight: 2}
"""
TURNED = """
groups:
  course: {weight: 2}
  science:
    groups: {vision: {each: {max_idle: 3h}, weight: 2}, nlp: {guaranteed: {H100: 1}}}
    budget: {lent_rate: 0.25, per: day, hours: 90}
    guaranteed: {H100: 2}
"""
HABITS = Habits(cards=Fraction(1, 2), comes_today=1, patience=5 * HOUR, jobs_a_day=1)


def some_days(seed: int) -> tuple[Asked, ...]:
    groups = ("nlp", "vision", "course")
    people = [Person(f"{group}-{n}", (group,), HABITS) for group in groups for n in range(4)]
    return days_of(people, MONDAY, MONDAY + LASTS, seed)


def run(text: str, asked: Sequence[Asked], *, turned: bool = False) -> tuple[Cluster, Figures]:
    on = cards(3)
    cluster = Cluster(scene(text, asked, LASTS, on=on[::-1] if turned else on))
    return cluster, figures_of(watched(cluster))


@pytest.mark.parametrize("seed", range(2))
def test_neither_order_nor_keys_matter_and_what_came_of_it_is_at_rest(seed: int) -> None:
    asked, order = some_days(seed), Draws(seed, "order")
    mixed = sorted(asked, key=lambda _: order.uniform())
    cluster, first = run(POOL + RULES + GROUPS, asked)
    _, second = run(TURNED + RULES + POOL, mixed, turned=True)
    assert first.line
    assert first.line == second.line
    assert first.cells == second.cells
    assert first.jobs == second.jobs
    assert (first.called_back, first.line_left) == (second.called_back, second.line_left)
    assert first.refused_within_guarantee == 0
    assert first.moves_an_hour < 4
    # Replayed on what came of it, nobody has another place.
    holdings = cluster.holdings
    assert next_placed(holdings, cluster.servers.line.ordered()) is None
    assert back_to_their_place(holdings) == ()
    assert all(home_of(holdings, each.slice_id) is None for each in holdings.slices())


def hours_held(cluster: Cluster, group: str) -> float:
    """How many hours servers of a group's were held."""
    record = cluster.record
    began = {a.name: a.at for a in record.answers if a.rank is not None and a.group == group}
    ended = {**record.servers_left, **record.ended_idle}
    lasted = (ended.get(name, MONDAY + LASTS) - at for name, at in began.items())
    return sum(lasted, timedelta()) / HOUR


def sessions(group: str, number: int, *, every: timedelta, at: int = 0) -> list[AskedServer]:
    """Servers of half a card, each for two hours, of as many persons."""
    stay = 2 * HOUR - 2 * (HOUR / 60)
    return [
        a_server(f"{group}{n}", group, at=at * HOUR + n * every, stays=stay, patience=40 * HOUR)
        for n in range(number)
    ]


LINE = POOL + "notebooks: {when_full: queue, wait_most: 40h}\ngroups: {a: {}, b: {}}"


def test_who_joins_the_line_all_at_once_gains_nothing() -> None:
    held = {}
    for name, every in (("burst", timedelta()), ("spread", HOUR / 2)):
        asked = [*sessions("a", 40, every=HOUR / 2), *sessions("b", 40, every=every)]
        cluster = Cluster(scene(LINE, asked, LASTS, on=cards(2)))
        watched(cluster)
        held[name] = hours_held(cluster, "b")
    # Two sessions: what was begun before there was anybody else.
    assert held["burst"] <= held["spread"] + 2 * 2 * 4
    assert held["spread"] > 30


def test_a_group_in_line_has_no_less_than_with_cards_of_its_own() -> None:
    """Sharing incentive, and turns by weight: b begins six hours after a, and has its half."""
    asked = [*sessions("a", 60, every=HOUR / 3), *sessions("b", 40, every=HOUR / 3, at=6)]
    cluster = Cluster(scene(LINE, asked, LASTS, on=cards(2)))
    watched(cluster)
    held = {group: hours_held(cluster, group) for group in ("a", "b")}
    own_cards = 2 * 18
    assert held["b"] >= 0.9 * own_cards
    assert held["a"] >= 0.9 * (own_cards + 4 * 6)


def test_nobody_in_line_envies_another_of_their_group() -> None:
    """Of those who come again and again, all have had the same number of turns, or one more."""
    text = POOL + "notebooks: {when_full: queue, wait_most: 40h}\ngroups: {a: {}}"
    asked = [
        a_server(f"{owner}-{n}", "a", "1/2", owner=owner, at=HOUR, stays=HOUR, patience=40 * HOUR)
        for owner, number in {"ada": 30, "bob": 12, "eve": 12}.items()
        for n in range(number)
    ]
    cluster = Cluster(scene(text, asked, 10 * HOUR, on=cards(1)))
    record = watched(cluster)
    turns = [each.owner for each in record.answers if each.rank is not None]
    assert {each.rank for each in record.answers} == {Rank.BORROWED}
    had = [turns.count(owner) for owner in ("ada", "bob", "eve")]
    assert max(had) - min(had) <= 2, had
