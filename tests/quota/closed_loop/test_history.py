"""What happened is written as a table, read, simulated again, and set beside that."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.closed_loop.asks.asked import AskedJob, CardSpeeds, Cell, Manner
from sublet_quota.closed_loop.asks.change_text import read_changes
from sublet_quota.closed_loop.asks.spelling import (
    read_cell,
    read_groups,
    written_cell,
    written_groups,
)
from sublet_quota.closed_loop.asks.trace_row import TraceError
from sublet_quota.closed_loop.asks.trace_table import read_trace
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.history.happened import (
    Answer,
    CardState,
    History,
    PastCard,
    PastJob,
    PastServer,
)
from sublet_quota.closed_loop.history.history_table import (
    heading,
    read_history,
    written_history,
)
from sublet_quota.closed_loop.history.replay import NoCardsError, cards_of, speeds_of
from sublet_quota.closed_loop.outcome.as_happened import as_happened
from sublet_quota.closed_loop.outcome.truth import truth_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.names.formulas import FORMULAS

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, TYPES, a_server, cards
from tests.support.quota_documents import document

GROUPS = TYPES + "groups: {a: {guaranteed: {H100: 1}, weight: 3}, b: {}}\n"
DAYS = timedelta(days=2)


def a_week(**values: Any) -> Scenario:
    """Two days of ten people on three cards, with jobs, too much for them now and then."""
    habits = Habits(jobs_a_day=1.0, job_works=HOUR, forgets=0.3)
    people = [Person(f"user-{n}", ("ab"[n % 2],), habits) for n in range(10)]
    facts = {
        "document": document(GROUPS),
        "cards": cards(3),
        "asked": days_of(people, MONDAY, MONDAY + DAYS, seed=3),
        "begins": MONDAY,
        "ends": MONDAY + DAYS,
        **values,
    }
    return Scenario(**facts)


def recorded(scenario: Scenario) -> History:
    return as_happened(scenario, Cluster(scenario).run())


def again(scenario: Scenario, history: History) -> History:
    there = cards_of(history)
    speeds = speeds_of(history, scenario.manner.speeds)
    same = replace(
        scenario,
        cards=there.first,
        card_changes=there.changes,
        asked=history.asked,
        manner=replace(scenario.manner, speeds=speeds),
    )
    return recorded(same)


def through_a_file(history: History) -> History:
    return read_history(list(written_history(history)))


def test_what_was_written_is_read_again() -> None:
    history = recorded(a_week())
    found = through_a_file(history)
    assert (found.begins, found.ends) == (history.begins, history.ends)
    assert set(found.past) == set(history.past)
    assert (found.cards, found.moves) == (history.cards, history.moves)
    for was, is_read in zip(history.hours, found.hours, strict=True):
        assert (was.payer, was.kind) == (is_read.payer, is_read.kind)
        assert abs(was.lasted - is_read.lasted) < timedelta(milliseconds=1)


def test_simulated_again_nothing_is_otherwise() -> None:
    scenario = a_week()
    history = through_a_file(recorded(scenario))
    waits = [wait for past in history.past if isinstance(past, PastServer) for wait in past.waits]
    assert sum(wait > MINUTE / 60 for wait in waits) > 10
    truth = truth_of(history, again(scenario, history))
    assert truth.worst_wait == 0
    assert {line.error for line in truth.lines} == {0.0}
    assert {line.what for line in truth.lines} >= {"cells, 99 %", "jobs, half", "hours used"}


def test_so_it_is_with_cards_that_come_and_fail() -> None:
    texts = ("day 1 10:00: add 1xH100:80", "day 1 12:00: fail h0", "day 2: close h1")
    three = cards(3)
    scenario = a_week(card_changes=read_changes(texts, three, MONDAY))
    history = through_a_file(recorded(scenario))
    assert {line.error for line in truth_of(history, again(scenario, history)).lines} == {0.0}


def test_other_speeds_are_told_as_an_error() -> None:
    scenario = a_week(manner=Manner(speeds=CardSpeeds(suspend_mib_per_s=500)))
    history = recorded(scenario)
    assert speeds_of(history, CardSpeeds()).suspend_mib_per_s == 500
    quick = recorded(a_week())
    truth = truth_of(history, quick)
    assert truth.worst_wait is not None
    assert truth.worst_wait > 0.05


def test_as_a_workload_it_asks_for_the_same() -> None:
    history = recorded(a_week())
    assert set(read_trace(list(written_history(history)), MONDAY)) == set(history.asked)


def test_what_was_there_before_counts_in_no_wait() -> None:
    one = PastServer(a_server("one"), Answer(timedelta(), was_there=True))
    other = PastServer(a_server("two"), Answer(HOUR))
    history = History(MONDAY, MONDAY + DAYS, (one, other))
    line = truth_of(history, replace(history, past=(replace(one, answer=Answer(HOUR)), other)))
    assert [each.count for each in line.lines if each.what.startswith("servers")] == [1, 1, 1]


HOSTILE = ("=cmd|'/c calc'!A0", "+1", "-1", "@x", "'", "'=", 'a,"b', "ü ö", "100%", "a\u2003b")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_formula_and_reads_as_itself(name: str) -> None:
    server = a_server("one", owner=name)
    job = PastJob(AskedJob("two", MONDAY, name, (name, "b")), Answer(None, None, "x"))
    history = History(MONDAY, MONDAY + DAYS, (PastServer(server, Answer(HOUR)), job))
    lines = list(written_history(history))
    cells = [cell for line in lines for cell in line.replace('"', "").split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert set(read_history(lines).past) == set(history.past)


@given(st.text())
def test_a_cell_reads_as_what_was_written(text: str) -> None:
    written = written_cell(text)
    bare = written[1:-1].replace('""', '"') if written[:1] == '"' and written != text else written
    assert read_cell(bare) == text
    assert not bare.startswith(FORMULAS)


@given(st.lists(st.text(min_size=1), max_size=4))
def test_groups_read_as_they_were_written(groups: list[str]) -> None:
    names = tuple(each.encode("utf-8", "ignore").decode() or "x" for each in groups)
    assert read_groups(written_groups(names)) == names


FIRST = f"0,,,86400,,history,,{MONDAY.isoformat()}"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("", "first row is of kind"),
        ("0,,,60,,history,,Monday", "no moment"),
        (f"{FIRST}\n0,,,,,card,H100,,,,,,,,,,,,,open,,0,1,1", "has a name"),
        (f"{FIRST}\n0,,,,,card,H100,c,,,,,,,,,,,,ajar,,0,1,1", "'ajar' is none of"),
        (f"{FIRST}\n0,,,,,card,H100,c,,,,,,,,,,,,open,,-1,1,1", "no whole number"),
        (f"{FIRST}\n0,,,1e99,,hours,,,,,,,,,,,,,,used", "hours"),
        (f"{FIRST}\n0,,,1,,hours,,,,,,,,,,,,,,lost", "'lost' is none of"),
        (f"{FIRST}\n0,,,1,,moves,,,,,,,,,,,,,,up,,1,1", "neither out nor back"),
        (f"{FIRST}\n0,a,,60,3,notebook", "one server is on one card"),
        (f"{FIRST}\n0,a,,0,1,notebook,,n,,,,,,,,,,,9", "1 of 0 cells"),
        (f"{FIRST}\n0,a,,0,1,notebook,,n\n0,a,,0,1,notebook,,n", "'n' is that of line 3"),
        (f"{FIRST}\n0,a,,60,1,robot", "'robot' is none"),
        ("0,,,60,,history,,9999-12-31T00:00:00+00:00", "no moment"),
        ("0,,,60,,history,,0001-01-01T00:00:00+14:00", "no moment"),
        (f"{FIRST}\n0,,,1,,moves,,,,,,,,,,,,,,out,,{10**10},1", "moves in all"),
        (f"{FIRST}\n0,,,2e9,,hours,,,,,,,,,,,,,,used\n0,,,2e9,,hours,,,,,,,,,,,,,,idle", "in all"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(row: str, said: str) -> None:
    with pytest.raises(TraceError, match=r"line [1-9]") as error:
        read_history([heading(), *row.splitlines()])
    assert said in str(error.value)


def a_card(hours: float, state: CardState, gpu_id: str = "c") -> PastCard:
    return PastCard(gpu_id, MONDAY + hours * HOUR, "node", 0, "H100", 81920, 1024, state)


def test_of_cards_from_before_the_last_state_counts() -> None:
    before = (
        a_card(-9, CardState.OPEN),
        a_card(-3, CardState.CLOSED),
        a_card(-5, CardState.OPEN, "d"),
    )
    gone = (a_card(-8, CardState.OPEN, "e"), a_card(-7, CardState.GONE, "e"))
    later = (a_card(1, CardState.OPEN), a_card(2, CardState.FAILED), a_card(3, CardState.GONE, "d"))
    history = History(MONDAY, MONDAY + DAYS, cards=(*before, *gone, *later))
    found = cards_of(history)
    assert {each.gpu_id: each.closed is None for each in found.first} == {"c": False, "d": True}
    assert [str(each.verb) for each in found.changes] == ["open", "fail", "take"]


def test_days_of_which_no_card_is_known_are_refused() -> None:
    with pytest.raises(NoCardsError, match="not begun to record"):
        cards_of(History(MONDAY, MONDAY + DAYS))


def test_speeds_of_nothing_are_those_that_are_said() -> None:
    said = CardSpeeds(suspend_mib_per_s=7, resume_mib_per_s=9)
    assert speeds_of(History(MONDAY, MONDAY + DAYS), said) == said


def test_a_job_on_several_cards_is_one() -> None:
    job = PastJob(AskedJob("j", MONDAY, "ada", cards=Fraction(4)), Answer(HOUR))
    history = History(MONDAY, MONDAY + DAYS, (job,))
    assert through_a_file(history).past == (job,)


def test_a_server_that_is_never_stopped_has_cells_without_end() -> None:
    cells = (Cell(timedelta(seconds=600.5), timedelta(seconds=30.25)),) * 20_000
    asked = replace(a_server("s", cells=cells), at=MONDAY)
    history = History(MONDAY, MONDAY + DAYS, (PastServer(asked, Answer(HOUR)),))
    (found,) = through_a_file(history).past
    assert found.asked == asked
