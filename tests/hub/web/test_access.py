"""Who may call what: each route as another user, as another server, without a token."""

import asyncio
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.security import authentication, local_peers
from sublet_hub.security.question_queue import QueueBounds
from sublet_hub.security.rate_limits import Rate
from sublet_hub.settings import ServiceSettings
from sublet_hub.web.routes.route import Access, Role
from sublet_hub.web.routes.table import ROUTES
from sublet_quota.names import scopes
from tornado.web import create_signed_value

from tests.support.hub_world import (
    ACCESS,
    ADMIN_SCOPES,
    METRICS_TOKEN,
    SERVICE_TOKEN,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
)
from tests.support.hub_world_runner import write_interpreter, write_script

pytestmark = pytest.mark.asyncio

AT_ONCE = QueueBounds().at_once

OF_A_THING = [route for route in ROUTES if "{" in route.path and route.access is Access.USER]
OF_AN_OWNER = [
    route
    for route in ROUTES
    if route.access is Access.USER and any(each.name == "owner" for each in route.parameters)
]
BODIES: dict[str, Any] = {
    "slices/{slice_id}/keep": {"minutes": 5},
    "lending": {"lending": False},
    "jobs": {"notebook": "train.ipynb"},
}
ASKED: dict[str, Any] = {"jobs/forecast": {"notebook": "train.ipynb"}}
"""What is asked by a body, by routes that change nothing."""


def _named(route: Any) -> str:
    return f"{route.method} {route.path}"


async def _adas_things(world: HubWorld) -> dict[str, str]:
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for("ada", size="small")
    write_script(world.folder / "homes/ada/train.ipynb", ["print", "x"])
    agent.gpus = (agent.gpus[0].model_copy(update={"lendable_mib": 0}),)
    await agent.report()
    _, job = await world.call("POST", "jobs", world.user("ada"), {"notebook": "train.ipynb"})
    await world.call("POST", "jobs", world.user("ada"), {"notebook": "nowhere.ipynb"})
    return {"slice_id": lease["slice_id"], "job_id": job["job_id"]}


def _path(route: Any, things: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: things.get(found[1], "1"), route.path)


def settings_with(folder: Path, **limits: Rate) -> ServiceSettings:
    settings = settings_for(folder)
    return replace(settings, limits=replace(settings.limits, **limits))


async def _call(world: HubWorld, route: Any, token: str | None, things: dict[str, str]) -> int:
    body = BODIES.get(route.path) if route.method in {"POST", "PUT"} else None
    status, _ = await world.call(route.method, _path(route, things), token, body)
    return status


@pytest.mark.parametrize("route", ROUTES, ids=_named)
async def test_nothing_is_told_without_a_token_or_with_a_false_one(
    world: HubWorld, route: Any
) -> None:
    things = {"slice_id": "s", "job_id": "j"}
    expected = 403 if route.access is Access.HUB else 401
    assert await _call(world, route, None, things) == expected
    assert await _call(world, route, "no-such-token", things) == expected


async def test_another_user_or_server_reaches_nothing_of_mine(world: HubWorld) -> None:
    things = await _adas_things(world)
    before = world.service.ledger.jobs[things["job_id"]]
    for token in (world.user("bob"), world.server("bob")):
        for route in OF_A_THING:
            assert await _call(world, route, token, things) == 404, _named(route)
    assert world.service.ledger.jobs[things["job_id"]] == before
    assert world.service.ledger.slices[things["slice_id"]].kept_until is None


async def test_another_server_of_mine_cannot_keep_or_wake_this_ones_slice(world: HubWorld) -> None:
    things = await _adas_things(world)
    slice_id = things["slice_id"]
    for what, body in (("keep", {"minutes": 5}), ("wake", None)):
        path = f"slices/{slice_id}/{what}"
        other = await world.call("POST", path, world.server("ada", "other"), body)
        own = await world.call("POST", path, world.server("ada"), body)
        assert (other[0], own[0]) == (404, 200)


