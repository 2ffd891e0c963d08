"""What the admin of one group is sent is the same, byte for byte, whatever is changed of others.

Neither that something was changed elsewhere, nor how often, nor when is theirs to know.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml
from sublet_hub.security.authentication import caller_of
from sublet_hub.web.console.topics import Marks, state_of
from sublet_hub.web.openapi import openapi_document

from tests.support.hub_world import PREFIX, FakeHub, HubWorld, hub_world
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA: Final = """\
groups:
  vision:
    members: [hub-v]
    budget: {hours: 100, per: month}
    groups:
      robots: {members: [hub-r]}
  law: {members: [hub-l]}
exceptions:
  - {groups: [robots], set: {limit: {cards: 1}}, until: 2099-12-14, why: a paper}
"""
PART: Final = """\
groups:
  vision: {members: [hub-v], budget: {hours: 100, per: month}, groups: {robots: {members: [hub-r]}}}
"""
OTHERS: Final = ("[hub-l], weight: 2", "[hub-l], weight: 3", "[hub-l]")


class Clock:
    """The service's clock: it stands while somebody asks, and goes on while others change."""

    def __init__(self) -> None:
        self.at = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)
        self.later = timedelta()

    def __call__(self) -> datetime:
        return self.at + self.later


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub, clock: Clock) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA), now=clock) as made:
        yield made


async def as_admin(world: HubWorld, old: str, new: str) -> None:
    """Have an admin change what stands in the document."""
    token = world.admin()
    _, now = await world.call("GET", "quota", token)
    assert old in now["text"]
    text = now["text"].replace(old, new)
    body = {"text": text, "reason": "of others", "expect": now["revision"]}
    status, answer = await world.call("POST", "quota/revisions", token, body)
    assert (status, answer["is_new"]) == (200, True), answer


def asked_by_groups() -> list[str]:
    """Return what can be asked of a group, and what an admin of one is let ask without."""
    found = []
    for path, methods in openapi_document(PREFIX, "0")["paths"].items():
        operation = methods.get("get")
        if operation is None or "{" in path or path == "/changes":
            continue
        if "group-admin" not in operation["x-roles"]:
            continue
        names = {each["name"] for each in operation["parameters"]}
        found.append(path.removeprefix("/"))
        if "group" in names:
            found.append(f"{path.removeprefix('/')}?group=vision")
    return sorted(found)


async def sent(world: HubWorld, token: str) -> dict[str, tuple[int, dict[str, str], bytes]]:
    """Return all that an admin of vision is sent, with what answers say beside their bodies."""
    _, made = await world.call("GET", "quota/revisions", token)
    paths = [*asked_by_groups(), *(f"quota/revisions/{each['change']}" for each in made)]
    found = {}
    for path in paths:
        answer = await world.raw("GET", f"api/{path}", token)
        found[path] = said(answer)
    for path in ("quota/preview", "quota/check"):
        found[path] = said(await world.raw("POST", f"api/{path}", token, {"text": PART}))
    wrong = {"text": PART, "reason": "a paper", "expect": 1, "expect_part": "0" * 32}
    found["apply"] = said(await world.raw("POST", "api/quota/revisions", token, wrong))
    return found


def said(answer: Any) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != "Date"}
    return answer.code, headers, answer.body


async def test_all_that_a_groups_admin_is_sent_is_the_same_after_changes_elsewhere(
    world: HubWorld, clock: Clock
) -> None:
    token = world.group_admin("lead", "hub-v")
    await as_admin(world, "{members: [hub-r]}", "{members: [hub-r], weight: 2}")
    before = await sent(world, token)
    assert {"quota", "quota/tree", "quota/revisions", "role", "share"} <= before.keys()
    assert len([path for path in before if path.startswith("quota/revisions/")]) == 1
    assert "Etag" in before["quota"][1]
    assert "Etag" in before["quota/tree?group=vision"][1]
    for old, new in zip(("[hub-l]", *OTHERS), OTHERS, strict=False):
        clock.later = timedelta(minutes=1)
        await as_admin(world, old, new)
        clock.later = timedelta()
        after = await sent(world, token)
        for path, told in before.items():
            assert after[path] == told, path
        assert after.keys() == before.keys()


async def test_a_page_that_follows_changes_is_told_nothing_of_those_elsewhere(
    world: HubWorld,
) -> None:
    token = world.group_admin("lead", "hub-v")
    caller = caller_of(world.hub.tokens[token])
    marks = Marks()
    before = state_of(world.service, caller, marks)
    for old, new in zip(("[hub-l]", *OTHERS), OTHERS, strict=False):
        await as_admin(world, old, new)
        assert state_of(world.service, caller, marks) == before
    await as_admin(world, "{members: [hub-r]}", "{members: [hub-r], weight: 2}")
    assert state_of(world.service, caller, marks) != before


async def test_what_came_of_a_part_counts_no_changes_elsewhere(world: HubWorld) -> None:
    """Neither where something was changed, nor where nothing was."""
    token = world.group_admin("lead", "hub-v")
    _, found = await world.call("GET", "quota", token)
    same = {"text": found["text"], "reason": "a paper", "expect_part": found["part"]}
    first = await world.raw("POST", "api/quota/revisions", token, same)
    assert first.code == 200, first.body
    await as_admin(world, "[hub-l]", "[hub-l], weight: 2")
    assert (await world.raw("POST", "api/quota/revisions", token, same)).body == first.body
    values = yaml.safe_load(found["text"])
    values["groups"]["vision"]["groups"]["robots"]["weight"] = 2
    other = same | {"text": yaml.safe_dump(values)}
    status, answer = await world.call("POST", "quota/revisions", token, other)
    assert (status, answer["is_new"], answer["about"]["revision"]) == (200, True, None), answer
