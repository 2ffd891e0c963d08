"""What admins of groups tell: to whom they may, who hears it, and who is not given away."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.security.authentication import caller_of
from sublet_hub.slices import announcements as module
from sublet_hub.web.console.topics import Marks, state_of
from sublet_quota.wire.console import Topic

from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA = """\
groups:
  science:
    members: [hub-science]
    groups:
      nlp: {members: [hub-nlp]}
  law: {members: [hub-law]}
"""
PEOPLE: dict[str, tuple[str, ...]] = {
    "sue": ("hub-science",),
    "ned": ("hub-nlp", "not-in-the-document"),
    "max": ("hub-nlp", "hub-law"),
    "lou": ("hub-law",),
    "zoe": (),
}


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    hub.people |= PEOPLE
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as made:
        yield made


def lead(world: HubWorld) -> str:
    return world.group_admin("lead", "hub-science")


async def announced(
    world: HubWorld, token: str, audience: str, name: str | None, text: str = "tidy up"
) -> tuple[int, dict[str, Any]]:
    body = {"text": text, "audience": audience, "name": name}
    status, answer = await world.call("POST", "announcements", token, body)
    return status, answer


async def heard(world: HubWorld) -> dict[str, list[str]]:
    """Return what each hears, of whom something is heard."""
    found = {}
    for name, groups in PEOPLE.items():
        _, share = await world.call("GET", "share", world.user(name, groups))
        found[name] = [each["text"] for each in share["announcements"]]
    return {name: texts for name, texts in found.items() if texts}


async def changed(world: HubWorld, text: str) -> None:
    _, now = await world.call("GET", "quota", world.admin())
    body = {"text": text, "reason": "x", "expect": now["revision"]}
    status, answer = await world.call("POST", "quota/revisions", world.admin(), body)
    assert status == 200, answer


async def test_a_group_and_those_below_hear_what_their_admin_tells_and_who_that_is(
    world: HubWorld,
) -> None:
    text = "<img src=x onerror=alert(1)>"
    status, made = await announced(world, lead(world), "group", "science", text)
    assert (status, made["within"], made["made_by"], made["text"]) == (
        201,
        ["science"],
        "lead",
        text,
    )
    said = f"lead, admin of science: {text}"
    assert await heard(world) == {"sue": [said], "ned": [said], "max": [said]}
    assert (await announced(world, lead(world), "group", "nlp", "more"))[0] == 201
    assert (await heard(world))["ned"] == ["lead, admin of science: more", said]
    assert (await heard(world))["sue"] == [said]


async def test_a_user_who_is_within_only_their_groups_hears_it_alone(world: HubWorld) -> None:
    status, made = await announced(world, lead(world), "owner", "ned")
    assert (status, made["within"]) == (201, ["science"])
    assert await heard(world) == {"ned": ["lead, admin of science: tidy up"]}


async def test_whoever_else_is_meant_is_refused_in_the_same_words_there_or_not(
    world: HubWorld,
) -> None:
    """Who is in another group, too, is not theirs alone; and who there is they do not learn."""
    agent = await world.agent()
    targets = [
        ("owner", "max"),
        ("owner", "lou"),
        ("owner", "zoe"),
        ("owner", "nobody-of-the-name"),
        ("group", "law"),
        ("group", "hub-law"),
        ("group", "hub-science"),
        ("group", "no-group-of-the-name"),
        ("node", agent.node),
        ("node", "no-node"),
        ("card", f"{agent.node}:0"),
        ("card", "no-card:0"),
        ("all", None),
    ]
    answers = [await announced(world, lead(world), *target) for target in targets]
    assert [status for status, _ in answers] == [403] * len(targets)
    assert len({str(answer) for _, answer in answers}) == 1
    assert await heard(world) == {}
    world.hub.broken = True
    assert (await announced(world, lead(world), "owner", "nobody")) == answers[0]


@pytest.mark.parametrize("role", ["user", "reader", "server"])
async def test_who_is_no_admin_tells_nobody_anything(world: HubWorld, role: str) -> None:
    token = {
        "user": world.user("sue", ("hub-science",)),
        "reader": world.reader(),
        "server": world.server("sue"),
    }[role]
    for target in (("group", "science"), ("owner", "ned"), ("all", None)):
        assert (await announced(world, token, *target))[0] == 403


async def test_they_see_and_take_back_what_is_told_within_theirs_and_nothing_else(
    world: HubWorld,
) -> None:
    of_root = (await announced(world, world.admin(), "group", "science", "canary"))[1]
    of_law = await announced(world, world.group_admin("jud", "hub-law"), "group", "law", "canary")
    of_lead = (await announced(world, lead(world), "group", "nlp"))[1]
    of_nlp = await announced(world, world.group_admin("nora", "hub-nlp"), "group", "nlp", "ours")
    status, listed = await world.call("GET", "announcements", lead(world))
    assert (status, [each["made_by"] for each in listed]) == (200, ["nora", "lead"])
    _, below = await world.call("GET", "announcements", world.group_admin("nora", "hub-nlp"))
    assert [each["made_by"] for each in below] == ["nora"]
    problems = []
    for known in (of_root["announcement_id"], of_law[1]["announcement_id"], "nothing"):
        body = {"announcement_id": known}
        answer = await world.call("POST", "announcements/withdraw", lead(world), body)
        problems.append((answer[0], answer[1]["message"].replace(known, "ID")))
    assert set(problems) == {(404, problems[-1][1])}
    for known in (of_lead["announcement_id"], of_nlp[1]["announcement_id"]):
        body = {"announcement_id": known}
        assert (await world.call("POST", "announcements/withdraw", lead(world), body))[0] == 200
    assert (await world.call("GET", "announcements", lead(world)))[1] == []
    _, all_there_is = await world.call("GET", "announcements", world.admin())
    assert {each["made_by"] for each in all_there_is} == {"root", "jud"}


async def test_nobody_hears_it_any_more_who_is_not_theirs_by_the_document_of_then(
    world: HubWorld,
) -> None:
    for target in (("group", "nlp"), ("owner", "ned")):
        assert (await announced(world, lead(world), *target))[0] == 201
    assert len((await heard(world))["ned"]) == 2
    moved = QUOTA.replace("    groups:\n      nlp: {members: [hub-nlp]}\n", "")
    await changed(world, f"{moved}  nlp: {{members: [hub-nlp]}}\n")
    assert await heard(world) == {}
    await changed(world, QUOTA)
    assert len((await heard(world))["ned"]) == 2
    # Another group, of which they are, makes them not theirs alone.
    await changed(world, f"{QUOTA}  arts: {{members: [not-in-the-document]}}\n")
    assert await heard(world) == {
        "ned": ["lead, admin of science: tidy up"],
        "max": ["lead, admin of science: tidy up"],
    }


async def test_one_sender_has_a_bound_and_takes_no_room_of_others(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LIVE", module.MOST_OF_SENDER)
    made = []
    for _ in range(module.MOST_OF_SENDER):
        status, answer = await announced(world, lead(world), "group", "nlp")
        assert status == 201
        made.append(answer["announcement_id"])
    assert (await announced(world, lead(world), "group", "nlp"))[0] == 409
    assert (await announced(world, world.group_admin("nora", "hub-nlp"), "group", "nlp"))[0] == 201
    for _ in range(module.MOST_OF_SENDER):
        assert (await announced(world, world.admin(), "all", None))[0] == 201
    assert (await announced(world, world.admin(), "all", None))[0] == 409
    # Taking back and telling anew goes out by mail each time: so many in a day.
    told = len(made)
    while True:
        body = {"announcement_id": made.pop()}
        assert (await world.call("POST", "announcements/withdraw", lead(world), body))[0] == 200
        status, answer = await announced(world, lead(world), "group", "nlp")
        if status != 201:
            break
        told += 1
        made.append(answer["announcement_id"])
    assert (status, told) == (429, module.RATE.burst)


async def test_all_of_them_together_have_a_bound(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_GROUPS", 1)
    assert (await announced(world, world.group_admin("nora", "hub-nlp"), "group", "nlp"))[0] == 201
    assert (await announced(world, lead(world), "group", "nlp"))[0] == 409
    assert (await announced(world, world.admin(), "all", None))[0] == 201


async def test_their_page_hears_of_what_is_told_within_theirs_alone(world: HubWorld) -> None:
    caller, marks = caller_of(world.hub.tokens[lead(world)]), Marks()
    before = state_of(world.service, caller, marks)
    await announced(world, world.admin(), "owner", "lou")
    await announced(world, world.group_admin("jud", "hub-law"), "group", "law")
    assert state_of(world.service, caller, marks) == before
    await announced(world, lead(world), "group", "nlp")
    after = state_of(world.service, caller, marks)
    assert {topic for topic in Topic if after.get(topic) != before.get(topic)} == {Topic.NOTICES}
