"""The service beside a real JupyterHub set up otherwise: an origin for each user, no role."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_quota.reasons.installation.standings import HubStanding

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
        processes.start_service()
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
