"""The policies that stand beside ours: what each does with the same cells and jobs."""

from datetime import timedelta

import pytest
from sublet_quota.closed_loop.asks.asked import Cell
from sublet_quota.closed_loop.baselines.batch import Batch
from sublet_quota.closed_loop.baselines.bound_by_cell import BoundByCell
from sublet_quota.closed_loop.baselines.first_come import FirstCome
from sublet_quota.closed_loop.baselines.policies import policy_of, run_to_the_end
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.outcome.outcome import Ran, outcome_of
from sublet_quota.closed_loop.outcome.report import Outcome
from sublet_quota.closed_loop.record.records import Record

from tests.quota.closed_loop.test_outcome import added_up, held_exactly, some_days
from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene

GROUPS = "groups: {nlp: {limit: {H100: 1}}, vision: {}, guests: {}}"


def outcome(scenario: Scenario, record: Record) -> Outcome:
    ran = Ran("it", "it", scenario.document, scenario.asked, {"H100": len(scenario.cards)})
    return outcome_of(ran, record)


def test_in_one_line_nobody_is_let_by() -> None:
    """A job of one card that would fit waits behind one of two that does not."""
    asked = [
        a_server("s", part="1", stays=5 * HOUR, cells=0),
        *jobs("two", "", 1, "2", at=HOUR),
        *jobs("one", "", 1, "1", at=2 * HOUR),
        a_server("late", part="1/2", at=3 * HOUR, patience=HOUR),
        a_server("patient", part="1/2", at=3 * HOUR, patience=9 * HOUR),
    ]
    scenario = scene("", asked, 24 * HOUR, on=cards(2))
    record = Batch(scenario).run()
    began = {each.name: each.ended - MONDAY for each in record.job_waits}
    assert began == {"two-0": 5 * HOUR, "one-0": 6 * HOUR}
    left = {each.name: (each.until - MONDAY, each.rank is None) for each in record.line}
    assert left["late"] == (4 * HOUR, True)
    assert left["patient"] == (6 * HOUR, False)
    found = outcome(scenario, record)
    assert (found.servers_granted, found.refusals[0].reason) == (2, "left-line")
    first = FirstCome(scenario).run()
    assert {each.name: each.ended - MONDAY for each in first.job_waits}["one-0"] < 3 * HOUR


def test_who_is_at_a_limit_holds_up_nobody_in_line() -> None:
    asked = [
        a_server("s", "nlp", "1", stays=5 * HOUR, cells=0),
        a_server("t", "nlp", "1", stays=HOUR, cells=0, at=MINUTE, patience=9 * HOUR),
        *jobs("one", "guests", 1, "1", at=HOUR),
    ]
    record = Batch(scene(GROUPS, asked, 24 * HOUR, on=cards(2))).run()
    assert [each.ended - MONDAY for each in record.job_waits] == [HOUR]
    assert {each.name: each.until - MONDAY for each in record.line}["t"] == 5 * HOUR


def test_a_card_is_bound_while_a_cell_runs() -> None:
    cells = [Cell(HOUR, 10 * MINUTE)] * 3
    asked = [
        *(a_server(f"s{n}", part="1", cells=cells, stays=HOUR, at=n * MINUTE) for n in range(3)),
        *jobs("j", "", 1, works=2 * HOUR),
    ]
    scenario = scene("", asked, 24 * HOUR, on=cards(1))
    record = BoundByCell(scenario).run()
    found = outcome(scenario, record)
    assert (found.servers_granted, found.lost.notebooks) == (3, 0)
    assert found.hours.held_h == found.hours.used_h == pytest.approx(1.5)
    assert sum(1 for each in record.cells) == 9
    # The job has the card for two hours from the first minute on, and cells come in their order.
    first = sorted(record.cells, key=lambda each: each.asked_at)[:3]
    ends = [each.asked_at + each.waited - MONDAY for each in first]
    assert ends == [2 * HOUR + MINUTE, 2 * HOUR + 11 * MINUTE, 2 * HOUR + 21 * MINUTE]


def test_a_cell_on_a_card_that_fails_is_run_again_where_state_is_kept() -> None:
    asked = [a_server("s", part="1", cells=[Cell(HOUR, 2 * HOUR)], stays=MINUTE)]
    for name in ("h0", "h1"):
        scenario = scene("", asked, 24 * HOUR, card_changes=[f"day 1 02:00: fail {name}"])
        record = BoundByCell(scenario).run()
        assert not record.lost_with_cards
        assert record.servers_left["s"] - MONDAY <= 4 * HOUR + 2 * MINUTE


def test_what_was_culled_is_replayed_before_the_next_cell() -> None:
    asked = [a_server("s", cells=3, thinks=2 * HOUR, works=10 * MINUTE, stays=2 * HOUR)]
    scenario = scene("", asked, 24 * HOUR, on=cards(1))
    record = run_to_the_end(policy_of("replay:30m").begin(scenario), lambda _: None)
    found = outcome(scenario, record)
    # Nothing before the first cell, one cell before the second, two before the third.
    assert [each.waited for each in record.cells] == [0 * MINUTE, 10 * MINUTE, 20 * MINUTE]
    assert (found.lost.in_use_again, found.lost.replayed_h) == (3, pytest.approx(0.5))
    assert found.lost.run_again_h == pytest.approx(0.5)
    # On half a card: half an hour of cells, and as much again.
    assert found.hours.used_h == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["static", "fcfs", "notebookos", "cull:30m", "replay:30m"])
@pytest.mark.parametrize("changes", [(), ("day 1 10:00: fail h0", "day 1 14:00: take h1")])
def test_what_is_held_adds_up_whatever_the_policy(name: str, changes: tuple[str, ...]) -> None:
    lasts = timedelta(days=2)
    scenario = scene(GROUPS, some_days(1), lasts, on=cards(3), card_changes=changes)
    policy = policy_of(name)
    record = run_to_the_end(policy.begin(scenario), lambda _: None)
    assert policy.about
    assert added_up(record) == held_exactly(record)
    assert all(held >= 0 for held in record.held_us.values())
    found = outcome(scenario, record)
    assert found.hours.used_h + found.hours.idle_h == pytest.approx(found.hours.held_h)
    assert found.jobs_done > 0