async def test_lists_of_another_user_are_for_admins(world: HubWorld) -> None:
    await _adas_things(world)
    bob, admin = world.user("bob"), world.admin()
    for path in ("share", "slices", "jobs", "events", "refusals", "refusals/sums"):
        status, _ = await world.call("GET", f"{path}?owner=ada", bob)
        assert status == 403, path
        status, answer = await world.call("GET", f"{path}?owner=ada", admin)
        assert status == 200, path
        assert answer


@pytest.mark.parametrize("route", OF_AN_OWNER, ids=_named)
async def test_nothing_of_another_owner_is_told_or_changed_where_one_can_be_named(
    world: HubWorld, route: Any
) -> None:
    """Whatever routes there will be: each that takes an owner is tried."""
    await world.agent()
    await world.slice_for("ada", size="small")
    body = ASKED.get(route.path)
    only_asks = route.method == "GET" or body is not None
    for token in (world.user("bob"), world.server("bob")):
        status, problem = await world.call(route.method, f"{route.path}?owner=ada", token, body)
        assert status == (403 if only_asks else 404)
        assert problem["reason"] == ("not-allowed" if only_asks else "not-found")


async def test_lists_show_nothing_of_others(world: HubWorld) -> None:
    await _adas_things(world)
    bob = world.user("bob")
    for path in ("slices", "jobs", "events", "refusals", "refusals/sums"):
        assert await world.call("GET", path, bob) == (200, [])


@pytest.mark.parametrize("route", [r for r in ROUTES if r.access is Access.ADMIN], ids=_named)
async def test_admin_routes_are_closed_to_users(world: HubWorld, route: Any) -> None:
    assert await _call(world, route, world.user("ada"), {}) == 403
    assert world.service.ledger.lending


async def test_hub_routes_take_the_services_own_token_alone(world: HubWorld) -> None:
    things = await _adas_things(world)
    for token in (world.user("ada"), world.admin()):
        for route in ROUTES:
            if route.access is Access.HUB:
                assert await _call(world, route, token, things) == 403, _named(route)


async def test_a_token_without_access_to_this_service_is_refused(world: HubWorld) -> None:
    token = world.hub.add("t", "ada", {f"{scopes.READ}!user=ada"})
    status, problem = await world.call("GET", "share", token)
    assert (status, "access:services" in problem["message"]) == (403, True)


async def test_each_scope_opens_its_own_routes_only(world: HubWorld) -> None:
    things = await _adas_things(world)
    reads = world.hub.add("r", "ada", {ACCESS, f"{scopes.READ}!user=ada"})
    assert (await world.call("GET", "share", reads))[0] == 200
    assert (await world.call("GET", "jobs", reads))[0] == 403
    assert (await world.call("POST", "jobs", reads, {"notebook": "train.ipynb"}))[0] == 403
    assert (await world.call("POST", f"slices/{things['slice_id']}/wake", reads))[0] == 404


async def test_an_answer_of_the_hub_is_kept_for_seconds_but_not_for_admins_changes(
    world: HubWorld,
) -> None:
    admin = world.admin()
    await world.call("GET", "gpus", admin)
    asked = world.hub.asked
    await world.call("GET", "gpus", admin)
    assert world.hub.asked == asked
    del world.hub.tokens[admin]
    status, _ = await world.call("PUT", "lending", admin, {"lending": False})
    assert status == 401
    assert world.service.ledger.lending


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.access is Access.ADMIN and route.method != "GET"],
    ids=lambda route: f"{route.method} {route.path}",
)
async def test_no_change_of_an_admins_is_made_with_a_token_that_was_just_taken_away(
    world: HubWorld, route: Any
) -> None:
    await world.agent()
    admin = world.admin()
    assert (await world.call("GET", "closings", admin))[0] == 200
    del world.hub.tokens[admin]
    body = {"where": "node-a", "reason": "fan"} if "closings" in route.path else {}
    assert (await world.call(route.method, route.path, admin, body))[0] == 401
    assert not world.service.ledger.closings


