"""An admin of a group puts their part of the quota document in force, and no more than that."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from click.testing import Result
from sublet_hub.state.quota_documents import in_database

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for
from tests.support.lab_bodies import sublet
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  science:   # a note of the admins'
    members: [hub-s]
    guaranteed: {H100: 1}
    groups:
      nlp: {members: [hub-nlp], guaranteed: {H100: 1/2}}
      vision: {members: [hub-v]}
  physics: {members: [hub-p]}
exceptions:
  - {who: [phil], set: {limit: {cards: 2}}, why: a deadline}
"""


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as made:
        yield made


def lead(world: HubWorld) -> str:
    return world.group_admin("lead", "hub-s")


async def part(world: HubWorld, token: str) -> tuple[str, dict[str, Any]]:
    """Return by what the part in force is known, and the part as it is shown."""
    status, found = await world.call("GET", "quota", token)
    assert status == 200, found
    values = yaml.safe_load(found["text"])
    assert isinstance(values, dict)
    return found["part"], values


async def applied(
    world: HubWorld, token: str, values: Any, expect: str
) -> tuple[int, dict[str, Any]]:
    text = values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False)
    body = {"text": text, "reason": "a paper", "expect_part": expect}
    status, answer = await world.call("POST", "quota/revisions", token, body)
    return status, answer


async def physics_goes(world: HubWorld, expect: int) -> None:
    """Have an admin take a group out of the document."""
    without = QUOTA.replace("  physics: {members: [hub-p]}\n", "")
    body = {"text": without, "reason": "gone", "expect": expect}
    assert (await world.call("POST", "quota/revisions", world.admin(), body))[0] == 200


async def text_in_force(world: HubWorld) -> str:
    _, found = await world.call("GET", "quota", world.admin())
    return str(found["text"])


async def test_their_part_is_in_force_at_once_and_history_says_who_and_in_which_role(
    world: HubWorld,
) -> None:
    token = lead(world)
    revision, values = await part(world, token)
    values["groups"]["science"]["groups"]["vision"]["guaranteed"] = {"H100": "1/4"}
    status, answer = await applied(world, token, values, revision)
    assert (status, answer["is_new"], answer["about"]["keys_changed"]) == (200, True, 1)
    text = await text_in_force(world)
    assert "# a note of the admins'" in text
    assert "who: [phil]" in text
    _, found = await world.call("GET", "quota/rights", world.user("vic", ("hub-v",)))
    assert found["groups"] == ["vision"]
    _, history = await world.call("GET", "quota/revisions", world.admin())
    told = [(e["revision"], e["author"], e["role"], e["groups"]) for e in history]
    assert told == [(2, "lead", "group-admin", ["science"]), (1, "sublet", None, [])]
    _, events = await world.call("GET", "events", world.admin())
    assert "revision 2 by lead, admin of science: a paper" in [e["detail"] for e in events]
    await world.call(
        "POST",
        "quota/revisions",
        world.admin(),
        {"text": QUOTA, "reason": "back", "expect": 2},
    )
    _, history = await world.call("GET", "quota/revisions", world.admin())
    assert (history[0]["author"], history[0]["role"]) == ("root", "admin")
    _, history = await world.call("GET", "quota/revisions", token)
    assert [(each["revision"], each["author"]) for each in history] == [
        (None, "root"),
        (None, "lead"),
    ]


