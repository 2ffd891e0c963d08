"""The quota document in the database: applied with care, by one admin after another."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sublet_hub.app.application import SubletHub
from sublet_hub.errors import ConfigurationError, QuotaFileError
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.tables import QUOTA_REVISIONS
from sublet_quota.wire.quota import MOST_DOCUMENT, KeptIn
from traitlets import TraitError

from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

FIRST = "everyone: {limit: {cards: 2}}\n"
SECOND = "everyone: {limit: {cards: 3}}\n"
THIRD = "everyone: {limit: {cards: 4}}\n"
BAD = "everyone: {limit: {cards: many}}\npolls: {}\n"


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, FIRST)) as made:
        yield made


async def applied(
    world: HubWorld, text: str, expect: int, admin: str = "root", reason: str = "a course"
) -> tuple[int, Any]:
    body = {"text": text, "reason": reason, "expect": expect}
    return await world.call("POST", "quota/revisions", world.admin(admin), body)


async def in_force(world: HubWorld) -> tuple[int, str]:
    _, quota = await world.call("GET", "quota", world.admin())
    _, found = await world.call("GET", "quota/rights", world.user("ada"))
    (cards,) = (each["value"] for each in found["rights"] if each["right"] == "limit of cards")
    return quota["revision"], cards


async def history(world: HubWorld) -> list[tuple[int, str, str, int, bool]]:
    _, found = await world.call("GET", "quota/revisions", world.admin())
    names = ("revision", "author", "reason", "keys_changed", "in_force")
    return [tuple(each[name] for name in names) for each in found]


async def told(world: HubWorld) -> list[str]:
    _, events = await world.call("GET", "events", world.admin())
    return [each["detail"] for each in events if each["kind"] == "quota-loaded"]


async def test_the_first_revision_is_the_file_and_another_is_in_force_at_once(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    assert await in_force(world) == (1, "2 cards")
    text = SECOND + "pools: [{name: interactive, idle_after: 90s}]\n"
    status, answer = await applied(world, text, 1)
    assert (status, answer["is_new"], answer["about"]["revision"]) == (200, True, 2)
    assert await in_force(world) == (2, "3 cards")
    await agent.until(lambda: agent.assignments.gpus[0].idle_after_s == 90)
    first = f"as it was in {world.folder / 'quota.yaml'}"
    assert await history(world) == [
        (2, "root", "a course", 2, True),
        (1, "sublet", first, 1, False),
    ]
    assert await told(world) == ["revision 2 by root: a course"]
    status, found = await world.call("GET", "quota/revisions/2", world.admin())
    assert (status, found["text"], found["text_before"]) == (200, text, FIRST)
    _, found = await world.call("GET", "quota/revisions/1", world.admin())
    assert found["text_before"] is None


async def test_it_is_in_force_after_a_restart_and_the_file_is_not_read_again(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path, FIRST)
    async with hub_world(tmp_path, hub, settings) as world:
        await applied(world, SECOND, 1)
        (tmp_path / "quota.yaml").write_text(BAD)
    async with hub_world(tmp_path, hub, settings) as world:
        assert await in_force(world) == (2, "3 cards")
        status, problem = await world.call("POST", "quota/reload", world.admin())
        assert (status, "sublet quota apply" in problem["message"]) == (409, True)


async def test_without_a_file_the_first_revision_is_empty(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, None)) as world:
        assert await in_force(world) == (1, "no limit")
        assert (await history(world))[0][2:] == ("no file: what holds when nobody says", 0, True)


async def test_a_file_that_is_wrong_is_never_the_first_revision(
    tmp_path: Path, hub: FakeHub
) -> None:
    with pytest.raises(QuotaFileError):
        async with hub_world(tmp_path, hub, settings_with(tmp_path, BAD)):
            pass
    async with hub_world(tmp_path, hub, settings_with(tmp_path, FIRST)) as world:
        assert await in_force(world) == (1, "2 cards")


async def test_what_was_made_from_another_revision_is_refused_with_who_changed_what(
    world: HubWorld,
) -> None:
    await applied(world, SECOND, 1, "eve", "for ml-101")
    status, problem = await applied(world, THIRD, 1, "bob")
    assert (status, problem["reason"]) == (409, "conflict")
    assert "revision 2 is in force, not 1" in problem["message"]
    assert "2 by eve" in problem["message"]
    assert "(for ml-101)" in problem["message"]
    assert await in_force(world) == (2, "3 cards")
    status, problem = await applied(world, THIRD, 7)
    assert (status, "no revision 7 yet" in problem["message"]) == (409, True)
    assert len(await history(world)) == 2


async def test_of_two_at_the_same_time_one_wins_and_the_other_is_told(world: HubWorld) -> None:
    answers = await asyncio.gather(
        applied(world, SECOND, 1, "eve", "for ml-101"),
        applied(world, THIRD, 1, "bob", "a deadline"),
    )
    assert sorted(status for status, _ in answers) == [200, 409]
    (done,) = (answer for status, answer in answers if status == 200)
    (refused,) = (answer for status, answer in answers if status == 409)
    assert f"2 by {done['about']['author']}" in refused["message"]
    assert await in_force(world) in {(2, "3 cards"), (2, "4 cards")}
    assert len(await history(world)) == 2


async def test_a_document_that_is_refused_is_never_stored(world: HubWorld) -> None:
    status, problem = await applied(world, BAD, 1)
    assert (status, problem["reason"]) == (400, "bad-quota-document")
    assert "line 1" in problem["message"]
    assert "line 2" in problem["message"]
    # Longer as bytes than as characters.
    large = {"text": "#" + "ü" * (MOST_DOCUMENT - 1), "reason": "x", "expect": 1}
    sent = json.dumps(large, ensure_ascii=False)
    status, problem = await world.call("POST", "quota/revisions", world.admin(), sent)
    assert (status, "larger than" in problem["message"]) == (400, True)
    for wrong in ({"reason": ""}, {"reason": "a\nb"}, {"expect": 0}):
        body = {"text": SECOND, "reason": "x", "expect": 1, **wrong}
        status, _ = await world.call("POST", "quota/revisions", world.admin(), body)
        assert status == 400
    assert await in_force(world) == (1, "2 cards")
    assert len(await history(world)) == 1


async def test_what_is_in_force_already_makes_no_revision(world: HubWorld) -> None:
    status, answer = await applied(world, FIRST, 1)
    assert (status, answer["is_new"], answer["about"]["revision"]) == (200, False, 1)
    assert len(await history(world)) == 1


async def test_a_rollback_is_a_new_revision_that_equals_the_old(world: HubWorld) -> None:
    await applied(world, SECOND, 1)
    body = {"revision": 1, "reason": "too much", "expect": 2}
    status, answer = await world.call("POST", "quota/rollback", world.admin(), body)
    assert (status, answer["about"]["revision"]) == (200, 3)
    assert await in_force(world) == (3, "2 cards")
    _, found = await world.call("GET", "quota/revisions/3", world.admin())
    assert (found["text"], found["about"]["reason"]) == (FIRST, "too much")
    status, _ = await world.call("POST", "quota/rollback", world.admin(), body)
    assert status == 409
    body = {"revision": 9, "reason": "x", "expect": 3}
    assert (await world.call("POST", "quota/rollback", world.admin(), body))[0] == 404
    for path in ("9", "1e3", "٣", "0" * 300):
        assert (await world.call("GET", f"quota/revisions/{path}", world.admin()))[0] in {400, 404}


async def test_warnings_are_told_with_the_answer(world: HubWorld) -> None:
    await world.agent()
    text = "groups: {lab: {guaranteed: {Simulated H100 80GB: 2}}}\n"
    _, answer = await applied(world, text, 1)
    assert "2 cards of Simulated H100 80GB are guaranteed" in answer["warnings"][0]


async def test_a_database_that_fails_leaves_the_old_one_in_force(world: HubWorld) -> None:
    database = world.assembly._adapters.database
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE quota_revisions RENAME TO away")
    status, problem = await applied(world, SECOND, 1)
    assert (status, problem["reason"]) == (503, "ledger-unavailable")
    assert await in_force(world) == (1, "2 cards")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO quota_revisions")
    assert len(await history(world)) == 1
    assert (await applied(world, SECOND, 1))[0] == 200


async def test_whoever_could_not_be_told_of_a_stored_revision_is_told_again(
    world: HubWorld,
) -> None:
    failures = 1

    def fails_once(document: object) -> None:
        nonlocal failures
        del document
        if failures:
            failures -= 1
            message = "the disk is full"
            raise LedgerWriteError(message)

    world.service.quota.listen(fails_once)
    heard: list[object] = []
    world.service.quota.listen(heard.append)
    status, _ = await applied(world, SECOND, 1)
    assert (status, heard) == (200, [])
    await until(lambda: bool(heard))
    assert await in_force(world) == (2, "3 cards")


async def test_a_revision_that_this_version_cannot_have_in_force_stops_the_start_with_a_way_out(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path, FIRST)
    async with hub_world(tmp_path, hub, settings) as world:
        with world.assembly._adapters.database.engine.begin() as connection:
            statement = sa.update(QUOTA_REVISIONS).values(text=b"everyone: {most_jobs: 4}\n")
            connection.execute(statement)
    with pytest.raises(QuotaFileError, match="revision 1 in the database") as error:
        async with hub_world(tmp_path, hub, settings):
            pass
    assert "quota_source 'file'" in str(error.value)
    with_file = replace(settings, quota_source=KeptIn.FILE)
    async with hub_world(tmp_path, hub, with_file) as world:
        _, quota = await world.call("GET", "quota", world.admin())
        assert quota["text"] == FIRST


async def test_a_database_without_revisions_to_be_read_stops_the_start(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path, FIRST)
    async with hub_world(tmp_path, hub, settings) as world:
        with world.assembly._adapters.database.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE quota_revisions")
    with pytest.raises(ConfigurationError, match="cannot be had from the database"):
        async with hub_world(tmp_path, hub, settings):
            pass


async def test_where_it_is_kept_is_an_option_of_the_service() -> None:
    assert SubletHub()._settings().quota_source is KeptIn.FILE
    assert SubletHub(quota_source="database")._settings().quota_source is KeptIn.DATABASE
    with pytest.raises(TraitError):
        SubletHub(quota_source="somewhere")


async def test_a_file_is_named_to_who_would_apply_beside_it(tmp_path: Path, hub: FakeHub) -> None:
    settings = replace(settings_with(tmp_path, FIRST), quota_source=KeptIn.FILE)
    async with hub_world(tmp_path, hub, settings) as world:
        status, problem = await applied(world, SECOND, 1)
        assert (status, problem["reason"]) == (409, "conflict")
        assert f"change {tmp_path / 'quota.yaml'}" in problem["message"]
        body = {"revision": 1, "reason": "x", "expect": 1}
        asked = (
            ("POST", "quota/rollback", body),
            ("GET", "quota/revisions", None),
            ("GET", "quota/revisions/1", None),
        )
        for method, path, sent in asked:
            assert (await world.call(method, path, world.admin(), sent))[0] == 409
        _, problem = await world.call("GET", "quota/revisions", world.admin())
        assert (
            f"{tmp_path / 'quota.yaml'} (`quota_source` is `file`), and has no revisions"
            in (problem["message"])
        )
        _, quota = await world.call("GET", "quota", world.admin())
        assert (quota["kept_in"], quota["revision"]) == ("file", None)
    async with hub_world(tmp_path, hub, replace(settings, quota_file=None)) as world:
        _, problem = await applied(world, SECOND, 1)
        assert "none is configured" in problem["message"]


async def test_admins_alone_apply_roll_back_and_read_the_history(world: HubWorld) -> None:
    await applied(world, SECOND, 1)
    user = world.user("ada")
    body = {"text": THIRD, "reason": "mine", "expect": 2}
    back = {"revision": 1, "reason": "mine", "expect": 2}
    asked = (
        ("POST", "quota/preview", {"text": THIRD}),
        ("POST", "quota/revisions", body),
        ("POST", "quota/rollback", back),
        ("GET", "quota/revisions", None),
        ("GET", "quota/revisions/1", None),
    )
    for method, path, sent in asked:
        assert (await world.call(method, path, user, sent))[0] == 403, path
    for method, path, sent in asked[:3]:
        gone = world.admin(f"gone-{path}")
        assert (await world.call("GET", "quota/revisions", gone))[0] == 200
        del world.hub.tokens[gone]
        assert (await world.call(method, path, gone, sent))[0] == 401, path
    assert await in_force(world) == (2, "3 cards")


async def test_a_slice_over_a_new_limit_has_its_grace_and_is_told(world: HubWorld) -> None:
    await world.agent()
    lab = 'gpu_types: {H100: {match: "*H100*"}}\ngroups: {lab: {guaranteed: {H100: 1}}}\n'
    await applied(world, lab, 1)
    await world.slice_for("ada", size="whole", groups=["lab"])
    await applied(world, lab.replace("H100: 1}", "H100: 1/2}"), 2)
    (record,) = world.service.ledger.slices_of_owner("ada")
    assert record.before_until is not None


@pytest.mark.parametrize("path", ["check", "preview", "revisions"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("sizes: [{name: s, memory: 1, compute: 1, for: ops}]", "sizes.s.for: 'ops' is no list"),
        ("sizes: [{name: s, memory: 1, compute: 1, for: {ops: 1}}]", "a mapping is no list"),
        ("sizes: [{name: s, memory: 1, compute: 1, for: 7}]", "sizes.s.for: 7 is no list"),
        ("sizes: [{name: s, memory: 1, compute: 1, for: [[ops]]}]", "a list is no text"),
        (r'exceptions: [{groups: [ops], set: {weight: 2}, why: "a\nb"}]', "no line of text"),
        (r'exceptions: [{groups: [ops], set: {weight: 2}, why: "a\ab"}]', "(U+0007)"),
        (r'exceptions: [{groups: [ops], set: {weight: 2}, why: "a\u202Eb"}]', "(U+202E)"),
        ("exceptions: [{groups: [ops], set: {weight: 2}, why: [a]}]", "a list is no text"),
    ],
)
async def test_a_list_that_is_none_and_a_why_of_several_lines_are_told_as_errors(
    world: HubWorld, path: str, wrong: str, told: str
) -> None:
    text = f"groups: {{ops: {{members: [hub-ops]}}}}\n{wrong}\n"
    more = {"reason": "a course", "expect": 1} if path == "revisions" else {}
    status, answer = await world.call(
        "POST", f"quota/{path}", world.admin(), {"text": text, **more}
    )
    assert status == (200 if path == "check" else 400), answer
    said = " ".join(
        f"{each['key']}: {each['message']}" for each in answer.get("problems", ())
    ) or str(answer["message"])
    assert told in said
    assert await in_force(world) == (1, "2 cards")


@pytest.mark.parametrize("reason", ["a\nb", "a\rb", "a\x00b", "a\x1b[2Jb", "a\u202eb", "", " "])
async def test_a_reason_is_one_line_of_plain_text(world: HubWorld, reason: str) -> None:
    status, problem = await applied(world, SECOND, 1, reason=reason)
    assert (status, "reason" in problem["message"]) == (400, True), problem
    rollback = {"revision": 1, "reason": reason, "expect": 1}
    status, problem = await world.call("POST", "quota/rollback", world.admin(), rollback)
    assert (status, "reason" in problem["message"]) == (400, True), problem
    assert len(await history(world)) == 1