@pytest.mark.parametrize("kind", ["user", "service"])
async def test_who_may_read_of_everybody_is_no_admin(world: HubWorld, kind: str) -> None:
    """They see what admins see, and change nothing, whatever other scopes they have."""
    await world.agent()
    may = {*ADMIN_SCOPES, f"{scopes.ADMIN}!user=monitor"} - {scopes.ADMIN}
    reads = world.hub.add("reads-canary", "monitor", may, kind=kind)
    assert (await world.call("GET", "slices?owner=ada", reads))[0] == 200
    for route in ROUTES:
        if route.access is Access.ADMIN and Role.READER not in route.also:
            assert await _call(world, route, reads, {}) == 403, _named(route)
    _, events = await world.call("GET", "events", world.admin())
    assert not {"cards-closed", "cards-opened"} & {each["kind"] for each in events}


@pytest.mark.parametrize("path", ["share", "slices", "events", "jobs", "refusals"])
@pytest.mark.filterwarnings("error")
async def test_a_scope_for_a_groups_members_is_of_nobodys_and_no_warning_a_request(
    world: HubWorld, path: str
) -> None:
    """Who is in a group only the hub knows; each name that was asked for would be a line."""
    may = {ACCESS, *(f"{scope}!group=lab" for scope in (scopes.READ, scopes.JOBS, scopes.ADMIN))}
    token = world.hub.add("lead-canary", "lead", may, groups=("lab",))
    assert (await world.call("GET", f"{path}?owner=ada", token))[0] == 403
    assert (await world.call("GET", "closings", token))[0] == 403


