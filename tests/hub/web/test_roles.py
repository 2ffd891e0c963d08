"""Who may call what, in one table: each route of the API's document, by each role.

What is asked for is ada's, whose group `nlp` pays for her slice and her job. `lead` administers
`nlp`, and `bob` is somebody else.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from sublet_hub.web.openapi import openapi_document
from sublet_quota.names import scopes

from tests.support.hub_world import (
    ACCESS,
    PREFIX,
    FakeHub,
    HubWorld,
    hub_world,
    user_scopes,
)
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

ROLES: Final = ("user", "server", "group-admin", "reader", "admin")
ALL: Final = " ".join(ROLES)
SEES: Final = "reader admin"
NOBODY: Final = ""
"""The hub alone; or nothing is there that anybody could have."""

TABLE: Final = {
    "GET role": ALL,
    "GET lending": ALL,
    "GET changes": ALL,
    "GET share": SEES,
    "GET slices": SEES,
    "GET slices/{slice_id}/history": SEES,
    "GET events": SEES,
    "GET refusals": SEES,
    "GET refusals/sums": SEES,
    "GET budgets": SEES,
    "GET waits": SEES,
    "GET queue": SEES,
    "GET use": SEES,
    "GET use/waits": SEES,
    "GET use/limits": SEES,
    "GET use/report": "group-admin reader admin",
    "POST use/report/trial": "admin",
    "GET quota/rights": SEES,
    "GET jobs": SEES,
    "GET jobs/{job_id}": SEES,
    "GET jobs/{job_id}/log": SEES,
    "POST jobs/forecast": SEES,
    "GET gpus": SEES,
    "GET closings": SEES,
    "GET announcements": "group-admin reader admin",
    "GET deliveries": SEES,
    "GET evictions": SEES,
    "GET history/export": SEES,
    "GET quota": "group-admin reader admin",
    "GET quota/revisions": "group-admin reader admin",
    "GET quota/revisions/{revision}": "group-admin reader admin",
    "POST quota/preview": "group-admin reader admin",
    "POST quota/preview/history": SEES,
    "POST quota/check": "group-admin reader admin",
    "GET quota/tree": "group-admin reader admin",
    "GET quota/calendar": "group-admin reader admin",
    "POST quota/revisions": "group-admin admin",
    "POST quota/rollback": "admin",
    "POST quota/reload": "admin",
    # Jobs of one's own: who may but read has none.
    "POST jobs": "user server group-admin admin",
    "POST jobs/{job_id}/cancel": "admin",
    "POST jobs/{job_id}/again": "admin",
    "POST slices/{slice_id}/keep": "admin",
    "POST slices/{slice_id}/wake": "admin",
    "POST slices/{slice_id}/give-up": "admin",
    "POST slices/{slice_id}/extend": "admin",
    "POST slices/{slice_id}/resize": "admin",
    # Nothing of ada's is in line.
    "DELETE queue": NOBODY,
    "PUT lending": "admin",
    "POST closings": "admin",
    "POST closings/open": "admin",
    "POST announcements": "group-admin admin",
    "POST announcements/withdraw": "group-admin admin",
    "POST evictions": "admin",
    "GET hub/offers": NOBODY,
    "GET hub/queue": NOBODY,
    "DELETE hub/queue": NOBODY,
    "POST hub/slices": NOBODY,
    "GET hub/slices/{slice_id}": NOBODY,
    "DELETE hub/slices/{slice_id}": NOBODY,
    "POST hub/slices/{slice_id}/started": NOBODY,
    "POST hub/slices/{slice_id}/pod": NOBODY,
}
OF_GROUPS: Final = (
    "slices",
    "jobs",
    "waits",
    "use",
    "use/waits",
    "use/report",
    "refusals/sums",
    "budgets",
    "quota",
    "quota/calendar",
    "quota/revisions",
    "quota/revisions/{revision}",
    "quota/tree",
)
"""What there is of a group with all below it, by ``?group=``."""
STREAMS: Final = {"GET changes", "POST quota/preview/history"}
"""They answer with events; to whom is looked at below."""
BODIES: Final = {
    "POST jobs": {"notebook": "train.ipynb"},
    "POST jobs/forecast": {"notebook": "train.ipynb"},
    "POST slices/{slice_id}/keep": {"minutes": 5},
    "POST quota/preview": {
        "text": "groups: {nlp: {members: [hub-nlp], weight: 2, budget: {hours: 100}}}"
    },
    "POST quota/check": {"text": ""},
}
QUOTA: Final = """
everyone: {jobs: {most: 50}}
groups:
  science:
    members: []
    admins: {users: [dean, robot], groups: [hub-deans]}
    groups:
      nlp: {members: [hub-nlp], budget: {hours: 100}}
  physics-canary: {members: [hub-physics], budget: {hours: 100}}
exceptions:
  - {who: [phil-canary], set: {limit: {cards: 3}}, why: why-canary}