async def test_the_same_part_again_makes_no_revision(world: HubWorld) -> None:
    token = lead(world)
    revision, values = await part(world, token)
    status, answer = await applied(world, token, values, revision)
    assert (status, answer["is_new"], answer["about"]) == (200, False, None)
    assert answer["part"] == revision
    assert await text_in_force(world) == QUOTA


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda whole: whole["groups"]["science"].update(weight=9), "groups.science.weight"),
        (
            lambda whole: whole["groups"]["science"].update(admins={"users": ["lead"]}),
            "groups.science.admins.users",
        ),
        (lambda whole: whole["groups"].update(physics={}), "physics"),
        (lambda whole: whole.update(everyone={"limit": {"cards": 9}}), "everyone"),
        (
            lambda whole: whole["groups"]["science"]["groups"]["vision"].update(
                members=["hub-v", "hub-p"]
            ),
            "hub-p: no members of science so far",
        ),
        (
            lambda whole: whole["groups"]["science"]["groups"]["vision"].update(
                each={"jobs": {"most": 100}}
            ),
            "vision: the members would have more",
        ),
        (
            lambda whole: whole.update(
                reservations=[
                    {"name": "r", "for": "nlp", "guaranteed": {"H100": 1}, "at": "Mon 09:00-10:00"}
                ]
            ),
            "r: a reservation is added",
        ),
        (
            lambda whole: whole.update(
                exceptions=[{"who": ["lead"], "set": {"limit": {"cards": 9}}, "why": "me"}]
            ),
            "exceptions",
        ),
    ],
)
async def test_what_is_not_theirs_is_refused_and_nothing_is_changed(
    world: HubWorld, edit: Any, told: str
) -> None:
    token = lead(world)
    revision, values = await part(world, token)
    edit(values)
    status, problem = await applied(world, token, values, revision)
    assert (status, problem["reason"]) == (403, "not-theirs"), problem
    assert told in problem["message"]
    assert await text_in_force(world) == QUOTA
    _, history = await world.call("GET", "quota/revisions", world.admin())
    assert len(history) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("groups: {science: {groups: {nlp: {weight: many}}}}", "line 1"),
        ("groups: {science: {guaranteed: {H100: 1}, groups: {physics: {}}}}", "does not fit"),
        (QUOTA, "show"),
    ],
)
async def test_what_is_wrong_is_refused_without_what_others_have(
    world: HubWorld, text: str, told: str
) -> None:
    known, _ = await part(world, lead(world))
    status, problem = await applied(world, lead(world), text, known)
    assert status in {400, 403}
    assert told in problem["message"]
    assert "phil" not in problem["message"]
    assert await text_in_force(world) == QUOTA


async def as_root(world: HubWorld, text: str) -> None:
    """Have an admin put a document in force that others make from the first one."""
    body = {"text": text, "reason": "reason-canary", "expect": 1}
    status, answer = await world.call("POST", "quota/revisions", world.admin("root-canary"), body)
    assert status == 200, answer


async def test_what_was_changed_elsewhere_refuses_no_part_and_stays(world: HubWorld) -> None:
    token = lead(world)
    known, values = await part(world, token)
    await as_root(world, QUOTA + "shrink: {grace: 1h}\n")
    values["groups"]["science"]["groups"]["vision"]["weight"] = 3
    status, answer = await applied(world, token, values, known)
    assert (status, answer["is_new"]) == (200, True), answer
    assert answer["about"]["revision"] is None
    text = await text_in_force(world)
    assert "shrink: {grace: 1h}" in text
    assert "weight: 3" in text
    # What is told of it is what the next one is made from.
    assert answer["part"] == (await part(world, token))[0] != known


async def test_where_the_part_itself_is_another_it_is_refused_without_who_and_why(
    world: HubWorld,
) -> None:
    token = lead(world)
    known, values = await part(world, token)
    await as_root(world, QUOTA.replace("members: [hub-v]", "members: [hub-v], weight: 7"))
    before = await text_in_force(world)
    assert before != QUOTA
    status, problem = await applied(world, token, values, known)
    assert (status, "another by now" in problem["message"]) == (409, True), problem
    assert "canary" not in problem["message"]
    assert await text_in_force(world) == before


async def test_a_part_of_one_of_the_groups_below_is_made_from_its_own_or_from_all(
    world: HubWorld,
) -> None:
    token = lead(world)
    of_all, _ = await part(world, token)
    _, below = await world.call("GET", "quota?group=vision", token)
    values = yaml.safe_load(below["text"])
    for known, weight in ((of_all, None), (below["part"], 4)):
        if weight:
            values["groups"]["vision"]["groups"] = {"new": {"members": [], "weight": weight}}
        status, answer = await applied(world, token, values, known)
        assert status == 200, answer
        assert answer["is_new"] is bool(weight)
    # What neither of the two is now.
    status, _ = await applied(world, token, values, below["part"])
    assert status == 409


