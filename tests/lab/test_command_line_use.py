"""``sublet use``."""

import csv

import pytest
from sublet_quota.wire.use import KindHours, UseReport, UseRow

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet
from tests.support.terminals import sublet_at_a_terminal

ROWS = (
    UseRow(
        of={"owner": "ada", "type": "H100"}, slice_hours=12.34, card_hours=3, memory_gib_hours=240
    ),
    UseRow(
        of={"owner": "=bob", "type": "L4"},
        slice_hours=1,
        card_hours=1,
        memory_gib_hours=22,
        busy_hours=0.5,
        lent_hours=0,
        energy_wh=1500,
    ),
)


@pytest.fixture
def service(service: FakeHubService) -> FakeHubService:
    service.answer("GET use", UseReport(since=NOW, until=NOW, rows=ROWS))
    return service


def test_use_is_shown_by_what_is_asked_for(service: FakeHubService):
    shown = sublet("use", "--by", "owner", "--by", "type", "--since", "2026-11-01")
    assert shown.exit_code == 0, shown.output
    assert "since=2026-11-01T00" in service.asked[-1].path
    assert service.asked[-1].path.endswith("by=owner&by=type")
    ada, bob = (line.split() for line in shown.output.splitlines()[-2:])
    assert ada == ["ada", "H100", "12.3", "3.0", "240.0", "-", "-", "-"]
    assert bob == ["=bob", "L4", "1.0", "1.0", "22.0", "0.5", "0.0", "1.5"]


def test_use_as_values_has_all_numbers(service: FakeHubService):
    rows = list(csv.DictReader(sublet("use", "--by", "owner", "--csv").stdout.splitlines()))
    assert [(row["owner"], row["card_hours"]) for row in rows] == [("ada", "3.0"), ("'=bob", "1.0")]
    assert [row["energy_wh"] for row in rows] == ["", "1500.0"]
    assert sublet("use", "--by", "mood").exit_code == 2
    assert len(service.asked) == 1


OF_KINDS = UseRow(
    of={"group": "lab", "day": "2026-11-24"},
    slice_hours=12,
    card_hours=6,
    memory_gib_hours=240,
    kinds=KindHours(
        held=6, used=3, idle=1.25, lent=1.5, suspended=0.25, borrowed=2, charged=4.5, credited=0.5
    ),
)


def test_by_kind_names_stand_unfolded_in_eighty_columns(service: FakeHubService):
    kinds = OF_KINDS.kinds.model_copy(update={"held": 12345.6, "used": 12345.6})
    row = OF_KINDS.model_copy(update={"of": {"group": "robotics", "type": "H100"}, "kinds": kinds})
    service.answer("GET use", UseReport(since=NOW, until=NOW, rows=(row,)))
    lines = sublet_at_a_terminal(80, "use", "--by", "kind", "--by", "group", "--by", "type")
    assert max(map(len, lines)) <= 80
    told = [line.split() for line in lines if "H100" in line]
    assert told == [
        ["robotics", "H100", "12345.6", "12345.6", "1.2", "1.5", "0.2"],
        ["robotics", "H100", "12345.6", "2.0", "4.5", "0.5"],
    ]


def test_by_kind_each_row_tells_what_became_of_the_hours(service: FakeHubService):
    service.answer("GET use", UseReport(since=NOW, until=NOW, rows=(OF_KINDS,)))
    shown = sublet("use", "--by", "group", "--by", "kind", "--by", "day")
    assert shown.exit_code == 0, shown.output
    assert service.asked[-1].path.endswith("by=group&by=kind&by=day")
    heads, row = (line.split() for line in shown.output.splitlines()[-2:])
    assert heads[2:] == [
        "HELD",
        "USED",
        "IDLE",
        "LENT",
        "SUSPENDED",
        "BORROWED",
        "CHARGED",
        "CREDITED",
    ]
    assert row == ["lab", "2026-11-24", "6.0", "3.0", "1.2", "1.5", "0.2", "2.0", "4.5", "0.5"]


def test_by_kind_as_values_has_the_kinds_alone(service: FakeHubService):
    service.answer("GET use", UseReport(since=NOW, until=NOW, rows=(OF_KINDS,)))
    (row,) = csv.DictReader(sublet("use", "--by", "kind", "--by", "group", "--csv").stdout.split())
    assert list(row) == ["group", *KindHours.model_fields]
    assert (row["group"], row["idle"], row["credited"]) == ("lab", "1.25", "0.5")


def test_where_nothing_was_held_that_is_said_in_words(service: FakeHubService):
    service.answer("GET use", UseReport(since=NOW, until=NOW, rows=()))
    shown = sublet("use").output
    assert shown.startswith("Nothing was held from ")
    assert shown.count("\n") == 1


@pytest.mark.parametrize("command", ["use", "events"])
def test_an_end_that_is_not_after_the_begin_is_refused_as_it_was_typed(
    service: FakeHubService, command: str
):
    shown = sublet(command, "--since", "2026-11-20", "--until", "2026-11-19 12:00")
    assert shown.exit_code == 2
    assert "--until 2026-11-19 12:00 is not after --since 2026-11-20 00:00" in shown.output
    assert service.asked == []