"""
CHANGED: Final = QUOTA.replace("[hub-nlp], ", "[hub-nlp], weight: 2, ")


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as made:
        yield made


async def nlp_has_another_revision(world: HubWorld) -> None:
    body = {"text": CHANGED, "reason": "more", "expect": 1}
    status, made = await world.call("POST", "quota/revisions", world.admin(), body)
    assert status == 200, made


async def everybodys_things(world: HubWorld) -> dict[str, str]:
    """Have ada, of nlp, and phil, of physics, hold a slice and have a job each."""
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    agent.gpus = (agent.gpus[0].model_copy(update={"lendable_mib": 0}),)
    await agent.report()
    await nlp_has_another_revision(world)
    _, made = await world.call("GET", "quota/revisions?group=nlp", world.admin())
    things = {"revision": made[0]["change"], "number": str(made[0]["revision"])}
    for owner, group in (("phil-canary", "hub-physics"), ("ada", "hub-nlp")):
        lease = await world.slice_for(owner, size="small", groups=[group])
        write_script(world.folder / f"homes/{owner}/train.ipynb", ["print", "x"])
        token = world.user(owner, (group,))
        body = {"notebook": "train.ipynb", "parameters": {"password": "secret-canary"}}
        status, job = await world.call("POST", "jobs", token, body)
        assert status == 201, job
        things |= {"slice_id": lease["slice_id"], "job_id": job["job_id"]}
    return things


def tokens(world: HubWorld) -> dict[str, str]:
    return {
        "user": world.user("bob", ("hub-physics",)),
        "server": world.server("bob"),
        "group-admin": world.group_admin("lead", "hub-nlp"),
        "reader": world.reader(),
        "admin": world.admin(),
    }


def routes() -> dict[str, dict[str, Any]]:
    """Return the operations of the API's document, by method and path."""
    paths: dict[str, dict[str, dict[str, Any]]] = openapi_document(PREFIX, "0")["paths"]
    return {
        f"{method.upper()} {path.removeprefix('/')}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def path_of(name: str, operation: dict[str, Any], things: dict[str, str]) -> str:
    path = re.sub(r"{(\w+)}", lambda found: things[found[1]], name.partition(" ")[2])
    takes_owner = any(each["name"] == "owner" for each in operation["parameters"])
    return f"{path}?owner=ada" if takes_owner else path


async def test_the_table_has_every_route_and_no_other() -> None:
    assert TABLE.keys() == routes().keys()


async def test_the_document_of_the_api_says_which_roles_a_route_for_admins_has() -> None:
    """Of the others it says all: each sees their own there, and changes it as their scopes let."""
    for name, operation in routes().items():
        said = set(operation["x-roles"])
        if operation["tags"] == ["admin"]:
            assert said == set(TABLE[name].split()), name
        else:
            assert said == (
                set() if operation["tags"] == ["hub"] else {*ROLES, "user"} - {"server"}
            )


async def test_each_route_is_open_to_the_roles_of_the_table_and_to_no_other(
    world: HubWorld,
) -> None:
    things = await everybodys_things(world)
    by_role = tokens(world)
    for name, operation in routes().items():
        if name in STREAMS:
            continue
        refused = 404 if "{" in name and operation["tags"] == ["user"] else 403
        if name == "DELETE queue":
            refused = 404
        for role in ROLES:
            method = name.partition(" ")[0]
            body = BODIES.get(name, {}) if method in {"POST", "PUT"} else None
            # Whoever sees all knows revisions by their numbers.
            by_number = {"revision": things["number"]} if role in SEES.split() else {}
            path = path_of(name, operation, things | by_number)
            status, answer = await world.call(method, path, by_role[role], body)
            if role in TABLE[name].split():
                assert status not in {401, 403, 404, 500}, (name, role, status, answer)
            else:
                assert status == refused, (name, role, status, answer)
                assert set(answer) >= {"reason", "message"}


async def test_what_follows_changes_is_open_to_all_and_shows_cards_to_who_sees_them(
    world: HubWorld,
) -> None:
    await everybodys_things(world)

    async def told(token: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        lines = f"GET {PREFIX}api/changes HTTP/1.1", "Host: x", f"Authorization: token {token}"
        writer.write("\r\n".join((*lines, "", "")).encode())
        try:
            return await reader.readuntil(b'"jobs"')
        finally:
            writer.close()

    shown = {role: await told(token) for role, token in tokens(world).items()}
    assert all(b" 200 " in each for each in shown.values())
    assert {role for role, each in shown.items() if b"event: cards" in each} == {"reader", "admin"}


async def test_past_days_under_another_document_are_shown_to_who_sees_all(
    world: HubWorld,
) -> None:
    statuses = {}
    for role, token in tokens(world).items():
        answer = await world.raw("POST", "api/quota/preview/history", token, {"text": ""})
        statuses[role] = answer.code
        kind = answer.headers["Content-Type"]
        assert (kind == "text/event-stream") is (answer.code == 200), role
    assert {role for role, status in statuses.items() if status == 200} == set(SEES.split())
    assert {status for status in statuses.values() if status != 200} == {403}


async def test_each_is_told_who_they_are(world: HubWorld) -> None:
    told = {}
    for role, token in tokens(world).items():
        _, found = await world.call("GET", "role", token)
        told[role] = found["role"], found["groups"], found["all_groups"]
    nobody: tuple[list[str], list[str]] = ([], [])
    assert told == {
        "user": ("user", *nobody),
        "server": ("user", *nobody),
        "group-admin": ("group-admin", ["nlp"], ["nlp"]),
        "reader": ("reader", *nobody),
        "admin": ("admin", ["physics-canary", "science"], ["nlp", "physics-canary", "science"]),
    }


async def test_what_a_group_pays_is_shown_to_its_admins_and_to_who_sees_all(
    world: HubWorld,
) -> None:
    things = await everybodys_things(world)
    of_groups = [each.format(**things) for each in OF_GROUPS]
    takes_group = {
        name.partition(" ")[2]
        for name, each in routes().items()
        if any(parameter["name"] == "group" for parameter in each["parameters"])
        and not name.startswith("GET hub/")
    }
    assert takes_group == set(OF_GROUPS)
    by_role = tokens(world) | {"above": world.user("dean", ()), "other": world.user("ada", ())}
    may = {"group-admin", "reader", "admin", "above"}
    for path in of_groups:
        for role, token in by_role.items():
            status, _ = await world.call("GET", f"{path}?group=nlp", token)
            assert status == (200 if role in may else 403), (path, role)
            status, _ = await world.call("GET", f"{path}?group=nowhere", token)
            assert status == (404 if role in {"reader", "admin"} else 403), (path, role)
    lead = by_role["group-admin"]
    for path in of_groups:
        for group in ("science", "physics-canary"):
            status, _ = await world.call("GET", f"{path}?group={group}", lead)
            assert status == 403, (path, group)


async def test_an_admin_of_a_group_is_sent_what_it_pays_and_nothing_of_others(
    world: HubWorld,
) -> None:
    things = await everybodys_things(world)
    await world.call(
        "POST",
        "quota/revisions",
        world.admin("root-canary"),
        {"text": CHANGED + "# note-canary\n", "reason": "reason-canary", "expect": 2},
    )
    for token in (world.group_admin("lead", "hub-nlp"), world.user("dean", ())):
        _, role = await world.call("GET", "role", token)
        (group,) = role["groups"]
        _, made = await world.call("GET", "quota/revisions", token)
        things["revision"] = made[0]["change"]
        _, slices = await world.call("GET", f"slices?group={group}", token)
        assert [each["lease"]["slice_id"] for each in slices] == [things["slice_id"]]
        assert [each["lease"]["owner"] for each in slices] == ["ada"]
        _, jobs = await world.call("GET", f"jobs?group={group}", token)
        assert [(each["job_id"], each["parameters"]) for each in jobs] == [(things["job_id"], {})]
        _, budgets = await world.call("GET", f"budgets?group={group}", token)
        assert {each["group"] for each in budgets["budgets"]} == {"nlp"}
        _, use = await world.call("GET", f"use?by=owner&by=group&group={group}", token)
        assert {tuple(each["of"].values()) for each in use["rows"]} == {("ada", "nlp")}
        of_all_theirs = "quota", "quota/revisions", "quota/tree"
        of_groups = [each.format(**things) for each in OF_GROUPS]
        for path in (*(f"{path}?group={group}" for path in of_groups), *of_all_theirs):
            told = await world.raw("GET", f"api/{path}", token)
            assert told.code == 200, path
            assert b"canary" not in told.body, path


async def test_the_document_names_users_of_the_hub_and_only_tokens_that_act_for_them_count(
    world: HubWorld,
) -> None:
    own = user_scopes("dean")
    without = own - {f"{scopes.QUOTA}!user=dean"}
    tokens_ = {
        "dean": world.hub.add("dean-canary", "dean", own, groups=()),
        "by a group": world.hub.add("dora-canary", "dora", user_scopes("dora"), ("hub-deans",)),
        "without the scope": world.hub.add("dean-2-canary", "dean", without, ("hub-deans",)),
        "a server's": world.server("dean"),
        "a service": world.hub.add("robot-canary", "robot", user_scopes("robot"), kind="service"),
        "another group": world.hub.add("eve-canary", "eve", user_scopes("eve"), ("science",)),
        "for another user": world.hub.add(
            "mal-canary", "mal", {ACCESS, f"{scopes.QUOTA}!user=dean"}, groups=()
        ),
        "for a server": world.hub.add(
            "dean-3-canary", "dean", {ACCESS, f"{scopes.QUOTA}!server=dean/"}, groups=()
        ),
    }
    found = {who: (await world.call("GET", "quota", token))[0] for who, token in tokens_.items()}
    assert {who for who, status in found.items() if status == 200} == {"dean", "by a group"}
    assert set(found.values()) == {200, 403}


async def test_a_role_that_was_taken_away_changes_nothing_any_more(world: HubWorld) -> None:
    lead = world.group_admin("lead", "hub-nlp")
    assert (await world.call("GET", "quota", lead))[0] == 200
    world.hub.add(lead, "lead", user_scopes("lead"), groups=())
    body = {"text": "groups: {nlp: {}}", "reason": "x", "expect": 1}
    assert (await world.call("POST", "quota/revisions", lead, body))[0] == 403
