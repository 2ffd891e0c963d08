"""``sublet close``, ``drain``, ``open`` and ``closings``."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_quota.wire.closings import ClosingInfo

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet
from tests.support.terminals import sublet_at_a_terminal


def a_closing(**values: Any) -> ClosingInfo:
    facts: dict[str, Any] = {
        "node": "dgx1",
        "gpu_id": "SIM-3",
        "gpu_index": 3,
        "reason": "fan",
        "closed_by": "root",
        "closed_at": NOW,
        "until": None,
        "drains": False,
        "notebooks": 2,
        "jobs": 1,
    }
    return ClosingInfo(**{**facts, **values})


def test_a_card_is_closed_and_what_is_there_is_told(service: FakeHubService):
    service.answer("POST closings", a_closing())
    shown = sublet("close", "dgx1:3", "--reason", "fan")
    assert shown.exit_code == 0, shown.output
    assert service.asked[-1].body == {"where": "dgx1:3", "reason": "fan", "until": None}
    assert "GPU 3 of dgx1 is closed to new slices and jobs until it is opened." in shown.output
    assert "Still there: 2 owners' slices, which go on; 1 job, which goes on." in shown.output
    assert sublet("close", "dgx1").exit_code == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("close", "dgx1", "--why", ""), "--why is empty: write at least one character"),
        (("drain", "", "--why", "fan"), "GPU-OR-NODE is empty: write at least one character"),
        (("drain", "dgx1", "--why", "x" * 1001), "--why is too long: write at most"),
        (("open", "dgx1", "--why", "x" * 1001), "--why is too long: write at most"),
    ],
)
def test_what_makes_no_sense_is_not_sent_and_told_in_words(
    service: FakeHubService, options: tuple[str, ...], told: str
):
    shown = sublet(*options)
    assert (shown.exit_code, told in shown.stderr) == (2, True)
    assert service.asked == []


def test_a_node_is_drained_until_a_time(service: FakeHubService):
    service.answer("POST closings", a_closing(gpu_id=None, gpu_index=None, drains=True, until=NOW))
    shown = sublet("drain", "dgx1", "--why", "fan", "--until", "2d")
    assert "Node dgx1 is closed" in shown.output
    assert "which goes back to the queue" in shown.output
    body = service.asked[-1].body
    assert body["drain"] is True
    left = datetime.fromisoformat(body["until"]) - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)


def test_a_day_as_an_end_is_in_the_closing(service: FakeHubService):
    service.answer("POST closings", a_closing())
    for text, expected in (
        ("2126-12-02", "2126-12-03T00:00"),
        ("2126-12-02 18:00", "2126-12-02T18:00"),
    ):
        assert sublet("close", "dgx1", "--why", "fan", "--until", text).exit_code == 0
        assert service.asked[-1].body["until"].startswith(expected)
    for wrong in ("soon", "0h", "2026-13-01", "9999-12-31"):
        assert sublet("close", "dgx1", "--why", "fan", "--until", wrong).exit_code == 2


def test_an_end_that_is_over_is_refused_as_it_was_written(service: FakeHubService):
    for text in ("2025-11-01", "2025-11-01 12:00"):
        shown = sublet("close", "dgx1", "--why", "fan", "--until", text)
        assert (shown.exit_code, f"'{text}' is over: give a later end" in shown.output) == (2, True)
    assert service.asked == []


def test_what_was_closed_is_opened_and_listed(service: FakeHubService):
    service.answer("POST closings/open", [a_closing(), a_closing(gpu_id=None)])
    shown = sublet("open", "dgx1", "--why", "mended").output
    assert shown.splitlines() == ["GPU 3 of dgx1 is open.", "Node dgx1 is open."]
    assert service.asked[-1].body == {"where": "dgx1", "reason": "mended"}
    service.answer("GET closings", [a_closing(reason="f\x1ban")])
    assert "f\\x1ban" in sublet("closings").output
    assert "SIM-3" in sublet("closings", "--csv").output
    service.answer("GET closings", [])
    assert sublet("closings").output == "Nothing is closed by an admin.\n"


def test_closings_stand_in_eighty_columns_each_with_its_end_on_a_line(service: FakeHubService):
    until = NOW + timedelta(days=1)
    service.answer("GET closings", [a_closing(node="gpu-node-17", until=until), a_closing()])
    lines = sublet_at_a_terminal(80, "closings")
    assert max(map(len, lines)) <= 80
    (row,) = (line for line in lines if line.startswith(" GPU 3 of gpu-node-17"))
    assert f"{until.astimezone():%m-%d %H:%M}" in row
    assert f"GPU 3 of dgx1: fan (root, {NOW.astimezone():%m-%d %H:%M})" in lines


def test_where_nothing_is_left_that_is_said(service: FakeHubService):
    service.answer("POST closings", a_closing(notebooks=0, jobs=0))
    assert "Still there: nothing." in sublet("drain", "dgx1:3", "--why", "fan").output


def test_a_drain_with_a_time_says_when_it_begins(service: FakeHubService):
    begins_at = datetime.now(UTC) + timedelta(hours=2)
    service.answer("POST closings", a_closing(drains=True, begins_at=begins_at))
    shown = sublet("drain", "dgx1:3", "--why", "fan", "--at", "2h")
    assert shown.exit_code == 0, shown.output
    sent = datetime.fromisoformat(service.asked[-1].body["begins_at"])
    assert abs(sent - begins_at) < timedelta(minutes=1)
    assert "GPU 3 of dgx1 will be closed at " in shown.output


@pytest.mark.parametrize("text", ["0:00", "18:00", "23:59"])
def test_a_time_of_the_day_is_the_next_one(service: FakeHubService, text: str):
    service.answer("POST closings", a_closing(drains=True))
    shown = sublet("drain", "dgx1:3", "--why", "fan", "--at", text)
    assert shown.exit_code == 0, shown.output
    sent = datetime.fromisoformat(service.asked[-1].body["begins_at"]).astimezone()
    assert f"{sent.hour}:{sent.minute:02}" == text
    now = datetime.now(UTC)
    assert now - timedelta(minutes=1) < sent < now + timedelta(hours=25)


@pytest.mark.parametrize("text", ["25:00", "soon", "2020-01-01"])
def test_what_is_no_time_to_come_is_not_sent(service: FakeHubService, text: str):
    shown = sublet("drain", "dgx1:3", "--why", "fan", "--at", text)
    assert shown.exit_code == 2
    assert service.asked == []
