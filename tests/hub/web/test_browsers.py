"""Browsers: how they log in, and what a page can do with the cookies of whoever looks at it.

Where all users share the hub's origin, a page of any tenant's is such a page: it may fetch any
address with the cookies of an admin who opened it, and set cookies of its own beside them.
"""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from sublet_hub.web.routes.route import Access
from sublet_hub.web.routes.table import ROUTES

from tests.support.hub_world import HubWorld
from tests.support.logged_in import (
    COOKIE,
    STATE_COOKIE,
    as_sent,
    cookies,
    cookies_in,
    log_in,
    signed,
)

pytestmark = pytest.mark.asyncio

EVES_PAGE = {
    "Origin": "http://hub.example",
    "Referer": "http://hub.example/user/eve/files/page.html",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Dest": "empty",
}
CHANGING = [route for route in ROUTES if route.access is not Access.HUB and route.method != "GET"]
READING = [route for route in ROUTES if route.access is not Access.HUB and route.method == "GET"]


async def test_the_cookies_of_a_login_are_not_sent_from_other_sites(world: HubWorld) -> None:
    jar = await log_in(world, world.admin())
    assert set(jar) == {COOKIE, "_xsrf"}
    for each in jar.values():
        assert each["samesite"] == "Lax"
        assert each["path"] == "/services/sublet/"
        assert not each["secure"]
    assert jar[COOKIE]["httponly"]
    assert world.hub.logins[0]["code_verifier"] == "verifier-of-a-login"


async def test_over_https_no_cookie_of_a_login_is_sent_without_it(
    world: HubWorld,
) -> None:
    jar = await log_in(world, world.admin(), {"X-Forwarded-Proto": "https"})
    assert set(jar) == {COOKIE, "_xsrf"}
    for each in jar.values():
        assert each["secure"]
        assert each["samesite"] == "Lax"


@pytest.mark.parametrize("whose", ["nobody's", "another browser's", "unsigned", "left out"])
async def test_a_login_that_this_browser_did_not_begin_is_not_finished(
    world: HubWorld, whose: str
) -> None:
    """Else eve's page could log ada in as eve, and have what ada does next as eve's."""
    world.hub.codes["code-of-eve"] = world.user("eve")
    eves, adas = world.auth.generate_state("/a"), world.auth.generate_state("/b")
    sent = {
        "nobody's": {},
        "another browser's": cookies(**{STATE_COOKIE: signed(STATE_COOKIE, adas)}),
        "unsigned": cookies(**{STATE_COOKIE: eves}),
        "left out": cookies(**{STATE_COOKIE: signed(STATE_COOKIE, eves)}),
    }[whose]
    query = {"code": "code-of-eve"} if whose == "left out" else {"code": "x", "state": eves}
    answer = await world.raw(
        "GET", f"oauth_callback?{urlencode(query)}", headers=sent, follow=False
    )
    assert answer.code in {400, 403}
    assert COOKIE not in cookies_in(answer)
    assert not world.hub.logins


async def test_a_login_that_nobody_began_asks_the_hub_nothing_and_keeps_nobody_waiting(
    world: HubWorld,
) -> None:
    """JupyterHub's handler asks who that is, and until the hub answers everything would stand."""
    world.hub.stalled = asyncio.Event()
    asked = world.hub.asked
    stale = signed(COOKIE, world.user("ada"))
    for headers in ({"Authorization": "token false"}, cookies(**{COOKIE: stale})):
        answer = await world.raw("GET", "oauth_callback?code=x&state=y", headers=headers)
        assert answer.code == 403
    assert world.hub.asked == asked


async def test_another_tenants_page_that_an_admin_opens_changes_neither_quota_nor_lending(
    world: HubWorld,
) -> None:
    admins = as_sent(await log_in(world, world.admin()))
    before = world.service.quota.loaded_at
    for method, path, body in (
        ("POST", "quota/reload", None),
        ("PUT", "lending", {"lending": False}),
    ):
        status, _ = await world.call(method, path, None, body, {**admins, **EVES_PAGE})
        assert status == 403, path
    assert world.service.ledger.lending
    assert world.service.quota.loaded_at == before


@pytest.mark.parametrize("route", CHANGING, ids=lambda route: f"{route.method} {route.path}")
async def test_no_route_that_changes_something_takes_a_cookie_alone(
    world: HubWorld, route: Any
) -> None:
    admins = as_sent(await log_in(world, world.admin()))
    path = route.path.replace("{slice_id}", "s").replace("{job_id}", "j")
    answers = [
        await world.call(route.method, path, headers={**admins, **more})
        for more in ({}, EVES_PAGE, {**EVES_PAGE, "Sec-Fetch-Mode": "navigate"})
    ]
    assert [status for status, _ in answers] == [403] * 3


async def test_a_page_cannot_set_its_own_xsrf_beside_the_admins_cookie(world: HubWorld) -> None:
    """A script sets cookies for the whole origin: eve's own _xsrf is good for eve alone."""
    admins, eves = await log_in(world, world.admin()), await log_in(world, world.user("eve"))
    forged = as_sent({COOKIE: admins[COOKIE], "_xsrf": eves["_xsrf"]})
    told = {"X-XSRFToken": eves["_xsrf"].value}
    off = {"lending": False}
    status, _ = await world.call("PUT", "lending", None, off, {**forged, **told, **EVES_PAGE})
    assert status == 403
    assert world.service.ledger.lending
    own = {**as_sent(admins), "X-XSRFToken": admins["_xsrf"].value}
    assert (await world.call("PUT", "lending", None, off, own))[0] == 200


@pytest.mark.parametrize("route", READING, ids=lambda route: f"{route.method} {route.path}")
async def test_nothing_that_a_page_can_fetch_holds_a_token_or_can_be_framed(
    world: HubWorld, route: Any
) -> None:
    token = world.admin()
    jar = await log_in(world, token)
    path = route.path.replace("{slice_id}", "s").replace("{job_id}", "j")
    answer = await world.raw("GET", f"api/{path}", headers={**as_sent(jar), **EVES_PAGE})
    text = answer.body.decode()
    for secret in (token, jar[COOKIE].value, jar["_xsrf"].value):
        assert secret not in text
    assert "Access-Control-Allow-Origin" not in answer.headers
    policy = answer.headers["Content-Security-Policy"]
    # In a window of its own it has no origin: what opened it cannot look in.
    assert "sandbox" in policy
    assert "frame-ancestors 'none'" in policy


async def test_reading_changes_nothing(world: HubWorld) -> None:
    admins = as_sent(await log_in(world, world.admin()))
    ledger = world.service.ledger
    before = (ledger.lending, dict(ledger.slices), dict(ledger.jobs), await _events(world))
    for route in READING:
        path = route.path.replace("{slice_id}", "s").replace("{job_id}", "j")
        await world.call("GET", path, headers={**admins, **EVES_PAGE})
    assert before == (ledger.lending, dict(ledger.slices), dict(ledger.jobs), await _events(world))


async def _events(world: HubWorld) -> Any:
    return (await world.call("GET", "events", world.admin()))[1]
