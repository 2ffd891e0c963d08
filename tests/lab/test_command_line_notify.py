"""``sublet notify``."""

import csv
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_quota.wire.announcements import (
    AnnouncementInfo,
    MadeAnnouncement,
    ShownAnnouncement,
)

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, share, sublet
from tests.support.terminals import sublet_at_a_terminal


def an_announcement(**values: Any) -> AnnouncementInfo:
    facts: dict[str, Any] = {
        "announcement_id": "1f0c9a2b",
        "text": "save your work",
        "audience": "owner",
        "name": "ada",
        "made_by": "root",
        "made_at": NOW,
        "until": NOW + timedelta(days=1),
    }
    return AnnouncementInfo(**{**facts, **values})


@pytest.mark.parametrize(
    ("options", "asked", "told"),
    [
        (("--owner", "ada"), ("owner", "ada"), "Told to ada until"),
        (("--group", "lab"), ("group", "lab"), "Told to group lab until"),
        (("--node", "dgx1"), ("node", "dgx1"), "Told to whoever has a slice on node dgx1 until"),
        (("--card", "dgx1:0"), ("card", "GPU-1"), "Told to whoever has a slice on card GPU-1"),
        (("--all",), ("all", None), "Told to everybody until"),
    ],
)
def test_somebody_is_told(
    service: FakeHubService, options: tuple[str, ...], asked: tuple[str, str | None], told: str
):
    service.answer("POST announcements", an_announcement(audience=asked[0], name=asked[1]), 201)
    shown = sublet("notify", *options, "save your work", "--until", "2d")
    assert shown.exit_code == 0, shown.output
    body = service.asked[-1].body
    name = options[1] if len(options) > 1 else None
    assert (body["audience"], body["name"], body["text"]) == (asked[0], name, "save your work")
    left = datetime.fromisoformat(body["until"]) - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    assert told in shown.output
    assert "sublet notify --withdraw 1f0c9a2b" in shown.output


def test_of_a_name_that_jupyterhub_does_not_know_is_warned(service: FakeHubService):
    warning = "JupyterHub has no user 'adda' yet (did you mean 'ada'?)"
    made = MadeAnnouncement(**an_announcement(name="adda").model_dump(), warning=warning)
    service.answer("POST announcements", made, 201)
    shown = sublet("notify", "--owner", "adda", "save your work").output
    assert shown.startswith(f"Warning: {warning}: nobody reads it until there is one.\n")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("hello",),
        ("hello", "--all", "--owner", "ada"),
        ("hello", "--all", "--list"),
        ("--list", "--all"),
        ("--list", "--withdraw", "x"),
        ("two\nlines", "--all"),
        ("x" * 501, "--all"),
        ("--withdraw", ""),
    ],
)
def test_what_makes_no_sense_is_not_sent(service: FakeHubService, options: tuple[str, ...]):
    assert sublet("notify", *options).exit_code == 2
    assert service.asked == []


def test_what_is_told_is_listed_and_taken_back(service: FakeHubService):
    found = [an_announcement(text="a\x1bb"), an_announcement(audience="all", name=None)]
    service.answer("GET announcements", found)
    shown = sublet("notify", "--list").output
    assert "a\\x1bb" in shown
    assert "everybody" in shown
    rows = list(csv.DictReader(sublet("notify", "--list", "--csv").output.splitlines()))
    assert [row["name"] for row in rows] == ["ada", ""]
    assert max(map(len, sublet_at_a_terminal(80, "notify", "--list"))) <= 80
    service.answer("GET announcements", [])
    assert sublet("notify", "--list").output == "Nothing is told to anybody.\n"
    service.answer("POST announcements/withdraw", an_announcement())
    assert sublet("notify", "--withdraw", "1f0c9a2b").output == "Taken back: save your work\n"
    assert service.asked[-1].body == {"announcement_id": "1f0c9a2b"}


def test_owners_read_it_with_their_share(service: FakeHubService):
    told = ShownAnnouncement(announcement_id="a", text="save\x1b your work", made_at=NOW, until=NOW)
    service.answer("GET share", share(announcements=(told,)))
    shown = sublet("share").output
    assert "From an admin, " in shown
    assert "save\\x1b your work" in shown