@pytest.mark.parametrize("more", [{}, {"expect": 1}, {"expect_part": "1"}, {"expect": 2}])
async def test_a_part_names_what_it_was_made_from_and_numbers_tell_nothing(
    world: HubWorld, more: dict[str, Any]
) -> None:
    """Else by asking with many numbers they would find the one that is in force."""
    body = {"text": "groups: {science: {}}", "reason": "a paper", **more}
    answers = []
    for _ in range(2):
        answers.append(await world.call("POST", "quota/revisions", lead(world), body))
        if len(answers) == 1:
            await as_root(world, QUOTA + "shrink: {grace: 1h}\n")
    assert answers[0][0] == 400
    assert answers[0] == answers[1]


async def test_who_sees_all_says_the_revision(world: HubWorld) -> None:
    _, found = await world.call("GET", "quota?group=science", world.admin())
    assert found["revision"] == 1
    body = {"text": QUOTA, "reason": "a paper", "expect_part": found["part"]}
    status, problem = await world.call("POST", "quota/revisions", world.admin(), body)
    assert (status, "`expect`" in problem["message"]) == (400, True)


async def test_a_name_to_which_something_was_charged_before_is_not_theirs_to_take(
    world: HubWorld,
) -> None:
    """What others have used under it would be theirs to see."""
    await world.agent()
    await world.slice_for("phil", size="small", groups=["hub-p"])
    await physics_goes(world, 1)
    token = lead(world)
    revision, values = await part(world, token)
    values["groups"]["science"]["groups"]["physics"] = {"members": []}
    status, problem = await applied(world, token, values, revision)
    assert (status, "physics" in problem["message"]) == (403, True)
    values["groups"]["science"]["groups"]["chemistry"] = values["groups"]["science"]["groups"].pop(
        "physics"
    )
    assert (await applied(world, token, values, revision))[0] == 200


async def test_a_name_by_which_revisions_of_others_are_known_is_not_theirs_to_take(
    world: HubWorld,
) -> None:
    """Why its admins changed it would be theirs to read."""
    others = world.group_admin("pia", "hub-p")
    revision, values = await part(world, others)
    values["groups"]["physics"]["groups"] = {"optics": {"members": []}}
    assert (await applied(world, others, values, revision))[0] == 200
    await physics_goes(world, 2)
    token = lead(world)
    revision, values = await part(world, token)
    values["groups"]["science"]["groups"]["physics"] = {"members": []}
    status, problem = await applied(world, token, values, revision)
    assert (status, "physics" in problem["message"]) == (403, True)
    assert (await world.call("GET", "quota/revisions", token)) == (200, [])


async def test_a_group_to_which_something_was_charged_does_not_go_and_with_it_what_was_spent(
    world: HubWorld,
) -> None:
    """What it spent counts in the budgets and the past use of the groups above it."""
    await world.agent()
    await world.slice_for("vic", size="small", groups=["hub-v"])
    token = lead(world)
    revision, values = await part(world, token)
    groups = values["groups"]["science"]["groups"]
    groups["anew"] = groups.pop("vision")
    status, problem = await applied(world, token, values, revision)
    assert (status, "vision: something was charged to it" in problem["message"]) == (403, True)
    groups["vision"] = {"members": []}
    assert (await applied(world, token, values, revision))[0] == 200


async def test_admins_of_groups_do_not_push_the_history_out(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_database, "MOST_OF_GROUPS_A_DAY", 3)
    token = lead(world)
    statuses = []
    for weight in range(1, 5):
        revision, values = await part(world, token)
        values["groups"]["science"]["groups"]["vision"]["weight"] = weight + 1
        statuses.append((await applied(world, token, values, revision))[0])
    assert statuses == [200, 200, 200, 429]
    body = {"text": QUOTA, "reason": "back", "expect": 4}
    assert (await world.call("POST", "quota/revisions", world.admin(), body))[0] == 200


