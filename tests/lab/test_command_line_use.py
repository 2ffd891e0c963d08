"""``sublet use``."""

import csv

import pytest
from sublet_quota.wire.use import UseReport, UseRow

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet

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
