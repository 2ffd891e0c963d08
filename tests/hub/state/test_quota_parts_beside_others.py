"""While the part that a group's admin sent is read, all others go on; and what holds then counts.

What is being read is held in its thread until a test lets go: nothing here is a matter of luck.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_quota.document.administered.bounds import PartBounds

from tests.support.held_threads import HeldThreads
from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA = """\
groups:
  science:
    members: [hub-s]
    groups:
      nlp: {members: [hub-nlp]}
  physics: {members: [hub-p]}
"""
PART = "groups: {nlp: {members: [hub-nlp], groups: {speech: {members: []}}}}\n"


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as made:
        yield made


@pytest_asyncio.fixture
async def held(world: HubWorld) -> AsyncIterator[HeldThreads]:
    del world
    threads = HeldThreads(PART)
    yield threads
    threads.let_go()


def lead(world: HubWorld) -> str:
    return world.group_admin("lead", "hub-s")


async def asked(world: HubWorld, token: str, path: str, text: str, **more: Any) -> tuple[int, Any]:
    async with asyncio.timeout(20):
        return await world.call("POST", f"quota/{path}", token, {"text": text, **more})


async def applied(world: HubWorld, token: str, text: str, expect: int) -> tuple[int, Any]:
    return await asked(world, token, "revisions", text, reason="a paper", expect=expect)


async def part_applied(world: HubWorld, known: str) -> tuple[int, Any]:
    return await asked(world, lead(world), "revisions", PART, reason="a paper", expect_part=known)


async def known_by(world: HubWorld) -> str:
    _, found = await world.call("GET", "quota", lead(world))
    return str(found["part"])


async def test_an_admin_waits_for_no_part_and_a_part_is_put_into_what_is_in_force_by_then(
    world: HubWorld, held: HeldThreads
) -> None:
    part = asyncio.ensure_future(part_applied(world, await known_by(world)))
    await held.is_held.wait()
    text = QUOTA.replace("physics:", "chemistry:")
    status, answer = await applied(world, world.admin(), text, 1)
    assert status == 200, answer
    held.let_go()
    status, answer = await part
    assert (status, answer["is_new"]) == (200, True), answer
    _, found = await world.call("GET", "quota", world.admin())
    assert "chemistry:" in found["text"]
    assert "speech:" in found["text"]


async def test_a_part_that_becomes_another_while_one_is_read_is_not_overwritten(
    world: HubWorld, held: HeldThreads
) -> None:
    part = asyncio.ensure_future(part_applied(world, await known_by(world)))
    await held.is_held.wait()
    text = QUOTA.replace("[hub-nlp]", "[hub-nlp], weight: 3")
    status, answer = await applied(world, world.admin(), text, 1)
    assert status == 200, answer
    held.let_go()
    status, problem = await part
    assert (status, "another by now" in problem["message"]) == (409, True)
    _, found = await world.call("GET", "quota", world.admin())
    assert found["text"] == text


async def test_previews_of_all_wait_for_no_part_that_is_read(
    world: HubWorld, held: HeldThreads
) -> None:
    part = asyncio.ensure_future(asked(world, lead(world), "preview", PART))
    await held.is_held.wait()
    status, answer = await asked(world, world.admin(), "preview", QUOTA)
    assert status == 200, answer
    held.let_go()
    assert (await part)[0] == 200


async def test_a_preview_is_of_the_document_that_is_in_force_when_it_is_told(
    world: HubWorld, held: HeldThreads
) -> None:
    """By that one, the part changes what is not its author's."""
    part = asyncio.ensure_future(asked(world, lead(world), "preview", PART))
    await held.is_held.wait()
    text = QUOTA.replace("[hub-nlp]", "[hub-nlp], weight: 3")
    assert (await applied(world, world.admin(), text, 1))[0] == 200
    held.let_go()
    status, problem = await part
    assert (status, "nlp" in problem["message"]) == (403, True)


