"""The service beside a real JupyterHub set up otherwise: an origin for each user, no role."""

import asyncio
import contextlib
import html
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
import urllib3
from playwright.sync_api import expect
from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_hub.web.console.bundle import read_bundle
from sublet_quota.reasons.installation.standings import HubStanding

from tests.support.browser import WHY_NO_BROWSER, chromium, find_chromium, new_visitor
from tests.support.browser_hub import sign_in
from tests.support.browser_panel import mark
from tests.support.hub_world_processes import (
    BIN,
    SERVICE_TOKEN,
    TESTS_TOKEN,
    Processes,
    make_processes,
    wait_for,
)

pytestmark = pytest.mark.skipif(
    not (BIN / "configurable-http-proxy").exists(), reason="needs configurable-http-proxy"
)
DOMAIN = 'c.JupyterHub.subdomain_host = "http://hub.test:{public}"'
NO_ROLE = """
c.JupyterHub.load_roles = [
    role for role in c.JupyterHub.load_roles if role["name"] != "sublet-service"
]
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = make_processes(tmp_path_factory.mktemp("other"), before=DOMAIN, after=NO_ROLE)
    try:
        host = f"http://hub.test:{processes.ports['public']}"
        processes.start_service(f"--SubletHub.subdomain_host={host}")
        processes.start_hub()
        wait_for(lambda: get(processes, "/hub/health", "hub.test") == 200, 180, "the hub")
        yield processes
    finally:
        processes.end()


def get(real: Processes, path: str, host: str) -> int:
    """Ask the proxy, as whoever found it by this name; returns HTTP's status, 0 for none."""
    port = real.ports["public"]
    with requests.Session() as session:
        try:
            answer = session.get(
                f"http://127.0.0.1:{port}{path}",
                headers={"Host": f"{host}:{port}"},
                timeout=10,
                allow_redirects=False,
            )
        except requests.ConnectionError:
            return 0
    return answer.status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "sublet--service.hub.test"])
def test_servers_reach_the_service_where_users_have_origins_of_their_own(
    real: Processes, host: str
) -> None:
    # By the first name the users' servers know the proxy, by the second their browsers.
    wait_for(lambda: get(real, "/services/sublet/health", host) == 200, 60, host)


