"""``sublet refusals``."""

import csv
import json
from typing import Any

from sublet_quota.wire.refusals import RefusalInfo, RefusalSum

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet
from tests.support.terminals import sublet_at_a_terminal

WHY = "There is no room for 40 GiB now: the most that is free on one GPU is 12 GiB. Try later."


def a_refusal(number: int = 1, **values: Any) -> RefusalInfo:
    facts: dict[str, Any] = {
        "refusal_id": f"r-{number}",
        "owner": "ada",
        "holder": "notebook",
        "groups": ("lab", "vision"),
        "size": None,
        "memory_mib": 40960,
        "compute_milli": 500,
        "gpus": None,
        "gpu_type": "H100",
        "pool": "interactive",
        "code": "no-room",
        "numbers": {"free_mib": 12288},
        "message": WHY,
        "times": 3,
        "first_at": NOW,
        "last_at": NOW,
    }
    return RefusalInfo(**{**facts, **values})


def test_refusals_are_asked_for_by_owner_code_and_time(service: FakeHubService):
    service.answer("GET refusals", [])
    options = ("--owner", "ada", "--code", "no-room", "--since", "2026-11-01")
    assert sublet("refusals", *options).output == "Nothing was refused.\n"
    asked = service.asked[0].path
    for part in ("owner=ada", "code=no-room", "since=2026-11-01T00%3A00%3A00", "limit=50"):
        assert part in asked


def test_refusals_beyond_one_page_are_reached_the_newest_first(service: FakeHubService):
    service.answer("GET refusals?limit=1000", [a_refusal(n) for n in range(1000)])
    service.headers["GET", "refusals?limit=1000"] = {"Sublet-Next": "17-r"}
    service.answer("GET refusals?limit=1000&before=17-r", [a_refusal(1000)])
    found = json.loads(sublet("refusals", "--all", "--json").output)
    assert [each["refusal_id"] for each in found] == [f"r-{n}" for n in range(1001)]


def test_a_refusal_says_what_was_asked_for_and_why_not(service: FakeHubService):
    service.answer(
        "GET refusals",
        [
            a_refusal(),
            a_refusal(2, size="small", gpu_type=None, pool=None, compute_milli=None),
            a_refusal(3, holder="job", memory_mib=None, gpus=2, compute_milli=1000, pool=None),
            a_refusal(4, memory_mib=-5, owner="e\x1bve"),
        ],
    )
    shown = sublet("refusals").output
    assert "40 GiB, 50 %, H100, pool interactive" in shown
    assert "small" in shown
    assert "a whole GPU, 2 GPUs, H100" in shown
    assert "less than none" in shown
    assert "e\\x1bve" in shown
    assert WHY in shown


def test_at_a_narrow_terminal_the_sentences_stand_below_once_each(service: FakeHubService):
    service.answer("GET refusals", [a_refusal(n, owner="ada", pool=None) for n in range(5)])
    lines = sublet_at_a_terminal(80, "refusals")
    assert (
        max(len(line) for line in lines if "no-room:" not in line and WHY[-20:] not in line) <= 80
    )
    text = " ".join(lines)
    assert text.count("no-room: ") == 1
    rows = [line for line in lines if line.rstrip().endswith("no-room")]
    assert len(rows) == 5


def test_refusals_as_values_have_a_line_each(service: FakeHubService):
    service.answer("GET refusals", [a_refusal(message="=1+1")])
    (row,) = csv.DictReader(sublet("refusals", "--csv").output.splitlines())
    assert (row["owner"], row["times"], row["memory_mib"]) == ("ada", "3", "40960")
    assert (row["groups"], row["numbers"]) == ("lab, vision", '{"free_mib": 12288}')
    assert row["message"] == "'=1+1"


def test_a_summary_tells_how_often_each_code_was_told(service: FakeHubService):
    sums = [RefusalSum(code="no-room", times=7, owners=2, last_at=NOW)]
    service.answer("GET refusals/sums", sums)
    shown = sublet("refusals", "--summary", "--owner", "ada").output
    assert "no-room" in shown
    assert "owner=ada" in service.asked[0].path
    (row,) = csv.DictReader(sublet("refusals", "--summary", "--csv").output.splitlines())
    assert (row["code"], row["times"], row["owners"]) == ("no-room", "7", "2")
    service.answer("GET refusals/sums", [])
    assert sublet("refusals", "--summary").output == "Nothing was refused.\n"
