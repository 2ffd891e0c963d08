"""A week's report by the API: for whom, of which groups, of which week, and in which form."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.usage.buckets import label_of
from sublet_quota.wire.use import UseKey

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for
from tests.support.past_use import Habit, store_past

pytestmark = pytest.mark.asyncio

QUOTA = """
groups:
  science: {members: [], groups: {nlp: {members: [hub-nlp]}}}
  physics: {members: [hub-physics]}
"""
PEOPLE: dict[str, str | None] = {"ada": "nlp", "phil": "physics", "zoe": None}


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as made:
        database = made.service.use._database
        store_past(database, PEOPLE, 15, datetime.now(UTC), Habit(days=1))
        yield made


async def told(world: HubWorld, token: str, query: str = "") -> dict[str, list[str]]:
    """By group, whose slices were idle for the longest."""
    status, report = await world.call("GET", f"use/report{query}", token)
    assert status == 200, report
    return {each["group"]: [one["owner"] for one in each["idle"]] for each in report["groups"]}


async def test_who_may_see_all_is_told_of_all_and_admins_of_groups_of_theirs_alone(
    world: HubWorld,
) -> None:
    everything = {"nlp": ["ada"], "physics": ["phil"], "": ["zoe"]}
    assert await told(world, world.admin()) == everything
    assert await told(world, world.reader()) == everything
    assert await told(world, world.admin(), "?group=science") == {"nlp": ["ada"]}
    lead = world.group_admin("lead", "hub-nlp")
    for query in ("", "?group=nlp"):
        assert await told(world, lead, query) == {"nlp": ["ada"]}
    for group in ("physics", "science", "nowhere"):
        assert (await world.call("GET", f"use/report?group={group}", lead))[0] == 403
    assert (await world.call("GET", "use/report", world.user("ada", ("hub-nlp",))))[0] == 403


async def test_it_is_of_the_last_whole_week_if_none_is_named(world: HubWorld) -> None:
    _, report = await world.call("GET", "use/report", world.admin())
    last = datetime.now(UTC) - timedelta(days=7)
    assert (report["week"], report["is_over"]) == (label_of(UseKey.WEEK, last, UTC), True)
    this = label_of(UseKey.WEEK, datetime.now(UTC), UTC)
    _, report = await world.call("GET", f"use/report?week={this}", world.admin())
    assert (report["week"], report["is_over"]) == (this, False)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("week=2026-W54", "?week=2026-W54 is none: write one such as 20"),
        ("week=soon", "?week=soon is none"),
        ("week=2999-W52", "still to come"),
        ("week=9999-W52", "?week=9999-W52 is none"),
        ("week=0001-W01", "?week=0001-W01 is none"),
        ("week=0000-W01", "?week=0000-W01 is none"),
        ("zone=Mars/Base", "is no zone that is known here"),
        ("format=csv", "?format=csv is none: there are json and text and html"),
    ],
)
async def test_what_cannot_be_told_is_refused(world: HubWorld, query: str, says: str) -> None:
    status, problem = await world.call("GET", f"use/report?{query}", world.admin())
    assert (status, says in problem["message"]) == (400, True), problem


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [("text", "text/plain", b"GPUs in week "), ("html", "text/html", b"<!DOCTYPE html>")],
)
async def test_it_is_had_as_a_file(world: HubWorld, form: str, kind: str, begins: bytes) -> None:
    answer = await world.raw("GET", f"api/use/report?format={form}", world.admin())
    assert (answer.code, answer.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.body.startswith(begins)
    assert b"physics" in answer.body


async def test_refusals_are_told_by_group_and_to_admins_of_groups_those_of_their_members(
    tmp_path: Path, hub: FakeHub
) -> None:
    quota = tmp_path / "quota.yaml"
    quota.write_text("groups: {science: {members: [], groups: {nlp: {}}}, physics: {}}")
    settings = settings_for(tmp_path, quota_file=quota)
    async with hub_world(tmp_path, hub, settings) as world:
        store_past(world.service.use._database, PEOPLE, 1, datetime.now(UTC))

        async def sums(token: str, query: str) -> list[tuple[str | None, str, int]]:
            status, found = await world.call("GET", f"refusals/sums{query}", token)
            assert status == 200, found
            return [(each["group"], each["code"], each["times"]) for each in found]

        lead = world.group_admin("lead", "nlp")
        assert await sums(lead, "?group=nlp") == [(None, "no-room", 1)]
        assert await sums(lead, "?group=nlp&by=group") == [("nlp", "no-room", 1)]
        assert await sums(lead, "") == []
        assert await sums(world.reader(), "?group=science") == [(None, "no-room", 1)]
        assert await sums(world.admin(), "?by=group") == [
            ("nlp", "no-room", 1),
            ("physics", "user-limit", 2),
            ("", "group-limit", 3),
        ]
        assert await sums(world.user("phil"), "?by=group") == [("physics", "user-limit", 2)]
        for query, status in (("?group=physics", 403), ("?by=colour", 400)):
            assert (await world.call("GET", f"refusals/sums{query}", lead))[0] == status
        written = await world.raw("GET", "api/refusals/sums?by=group&format=csv", world.admin())
        assert written.body.decode().splitlines()[0].endswith("group")
