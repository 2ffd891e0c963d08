"""What the admin of a group is told of quotas: what follows for theirs, what is when, and was.

What is of others is named with a canary: it is in no answer, and what others have is not counted.
"""

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from sublet_hub.state.quota_documents import part_history
from sublet_quota.document.administered.bounds import PartBounds

from tests.support.fake_agent import a_gpu
from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  institute-canary:
    members: []
    guaranteed: {H100: 2}
    groups:
      vision:
        members: [hub-v]
        guaranteed: {H100: 1}
        groups:
          robots: {members: [hub-r], guaranteed: {H100: 1/2}}
          maps: {members: [hub-m]}
      law-canary: {members: [hub-l], guaranteed: {H100: 1}}
exceptions:
  - {who: [lara-canary, max], set: {limit: {cards: 2}}, why: why-canary}
  - {groups: [law-canary], set: {limit: {cards: 2}}, until: 2099-12-12, why: why-canary}
  - {groups: [maps], set: {limit: {cards: 1}}, until: 2099-12-14, why: a paper}
  - {groups: [maps, law-canary], set: {limit: {cards: 2}}, until: 2099-12-13, why: why-canary}
  - {groups: [vision], set: {limit: {cards: 2}}, until: 2099-12-15, why: what you asked for}
reservations:
  - {name: lab-canary, for: law-canary, guaranteed: {H100: 1/4}, at: "2099-02-16 00:00-24:00"}
  - {name: robots day, for: robots, guaranteed: {H100: 1/4}, at: "2099-02-15 00:00-24:00"}