@pytest.mark.parametrize(
    ("method", "path", "given", "place"),
    [
        ("POST", "quota/preview", PART, 1),
        ("POST", "quota/preview", PART, 2),
        ("POST", "quota/check", PART, 1),
        ("GET", "quota/revisions", ("science",), 1),
        ("GET", "quota/revisions/{change}", ("science",), 1),
        ("GET", "quota/revisions/{change}", ("science",), 2),
    ],
)
async def test_who_is_no_admin_any_more_when_it_was_read_is_told_nothing(
    world: HubWorld, method: str, path: str, given: Any, place: int
) -> None:
    """``place``: which of what is done in threads for the answer lasts so long."""
    more = QUOTA.replace("[hub-nlp]", "[hub-nlp], weight: 3")
    assert (await applied(world, world.admin(), more, 1))[0] == 200
    assert (await applied(world, world.admin(), QUOTA, 2))[0] == 200
    _, made = await world.call("GET", "quota/revisions", lead(world))
    path = path.format(change=made[-1]["change"])
    world.service.part_histories._found.clear()
    held = HeldThreads(given, place)
    body = {"text": PART} if method == "POST" else None
    answer = asyncio.ensure_future(world.call(method, path, lead(world), body))
    async with asyncio.timeout(20):
        await held.is_held.wait()
    text = QUOTA.replace("[hub-s]", "[hub-s, hub-t]")
    assert (await applied(world, world.admin(), text, 3))[0] == 200
    held.let_go()
    status, problem = await answer
    assert (status, problem["reason"]) == (403, "not-theirs"), problem


@pytest.mark.parametrize("path", ["quota", "quota/calendar"])
async def test_who_waits_for_their_turn_is_answered_as_what_they_administer_then(
    world: HubWorld, path: str
) -> None:
    token = lead(world)
    held = HeldThreads(("science",))
    first = asyncio.ensure_future(world.call("GET", path, token))
    await held.is_held.wait()
    second = asyncio.ensure_future(world.call("GET", path, token))
    callers = world.service.limits.lists._callers
    await until(lambda: [each.lists for each in callers.values()] == [2])
    text = QUOTA.replace("[hub-s]", "[hub-s, hub-t]")
    assert (await applied(world, world.admin(), text, 1))[0] == 200
    held.let_go()
    await first
    status, problem = await second
    assert status == 403, problem


@pytest.mark.parametrize(
    "path",
    ["quota/tree", "refusals/sums?group=nlp", "use/report", "use?group=nlp", "waits?group=nlp"],
)
async def test_of_groups_that_are_theirs_no_more_nobody_is_told_who_waited_for_their_turn(
    world: HubWorld, path: str
) -> None:
    token = lead(world)
    limits, trees = world.service.limits.lists, world.service.quota_views.trees
    sums = world.service.refusals
    assert (await world.call("GET", path, token))[0] == 200
    async with limits.of_caller("user:lead"), trees._turn, sums._turn:
        answer = asyncio.ensure_future(world.call("GET", path, token))
        turns = (limits._callers["user:lead"].lock, trees._turn, sums._turn)
        await until(lambda: any(each._waiters for each in turns))
        text = QUOTA.replace("[hub-s]", "[hub-s, hub-t]")
        assert (await applied(world, world.admin(), text, 1))[0] == 200
    status, problem = await answer
    assert (status, problem["reason"]) == (403, "not-theirs"), problem


@pytest.mark.parametrize("path", ["preview", "check", "revisions"])
async def test_a_part_that_is_much_too_long_is_not_read(
    tmp_path: Path, hub: FakeHub, path: str
) -> None:
    """What is no YAML at its end would be told else."""
    settings = replace(settings_with(tmp_path, QUOTA), most_of_part=PartBounds(size_bytes=500))
    async with hub_world(tmp_path, hub, settings) as world:
        applying = {"reason": "a paper", "expect_part": await known_by(world)}
        more = applying if path == "revisions" else {}
        for count, told in ((100, "is no YAML"), (2000, "is bounded")):
            text = PART + "#" * count + "\n["
            _, answer = await asked(world, lead(world), path, text, **more)
            assert told in str(answer), (count, answer)
