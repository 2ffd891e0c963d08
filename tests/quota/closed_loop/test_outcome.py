"""A simulation's report: its sums, that it is the same each time, and the policies beside ours."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import Asked
from sublet_quota.closed_loop.baselines.first_come import FirstCome
from sublet_quota.closed_loop.baselines.policies import policy_of
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.outcome.outcome import Ran, Watts, outcome_of
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question, answer
from sublet_quota.closed_loop.outcome.report import Outcome
from sublet_quota.closed_loop.outcome.waits import waits_info
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.record.records import Answered, LeftLine, Record
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene

GROUPS = """
groups:
  science: {guaranteed: {H100: 1}, groups: {nlp: {guaranteed: {H100: 1}}, vision: {}}}
  guests: {}
"""
RESERVED = """
reservations: [{name: c, for: guests, guaranteed: {H100: 1}, at: "Mon-Tue 14:00-16:00"}]
"""
DAYS = timedelta(days=2)
NLP = GroupName("nlp")


def some_days(seed: int) -> tuple[Asked, ...]:
    habits = Habits(cards=Fraction(1, 2), comes_today=1, jobs_a_day=2, works=8 * MINUTE)
    people = [
        Person(f"{group}-{n}", (group,), habits)
        for group in ("nlp", "vision", "guests")
        for n in range(3)
    ]
    return days_of(people, MONDAY, MONDAY + DAYS, seed)


def held_exactly(record: Record) -> dict[tuple[object, bool], Fraction]:
    """What each payer held, by the slices themselves, in microseconds of a card."""
    found: dict[tuple[object, bool], Fraction] = {}
    for each in record.held_slices:
        key = each.who.group, each.who.is_job
        length_us = (each.ended - each.began) // timedelta(microseconds=1)
        found[key] = found.get(key, Fraction(0)) + each.cards * length_us
    return found


def added_up(record: Record) -> dict[tuple[object, bool], Fraction]:
    """The same, by what became of each moment."""
    found: dict[tuple[object, bool], Fraction] = {}
    for key, held_us in record.held_us.items():
        payer = key.group, key.is_job
        part = Fraction(key.numerator, key.denominator)
        found[payer] = found.get(payer, Fraction(0)) + part * held_us
    return {key: sum_ for key, sum_ in found.items() if sum_}


def outcome(scenario: Scenario, record: Record, watts: Watts | None = None) -> Outcome:
    ran = Ran(
        "ours",
        "ours",
        scenario.document,
        scenario.asked,
        {"H100": len(scenario.cards)},
        {} if watts is None else {"H100": watts},
    )
    return outcome_of(ran, record)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", ["", GROUPS, GROUPS + RESERVED])
def test_what_is_held_is_used_idle_lent_or_suspended(text: str, seed: int) -> None:
    scenario = scene(text, some_days(seed), DAYS, on=cards(2))
    for record in (Cluster(scenario).run(), FirstCome(scenario, 30 * MINUTE).run()):
        assert added_up(record) == held_exactly(record)
        assert all(held >= 0 for held in record.held_us.values())
        found = outcome(scenario, record)
        hours = found.hours
        parts = hours.used_h + hours.lent_h + hours.idle_h + hours.suspended_h
        assert parts == pytest.approx(hours.held_h)
        assert sum(each.held_h for each in found.by_group) == pytest.approx(hours.held_h)
        assert hours.borrowed_h <= hours.held_h + 1e-9
        assert found.lent_h <= found.lent_at_most_h + 1e-6
        asked = {each.name for each in scenario.asked}
        assert found.servers + found.jobs == len(asked)


def test_the_same_question_gives_the_same_report() -> None:
    def once() -> str:
        asked = some_days(4)
        base = scene(GROUPS, asked, DAYS, on=cards(2))
        other = scene("groups: {science: {}}", asked, DAYS, on=cards(2))
        question = Question(
            first=NamedDocument("one", base.document),
            second=NamedDocument("two", other.document),
            cards=base.cards,
            asked=asked,
            begins=base.begins,
            ends=base.ends,
            beside=(policy_of("static"), policy_of("cull:30m")),
        )
        return answer(question).model_dump_json()

    assert once() == once()


def test_first_come_first_served_lends_nothing_and_moves_nothing() -> None:
    scenario = scene(GROUPS, some_days(1), DAYS, on=cards(2))
    found = outcome(scenario, FirstCome(scenario).run())
    assert (found.lent_h, found.moves.count, found.lost.notebooks) == (0, 0, 0)
    assert found.hours.held_h > found.hours.used_h > 0


def test_no_piece_of_a_card_is_given_twice_to_who_comes_first() -> None:
    asked = [a_server(f"s{n}", part="1/2", at=n * MINUTE, stays=10 * HOUR) for n in range(3)]
    scenario = scene("", [*asked, *jobs("j", "", 2, at=HOUR)], 24 * HOUR, on=cards(1))
    found = outcome(scenario, FirstCome(scenario).run())
    assert (found.servers_granted, found.refusals[0].reason) == (2, "no-room")
    assert found.refusals[0].never == 1
    (waits,) = found.waits
    assert waits.jobs.count == 2
    # Both begin once the servers have left: one at once, one after it.
    assert waits.jobs.half_s == pytest.approx(9 * 3600 + 240, abs=120)
    assert waits.jobs.most_s == pytest.approx(10 * 3600 + 300, abs=120)


def test_who_is_culled_loses_their_state_and_begins_anew() -> None:
    asked = [a_server("s", cells=3, thinks=2 * HOUR, works=10 * MINUTE, stays=2 * HOUR)]
    scenario = scene("", asked, 24 * HOUR, on=cards(1))
    kept = outcome(scenario, FirstCome(scenario).run())
    culled = outcome(scenario, FirstCome(scenario, 30 * MINUTE).run())
    assert (kept.lost.notebooks, kept.lost.in_use_again) == (0, 0)
    # Before each cell, and after the last one; three times the owner came back.
    assert (culled.lost.notebooks, culled.lost.in_use_again) == (4, 3)
    # Nothing before the first cell, then one cell, then two.
    assert culled.lost.run_again_h == pytest.approx(0.5)
    assert culled.hours.held_h < kept.hours.held_h
    assert culled.hours.used_h == kept.hours.used_h == pytest.approx(0.25)


def test_the_first_guarantee_that_is_not_met_is_told_with_whose_it_is() -> None:
    asked = [a_server(name, "nlp", at=HOUR, owner=f"of-{name}") for name in ("one", "two")]
    scenario = scene("groups: {nlp: {guaranteed: {H100: 1}}}", asked, 12 * HOUR)
    record = Record(scenario.begins, scenario.ends)
    record.answers += (
        Answered(
            name, UserName(f"of-{name}"), MONDAY + at, NLP, None, "no-room", within_guarantee=True
        )
        for name, at in (("two", 2 * HOUR), ("one", HOUR))
    )
    record.line.append(
        LeftLine("two", UserName("of-two"), MONDAY + HOUR, MONDAY + 3 * HOUR, Rank.ENTITLED)
    )
    found = outcome(scenario, record)
    assert found.unmet == 3
    assert found.first_unmet is not None
    told = found.first_unmet
    assert (told.what, told.why, told.owner, told.group) == ("refused", "no-room", "of-one", "nlp")


@pytest.mark.parametrize(("works", "at_most_h"), [(HOUR, 1), (10 * HOUR, 4)])
def test_foresight_lends_what_is_held_and_not_used_to_jobs_that_are_there(
    works: timedelta, at_most_h: float
) -> None:
    # It is held for ten hours, and no job has come before the last four of them.
    asked = [
        a_server("s", part="1", cells=0, stays=10 * HOUR),
        *jobs("j", "", 1, works=works, at=6 * HOUR),
    ]
    scenario = scene("", asked, 10 * HOUR, on=cards(1))
    for record in (Cluster(scenario).run(), FirstCome(scenario).run()):
        found = outcome(scenario, record)
        assert found.lent_at_most_h == pytest.approx(at_most_h, abs=0.01)
        assert found.lent_h <= found.lent_at_most_h + 1e-6


def test_too_few_cards_for_a_guarantee_are_told_from_the_outset() -> None:
    asked = [a_server("s", "nlp")]
    base = scene("groups: {nlp: {guaranteed: {H100: 4}}}", asked, HOUR, on=cards(2))
    named = NamedDocument("quota", base.document)
    question = Question(named, base.cards, base.asked, base.begins, base.ends)
    (found,) = answer(question).outcomes
    assert found.first_unmet is not None
    assert (found.first_unmet.what, found.first_unmet.at) == ("cards", MONDAY)


def test_energy_is_told_of_stated_watts_alone() -> None:
    scenario = scene("", jobs("j", "", 1, works=HOUR), 2 * HOUR, on=cards(2))
    record = Cluster(scenario).run()
    assert outcome(scenario, record).by_type[0].energy_kwh is None
    (told,) = outcome(scenario, record, Watts(700, 100)).by_type
    # An hour of one card at work, three hours of a card at rest.
    assert told.energy_kwh == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("to_less", [True, False])
def test_who_gains_and_who_loses_is_told_by_group(*, to_less: bool) -> None:
    asked = [
        *(a_server(f"a{n}", "a", "1", stays=9 * HOUR, owner=f"a{n}") for n in range(2)),
        *jobs("j", "b", 6, at=HOUR, owner="bob"),
    ]
    texts = ["groups: {a: {}, b: {}}", "groups: {a: {limit: {H100: 0}}, b: {}}"]
    first, second = (
        scene(text, asked, 12 * HOUR, on=cards(2)) for text in texts[:: 2 * to_less - 1]
    )
    question = Question(
        NamedDocument("first", first.document),
        first.cards,
        first.asked,
        first.begins,
        first.ends,
        NamedDocument("second", second.document),
    )
    found = answer(question).comparison
    assert found is not None
    a, b = found.groups
    assert (a.group, a.gain, a.lose) == ("a", 0 if to_less else 2, 2 if to_less else 0)
    assert (b.group, b.gain, b.lose) == ("b", 0, 0)
    told = found.lose_most if to_less else found.gain_most
    assert {each.owner for each in told} == {"a0", "a1"}


def test_of_a_hundred_waits_so_many_are_no_longer() -> None:
    found = waits_info([timedelta(seconds=n) for n in range(1, 101)], never=2)
    assert (found.half_s, found.of_95_s, found.of_99_s, found.most_s) == (50, 95, 99, 100)
    assert (found.count, found.never) == (100, 2)
    assert waits_info([]).count == 0
