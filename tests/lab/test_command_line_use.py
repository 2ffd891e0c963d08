"""``sublet use``."""

import csv
from datetime import date

import pytest
from sublet_quota.wire.use import (
    CarbonFactors,
    KindHours,
    LimitsReport,
    ProposedLimit,
    UseReport,
    UseRow,
    WaitedReport,
    WaitedRow,
)

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


def test_carbon_is_shown_with_what_it_is_reckoned_by(service: FakeHubService):
    factors = CarbonFactors(
        pue=1.2, g_per_kwh=350, source="the grid\x1b[2J", as_of=date(2026, 1, 31)
    )
    rows = (ROWS[1].model_copy(update={"carbon_g": 630}), ROWS[0])
    service.answer("GET use", UseReport(since=NOW, until=NOW, carbon=factors, rows=rows))
    lines = sublet("use").output.splitlines()
    assert [line.split()[-1] for line in lines[-3:-1]] == ["0.6", "-"]
    assert lines[-1] == (
        "CO2 is the energy x 1.2 (the whole house) x 350 g for a kWh, by the grid\\x1b[2J, "
        "2026-01-31."
    )


def test_hours_of_a_zone_and_of_somebody_are_asked_for(service: FakeHubService):
    asked = sublet("use", "--by", "week", "--zone", "Europe/Berlin", "--owner", "bob")
    assert asked.exit_code == 0, asked.output
    assert service.asked[-1].path.endswith("use?by=week&zone=Europe%2FBerlin&owner=bob")


def test_waits_are_shown_with_median_and_95th(service: FakeHubService):
    row = WaitedRow(
        kind="job",
        of={"group": "=lab"},
        count=40,
        at_once=3,
        median_s=12.34,
        p95_s=600,
        longest_s=900,
    )
    service.answer("GET use/waits", WaitedReport(since=NOW, until=NOW, rows=(row,)))
    shown = sublet("use", "waits", "--by", "group")
    assert service.asked[-1].path.endswith("use/waits?by=group")
    assert shown.output.splitlines()[-1].split() == [
        *("job", "=lab", "40", "3", "12.3", "600.0", "900.0")
    ]
    (values,) = csv.DictReader(sublet("use", "waits", "--by", "group", "--csv").stdout.split())
    assert (values["group"], values["p95_s"]) == ("'=lab", "600.0")
    service.answer("GET use/waits", WaitedReport(since=NOW, until=NOW, rows=()))
    assert sublet("use", "waits").output.startswith("Nothing was waited for from ")


def test_limits_by_past_use_are_shown(service: FakeHubService):
    limit = ProposedLimit(
        group=None, gpu_type="H100", of_each=True, cards=1.5, most=4, held_hours=90
    )
    report = LimitsReport(since=NOW, until=NOW, refused_percent=5, limits=(limit,))
    service.answer("GET use/limits", report)
    shown = sublet("use", "limits", "--percent", "5").output
    assert service.asked[-1].path.endswith("use/limits?percent=5")
    assert "would have refused 5 % of the hours" in shown
    assert shown.splitlines()[-1].split() == [
        *("-", "H100", "of", "each", "member", "1.50", "4.00", "90.0")
    ]
    (values,) = csv.DictReader(sublet("use", "limits", "--csv").stdout.splitlines())
    assert (values["group"], values["cards"]) == ("", "1.5")
