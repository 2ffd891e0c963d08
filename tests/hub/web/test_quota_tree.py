"""For who writes quotas: every group with what it holds, what is wrong where, and what is when."""

import asyncio
import itertools
import json
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sublet_hub.security.rate_limits import BYTES_FOR_ONE, Rate
from sublet_hub.settings import OwnerLimits
from sublet_hub.web.routes import quota, quota_revisions

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  science:
    guaranteed: {H100: 1}
    limit: {H100: 2}
    weight: 3
    groups:
      nlp: {members: [hub-nlp]}
  teaching: {}
exceptions:
  - {who: [ada], set: {limit: {cards: 4}}, until: 2099-12-14, why: deadline}
  - {groups: [teaching], set: {weight: 2}, why: for good}
  - {who: [bob], set: {limit: {cards: 1}}, until: 2020-01-01, why: over}
reservations:
  - {name: lab, for: teaching, guaranteed: {H100: 1}, at: "Mon 14:00-16:00", zone: Europe/Berlin}
  - {name: once, for: teaching, guaranteed: {H100: 1}, at: "2027-02-15 00:00-24:00"}
"""
ROUTES = (("GET", "quota/tree"), ("GET", "quota/calendar"), ("POST", "quota/check"))


async def world_with(folder: Path, hub: FakeHub, text: str) -> Any:
    (folder / "quota.yaml").write_text(text)
    return hub_world(folder, hub, settings_for(folder, quota_file=folder / "quota.yaml"))


async def tree(world: HubWorld) -> dict[str, Any]:
    status, found = await world.call("GET", "quota/tree", world.admin())
    assert status == 200, found
    return dict(found)


async def checked(world: HubWorld, text: str) -> dict[str, Any]:
    status, found = await world.call("POST", "quota/check", world.admin(), {"text": text})
    assert status == 200, found
    return dict(found)


async def calendar(world: HubWorld, since: str, until: str) -> dict[str, Any]:
    path = f"quota/calendar?since={since}&until={until}"
    status, found = await world.call("GET", path, world.admin())
    assert status == 200, found
    return dict(found)


async def test_each_group_is_told_with_what_it_holds_and_its_line(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with await world_with(tmp_path, hub, QUOTA) as world:
        await world.agent()
        await world.slice_for("ada", size="whole", groups=["hub-nlp"])
        await world.slice_for("eve", size="small")
        found = await tree(world)
        by_name = {each["share"]["group"]: each for each in found["groups"]}
        assert list(by_name) == ["science", "nlp", "teaching"]
        science = by_name["science"]
        (held,) = science["share"]["types"]
        assert (held["held"], held["guaranteed"], held["limit"]) == (1, 1, 2)
        assert (science["weight"], science["line"], science["over"]) == (3, 3, [])
        assert by_name["nlp"]["share"]["path"] == ["science", "nlp"]
        assert by_name["nlp"]["members"] == ["hub-nlp"]
        # As it is in force: by its exception.
        assert by_name["teaching"]["weight"] == 2
        assert found["outside"]["slices"] == 1
        assert found["outside"]["types"][0]["held"] > 0
        assert (found["people"], found["over"], found["revision"]) == (2, [], None)


async def test_an_admin_of_a_group_is_told_of_it_as_if_there_were_no_other(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with await world_with(tmp_path, hub, QUOTA) as world:
        await world.agent()
        await world.slice_for("ada", size="small", groups=["hub-nlp"])
        await world.slice_for("eve", size="small", groups=["teaching"])
        await world.slice_for("mia", size="small")
        lead = world.group_admin("lead", "hub-nlp")
        for path in ("quota/tree", "quota/tree?group=nlp"):
            status, found = await world.call("GET", path, lead)
            assert status == 200, found
            (node,) = found["groups"]
            assert (node["share"]["path"], node["line"]) == (["nlp"], None)
            assert (node["share"]["slices"], node["share"]["held_cards"] > 0) == (1, True)
            assert (found["people"], found["over"], found["unmet"]) == (1, [], [])
            assert (found["outside"]["slices"], found["outside"]["types"]) == (0, [])
        status, found = await world.call("GET", "quota/tree?group=science", world.reader())
        assert [each["share"]["path"] for each in found["groups"]] == [
            ["science"],
            ["science", "nlp"],
        ]
        assert found["people"] == 1


async def test_who_is_over_is_told_of_groups_and_of_people(tmp_path: Path, hub: FakeHub) -> None:
    async with await world_with(tmp_path, hub, QUOTA) as world:
        await world.agent()
        await world.slice_for("ada", size="whole", groups=["hub-nlp"])
        less = (
            QUOTA.replace("limit: {H100: 2}", "limit: {H100: 1/2}")
            .replace("guaranteed: {H100: 1}\n", "guaranteed: {H100: 1/4}\n")
            .replace("limit: {cards: 4}", "limit: {cards: 1/4}")
        )
        (tmp_path / "quota.yaml").write_text(less)
        status, answer = await world.call("POST", "quota/reload", world.admin())
        assert status == 200, answer
        found = await tree(world)
        (excess,) = found["groups"][0]["over"]
        assert (excess["beyond"], excess["held"], excess["most"]) == (
            "limit",
            "1 card of H100",
            "0.5 cards of H100",
        )
        assert [(each["owner"], each["most"]) for each in found["over"]] == [("ada", "0.25 cards")]


async def test_a_tree_is_told_as_before_until_something_of_it_is_another(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with await world_with(tmp_path, hub, QUOTA) as world:
        await world.agent()
        await world.slice_for("ada", size="small", groups=["hub-nlp"])
        admin, lead = world.admin(), world.group_admin("lead", "hub-nlp")

        async def asked(token: str, tag: str = "") -> Any:
            headers = {"If-None-Match": tag} if tag else None
            return await world.raw("GET", "api/quota/tree", token, headers=headers)

        first, part = await asked(admin), await asked(lead)
        for token, before in ((admin, first), (lead, part)):
            again = await asked(token, before.headers["ETag"])
            assert (again.code, again.body) == (304, b"")
        # What others hold changes the whole, and nothing of the part.
        await world.slice_for("eve", size="small", groups=["teaching"])
        other = await asked(admin, first.headers["ETag"])
        held = {
            each["share"]["group"]: each["share"]["slices"]
            for each in json.loads(other.body)["groups"]
        }
        assert (other.code, held) == (200, {"science": 1, "nlp": 1, "teaching": 1})
        assert (await asked(lead, part.headers["ETag"])).code == 304
        await world.slice_for("mia", size="small", groups=["hub-nlp"])
        mine = await asked(lead, part.headers["ETag"])
        assert (mine.code, json.loads(mine.body)["people"]) == (200, 2)


async def test_who_is_over_is_another_with_their_groups_and_with_the_document(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = QUOTA + "sizes: {bit: {memory: 1GiB, compute: 5%}}\n"
    async with await world_with(tmp_path, hub, text) as world:
        await world.agent()
        await world.slice_for("eve", size="bit", groups=["teaching"])
        assert (await tree(world))["over"] == []
        within = text.replace("teaching: {}", "teaching: {each: {limit: {memory: 512MiB}}}")
        (tmp_path / "quota.yaml").write_text(within)
        assert (await world.call("POST", "quota/reload", world.admin()))[0] == 200
        assert [each["owner"] for each in (await tree(world))["over"]] == ["eve"]
        account = world.service.accounts.find("eve")
        world.service.accounts.remember(account.model_copy(update={"groups": ("hub-nlp",)}))
        assert (await tree(world))["over"] == []


async def test_a_wrong_document_is_told_with_line_and_column(world: HubWorld) -> None:
    text = "everyone:\n  limit: {cards: many}\npolls: {}\n"
    found = await checked(world, text)
    told = [(each["line"], each["column"], each["key"]) for each in found["problems"]]
    assert told == [(2, 11, "everyone.limit.cards"), (3, 1, "polls")]
    assert "is no known key" in found["problems"][1]["message"]
    (broken,) = (await checked(world, "everyone: {limit: [\n"))["problems"]
    assert (broken["line"], broken["column"]) == (2, 1)
    assert "is no YAML" in broken["message"]


@pytest.mark.parametrize(
    ("module", "made", "asked"),
    [
        (quota_revisions, "check_text", ("POST", "quota/check")),
        (quota, "quota_calendar", ("GET", "quota/calendar")),
    ],
)
async def test_of_one_caller_one_is_made_at_a_time_and_beside_the_loop(
    world: HubWorld,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    made: str,
    asked: tuple[str, str],
) -> None:
    """Of a large document it takes seconds: a reader's would hold up all that is not the loop's."""
    now, most, may_end = 0, 0, threading.Event()
    real, lock = getattr(module, made), threading.Lock()

    def slow(*arguments: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        assert may_end.wait(60)
        with lock:
            now -= 1
        return real(*arguments)

    monkeypatch.setattr(module, made, slow)
    token, body = world.reader(), {"text": ""} if asked[0] == "POST" else None
    calls = [asyncio.create_task(world.call(*asked, token, body)) for _ in range(20)]
    try:
        # Those beyond what may wait are answered while none is done.
        for each in itertools.islice(asyncio.as_completed(calls, timeout=10), 4):
            assert (await each)[0] == 429
    finally:
        may_end.set()
    statuses = [(await each)[0] for each in calls]
    assert (statuses.count(200), statuses.count(429), most) == (16, 4, 1)


@pytest.mark.parametrize("path", ["quota/check", "quota/preview"])
async def test_a_large_document_counts_as_many_requests(
    tmp_path: Path, hub: FakeHub, path: str
) -> None:
    settings = settings_for(tmp_path, limits=OwnerLimits(requests=Rate(10, 0.01)))
    async with hub_world(tmp_path, hub, settings) as world:
        reader = world.reader()
        body = {"text": "#" * (BYTES_FOR_ONE * 10)}
        assert (await world.call("POST", path, reader, body))[0] == 200
        assert (await world.call("POST", path, reader, {"text": ""}))[0] == 429
        assert (await world.call("POST", path, world.admin(), {"text": ""}))[0] == 200


async def test_a_right_document_is_told_with_what_may_not_be_meant(world: HubWorld) -> None:
    found = await checked(world, QUOTA)
    assert found["problems"] == []
    placed = {each["key"]: each["line"] for each in found["warnings"]}
    assert placed["exceptions[2]"] == 13


async def test_times_of_reservations_go_by_the_wall_clock_of_their_zone(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with await world_with(tmp_path, hub, QUOTA) as world:
        found = await calendar(world, "2027-03-15T00:00:00Z", "2027-04-12T00:00:00Z")
        (lab,) = found["reservations"]
        assert (lab["name"], lab["group"], lab["cards"]) == ("lab", "teaching", "1 card of H100")
        # Summer time begins on the 28th.
        assert [each["begins_at"] for each in lab["times"]] == [
            "2027-03-15T13:00:00Z",
            "2027-03-22T13:00:00Z",
            "2027-03-29T12:00:00Z",
            "2027-04-05T12:00:00Z",
        ]
        assert lab["line"] == 15
        found = await calendar(world, "2027-02-15T12:00:00Z", "2027-02-15T13:00:00Z")
        assert [each["name"] for each in found["reservations"]] == ["once"]


async def test_exceptions_are_told_until_they_end_those_without_an_end_last(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with await world_with(tmp_path, hub, QUOTA) as world:
        found = await calendar(world, "2027-03-01T00:00:00Z", "2027-03-31T00:00:00Z")
        told = [(each["who"], each["groups"], each["sets"]) for each in found["exceptions"]]
        assert told == [
            (["ada"], [], ["limit.cards: 4"]),
            ([], ["teaching"], ["weight: 2"]),
        ]
        assert [each["line"] for each in found["exceptions"]] == [11, 12]


@pytest.mark.parametrize(
    "query",
    [
        "since=2027-03-01T00:00:00Z&until=2027-02-01T00:00:00Z",
        "since=2027-03-01T00:00:00Z&until=2029-02-01T00:00:00Z",
        "since=9999-12-31T00:00:00Z",
        "since=0001-01-01T00:00:00Z",
    ],
)
async def test_a_calendar_of_impossible_days_is_refused(world: HubWorld, query: str) -> None:
    status, problem = await world.call("GET", f"quota/calendar?{query}", world.admin())
    assert (status, problem["reason"]) == (400, "bad-request")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_but_an_admin_is_answered(world: HubWorld, method: str, path: str) -> None:
    body = {"text": ""} if method == "POST" else None
    status, _ = await world.call(method, path, world.user("ada"), body)
    assert status == 403