async def test_agents_are_heard_while_the_hub_stalls_and_tokens_are_guessed(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    known = world.user("ada")
    await world.call("GET", "share", known)
    asked = world.hub.asked
    world.hub.stalled = asyncio.Event()
    guesses = [
        asyncio.create_task(world.call("GET", "share", f"false-{number}")) for number in range(300)
    ]
    seen = world.service.fleet.seen_at("node-a")
    await until(lambda: world.hub.asked >= asked + AT_ONCE)
    await agent.report()
    await until(lambda: world.service.fleet.seen_at("node-a") > seen)
    assert (await world.call("GET", "share", known))[0] == 200
    assert world.hub.asked < asked + 300
    world.hub.stalled.set()
    world.hub.stalled = None
    assert {status for status, _ in await asyncio.gather(*guesses)} <= {401, 429, 503}


async def test_hundreds_of_false_tokens_lock_no_new_good_one_out(world: HubWorld) -> None:
    for number in range(400):
        assert (await world.call("GET", "share", f"false-{number}"))[0] == 401
    assert (await world.call("GET", "share", world.user("ada")))[0] == 200
    assert (await world.call("GET", "hub/offers?owner=ada", SERVICE_TOKEN))[0] == 200


async def test_a_false_token_sent_again_and_again_is_asked_about_once(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than all of it takes on any machine.
    monkeypatch.setattr(authentication, "_REFUSED_KEPT_S", 3600)
    asked = world.hub.asked
    answers = [(await world.call("GET", "share", "false"))[0] for _ in range(20)]
    answers.append((await world.raw("GET", "metrics", "false")).code)
    assert answers == [401] * 20 + [403]
    assert world.hub.asked == asked + 1


async def test_an_owner_has_a_rate_of_requests(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What takes long counts as more requests than one: here nothing does, on any machine.
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    settings = settings_with(tmp_path, requests=Rate(6, 0.01))
    async with hub_world(tmp_path, hub, settings) as world:
        ada = world.user("ada")
        statuses = [(await world.call("GET", "share", ada))[0] for _ in range(7)]
        assert statuses == [200] * 6 + [429]
        assert (await world.call("GET", "share", world.user("bob")))[0] == 200


async def test_who_was_known_is_identified_anew_while_strangers_take_all_their_room(
    world: HubWorld,
) -> None:
    known = world.admin()
    assert (await world.call("GET", "lending", known))[0] == 200
    world.hub.stalled_for = "false-"
    world.hub.stalled = asyncio.Event()
    asked = world.hub.asked
    guesses = [
        asyncio.create_task(world.call("GET", "share", f"false-{number}"))
        for number in range(2 * AT_ONCE)
    ]
    await until(lambda: world.hub.asked >= asked + AT_ONCE)
    assert (await world.call("PUT", "lending", known, {"lending": True}))[0] < 300
    world.hub.stalled.set()
    assert {status for status, _ in await asyncio.gather(*guesses)} <= {401, 429, 503}


async def test_one_known_user_leaves_room_to_the_others(world: HubWorld) -> None:
    ada, root = world.admin("ada"), world.admin("root")
    for token in (ada, root):
        assert (await world.call("GET", "lending", token))[0] == 200
    world.hub.stalled_for = ada
    world.hub.stalled = asyncio.Event()

    async def change(token: str) -> int:
        return (await world.call("PUT", "lending", token, {"lending": True}))[0]

    many = [asyncio.create_task(change(ada)) for _ in range(100)]
    await until(lambda: sum(each.done() for each in many) == 84)
    assert {each.result() for each in many if each.done()} == {429}
    assert await change(root) < 300
    world.hub.stalled.set()
    await asyncio.gather(*many)


async def test_who_connects_directly_on_this_machine_has_one_line_whatever_they_say(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_peers, "_kernels_answers", lambda: lambda _: 4001)
    async with hub_world(tmp_path, hub) as world:
        hub.stalled = asyncio.Event()
        guesses = [
            asyncio.create_task(
                world.raw(
                    "GET", "api/share", f"false-{n}", headers={"X-Forwarded-For": f"203.0.113.{n}"}
                )
            )
            for n in range(2 * AT_ONCE)
        ]
        waiting = world.auth.lookups._queue._peers
        await until(lambda: hub.asked >= AT_ONCE and waiting)
        assert {peer: list(lines) for peer, lines in waiting.items()} == {
            "account 4001 of this machine": ["127.0.0.0/8"]
        }
        hub.stalled.set()
        await asyncio.gather(*guesses)


async def test_scrapes_go_on_while_tokens_for_metrics_are_guessed(world: HubWorld) -> None:
    admin = world.admin()
    world.hub.stalled_for = "false-"
    world.hub.stalled = asyncio.Event()
    guesses = [asyncio.create_task(world.raw("GET", "metrics", f"false-{n}")) for n in range(50)]
    asked = world.hub.asked
    await until(lambda: world.hub.asked >= asked + AT_ONCE)
    for token in (METRICS_TOKEN, None):
        assert (await world.raw("GET", "metrics", token)).code == 200
    world.hub.stalled.set()
    assert {answer.code for answer in await asyncio.gather(*guesses)} <= {403, 429, 503}
    assert (await world.raw("GET", "metrics", admin)).code == 200


async def test_a_cookie_without_its_xsrf_changes_nothing(world: HubWorld) -> None:
    admin = world.admin()
    cookie = create_signed_value(b"x" * 32, "service-sublet", admin).decode()
    headers = {"Cookie": f"service-sublet={cookie}"}
    status, _ = await world.call("GET", "lending", headers=headers)
    assert status == 200
    for more in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Mode": "cors"}):
        status, _ = await world.call(
            "PUT", "lending", body={"lending": False}, headers={**headers, **more}
        )
        assert status == 403
    assert world.service.ledger.lending


async def test_a_token_in_the_url_is_no_token(world: HubWorld) -> None:
    ada = world.user("ada")
    for headers in ({}, {"Sec-Fetch-Mode": "websocket"}):
        assert (await world.call("GET", f"share?token={ada}", headers=headers))[0] == 401


async def test_answers_may_not_be_framed_cached_or_guessed_at(world: HubWorld) -> None:
    for path in ("api/share", "api/nothing", "health", "api/openapi.json"):
        response = await world.raw("GET", path)
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_metrics_are_for_admins_and_for_this_machine(world: HubWorld) -> None:
    assert (await world.raw("GET", "metrics", world.user("ada"))).code == 403
    assert (await world.raw("GET", "metrics", headers={"X-Forwarded-For": "10.0.0.9"})).code == 403
    await _adas_things(world)
    for answer in (
        await world.raw("GET", "metrics"),
        await world.raw("GET", "metrics", world.admin()),
    ):
        text = answer.body.decode()
        assert answer.code == 200
        assert re.search(r'^sublet_gpu_memory_mib{gpu="SIM-0",.*} 81920.0$', text, re.MULTILINE)
        assert "ada" not in text
