"""The console's page: who gets it, what is in it, and what it may do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from jupyterhub.app import JupyterHub  # type: ignore[import-untyped]
from sublet_hub.app.application import SubletHub
from sublet_hub.errors import ConfigurationError
from sublet_hub.security import authentication
from sublet_hub.security.service_auth import Subdomains, make_service_auth
from sublet_hub.web.console.bundle import NOT_BUILT, Bundle, read_bundle
from tornado.httpclient import HTTPResponse
from traitlets import TraitError

from tests.support.hub_world import (
    ACCESS,
    PREFIX,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
)
from tests.support.logged_in import COOKIE, as_sent, cookies_in, log_in

pytestmark = pytest.mark.asyncio

SCRIPT, STYLE = "assets/index-1a2b.js", "assets/style-3c4d.css"
OF_A_WINDOW = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OF_A_SCRIPT = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
OF_A_FRAME = {**OF_A_WINDOW, "Sec-Fetch-Dest": "iframe"}


def build(folder: Path) -> Path:
    """Write what a build leaves."""
    (folder / "assets").mkdir(parents=True)
    (folder / SCRIPT).write_text("console.log('here')\n" * 50)
    (folder / STYLE).write_text("body {}")
    told = {"src/index.tsx": {"file": SCRIPT, "isEntry": True}, "style.css": {"file": STYLE}}
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    read = read_bundle(build(tmp_path / "dist"))
    assert read is not None
    return read


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub, bundle: Bundle) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, console=bundle) as running:
        yield running


async def page(world: HubWorld, jar: Any, path: str = "", **headers: str) -> HTTPResponse:
    sent = {**as_sent(jar), **OF_A_WINDOW, **headers}
    return await world.raw("GET", path, headers=sent, follow=False)


def session_in(answer: HTTPResponse) -> Any:
    found = re.search(r'name="sublet-session" content="([^"]*)"', answer.body.decode())
    assert found
    return json.loads(unescape(found[1]))


async def test_who_is_not_logged_in_goes_to_the_hub_and_comes_back(world: HubWorld) -> None:
    answer = await world.raw("GET", "view/cards?q=ada", headers=OF_A_WINDOW, follow=False)
    assert answer.code == 302
    to = urlsplit(answer.headers["Location"])
    asked = parse_qs(to.query)
    assert to.path == "/hub/api/oauth2/authorize"
    assert asked["client_id"] == ["service-sublet"]
    assert asked["redirect_uri"] == [f"{PREFIX}oauth_callback"]
    assert asked["code_challenge"]
    (state,) = asked["state"]
    assert world.auth.get_next_url(state) == f"{PREFIX}view/cards?q=ada"
    (cookie,) = cookies_in(answer).values()
    assert (cookie["samesite"], cookie["path"]) == ("Lax", PREFIX)


@pytest.mark.parametrize("path", ["", "view/cards", "view/share?q=x"])
async def test_who_is_logged_in_gets_the_page(world: HubWorld, path: str) -> None:
    jar = await log_in(world, world.user("ada"))
    answer = await page(world, jar, path)
    assert answer.code == 200, answer.body
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert session_in(answer) == {
        "name": "ada",
        "admin": False,
        "sees_all": False,
        "groups": [],
        "prefix": PREFIX,
        "hub": "/hub/",
        "own_origins": False,
        "version": "0",
    }
    for name in (SCRIPT, STYLE):
        assert f'"{PREFIX}static/{name}"' in answer.body.decode()


@pytest.mark.parametrize("query", ["", "?next=//evil.example"])
async def test_who_leaves_out_the_slash_is_led_to_the_page(world: HubWorld, query: str) -> None:
    address = world.base.removesuffix("/") + query
    answer = await world.raw("GET", address, headers=OF_A_WINDOW, follow=False)
    assert (answer.code, answer.headers["Location"]) == (302, PREFIX)
    assert (await world.raw("POST", address)).code == 405


async def test_an_admins_page_knows_that(world: HubWorld) -> None:
    assert session_in(await page(world, await log_in(world, world.admin())))["admin"]


async def test_a_page_knows_who_looks_at_it(tmp_path: Path, hub: FakeHub, bundle: Bundle) -> None:
    (tmp_path / "quota.yaml").write_text(
        "groups: {top-canary: {members: [], groups: {nlp: {}, vision: {}}}, law-canary: {}}"
    )
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings, console=bundle) as world:
        told = {}
        for token in (world.group_admin("lead", "vision", "nlp"), world.reader(), world.admin()):
            answer = await page(world, await log_in(world, token))
            session = session_in(answer)
            told[session["name"]] = session["admin"], session["sees_all"], session["groups"]
            assert "canary" not in answer.body.decode()
    assert told == {
        "lead": (False, False, ["nlp", "vision"]),
        "rita": (False, True, []),
        "root": (True, True, []),
    }


async def test_a_name_with_html_in_it_stays_a_name(world: HubWorld) -> None:
    name = "\"><img src=x onerror=alert(1)>'"
    answer = await page(world, await log_in(world, world.user(name)))
    assert session_in(answer)["name"] == name
    assert "<img" not in answer.body.decode()


async def test_the_page_runs_its_own_files_alone_and_is_framed_by_nobody(world: HubWorld) -> None:
    jar = await log_in(world, world.user("ada"))
    first, second = [await page(world, jar) for _ in range(2)]
    policy = first.headers["Content-Security-Policy"]
    told = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert told["default-src"] == "'none'"
    assert told["frame-ancestors"] == told["base-uri"] == told["form-action"] == "'none'"
    assert (told["require-trusted-types-for"], told["trusted-types"]) == ("'script'", "'none'")
    nonce = re.fullmatch(r"'nonce-([\w-]{20,})' 'strict-dynamic'", told["script-src"])
    assert nonce
    tags = re.findall(r"<(?:script|link rel=\"stylesheet\")[^>]*>", first.body.decode())
    assert len(tags) == 2
    assert all(f'nonce="{nonce[1]}"' in tag for tag in tags)
    assert policy != second.headers["Content-Security-Policy"]
    assert first.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_holds_no_token(world: HubWorld) -> None:
    token = world.admin()
    jar = await log_in(world, token)
    text = (await page(world, jar)).body.decode()
    for secret in (token, jar[COOKIE].value, jar["_xsrf"].value):
        assert secret not in text


@pytest.mark.parametrize("headers", [OF_A_SCRIPT, OF_A_FRAME], ids=["script", "frame"])
async def test_the_page_is_for_a_window_alone(world: HubWorld, headers: dict[str, str]) -> None:
    jar = await log_in(world, world.admin())
    told = {**headers, "X-XSRFToken": jar["_xsrf"].value}
    answer = await world.raw("GET", "", headers={**as_sent(jar), **told})
    assert answer.code == 403
    assert b"sublet-session" not in answer.body


async def test_a_browser_without_a_good_xsrf_gets_one_with_the_page(world: HubWorld) -> None:
    jar = await log_in(world, world.user("ada"))
    kept = {COOKIE: jar[COOKIE]}
    xsrf = cookies_in(await page(world, kept))["_xsrf"]
    assert (xsrf["samesite"], xsrf["path"]) == ("Lax", PREFIX)
    asked = {**as_sent({**kept, "_xsrf": xsrf}), **OF_A_SCRIPT, "X-XSRFToken": xsrf.value}
    assert (await world.call("GET", "share", headers=asked))[0] == 200


async def test_a_token_is_no_login_and_who_may_not_enter_sees_nothing(world: HubWorld) -> None:
    token = world.user("ada")
    assert (await world.raw("GET", "", token, headers=OF_A_WINDOW, follow=False)).code == 403
    world.hub.add("stranger-canary", "eve", {"read:users!user=eve"})
    assert (await page(world, await log_in(world, "stranger-canary"))).code == 403
    world.hub.add("guest-canary", "guest", {ACCESS})
    assert (await page(world, await log_in(world, "guest-canary"))).code == 200


async def test_where_the_hub_does_not_answer_the_page_says_that_in_words(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = await log_in(world, world.user("ada"))
    monkeypatch.setattr(authentication, "KEPT_S", -1)
    monkeypatch.setattr(authentication, "_ANSWER_S", 0.05)
    world.hub.stalled = asyncio.Event()
    answer = await page(world, jar)
    world.hub.stalled.set()
    assert answer.code == 503
    assert answer.body.decode().startswith("JupyterHub does not answer")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_what_is_no_view_is_not_there(world: HubWorld) -> None:
    jar = await log_in(world, world.user("ada"))
    for path in ("viewer", "view/", "view/Cards", "view/cards/a/b", "index.html"):
        assert (await page(world, jar, path)).code == 404, path
    assert (await page(world, jar, f"?{'x' * 2000}")).code == 404


async def test_files_are_kept_for_a_year_and_packed_for_who_takes_that(world: HubWorld) -> None:
    for kind, name in (("text/javascript", SCRIPT), ("text/css", STYLE)):
        answer = await world.raw("GET", f"static/{name}")
        assert answer.code == 200
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert b"here" in (await world.raw("GET", f"static/{SCRIPT}")).body


@pytest.mark.parametrize(
    "name", ["assets/other.js", "manifest.json", "../manifest.json", "%2e%2e/x"]
)
async def test_there_are_no_other_files(world: HubWorld, name: str) -> None:
    assert (await world.raw("GET", f"static/{name}")).code == 404


async def test_where_nothing_was_built_the_page_says_so(tmp_path: Path, hub: FakeHub) -> None:
    assert read_bundle(tmp_path / "nowhere") is None
    async with hub_world(tmp_path, hub) as bare:
        answer = await page(bare, await log_in(bare, bare.user("ada")))
        assert answer.code == 404
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.body.decode() == NOT_BUILT


async def test_a_build_that_lacks_a_file_is_told_at_the_start(tmp_path: Path) -> None:
    folder = build(tmp_path / "broken")
    (folder / STYLE).unlink()
    with pytest.raises(ConfigurationError, match=STYLE):
        read_bundle(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="build it anew"):
        read_bundle(folder)


@pytest.mark.parametrize(
    "told",
    [
        {**OF_A_SCRIPT, "Sec-Fetch-Site": "cross-site"},
        {**OF_A_SCRIPT, "Sec-Fetch-Site": "same-site"},
        {**OF_A_SCRIPT, "Sec-Fetch-Mode": "no-cors"},
        {**OF_A_WINDOW, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null"},
    ],
    ids=["another site", "another of the site", "not to be read", "a form", "nobody's"],
)
async def test_only_a_page_of_this_origin_changes_something_even_with_a_good_xsrf(
    world: HubWorld, told: dict[str, str]
) -> None:
    jar = await log_in(world, world.admin())
    sent = {**as_sent(jar), "X-XSRFToken": jar["_xsrf"].value}
    off = {"lending": False}
    assert (await world.call("PUT", "lending", None, off, {**sent, **told}))[0] == 403
    assert world.service.ledger.lending
    assert (await world.call("PUT", "lending", None, off, {**sent, **OF_A_SCRIPT}))[0] == 200
    assert not world.service.ledger.lending


async def test_a_plain_user_who_tries_an_admins_things_is_refused(world: HubWorld) -> None:
    jar = await log_in(world, world.user("eve"))
    sent = {**as_sent(jar), **OF_A_SCRIPT, "X-XSRFToken": jar["_xsrf"].value}
    closing = {"where": "SIM-0", "reason": "mine now"}
    assert (await world.call("GET", "gpus", headers=sent))[0] == 403
    assert (await world.call("POST", "closings", None, closing, sent))[0] == 403
    assert not world.service.ledger.closings


async def test_logins_that_are_begun_and_never_ended_are_forgotten(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "_MOST_LOGINS", 5)
    states = [world.auth.generate_state(f"/{number}") for number in range(8)]
    known = [state for state in states if world.auth.get_next_url(state) != PREFIX]
    assert known == states[-5:]


async def test_where_users_have_origins_the_login_knows_hub_and_console_by_their_names() -> None:
    auth = make_service_auth(
        "http://hub:8081/hub/api",
        "t" * 20,
        PREFIX,
        "/hub/",
        Subdomains("https://hub.example.org:8443"),
    )
    login = urlsplit(auth.login_url)
    assert f"{login.scheme}://{login.netloc}{login.path}" == (
        "https://hub.example.org:8443/hub/api/oauth2/authorize"
    )
    assert parse_qs(login.query)["redirect_uri"] == [
        f"https://sublet--service.hub.example.org:8443{PREFIX}oauth_callback"
    ]


@pytest.mark.parametrize(
    ("hook", "host"),
    [
        ("legacy", "services.hub.test"),
        ("idna", "sublet--service.hub.test"),
        (lambda name, domain, kind: f"{kind}-{name}-of.{domain}", "service-sublet-of.hub.test"),
    ],
)
async def test_the_console_has_the_name_that_the_hub_s_own_hook_gives_it(
    hook: Any, host: str
) -> None:
    read = SubletHub(subdomain_hook=hook).subdomain_hook
    names = Subdomains("http://hub.test", read)
    auth = make_service_auth("http://hub/hub/api", "t", PREFIX, "/hub/", names)
    assert auth.oauth_redirect_uri == f"http://{host}{PREFIX}oauth_callback"


async def test_a_hook_that_there_is_not_is_refused_in_words() -> None:
    with pytest.raises(TraitError, match="say 'idna', 'legacy', or give a function"):
        SubletHub(subdomain_hook="idnb")


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("hub.example.org", "https://hub.example.org"),
        ("http://hub.test:80", "http://hub.test:80"),
        ("", ""),
    ],
)
async def test_a_subdomain_host_is_read_as_the_hub_reads_it(told: str, meant: str) -> None:
    assert SubletHub(subdomain_host=told).subdomain_host == meant
    if told:
        assert JupyterHub(subdomain_host=told).subdomain_host == meant
