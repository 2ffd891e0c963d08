"""Browsers that have logged in at the service, as the cookies that they send."""

from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import HTTPResponse
from tornado.web import create_signed_value

from tests.support.hub_world import HubWorld

COOKIE, STATE_COOKIE = "service-sublet", "service-sublet-oauth-state"


def signed(name: str, value: str) -> str:
    """Return a cookie's value as the service signs it: its secret is the test's."""
    return create_signed_value(b"x" * 32, name, value).decode()


def cookies(**values: str) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in values.items())}


def cookies_in(answer: HTTPResponse) -> dict[str, Morsel[str]]:
    """Return the cookies that an answer sets, not those that it deletes."""
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_list("Set-Cookie"):
        found.update({name: each for name, each in SimpleCookie(line).items() if each.value})
    return found


async def log_in(world: HubWorld, token: str, headers: dict[str, str] | None = None) -> Any:
    """Return the cookies of a browser in which whoever has this token has just logged in."""
    world.hub.codes["code-of-a-login"] = token
    state = world.auth.generate_state("/services/sublet/", code_verifier="verifier-of-a-login")
    query = urlencode({"code": "code-of-a-login", "state": state})
    sent = cookies(**{STATE_COOKIE: signed(STATE_COOKIE, state)})
    answer = await world.raw(
        "GET", f"oauth_callback?{query}", headers={**sent, **(headers or {})}, follow=False
    )
    assert answer.code == 302, answer.body
    return cookies_in(answer)


def as_sent(jar: dict[str, Morsel[str]]) -> dict[str, str]:
    """Return the header in which a browser sends these cookies."""
    return {"Cookie": "; ".join(f"{name}={each.value}" for name, each in jar.items())}
