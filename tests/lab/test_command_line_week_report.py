"""``sublet use report``."""

import json

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import sublet
from tests.support.week_bodies import week_report


def test_a_week_is_asked_for_by_group_and_zone_and_shown_as_text(service: FakeHubService):
    service.answer("GET use/report", week_report())
    options = ("--week", "2026-W48", "--zone", "Europe/Berlin", "--of", "vision")
    shown = sublet("use", "report", *options).output
    asked = "use/report?week=2026-W48&zone=Europe%2FBerlin&group=vision"
    assert service.asked[-1].path.endswith(asked)
    assert shown.startswith("GPUs in week 2026-W48, by group\nMon 2026-11-23 to Sun 2026-11-29")
    assert "\x1b" not in shown


def test_it_is_had_as_a_page_and_as_json(service: FakeHubService):
    service.answer("GET use/report", week_report())
    page = sublet("use", "report", "--html").stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "<img" not in page
    assert json.loads(sublet("use", "report", "--json").stdout)["week"] == "2026-W48"
    both = sublet("use", "report", "--json", "--html")
    assert (both.exit_code, "do not go together" in both.output) == (2, True)


def test_it_is_sent_to_oneself_and_said_what_came_of_it(service: FakeHubService):
    sent = {"channel": "mail", "week": "2026-W48", "was_sent": True}
    service.answer("POST use/report/trial", sent)
    shown = sublet("use", "report", "--send", "mail", "--of", "vision")
    assert shown.output == "The report of 2026-W48 was sent by mail.\n"
    asked = service.asked[-1].body
    assert (asked["channel"], asked["group"]) == ("mail", "vision")
    service.answer("POST use/report/trial", {**sent, "was_sent": False, "problem": "no \x1b[1m"})
    failed = sublet("use", "report", "--send", "mail")
    assert (failed.exit_code, "it was not sent by mail: no " in failed.output) == (1, True)
    assert "\x1b" not in failed.output
    assert sublet("use", "report", "--send", "mail", "--zone", "UTC").exit_code == 2
