"""``sublet waits``."""

import csv
import json
from typing import Any

from sublet_quota.wire.decision import ToldHelp
from sublet_quota.wire.waits import Loan, LoanParty, WaitForOwner, Waiting, WaitsReport

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import sublet
from tests.support.terminals import sublet_at_a_terminal

AT = "2026-11-24T09:30:00Z"


def a_waiting(**values: Any) -> Waiting:
    facts = {
        "kind": "job",
        "owner": "ada",
        "job_id": "j1",
        "since": AT,
        "code": "too-little-idle",
        "reason": "needs 40 GiB, and no GPU lends more than 4 GiB now",
        "place": 3,
        "helps": (ToldHelp(kind="less", words="ask for 4 GiB, 1 GPU or less"),),
    }
    return Waiting(**{**facts, **values})


def a_loan(**values: Any) -> Loan:
    facts = {
        "kind": "idle-slice",
        "borrower": LoanParty(words="a job of ada"),
        "lender": LoanParty(words="bob"),
        "node": "node-a",
        "gpu_index": 1,
        "gpu_type": "H100",
        "cards": 0.25,
        "memory_mib": 1024,
        "since": AT,
        "held_since": AT,
    }
    return Loan(**{**facts, **values})


def a_body(waiting: tuple[Waiting, ...] = (), loans: tuple[Loan, ...] = (), total: int = 0) -> Any:
    found = WaitsReport(
        as_of=AT,  # type: ignore[arg-type]
        waiting=waiting,
        loans=loans,
        sums=(),
        total_waiting=total or len(waiting),
        total_loans=len(loans),
    )
    return found.model_dump(mode="json")


def test_what_waits_is_told_with_its_reason_and_what_helps(service: FakeHubService):
    service.answer("GET waits", a_body((a_waiting(waits_for=("bob", "another owner")),)))
    told = sublet("waits")
    assert told.exit_code == 0
    assert "too-little-idle" in told.output
    assert "bob, another owner" in told.output
    assert "job j1: needs 40 GiB, and no GPU lends more than 4 GiB now" in told.output
    assert "  What helps: ask for 4 GiB, 1 GPU or less" in told.output


def test_who_has_whose_room_is_told(service: FakeHubService):
    service.answer("GET waits", a_body(loans=(a_loan(),)))
    told = sublet("waits").output
    assert told.startswith("Nothing waits.\nWho has whose room:\n")
    (row,) = [line.split() for line in told.splitlines() if "idle-slice" in line]
    assert row[:8] == ["a", "job", "of", "ada", "bob", "idle-slice", "0.25", "H100"]
    assert row[8] == "node-a:1"


def test_who_waits_for_ones_own_slices_is_told(service: FakeHubService):
    one = WaitForOwner(
        kind="cell",
        who="another owner",
        since=AT,  # type: ignore[arg-type]
        slice_id="s1",
        node="node-a",
        gpu_index=1,
    )
    service.answer("GET waits", {**a_body(), "for_owner": [one.model_dump(mode="json")]})
    told = sublet("waits").output
    assert told.startswith("Nothing waits.\nWho waits for these slices:\n")
    (row,) = [line.split() for line in told.splitlines() if "another owner" in line]
    assert row[:3] == ["another", "owner", "cell"]
    assert row[-2:] == ["s1", "node-a:1"]


def test_of_all_a_line_each_is_told_and_how_many_more_there_are(service: FakeHubService):
    service.answer("GET waits?all=1", a_body((a_waiting(),), total=5))
    lines = sublet_at_a_terminal(100, "waits", "--all")
    assert max(map(len, lines)) <= 100
    assert "These are the first 1 of 5." in lines
    assert not any("What helps" in line for line in lines)


def test_nothing_of_anybody_waits(service: FakeHubService):
    service.answer("GET waits?all=1", a_body())
    assert sublet("waits", "--all").output == "Nobody waits.\n"


def test_names_of_others_are_no_commands_for_a_terminal_nor_formulas(service: FakeHubService):
    service.answer("GET waits?owner=eve", a_body((a_waiting(owner="=1+1", reason="\x1b[2J"),)))
    assert "\x1b" not in sublet("waits", "--owner", "eve").output
    rows = list(csv.DictReader(sublet("waits", "--owner", "eve", "--csv").output.splitlines()))
    assert [row["owner"] for row in rows] == ["'=1+1"]
    assert rows[0]["helps"] == "ask for 4 GiB, 1 GPU or less"


def test_loans_as_csv_name_both_sides(service: FakeHubService):
    service.answer("GET waits", a_body(loans=(a_loan(since=None),)))
    (row,) = csv.DictReader(sublet("waits", "--csv", "--loans").output.splitlines())
    assert (row["borrower"], row["lender"], row["since"]) == ("a job of ada", "bob", "")


def test_json_is_as_the_service_sends_it(service: FakeHubService):
    body = a_body((a_waiting(),), (a_loan(),))
    service.answer("GET waits", body)
    assert json.loads(sublet("waits", "--json").output) == body


def test_wrong_usage_is_refused():
    assert sublet("waits", "--loans").exit_code == 2
    assert sublet("waits", "--all", "--owner", "bob").exit_code == 2
