"""A simulated hub does what the engine says, and notes down what came of it."""

from datetime import timedelta

import pytest
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.simulation import simulate
from sublet_quota.errors import SubletQuotaError
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

ONE = cards(1)
LAB = "groups: {lab: {guaranteed: {H100: 1}}, club: {}}"


def test_a_cell_runs_at_once_on_an_empty_card_and_its_server_ends_when_its_owner_leaves() -> None:
    asked = [a_server("s", works=10 * MINUTE, cells=2)]
    record = Cluster(scene("", asked, 2 * HOUR, on=ONE)).run()
    assert [cell.waited for cell in record.cells] == [timedelta()] * 2
    ran = [run.ended - run.began for run in record.runs]
    assert [each / MINUTE for each in ran] == [pytest.approx(10)] * 2
    assert record.servers_left["s"] - MONDAY == pytest.approx(23 * MINUTE, abs=MINUTE / 60)


def test_two_cells_that_share_the_compute_take_twice_as_long() -> None:
    asked = [a_server(name, part="1/2", works=10 * MINUTE) for name in ("s", "t", "u")]
    record = Cluster(scene("", asked, 2 * HOUR, on=ONE)).run()
    in_all = sum(((run.ended - run.began) for run in record.runs), timedelta())
    assert in_all / MINUTE == pytest.approx(30, rel=0.01)
    assert max(run.ended for run in record.runs) >= MONDAY + 16 * MINUTE


def test_a_job_that_would_end_after_all_moments_runs_on() -> None:
    longer_than_the_calendar = timedelta(days=3_000_000)
    asked = jobs("j", "", 1, works=longer_than_the_calendar)
    record = Cluster(scene("", asked, 8 * HOUR, on=ONE)).run()
    (run,) = record.runs
    assert (run.ended - run.began, record.jobs_done) == (pytest.approx(8 * HOUR, abs=HOUR / 10), {})


def test_a_job_runs_on_what_is_idle_and_stands_still_while_its_lender_works() -> None:
    asked = [
        a_server("s", part="1", thinks=HOUR, works=10 * MINUTE, cells=2, stays=3 * HOUR),
        *jobs("j", "", 1, works=3 * HOUR),
    ]
    record = Cluster(scene("", asked, 8 * HOUR, on=ONE)).run()
    figures = figures_of(record)
    assert figures.jobs_done == 1
    assert record.jobs_done["j-0"] > MONDAY + 3 * HOUR + 20 * MINUTE
    assert figures.hours["H100"].jobs == pytest.approx(3, abs=0.01)
    assert figures.hours["H100"].lent > 2
    assert figures.cells[Rank.BORROWED].most_s < 30
    assert figures.moves_an_hour > 0


def test_a_job_that_is_held_back_again_and_again_pauses_and_is_done_in_the_end() -> None:
    limited = "groups: {lab: {limit: {cards: 1}}}"
    servers = (a_server(f"s{n}", "lab", "1/4", at=(1 + 3 * n) * MINUTE) for n in range(20))
    asked = [*jobs("j", "lab", 1, works=2 * HOUR), *servers]
    record = Cluster(scene(limited, asked, 8 * HOUR)).run()
    stops = [run for run in record.runs if run.slice_id == "j-0"]
    assert record.jobs_done["j-0"] > MONDAY + 2 * HOUR
    assert len(stops) < 10


def test_borrowed_slices_make_way_for_an_entitled_one_and_have_their_place_again() -> None:
    asked = [
        *(a_server(f"b{n}", "club", "1/2", cells=60, thinks=MINUTE) for n in range(4)),
        a_server("a", "lab", "1", at=HOUR, cells=10, thinks=MINUTE),
    ]
    record = Cluster(scene(LAB, asked, 12 * HOUR, on=ONE)).run()
    figures = figures_of(record)
    assert figures.servers_refused == 0
    away = {change.slice_id for change in record.places if change.called_back}
    # Overcommit lets two halves stay, which take turns behind it.
    assert len(away) == 2
    assert away < {"b0", "b1", "b2", "b3"}
    assert not any(change.called_back for change in record.places[-2:])
    assert figures.flaps == 0
    assert set(record.servers_left) == {"b0", "b1", "b2", "b3", "a"}
    assert figures.cells[Rank.ENTITLED].most_s < 40


def test_who_is_refused_asks_again_as_long_as_patience_lasts() -> None:
    held = a_server("held", part="1", stays=HOUR)
    text = "pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]"
    asked = [held, a_server("late", part="1", at=MINUTE, patience=2 * HOUR)]
    record = Cluster(scene(text, asked, 4 * HOUR, on=ONE)).run()
    late = [answer for answer in record.answers if answer.name == "late"]
    assert [answer.refused for answer in late] == ["no-room"] * 7 + [None]
    assert figures_of(record).servers_refused == 0


def test_the_same_scenario_gives_the_same_figures() -> None:
    asked = [
        *(a_server(f"s{n}", "lab", cells=20, thinks=7 * MINUTE) for n in range(4)),
        *jobs("j", "club", 5),
    ]
    one = scene(LAB, asked, 12 * HOUR)
    assert simulate(one) == simulate(one)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(SubletQuotaError, match="same name"):
        scene("", [a_server("s"), a_server("s")], HOUR)


def test_what_is_asked_for_before_the_beginning_is_refused() -> None:
    with pytest.raises(SubletQuotaError, match="before the beginning"):
        scene("", [a_server("s", at=-HOUR)], HOUR)


@pytest.mark.parametrize("overcommit", [1, 2])
def test_a_job_within_its_guarantee_has_its_place_whatever_others_borrow(overcommit: int) -> None:
    factors = f"memory_overcommit: {overcommit}, compute_overcommit: {overcommit}"
    text = f"pools: [{{name: one, {factors}, default: true}}]\n" + LAB
    asked = [
        *(a_server(f"b{n}", "club", works=9 * HOUR, stays=5 * HOUR) for n in range(2)),
        *jobs("j", "lab", 1, at=HOUR, works=2 * HOUR),
        *jobs("k", "club", 1, at=HOUR, works=HOUR),
    ]
    record = watched(scene(text, asked, 24 * HOUR, on=ONE))
    begun = {each.name: each.ended - each.began for each in record.job_waits if each.started}
    assert begun["j-0"] <= 30 * MINUTE
    assert begun["k-0"] > 9 * HOUR, "who is entitled to nothing waits for what is idle"
    away = [each.slice_id for each in record.places if each.called_back]
    assert (len(away) > 0) is (overcommit == 1)
    # In the end all have had what they asked for, and who made way has its place again.
    assert set(record.jobs_done) == {"j-0", "k-0"}
    assert record.jobs_done["j-0"] < MONDAY + 12 * HOUR
    assert sum(1 if each.called_back else -1 for each in record.places) == 0
    assert len(record.cells) == 2


def test_a_running_job_is_charged_to_another_group_so_that_a_waiting_one_starts() -> None:
    text = "groups: {lab: {limit: {H100: 2}}, club: {limit: {H100: 1}}}"
    asked = [
        *jobs("both", "lab club", 1, works=5 * HOUR),
        *jobs("one", "lab", 2, works=HOUR, at=10 * MINUTE),
    ]
    record = watched(scene(text, asked, 9 * HOUR, on=cards(3)))
    waited = {each.name: each.ended - each.began for each in record.job_waits}
    assert waited["one-1"] <= 2 * MINUTE
    assert {run.who.group for run in record.runs if run.slice_id == "both-0"} == {"club"}