async def test_few_large_revisions_of_admins_of_groups_do_not_push_the_history_out_either(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_database, "MOST_BYTES_OF_GROUPS_A_DAY", 2 * len(QUOTA))
    token = lead(world)
    statuses = []
    for weight in range(1, 6):
        revision, values = await part(world, token)
        values["groups"]["science"]["groups"]["vision"]["weight"] = weight + 1
        statuses.append((await applied(world, token, values, revision))[0])
    assert statuses == [200, 200, 429, 429, 429]
    body = {"text": QUOTA, "reason": "back", "expect": 3}
    assert (await world.call("POST", "quota/revisions", world.admin(), body))[0] == 200


async def test_where_the_document_is_a_file_its_admin_changes_it(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        token = lead(world)
        _, found = await world.call("GET", "quota", token)
        assert (found["revision"], found["path"], found["groups"]) == (None, None, ["science"])
        status, problem = await applied(world, token, found["text"], found["part"])
        assert (status, "quota_source: database" in problem["message"]) == (409, True)
        assert str(tmp_path) not in problem["message"]


async def test_the_command_line_shows_and_applies_their_part(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBLET_SERVICE_URL", world.base)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", lead(world))

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(sublet, "quota", *arguments)

    shown = await run("show")
    assert "Your part" in shown.output
    assert "physics" not in shown.output
    file = world.folder / "part.yaml"
    file.write_text(shown.output.partition("\n\n")[2].replace("1/2", "3/4"))
    done = await run("apply", str(file), "--reason", "more for nlp")
    assert (done.exit_code, "Your part is in force: 1 key says" in done.output) == (0, True)
    listed = (await run("history")).output
    assert "lead, admin of science" in listed
    named = re.search("in force ([0-9a-f]{32})", listed)
    assert named is not None
    changed = await run("history", named[1])
    assert (changed.exit_code, "0.75" in changed.output) == (0, True), changed.output
    assert named[1] in (await run("show", "--revision", named[1])).output
    assert (await run("history", "2")).exit_code == 1
    known = re.search("[0-9a-f]{32}", shown.output)
    assert known is not None
    late = await run("apply", str(file), "--reason", "late", "--expect", known[0])
    assert (late.exit_code, "another by now" in late.output) == (1, True)
    again = await run("apply", str(file), "--reason", "again")
    assert "Nothing was changed: your part" in again.output
    assert (await run("diff", str(file))).exit_code == 0
    assert (await run("rollback", "1", "--reason", "no")).exit_code == 1


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("groups:\n  science:\n    groups:\n      nlp: {limit: {cards: many}}\n", (4, 21)),
        ("groups:\n  science:\n    members: [hub-s]\n    weight: 3\n", (4, 5)),
        ("groups:\n  science:\n    members: [hub-s, hub-p]\n", (3, 5)),
        ("groups:\n  physics: {}\n", (2, 3)),
        ("everyone: {}\ngroups: {science: {}}\n", (1, 1)),
        ("groups: {science: {", (1, 20)),
    ],
)
async def test_what_is_wrong_in_a_part_is_told_at_its_place_and_nothing_is_changed(
    world: HubWorld, written: str, place: tuple[int, int]
) -> None:
    before = await text_in_force(world)
    status, found = await world.call("POST", "quota/check", lead(world), {"text": written})
    assert status == 200, found
    assert place in [(each["line"], each["column"]) for each in found["problems"]], found
    assert found["warnings"] == []
    assert "phil" not in str(found)
    assert await text_in_force(world) == before


async def test_a_part_that_may_be_put_in_force_has_nothing_wrong(world: HubWorld) -> None:
    _, values = await part(world, lead(world))
    values["groups"]["science"]["groups"]["nlp"]["limit"] = {"cards": 2}
    body = {"text": yaml.safe_dump(values, sort_keys=False)}
    assert await world.call("POST", "quota/check", lead(world), body) == (
        200,
        {"problems": [], "warnings": [], "left_out": 0},
    )
