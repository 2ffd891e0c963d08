"""The command ``sublet events``: everything that is kept can be reached, and followed."""

import csv
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_quota.wire.api import EventInfo

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import sublet
from tests.support.terminals import sublet_at_a_terminal

BEGAN = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def an_event(number: int, **values: Any) -> EventInfo:
    facts: dict[str, Any] = {
        "event_id": f"e-{number}",
        "at": BEGAN + timedelta(seconds=number),
        "kind": "suspended",
        "node": "node-a",
        "gpu_id": "SIM-0",
        "slice_id": "s-1",
        "for_slice_id": None,
        "owner": "ada",
        "bytes_mib": 8192,
        "took_s": 2.75,
        "detail": "",
    }
    return EventInfo(**{**facts, **values})


def test_events_beyond_the_newest_thousand_are_reached(service: FakeHubService):
    service.answer("GET events?limit=1000", [an_event(n) for n in range(1000, 2000)])
    service.headers["GET", "events?limit=1000"] = {"Sublet-Next": "17-e"}
    service.answer("GET events?limit=1000&before=17-e", [an_event(n) for n in range(500, 1000)])
    service.answer("GET events?limit=200&before=17-e", [an_event(n) for n in range(800, 1000)])
    everything = json.loads(sublet("events", "--all", "--json").output)
    assert [each["event_id"] for each in everything] == [f"e-{n}" for n in range(500, 2000)]
    some = json.loads(sublet("events", "--limit", "1200", "--json").output)
    assert [each["event_id"] for each in some] == [f"e-{n}" for n in range(800, 2000)]


def test_events_are_asked_for_between_two_times(service: FakeHubService):
    service.answer("GET events", [])
    shown = sublet("events", "--since", "2026-11-01", "--until", "2026-11-02 12:30")
    assert shown.output == "No events.\n"
    asked = service.asked[0].path
    assert "since=2026-11-01T00%3A00%3A00" in asked
    assert "until=2026-11-02T12%3A30%3A00" in asked


def test_events_as_values_have_a_line_each_and_no_text_that_a_spreadsheet_obeys(
    service: FakeHubService,
):
    service.answer("GET events", [an_event(1, detail="=1+1"), an_event(2, detail="a,b\nc")])
    lines = sublet("events", "--csv").output.splitlines()
    first, second = csv.DictReader(lines)
    assert (first["at"], first["detail"]) == ("2026-11-24T09:30:01+00:00", "'=1+1")
    assert (second["bytes_mib"], second["took_s"]) == ("8192", "2.75")
    assert second["detail"] == "a,b\\nc"


def test_who_follows_is_told_once_of_each_event_also_of_what_an_agent_tells_late(
    service: FakeHubService, monkeypatch: pytest.MonkeyPatch
):
    old, first, late, new = an_event(1), an_event(20), an_event(10), an_event(30, detail="\x9b2J")
    service.answer("GET events?limit=1", [first])
    service.answer("GET events", [old, first])
    rounds = iter(([old, late, first], [old, late, first, new]))

    def wait(seconds: float) -> None:
        del seconds
        told = next(rounds, None)
        if told is None:
            raise KeyboardInterrupt
        service.answer("GET events", list(told))

    monkeypatch.setattr("time.sleep", wait)
    shown = sublet("events", "--follow", "--limit", "1", "--json")
    told = [json.loads(line) for line in shown.stdout.splitlines() if line.startswith("{")]
    assert [each["event_id"] for each in told] == ["e-20", "e-10", "e-30"]
    # As JSON it is told whole, and no terminal obeys it.
    assert (told[-1]["detail"], shown.stdout.isascii()) == ("\x9b2J", True)


@pytest.mark.parametrize("more", [("--until", "2026-11-01"), ("--csv",)])
def test_what_goes_on_has_no_end(service: FakeHubService, more: tuple[str, ...]):
    assert sublet("events", "--follow", *more).exit_code == 2
    assert service.asked == []


def test_an_event_is_a_line_of_eighty_columns_without_the_slices_id(service: FakeHubService):
    told = [
        an_event(1, slice_id="f" * 32, kind="slice-as-before-no-more", node="gpu-node-17"),
        an_event(2, slice_id="e" * 32, owner="a-long-name@example.org", detail="pid 27447"),
    ]
    service.answer("GET events", told)
    lines = sublet_at_a_terminal(80, "events")
    assert max(map(len, lines)) <= 80
    (first,) = (line for line in lines if "slice-as-before-no-more" in line)
    assert "ada" in first
    (second,) = (line for line in lines if "pid 27447" in line)
    assert f"{told[1].at.astimezone():%m-%d %H:%M:%S}" in second
    assert "eee" not in "".join(lines)


LONG = (
    "it moves to GPU 3 of its node, where it is guaranteed its place, as soon as its owner is idle "
    "or another needs the room"
)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_long_detail_has_lines_of_its_own_over_the_whole_width(
    service: FakeHubService, columns: int
):
    told = [
        an_event(1, kind="slice-as-before-no-more", node="gpu-node-17", detail=LONG),
        an_event(2, slice_id="e" * 32, owner="a-long-name@example.org", detail="pid 27447"),
        an_event(3, slice_id="e" * 32, detail=""),
    ]
    service.answer("GET events", told)
    lines = sublet_at_a_terminal(columns, "events")
    assert max(map(len, lines)) <= columns
    at = next(n for n, line in enumerate(lines) if "slice-as-before-no-more" in line)
    second = next(n for n, line in enumerate(lines) if "pid 27447" in line)
    below = [line.strip() for line in lines[at + 1 : second]]
    assert " ".join(below) == LONG
    assert len(below) <= 2
    assert any("8 GiB" in line for line in lines[second + 1 :])


def test_a_detail_that_fits_stays_on_the_line_of_its_event(service: FakeHubService):
    service.answer("GET events", [an_event(1, detail="its owner runs a cell again")])
    lines = sublet_at_a_terminal(80, "events")
    assert any("suspended" in line and "its owner runs a cell again" in line for line in lines)


@pytest.mark.parametrize("command", ["events", "use", "refusals"])
@pytest.mark.parametrize("typed", ["yesterday", "2026-13-40", "10:30"])
def test_a_time_that_is_none_is_told_with_how_one_is_written(
    service: FakeHubService, command: str, typed: str
):
    refused = sublet(command, "--since", typed)
    assert refused.exit_code == 2
    assert f"'{typed}' is no time: write 2026-11-24, or '2026-11-24 09:30'" in refused.output
    assert "%" not in sublet(command, "--help").output
    assert service.asked == []


@pytest.mark.parametrize(
    ("typed", "bounds"),
    [
        (("events", "--limit", "x"), "'x' is no number that fits here: write 1 or more"),
        (("events", "--limit", "0"), "'0' is no number that fits here: write 1 or more"),
        (("keep", "soon"), "'soon' is no number that fits here: write one from 1 to 1440"),
        (("keep", "1441"), "'1441' is no number that fits here: write one from 1 to 1440"),
    ],
)
def test_a_number_that_is_none_is_told_with_its_bounds(
    service: FakeHubService, typed: tuple[str, ...], bounds: str
):
    refused = sublet(*typed)
    assert (refused.exit_code, bounds in refused.output) == (2, True)
    assert service.asked == []
