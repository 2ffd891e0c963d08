"""``sublet queue``."""

import json

from sublet_quota.wire.api import TOTAL

from tests.support.fake_hub_service import FakeHubService
from tests.support.fake_service import a_wait
from tests.support.lab_bodies import sublet
from tests.support.terminals import sublet_at_a_terminal


def test_who_waits_is_told_with_place_and_words(service: FakeHubService):
    service.answer("GET queue", [a_wait(server="big"), a_wait(place=4, size=None)])
    told = sublet("queue")
    assert told.exit_code == 0
    assert "big" in told.output
    assert "(default)" in told.output
    assert "amounts" in told.output
    assert "ada/big: Your notebook is in line, at place 3." in told.output


def test_all_who_wait_are_a_line_each_of_eighty_columns_and_no_name_is_folded(
    service: FakeHubService,
):
    owners = [f"student-{number:03}" for number in range(3)]
    service.answer("GET queue?all=1", [a_wait(owner=owner) for owner in owners])
    lines = sublet_at_a_terminal(80, "queue", "--all")
    rows = [line.split() for line in lines if "(default)" in line]
    assert [row[1] for row in rows] == owners
    assert max(map(len, lines)) <= 80
    assert not any("Your notebook" in line for line in lines)


def test_nobody_in_line_is_told(service: FakeHubService):
    service.answer("GET queue", [])
    service.answer("GET queue?all=1", [])
    assert sublet("queue").output == "Nothing waits in line.\n"


def test_who_may_not_see_others_is_told_that_nothing_waits(service: FakeHubService):
    service.answer("GET queue", [])
    problem = {"reason": "not-allowed", "message": "only admins see all who wait", "numbers": {}}
    service.answer("GET queue?all=1", problem, 403)
    told = sublet("queue")
    assert (told.exit_code, told.output) == (0, "Nothing waits in line.\n")


def test_an_admin_of_whom_nothing_waits_is_told_how_many_others_do(service: FakeHubService):
    service.answer("GET queue", [])
    service.answer("GET queue?all=1", [a_wait(), a_wait(place=4)])
    assert sublet("queue").output == (
        "Nothing of yours waits in line; 2 notebooks of others do: `sublet queue --all` shows "
        "them.\n"
    )
    assert json.loads(sublet("queue", "--json").output) == []


def test_admins_ask_for_all_or_for_somebodys(service: FakeHubService):
    service.answer("GET queue?all=1", [a_wait()])
    service.answer("GET queue?owner=ada", [])
    (found,) = json.loads(sublet("queue", "--all", "--json").output)
    assert found["place"] == 3
    assert sublet("queue", "--owner", "ada").exit_code == 0


def test_a_server_is_taken_out_of_the_line(service: FakeHubService):
    service.answer("DELETE queue", None, 204)
    service.answer("DELETE queue?owner=ada&server=big+one", None, 204)
    assert sublet("queue", "leave").output == "The default server is in line no more.\n"
    told = sublet("queue", "leave", "big one", "--owner", "ada").output
    assert told == "The server big one of ada is in line no more.\n"


def test_what_is_not_in_line_is_told(service: FakeHubService):
    problem = {"reason": "not-found", "message": "there is no server 'ada/' in line", "numbers": {}}
    service.answer("DELETE queue", problem, 404)
    told = sublet("queue", "leave")
    assert told.exit_code == 1
    assert "no server 'ada/' in line" in told.output


def test_of_a_long_line_is_told_how_many_wait_in_all(service: FakeHubService):
    service.answer("GET queue", [])
    service.answer("GET queue?all=1", [a_wait(), a_wait(place=4)])
    service.headers["GET", "queue?all=1"] = {TOTAL: "812"}
    assert "812 notebooks of others do" in sublet("queue").output
    shown = sublet("queue", "--all").output
    assert shown.endswith("These are the first 2 of 812 that wait.\n")
    assert len(json.loads(sublet("queue", "--all", "--json").output)) == 2
