"""Simulated jobs on several cards of one node: all at once, and they stand still together."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, Cell
from sublet_quota.closed_loop.baselines.first_come import FirstCome
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.record.records import Ran, Record

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

GROUPS = "groups: {science: {guaranteed: {H100: 2}}, guests: {}}"


def both(scenario: Scenario) -> tuple[Record, Record]:
    return watched(scenario), FirstCome(scenario).run()


def test_a_job_has_all_its_cards_at_once_and_on_one_node() -> None:
    asked = [*jobs("one", "guests", 1, works=2 * HOUR), *jobs("four", "guests", 1, "4", at=MINUTE)]
    for record in both(scene(GROUPS, asked, 24 * HOUR, on=cards(4))):
        began = {each.name: each for each in record.job_waits}
        four = next(each for name, each in began.items() if name.startswith("four-0"))
        # It waits for the other's end, as there are four cards on the node.
        assert four.ended - MONDAY >= 2 * HOUR
        assert four.cards == 4
        assert record.jobs_done["four-0"] - four.ended == pytest.approx(HOUR, abs=MINUTE)
        on = {each.slice_id for each in record.held_slices if each.slice_id.startswith("four")}
        assert len(on) == 4


def test_cards_of_two_nodes_are_not_one_jobs() -> None:
    asked = jobs("four", "guests", 1, "4")
    for record in both(scene(GROUPS, asked, 6 * HOUR, on=cards(4, a_node=2))):
        assert not record.jobs_done
        assert [each.started for each in record.job_waits] == [False]


def test_limits_count_all_the_cards_of_a_job() -> None:
    text = "groups: {guests: {jobs: {limit: {H100: 3}}}}"
    asked = [*jobs("two", "guests", 2, "2")]
    for record in both(scene(text, asked, 6 * HOUR, on=cards(4))):
        ends = sorted(at - MONDAY for at in record.jobs_done.values())
        assert ends[1] >= 2 * HOUR


def runs_of(record: Record, name: str) -> dict[str, list[Ran]]:
    found: dict[str, list[Ran]] = {}
    for run in record.runs:
        if run.slice_id.startswith(name):
            found.setdefault(run.slice_id, []).append(run)
    return found


def test_no_card_of_a_job_computes_while_another_has_made_way() -> None:
    asked: list[Asked] = [
        a_server("s", "science", "1", cells=[Cell(2 * HOUR, 30 * MINUTE)] * 3, stays=HOUR),
        *jobs("two", "guests", 1, "2", works=10 * HOUR, at=MINUTE),
    ]
    record = watched(scene(GROUPS, asked, 40 * HOUR, on=cards(2)))
    one, other = runs_of(record, "two").values()
    assert len(one) > 1, "it has made way"
    assert [(run.began, run.ended) for run in one] == [(run.began, run.ended) for run in other]
    ran = sum((run.ended - run.began for run in one), timedelta())
    assert ran == pytest.approx(10 * HOUR, abs=timedelta(seconds=1))
    assert record.jobs_done["two-0"] - MONDAY >= 11.4 * HOUR


def test_a_job_of_which_one_card_fails_is_sent_back_from_all() -> None:
    asked = jobs("two", "guests", 1, "2", works=5 * HOUR)
    changes = ["day 1 02:00: fail h0"]
    for record in both(scene(GROUPS, asked, 24 * HOUR, on=cards(3), card_changes=changes)):
        if not record.sent_back:
            continue
        (back,) = record.sent_back
        assert back.cards == 2
        assert record.jobs_done["two-0"] - MONDAY == pytest.approx(7 * HOUR, abs=3 * MINUTE)


@pytest.mark.parametrize("seed", range(3))
def test_all_rules_hold_with_jobs_on_several_cards(seed: int) -> None:
    habits = Habits(cards=Fraction(1, 2), comes_today=1, jobs_a_day=1, works=8 * MINUTE)
    people = [
        Person(f"{group}-{n}", (group,), habits)
        for group in ("science", "guests")
        for n in range(4)
    ]
    drawn = days_of(people, MONDAY, MONDAY + timedelta(days=2), seed)
    asked = [
        *drawn,
        *(
            AskedJob(f"many-{n}", MONDAY + 3 * n * HOUR, "ada", ("science",), HOUR, Fraction(size))
            for n, size in enumerate((2, 4, 3, 2, 4, 2))
        ),
    ]
    scenario = scene(GROUPS, asked, timedelta(days=2), on=cards(6))
    record = watched(scenario)
    assert {name for name in record.jobs_done if name.startswith("many")}
    again = Cluster(scenario).run()
    assert (again.runs, again.moves, again.jobs_done) == (
        record.runs,
        record.moves,
        record.jobs_done,
    )