def test_a_browser_logs_in_to_the_console_where_that_has_an_origin_of_its_own(
    real: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = real.ports["public"]
    connect = urllib3.util.connection.create_connection

    def here(address: tuple[str, int], *arguments: Any, **options: Any) -> Any:
        """Find all names of the hub on this machine."""
        return connect(("127.0.0.1", address[1]), *arguments, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", here)
    console = f"http://sublet--service.hub.test:{port}/services/sublet/"
    wait_for(lambda: get(real, "/services/sublet/health", "127.0.0.1") == 200, 60, "the service")
    with requests.Session() as browser:
        login = browser.get(f"{console}view/share", timeout=30)
        assert login.url.startswith(f"http://hub.test:{port}/hub/login?next=")
        xsrf = next(each.value for each in browser.cookies if each.name == "_xsrf")
        told = {"username": "ada", "password": "ada's", "_xsrf": xsrf}
        page = browser.post(login.url, told, timeout=60)
        assert page.url == f"{console}view/share", page.text[:1000]
        assert html.escape('"name": "ada"') in page.text
        assert html.escape('"own_origins": true') in page.text
        (kept,) = (each for each in browser.cookies if each.name == "service-sublet")
        assert kept.domain == "sublet--service.hub.test"
        assert kept.path == "/services/sublet/"


_ASK: Final = """\
async ([address, method, withToken]) => {
  const found = document.cookie.split('; ').find(each => each.startsWith('_xsrf='));
  const token = decodeURIComponent((found ?? '').slice('_xsrf='.length));
  try {
    const answer = await fetch(address, {
      method,
      credentials: 'include',
      headers: withToken ? { 'X-XSRFToken': token } : {},
      ...(method === 'POST' ? { body: '{"text": "everyone: {}"}' } : {}),
    });
    return answer.status;
  } catch {
    return 'blocked';
  }
}"""


@pytest.mark.skipif(find_chromium() is None, reason=WHY_NO_BROWSER)
@pytest.mark.skipif(read_bundle() is None, reason="the console is not built: make setup")
def test_in_a_browser_the_console_changes_things_from_its_own_origin_alone(
    real: Processes,
) -> None:
    port = real.ports["public"]
    console = f"http://sublet--service.hub.test:{port}/services/sublet/"
    wait_for(lambda: get(real, "/services/sublet/health", "127.0.0.1") == 200, 60, "the service")
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as browser:
        visitor = new_visitor(browser, "ada")
        # By http browsers keep no windows apart, and say so.
        visitor.expect_complaint("Cross-Origin-Opener-Policy")
        page = visitor.page
        page.goto(f"{console}view/share")
        sign_in(visitor, "ada's")
        expect(mark(page, "who")).to_have_text("ada")
        expect(mark(page, "one-origin")).to_have_count(0)
        # The stream is open, and every list is there: each was asked for with the cookie.
        expect(mark(page, "slices")).to_be_visible()
        assert visitor.unexpected() == []
        lending, job = f"{console}api/lending", f"{console}api/jobs/none/cancel"
        assert page.evaluate(_ASK, [lending, "GET", True]) == 200
        # Such a job is not there, or the check has refused before anybody looked.
        assert page.evaluate(_ASK, [job, "POST", True]) == 404
        assert page.evaluate(_ASK, [job, "POST", False]) == 403
        kept = page.evaluate("() => /_xsrf=([^;]+)/.exec(document.cookie)[1]")
        visitor.page.goto(f"http://eve.hub.test:{port}/")
        for asked in ([lending, "GET", True], [job, "POST", True]):
            assert page.evaluate(_ASK, asked) == "blocked"
        # What eve's pages have is the hub's for her own origin.
        assert kept not in page.evaluate("() => document.cookie")
        visitor.context.close()


def test_a_hub_without_the_service_s_role_is_told_apart(real: Processes) -> None:
    def standing() -> Any:
        url = f"http://127.0.0.1:{real.ports['service']}/services/sublet/health"
        # The service may not listen yet.
        with requests.Session() as session, contextlib.suppress(requests.ConnectionError):
            return json.loads(session.get(url, timeout=10).text)["hub"]
        return None

    wait_for(lambda: standing() == "lacks-scopes", 60, "lacks-scopes")


@pytest.mark.parametrize(
    ("base", "token", "standing"),
    [
        ("/hub/api", "an-old-token-of-the-service-0123456789", HubStanding.REFUSES_TOKEN),
        ("/hub/api", SERVICE_TOKEN, HubStanding.LACKS_SCOPES),
        ("/jupyter/hub/api", SERVICE_TOKEN, HubStanding.NO_HUB),
    ],
    # The token is another in each process.
    ids=["refuses-token", "lacks-scopes", "no-hub"],
)
def test_what_keeps_the_service_from_the_hub_s_users_is_told_apart(
    real: Processes, base: str, token: str, standing: HubStanding
) -> None:
    hub = HubClient(f"http://127.0.0.1:{real.ports['hub']}{base}", token)
    with pytest.raises(HubUnreachableError) as refused:
        asyncio.run(hub.servers())
    assert refused.value.standing is standing


def test_the_token_of_another_service_is_known_as_theirs(real: Processes) -> None:
    hub = HubClient(f"http://127.0.0.1:{real.ports['hub']}/hub/api", TESTS_TOKEN)
    asyncio.run(hub.servers())
    assert asyncio.run(hub.whose_token()) is HubStanding.TOKEN_OF_ANOTHER


def test_the_proxy_says_that_it_cannot_reach_the_service(real: Processes) -> None:
    real.kill("service")
    wait_for(lambda: get(real, "/services/sublet/health", "127.0.0.1") == 503, 60, "503")