"""


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as made:
        yield made


def lead(world: HubWorld) -> str:
    return world.group_admin("lead", "hub-v")


async def told(world: HubWorld, method: str, path: str, body: Any = None) -> Any:
    """Return what is sent to the admin of vision: nothing of others."""
    answer = await world.raw(method, f"api/{path}", lead(world), body)
    assert b"canary" not in answer.body, answer.body
    assert answer.code == 200, answer.body
    return json.loads(answer.body)


async def part(world: HubWorld) -> tuple[str, dict[str, Any]]:
    found = await told(world, "GET", "quota")
    return found["part"], yaml.safe_load(found["text"])


def as_text(values: Any) -> str:
    """Return values as a document: JSON is YAML, and has no aliases."""
    return json.dumps(values, default=str)


def robots_of(values: dict[str, Any]) -> dict[str, Any]:
    robots: dict[str, Any] = values["groups"]["vision"]["groups"]["robots"]
    return robots


async def previewed(world: HubWorld, values: dict[str, Any]) -> dict[str, Any]:
    found = await told(world, "POST", "quota/preview", {"text": as_text(values)})
    return dict(found)


async def applied(
    world: HubWorld, token: str, text: str, reason: str
) -> tuple[int, dict[str, Any]]:
    _, now = await world.call("GET", "quota", token)
    made_from = {"expect": now["revision"], "expect_part": now["part"]}
    body = {"text": text, "reason": reason, **made_from}
    status, answer = await world.call("POST", "quota/revisions", token, body)
    return status, answer


async def as_admin(world: HubWorld, old: str, new: str, reason: str) -> None:
    """Have an admin change what stands in the document."""
    token = world.admin("root-canary" if "canary" in reason else "root")
    _, now = await world.call("GET", "quota", token)
    assert old in now["text"]
    status, answer = await applied(world, token, now["text"].replace(old, new), reason)
    assert status == 200, answer


async def two_cards(world: HubWorld) -> None:
    await world.agent(gpus=(a_gpu(), a_gpu("SIM-1", index=1)))


async def test_a_preview_tells_what_follows_for_theirs(world: HubWorld) -> None:
    await two_cards(world)
    lease = await world.slice_for("rob", size="medium", groups=["hub-r"])
    world.service.places.look()
    _, values = await part(world)
    robots = robots_of(values)
    del robots["guaranteed"]
    robots |= {"limit": {"memory": "1 GiB"}, "each": {"limit": {"cards": "1/8"}}}
    before = await text_in_force(world)
    found = await previewed(world, values)
    assert (found["groups"], found["people"], found["revision"]) == (["vision"], 1, None)
    beyond = {(e["beyond"], e["group"], e["owner"], e["most"]) for e in found["beyond"]}
    assert beyond == {
        ("limit", "robots", None, "1 GiB"),
        ("limit", None, "rob", "0.125 cards"),
        ("guarantee", "robots", None, "0 cards of H100"),
    }
    assert {(each["right"], tuple(each["named"])) for each in found["rights"]} >= {
        ("limit of cards", ("rob",))
    }
    assert {each["slice_id"] for each in found["ranks"]} <= {lease["slice_id"]}
    (reserved,) = found["reservations"]
    assert "robots day" in reserved
    assert await text_in_force(world) == before


async def text_in_force(world: HubWorld) -> str:
    _, found = await world.call("GET", "quota", world.admin())
    return str(found["text"])


async def test_a_preview_is_the_same_whatever_others_hold(world: HubWorld) -> None:
    await two_cards(world)
    await world.slice_for("rob", size="medium", groups=["hub-r"])
    world.service.places.look()
    _, values = await part(world)
    robots_of(values)["guaranteed"] = {"H100": "1/4"}
    alone = await previewed(world, values)
    await world.slice_for("lara-canary", size="large", groups=["hub-l"])
    await world.slice_for("lou-canary", size="small", groups=["hub-l"])
    world.service.places.look()
    among_others = await previewed(world, values)
    assert {**alone, "at": ""} == {**among_others, "at": ""}


async def test_who_has_more_elsewhere_is_told_of_by_their_groups_alone(world: HubWorld) -> None:
    """Else a limit would tell what they hold, or may hold, by others."""
    await two_cards(world)
    await world.slice_for("rob", size="small", groups=["hub-r"])
    await world.slice_for("rex", size="small", groups=["hub-r", "hub-l"], group="robots")
    await world.slice_for("max", size="small", groups=["hub-r"])
    await world.slice_for("mia", size="small", groups=["hub-r"])
    await world.slice_for("mia", "second", size="small")
    _, values = await part(world)
    robots_of(values)["each"] = {"limit": {"slices": 0}, "jobs": {"most": 1}}
    found = await previewed(world, values)
    assert found["people"] == 4
    assert {each["owner"] for each in found["beyond"] if each["owner"]} <= {"rob"}
    assert {name for each in found["rights"] if not each["group"] for name in each["named"]} == {
        "rob"
    }
    assert not any("max" in each["named"] for each in found["rights"])


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        (lambda values: values["groups"]["vision"].update(weight=9), 403),
        (lambda values: values["groups"].update({"law-canary": {}}), 403),
        (lambda values: robots_of(values).update(weight="many"), 400),
        (lambda values: robots_of(values).update(guaranteed={"H100": 2}), 400),
    ],
)
async def test_what_they_could_not_apply_is_not_reckoned(
    world: HubWorld, edit: Any, status: int
) -> None:
    """By trying other documents they would learn what others hold."""
    _, values = await part(world)
    edit(values)
    body = {"text": as_text(values)}
    found, problem = await world.call("POST", "quota/preview", lead(world), body)
    assert found == status
    assert "people" not in problem


async def test_the_calendar_has_what_is_for_theirs_with_the_lines_of_their_part(
    world: HubWorld,
) -> None:
    _, values = await part(world)
    lines = (await told(world, "GET", "quota"))["text"].splitlines()
    span = "since=2099-02-01T00:00:00Z&until=2099-03-01T00:00:00Z"
    for path in (f"quota/calendar?{span}", f"quota/calendar?group=vision&{span}"):
        found = await told(world, "GET", path)
        (reserved,) = found["reservations"]
        assert (reserved["name"], len(reserved["times"])) == ("robots day", 1)
        assert "robots day" in lines[reserved["line"] - 1] + lines[reserved["line"]]
        excepted = [(each["groups"], each["why"]) for each in found["exceptions"]]
        assert excepted == [(["maps"], "a paper"), (["vision"], "what you asked for")]
        own, of_the_group = (each["line"] for each in found["exceptions"])
        assert "maps" in "".join(lines[own - 1 : own + 1])
        # It is not in their part: whoever administers more says it.
        assert of_the_group is None
        assert found["left_out"] == 0
    found = await told(world, "GET", f"quota/calendar?group=robots&{span}")
    assert [each["why"] for each in found["exceptions"]] == []
    assert (await world.call("GET", "quota/calendar?group=law-canary", lead(world)))[0] == 403
    assert values["exceptions"][0]["why"] == "a paper"


async def test_the_history_of_their_part_has_who_changed_it_also_from_above(
    world: HubWorld,
) -> None:
    await as_admin(world, "[hub-m]}", "[hub-m], weight: 2}", "maps ask")
    await as_admin(world, "[hub-l], ", "[hub-l], weight: 2, ", "reason-canary")
    await as_admin(world, "weight: 2}", "weight: 3}", "once more")
    _, values = await part(world)
    robots_of(values)["weight"] = 7
    status, _ = await applied(world, lead(world), as_text(values), "more for robots")
    assert status == 200
    token = world.admin()
    text = (await text_in_force(world)).replace("why: a paper", "why: a thesis")
    status, _ = await applied(
        world, token, text.replace("[hub-l], weight: 2", "[hub-l], weight: 5"), "reason-canary-2"
    )
    assert status == 200
    await as_admin(world, "[hub-l], weight: 5", "[hub-l], weight: 6", "reason-canary-3")
    listed = await told(world, "GET", "quota/revisions")
    assert [(e["revision"], e["author"], e["reason"], e["keys_changed"]) for e in listed] == [
        (None, "root", "", 1),
        (None, "lead", "more for robots", 1),
        (None, "root", "once more", 1),
        (None, "root", "maps ask", 1),
    ]
    # The newest that changed theirs, whatever was changed elsewhere since.
    assert [each["in_force"] for each in listed] == [True, False, False, False]
    for made, before, after in zip(
        listed,
        ("why: a paper", "guaranteed", "weight: 2"),
        ("why: a thesis", "weight: 7", "weight: 3"),
        strict=False,
    ):
        found = await told(world, "GET", f"quota/revisions/{made['change']}")
        assert before in found["text_before"]
        assert after in found["text"]
        assert after not in found["text_before"]
    for revision in (1, 2, 3, 6, 7, 99, "0" * 32):
        status, problem = await world.call("GET", f"quota/revisions/{revision}", lead(world))
        assert (status, "canary" in str(problem)) == (404, False), revision
    # An admin of all may ask for the same.
    _, seen = await world.call("GET", "quota/revisions?group=vision", world.admin())
    assert [each["revision"] for each in seen] == [6, 5, 4, 2]
    assert [each["change"] for each in seen] == [each["change"] for each in listed]
    assert len({each["change"] for each in seen}) == len(seen)
    for named in (5, listed[1]["change"]):
        path = f"quota/revisions/{named}?group=vision"
        _, found = await world.call("GET", path, world.admin())
        assert found["about"]["revision"] == 5


async def test_what_was_below_them_and_is_others_now_is_not_told(world: HubWorld) -> None:
    await as_admin(
        world,
        "          maps: {members: [hub-m]}",
        "          maps: {members: [hub-m], groups: {sea: {weight: 7}}}",
        "moved in",
    )
    await as_admin(world, ", groups: {sea: {weight: 7}}", "", "moved out")
    _, made = await told(world, "GET", "quota/revisions")
    assert "sea" in (await told(world, "GET", f"quota/revisions/{made['change']}"))["text"]
    await as_admin(world, "  institute-canary:", "  sea: {}\n  institute-canary:", "reason-canary")
    listed = await told(world, "GET", "quota/revisions")
    assert listed == []
    for revision in (2, 3, made["change"]):
        status, _ = await world.call("GET", f"quota/revisions/{revision}", lead(world))
        assert status == 404


async def test_the_history_ends_where_the_group_was_another(world: HubWorld) -> None:
    """A name may be given anew: what was said of those who had it is theirs."""
    await as_admin(world, "[hub-m]}", "[hub-m], weight: 2}", "of before")
    text = await text_in_force(world)
    values = yaml.safe_load(text)
    vision = values["groups"]["institute-canary"]["groups"].pop("vision")
    without = {
        **values,
        "exceptions": [e for e in values["exceptions"] if "law-canary" in e.get("groups", [])][:1],
        "reservations": values["reservations"][:1],
    }
    token = world.admin()
    assert (await applied(world, token, as_text(without), "gone"))[0] == 200
    vision["groups"]["maps"]["weight"] = 4
    values["groups"]["institute-canary"]["groups"]["vision"] = vision
    assert (await applied(world, token, as_text(values), "anew"))[0] == 200
    assert await told(world, "GET", "quota/revisions") == []
    assert (await world.call("GET", "quota/revisions/2", lead(world)))[0] == 404


@pytest.mark.parametrize("most_looked_at", [1, 50])
async def test_of_a_group_made_anew_no_admins_of_before_are_told(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch, most_looked_at: int
) -> None:
    """Neither of the group itself, nor of one below it, however few are read at one time."""
    monkeypatch.setattr(part_history, "MOST_LOOKED_AT", most_looked_at)
    old = world.group_admin("old-canary", "hub-v")
    of_robots = world.group_admin("robots-canary", "hub-r")
    for token, name in ((old, "vision"), (of_robots, "robots")):
        _, now = await world.call("GET", "quota", token)
        values = yaml.safe_load(now["text"])
        values["groups"][name].setdefault("groups", {})[f"of-{name}"] = {"members": []}
        status, answer = await applied(world, token, as_text(values), "why-canary")
        assert status == 200, answer
    text = await text_in_force(world)
    values = yaml.safe_load(text)
    robots = values["groups"]["institute-canary"]["groups"]["vision"]["groups"].pop("robots")
    reserved = values["reservations"].pop()
    assert (await applied(world, world.admin(), as_text(values), "gone"))[0] == 200
    values["groups"]["institute-canary"]["groups"]["vision"]["groups"]["robots"] = robots
    values["reservations"].append(reserved)
    assert (await applied(world, world.admin(), as_text(values), "anew"))[0] == 200
    anew = world.group_admin("anew", "hub-r")
    for _ in range(5):
        _, seen = await world.call("GET", "quota/revisions", anew)
        assert [each["revision"] for each in seen] == []
    # Of the group above all of it was, and is, its admins' to see.
    for _ in range(5):
        _, seen = await world.call("GET", "quota/revisions", world.group_admin("lead", "hub-v"))
    assert [each["author"] for each in seen] == ["root", "root", "robots-canary", "old-canary"]


async def test_few_revisions_are_read_at_one_time_and_more_with_each_question(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_history, "MOST_LOOKED_AT", 1)
    weight = "[hub-m]}"
    for number in range(2, 5):
        after = f"[hub-m], weight: {number}}}"
        await as_admin(world, weight, after, f"to {number}")
        weight = after
    seen = [len(await told(world, "GET", "quota/revisions")) for _ in range(4)]
    assert seen == [1, 2, 3, 3]


async def test_one_groups_admin_cannot_fill_the_document_for_all(
    tmp_path: Path, hub: FakeHub
) -> None:
    bounds = PartBounds(entries=40, size_bytes=4096, ends=3)
    settings = replace(settings_with(tmp_path, QUOTA), most_of_part=bounds)
    async with hub_world(tmp_path, hub, settings) as world:
        _, values = await part(world)
        before = await text_in_force(world)
        nothing: dict[str, Any] = {"members": []}
        many = {f"g{number}": nothing for number in range(40)}
        # Each of many short lines stands as deep as its group.
        nested: dict[str, Any] = {"members": ["hub-m"] * 120}
        for level in range(8):
            nested = {"members": [], "groups": {f"l{level}": nested}}
        ends = [
            {"groups": ["maps"], "set": {"weight": 1}, "until": f"2099-01-0{day}", "why": "x"}
            for day in range(1, 6)
        ]
        long = [{"groups": ["maps"], "set": {"weight": 1}, "why": "x" * 250}] * 20
        attacks = {
            "entries": {"groups": many},
            "in a group below": {"groups": {"robots": {**robots_of(values), "groups": many}}},
            "ends": {"exceptions": ends},
            "long": {"exceptions": long},
            "deep": {"groups": {"deep": nested}},
        }
        for name, attack in attacks.items():
            sent = deepcopy(values)
            sent["groups"]["vision"]["groups"] |= attack.get("groups", {})
            sent["exceptions"] += attack.get("exceptions", [])
            text = as_text(sent)
            status, problem = await applied(world, lead(world), text, "all of it")
            assert (status, problem["reason"]) == (403, "not-theirs"), (name, problem)
            assert "is bounded" in problem["message"], name
            assert "quota_part_" in problem["message"], name
            found = await told(world, "POST", "quota/check", {"text": text})
            assert "is bounded" in found["problems"][0]["message"]
            status, _ = await world.call("POST", "quota/preview", lead(world), {"text": text})
            assert status == 403, name
        assert await text_in_force(world) == before
        # A part of a part counts with all that the group has.
        below = {"groups": {"robots": {**robots_of(values), "groups": many}}}
        status, problem = await applied(world, lead(world), as_text(below), "by parts")
        assert (status, "is bounded" in problem["message"]) == (403, True)


async def test_a_part_that_an_admin_of_all_made_larger_may_stay_and_not_grow(
    tmp_path: Path, hub: FakeHub
) -> None:
    bounds = PartBounds(entries=2, size_bytes=64, ends=1)
    settings = replace(settings_with(tmp_path, QUOTA), most_of_part=bounds)
    async with hub_world(tmp_path, hub, settings) as world:
        _, values = await part(world)
        robots_of(values)["weight"] = 1
        del values["exceptions"]
        assert (await applied(world, lead(world), as_text(values), "less"))[0] == 200
        values["groups"]["vision"]["groups"]["new"] = {"members": []}
        status, problem = await applied(world, lead(world), as_text(values), "more")
        assert (status, "4 groups, exceptions and reservations" in problem["message"]) == (
            403,
            True,
        ), problem
