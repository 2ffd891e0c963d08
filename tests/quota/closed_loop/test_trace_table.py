"""A trace as a table: what its rows ask for, and what is wrong with one that cannot be read."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks import trace_table
from sublet_quota.closed_loop.asks.asked import AskedJob, AskedServer
from sublet_quota.closed_loop.asks.trace_row import TraceError
from sublet_quota.closed_loop.asks.trace_table import read_trace, written_trace
from sublet_quota.closed_loop.people import Habits, Person, days_of

from tests.support.loop_cases import HOUR, MONDAY

HEAD = "arrival,owner,group,duration,size"
FULL = f"{HEAD},kind,gpu_type"


def table(*rows: str, head: str = FULL) -> list[str]:
    return [head, *rows]


def test_a_row_is_a_job_unless_it_says_notebook() -> None:
    (job,) = read_trace(table("60.5,bob,nlp,3600,1/2", head=HEAD), MONDAY)
    assert job == AskedJob(
        name="job/2/0",
        at=MONDAY + timedelta(seconds=60.5),
        owner="bob",
        groups=("nlp",),
        works=HOUR,
        cards=Fraction(1, 2),
    )


def test_a_notebook_s_cells_are_drawn_and_fill_its_time() -> None:
    row = "0,ada,vision nlp,86400,0.25,notebook,H100"
    (server,) = read_trace(table(row), MONDAY, seed=4)
    assert isinstance(server, AskedServer)
    assert (server.groups, server.cards, server.gpu_type) == (
        ("vision", "nlp"),
        Fraction(1, 4),
        "H100",
    )
    lasts = sum((cell.thinks + cell.works for cell in server.cells), timedelta())
    assert timedelta(hours=12) < lasts <= timedelta(days=1)
    assert read_trace(table(row), MONDAY, seed=4) == (server,)
    assert read_trace(table(row), MONDAY, seed=5) != (server,)


def test_a_notebook_can_ask_for_a_size_by_name() -> None:
    (server,) = read_trace(table("0,ada,,60,small,notebook,"), MONDAY)
    assert isinstance(server, AskedServer)
    assert (server.size, server.cards, server.groups) == ("small", None, ())


def test_a_job_of_several_cards_is_one_job_and_a_notebook_as_many_of_one() -> None:
    (job,) = read_trace(table("0,ada,a,60,3,,"), MONDAY)
    assert (job.name, job.cards) == ("job/2/0", 3)
    found = read_trace(table("0,ada,a,60,3,notebook,"), MONDAY)
    assert [each.name for each in found] == [f"notebook/2/{n}" for n in range(3)]
    assert {each.cards for each in found} == {1}


WRONG = {
    "a size that is no number": ("0,ada,a,60,large,job,", "line 2, size: 'large'"),
    "no cards": ("0,ada,a,60,0,job,", "line 2, size: 0 cards"),
    "more cards than one can mean": ("0,ada,a,60,99999,job,", "line 2, size: 99999"),
    "one card and a half": ("0,ada,a,60,1.5,job,", "line 2, size: 1.5 cards"),
    "a division by zero": ("0,ada,a,60,1/0,job,", "line 2, size: '1/0'"),
    "a time that is no number": ("soon,ada,a,60,1,job,", "line 2, arrival: 'soon'"),
    "a time before the beginning": ("-1,ada,a,60,1,job,", "line 2, arrival: -1"),
    "an endless time": ("0,ada,a,inf,1,job,", "line 2, duration: 'inf'"),
    "no number at all": ("0,ada,a,nan,1,job,", "line 2, duration: 'nan'"),
    "an unknown kind": ("0,ada,a,60,1,pod,", "line 2, kind: 'pod'"),
    "nobody": ("0,,a,60,1,job,", "line 2, owner"),
    "a number that would fill all memory": (
        "0,ada,a,60,1e999999999,job,",
        "line 2, size: '1e999999999' is no number of cards",
    ),
    "a moment that no calendar has": ("1e13,ada,a,60,1,job,", "line 2, arrival: '1e13'"),
    "a life time of computing": ("0,ada,a,1e10,1,job,", "line 2, duration: '1e10'"),
    "a life time at a notebook": ("0,ada,a,1e10,,notebook,", "line 2, duration: '1e10'"),
    "a row that ends early": ("0,ada,a", "line 2, duration: ''"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_told_with_line_and_column(name: str) -> None:
    row, words = WRONG[name]
    with pytest.raises(TraceError) as told:
        read_trace(table(row), MONDAY)
    assert words in str(told.value)


@pytest.mark.parametrize("head", ["arrival,owner", f"{HEAD},colour", ""])
def test_columns_that_are_missing_or_unknown_are_told(head: str) -> None:
    with pytest.raises(TraceError, match="columns missing"):
        read_trace([head, "0,ada,a,60,1"], MONDAY)


def test_a_person_s_days_hang_on_nobody_else() -> None:
    ada, bob = Person("ada", ("a",)), Person("bob", ("b",))
    both = days_of([ada, bob], MONDAY, MONDAY + timedelta(days=7), 3)
    alone = days_of([bob], MONDAY, MONDAY + timedelta(days=7), 3)
    assert set(alone) == {each for each in both if each.owner == "bob"}
    assert {each.owner for each in both} == {"ada", "bob"}


def test_people_come_on_working_days_and_leave_in_the_end() -> None:
    habits = Habits(comes_today=1, on_weekends=0, jobs_a_day=0, forgets=0)
    asked = days_of([Person("ada", (), habits)], MONDAY, MONDAY + timedelta(days=14), 1)
    assert [each.at.weekday() for each in asked] == [*range(5), *range(5)]
    assert all(8 <= each.at.hour < 11 for each in asked)
    servers = [each for each in asked if isinstance(each, AskedServer)]
    assert all(each.stays < HOUR for each in servers)
    assert sum(len(each.cells) for each in servers) > 50


WRITTEN = (
    f"{HEAD},kind,gpu_type,name,cells,stays,fills,patience,priority,max_run,named",
    "0,ada,vision nlp,,1/2,notebook,,mine,60+12.5 0+3,30,1/3,600",
    "1.5,bob,,3600,1,job,H100,train,,,,,2,7200",
    '2,"a, b",nlp,0,small,notebook,,other,,0,1,0',
)


def test_a_notebook_s_cells_and_all_else_can_be_said() -> None:
    server, job, other = read_trace(WRITTEN, MONDAY)
    assert isinstance(server, AskedServer)
    assert server.name == "mine"
    assert [(c.thinks.total_seconds(), c.works.total_seconds()) for c in server.cells] == [
        (60, 12.5),
        (0, 3),
    ]
    assert (server.stays, server.fills) == (timedelta(seconds=30), Fraction(1, 3))
    assert server.patience == timedelta(minutes=10)
    assert isinstance(job, AskedJob)
    assert (job.priority, job.max_run) == (2, 2 * HOUR)
    assert other.owner == "a, b"


def test_what_is_written_is_read_as_it_was() -> None:
    asked = read_trace(WRITTEN, MONDAY)
    assert list(written_trace(asked, MONDAY)) == list(WRITTEN)
    drawn = days_of([Person("ada", ("a",))], MONDAY, MONDAY + timedelta(days=7), 3)
    assert read_trace(written_trace(drawn, MONDAY), MONDAY) == drawn


CELLS = '"cells": [[60, 12.5], [0, 3]]'


def test_json_lines_say_the_same() -> None:
    lines = (
        '{"arrival": 0, "owner": "ada", "group": ["vision", "nlp"], "size": 0.5, "fills": "1/3",',
        '{"arrival": 1.5, "owner": "bob", "duration": 3600, "size": 1, "gpu_type": "H100",',
        '{"arrival": 2, "owner": "a, b", "group": "nlp", "duration": 0, "size": "small",',
    )
    more = (
        f' "kind": "notebook", "name": "mine", {CELLS}, "stays": 30, "patience": 600}}',
        ' "name": "train", "priority": 2, "max_run": 7200, "group": null}',
        ' "kind": "notebook", "name": "other", "stays": 0, "fills": 1, "patience": 0}',
    )
    rows = [first + rest for first, rest in zip(lines, more, strict=True)]
    assert read_trace(rows, MONDAY) == read_trace(WRITTEN, MONDAY)


WRONG_LINES = {
    "no JSON": ('{"arrival": 0,', "line 2: no JSON"),
    "no object": ("[1, 2]", "line 2: '[1, 2]' is no object"),
    "an unknown key": ('{"arival": 0}', "line 2: keys unknown: ['arival']"),
    "a cell that is no pair": (
        '{"arrival": 0, "owner": "a", "kind": "notebook", "cells": [[1]]}',
        "line 2, cells: [1] is no pair",
    ),
    "what is nested without end": ("[" * 100_000, "line 2: no JSON"),
    "a number without end": (
        '{"arrival": 0, "owner": "a", "size": 1e400, "duration": 1}',
        "line 2, size: 'inf' is no number of cards",
    ),
    "a value of no kind": ('{"arrival": {}, "owner": "a"}', "line 2, arrival: {} is neither"),
    "a name that is there": (
        '{"arrival": 0, "owner": "a", "size": 1, "duration": 1, "name": "x"}',
        "line 2, name: 'x' is that of line 1, too",
    ),
}


@pytest.mark.parametrize("name", WRONG_LINES)
def test_a_line_of_json_that_cannot_be_read_is_told(name: str) -> None:
    line, words = WRONG_LINES[name]
    first = '{"arrival": 0, "owner": "a", "size": 1, "duration": 1, "name": "x"}'
    with pytest.raises(TraceError) as told:
        read_trace([first, line], MONDAY)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("cells", "60", "cells: '60': write THINKS+WORKS"),
        ("fills", "2", "fills: 2: from 0 to 1"),
        ("fills", "half", "fills: 'half' is no part"),
        ("fills", "1e999999999", "fills: '1e999999999' is no part"),
        ("cells", "1e300+1", "cells: '1e300' is no number of seconds"),
        ("patience", "long", "patience: 'long' is no number of seconds"),
        ("name", "a+", "name: 'a+' ends in '+'"),
    ],
)
def test_a_notebook_s_columns_that_cannot_be_meant_are_told(
    column: str, value: str, words: str
) -> None:
    with pytest.raises(TraceError, match="line 2") as told:
        read_trace([f"{FULL},{column}", f"0,ada,,60,,notebook,,{value}"], MONDAY)
    assert words in str(told.value)


def test_a_row_with_more_cells_than_columns_is_told() -> None:
    with pytest.raises(TraceError, match="line 2: more cells than there are columns"):
        read_trace([HEAD, "0,ada,a,60,1,job"], MONDAY)


def test_a_short_table_that_asks_for_very_many_is_refused_before_all_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace_table, "_MOST", 10)
    jobs = table("0,ada,a,60,5,job,", "0,ada,a,60,5,job,", "0,bob,a,60,1024,job,")
    with pytest.raises(
        TraceError, match="line 4: these are more than 10 servers, cells and jobs' cards"
    ):
        read_trace(jobs, MONDAY)
    cells = ["arrival,owner,group,duration,size,kind,cells", "0,ada,,,,notebook," + "1+1 " * 10]
    with pytest.raises(TraceError, match="line 2: these are more than 10"):
        read_trace(cells, MONDAY)
