"""Simulated weeks: what is guaranteed is had, within the time that memory takes to move."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import CardSpeeds, Manner
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import H100, HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

DAYS = timedelta(days=4)
SPEEDS = CardSpeeds()
SELDOM = Manner(round=10 * MINUTE)
"""The queue of jobs is looked at so seldom: the jobs that wait are many, and not what is asked."""
MOVING_S = 2 * SPEEDS.out_s(H100.memory_mib) + SPEEDS.back_s(H100.memory_mib) + 3
"""What is under way ends, all that is there leaves, and what was away comes back."""
GROUPS = """
groups:
  science: {guaranteed: {H100: 3}, weight: 2, groups: {nlp: {guaranteed: {H100: 2}}, vision: {}}}
  teaching: {guaranteed: {H100: 1}}
  guests: {}
"""


def people(number: int) -> list[Person]:
    """Members of all groups, of half cards and whole ones, who send jobs, too."""
    of = {"nlp": "1/2", "vision": "1", "teaching": "1/2", "guests": "1"}
    return [
        Person(f"{group}-{n}", (group,), Habits(cards=Fraction(part), jobs_a_day=2, comes_today=1))
        for group, part in of.items()
        for n in range(number)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_days_of_people_who_ask_for_more_than_there_is(seed: int) -> None:
    asked = days_of(people(4), MONDAY, MONDAY + DAYS, seed)
    record = watched(scene(GROUPS, asked, DAYS, on=cards(4), manner=SELDOM))
    figures = figures_of(record)
    assert figures.refused_within_guarantee == 0
    assert figures.called_back > 0
    entitled = figures.cells[Rank.ENTITLED]
    assert entitled.count > 50
    assert entitled.most_s <= MOVING_S


def test_what_is_guaranteed_is_had_whatever_others_have_begun() -> None:
    borrowed = [
        *(a_server(f"b{n}", "guests", "1", cells=200, thinks=MINUTE, works=HOUR) for n in range(4)),
        *jobs("j", "guests", 20, works=10 * HOUR),
    ]
    due = [
        a_server(f"a{n}", "nlp", "1/2", at=(5 + n) * HOUR, cells=20, works=10 * MINUTE)
        for n in range(4)
    ]
    record = watched(scene(GROUPS, [*borrowed, *due], timedelta(days=2), on=cards(4)))
    began = [cell for cell in record.cells if cell.who.group == "nlp"]
    assert {cell.rank for cell in began} == {Rank.ENTITLED}
    assert max(cell.waited for cell in began).total_seconds() <= MOVING_S
    assert len(began) == 80


def test_a_reservation_is_had_by_two_hundred_who_start_at_the_hour() -> None:
    text = """
groups: {course: {members: [course]}, guests: {}}
reservations:
  - {name: lab, for: course, guaranteed: {H100: 25}, at: "Mon 14:00-16:00", zone: UTC,
     until: 2026-12-15}
"""
    guests = [a_server(f"g{n}", "guests", "1", cells=60, works=HOUR) for n in range(25)]
    class_ = [
        a_server(f"c{n}", "course", "1/8", at=14 * HOUR, cells=3, works=5 * MINUTE)
        for n in range(200)
    ]
    record = watched(scene(text, [*guests, *class_], 17 * HOUR, on=cards(25)))
    of_class = [answer for answer in record.answers if answer.name.startswith("c")]
    assert len(of_class) == 200
    assert all(answer.rank is Rank.ENTITLED for answer in of_class)
    waited = [cell.waited.total_seconds() for cell in record.cells if cell.who.group == "course"]
    assert max(waited) <= MOVING_S
    assert not {f"g{n}" for n in range(25)} & set(record.servers_left)


LESS = GROUPS.replace("H100: 2", "H100: 1").replace("H100: 3", "H100: 1")


def test_lowering_a_guarantee_or_a_limit_ends_nothing() -> None:
    asked = days_of(people(4), MONDAY, MONDAY + DAYS, 5)
    capped = LESS.replace("guests: {}", "guests: {limit: {H100: 0}}")
    changes = [(timedelta(days=1, hours=13), LESS), (timedelta(days=2, hours=13), capped)]
    record = watched(scene(GROUPS, asked, DAYS, on=cards(4), changes=changes, manner=SELDOM))
    capped_at = MONDAY + changes[1][0]
    later = [each for each in record.answers if each.at > capped_at and "guests" in each.name]
    assert {each.refused for each in later} == {"group-limit"}
    began = {each.name for each in record.answers if each.rank is not None}
    # Who ran then ran on until they left: their cells came to their ends.
    gone_on = {run.slice_id for run in record.runs if run.ended > capped_at}
    assert any("guests" in name for name in began & gone_on)


def test_a_guarantee_given_anew_is_in_force_after_the_grace_at_the_latest() -> None:
    text = "shrink: {grace: 2h}\ngroups: {old: {guaranteed: {H100: 2}}, new: {}}"
    new = "shrink: {grace: 2h}\ngroups: {old: {}, new: {guaranteed: {H100: 2}}}"
    old = [a_server(f"o{n}", "old", "1", cells=100, works=HOUR) for n in range(2)]
    late = [a_server(f"n{n}", "new", "1", at=4 * HOUR, cells=9, works=MINUTE) for n in range(2)]
    record = watched(scene(text, [*old, *late], 12 * HOUR, changes=[(HOUR, new)]))
    of_new = [cell for cell in record.cells if cell.who.group == "new"]
    assert {cell.rank for cell in of_new} == {Rank.ENTITLED}
    assert max(cell.waited for cell in of_new).total_seconds() <= MOVING_S
