"""The spawner under a real JupyterHub that waits for no start, as zero-to-jupyterhub's does.

It answers before a start has come to anything: how that ends is told on a page of its own, and by
the API not at all.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio
import requests
from sublet_hub.slices.jupyterhub_client import HubClient, ServerStanding, StartAnswer
from sublet_quota.names.ids import UserName
from sublet_quota.wire.api import Problem

from tests.spawner.real_hub import RealHub, proxy_command, real_hub, until
from tests.support.fake_service import FakeService, a_wait, fake_service

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(proxy_command() is None, reason="configurable-http-proxy is not installed"),
]

NO_WAIT = 'c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}'
WORDS = "You asked for 40 GiB <b>now</b>: you are in line, at place 3"
REFUSED = Problem(reason="no-room", message="There is no room", numbers={})


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory) -> AsyncIterator[tuple[RealHub, FakeService]]:
    folder = tmp_path_factory.mktemp("hub")
    async with fake_service(folder) as service:
        hub = real_hub(folder, service, more=NO_WAIT)
        try:
            await hub.ready()
            yield hub, service
        finally:
            hub.end()


@pytest.fixture
def running(shared) -> tuple[RealHub, FakeService]:
    """The hub, with its service as new."""
    hub, service = shared
    service.wait = service.problem = None
    service.granting.set()
    service.asked.clear()
    return hub, service


def logged_in(hub: RealHub, user: str) -> requests.Session:
    session = requests.Session()
    login = session.get(f"{hub.url}/hub/login", timeout=120)
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', login.text)[1]
    form = {"username": user, "password": "any", "_xsrf": xsrf}
    session.post(f"{hub.url}/hub/login", data=form, timeout=120).raise_for_status()
    return session


def send_form(hub: RealHub, session: requests.Session) -> requests.Response:
    form = session.get(f"{hub.url}/hub/spawn", timeout=120)
    action = re.search(r'action="([^"]+)"', form.text)[1].replace("&amp;", "&")
    return session.post(f"{hub.url}{action}", data={"size": "large"}, timeout=120)


async def test_the_page_of_a_start_leads_on_to_the_place_in_line(running):
    hub, service = running
    service.wait = a_wait(owner="ada", message=WORDS)
    with await asyncio.to_thread(logged_in, hub, "ada") as session:
        sent = await asyncio.to_thread(send_form, hub, session)
        assert sent.url.startswith(f"{hub.url}/hub/spawn-pending/ada")

        async def has_ended() -> tuple[int, str] | None:
            page = await asyncio.to_thread(partial(session.get, sent.url, timeout=120))
            return (page.status_code, page.text) if "Spawn failed" in page.text else None

        status, text = await until(has_ended, 60, "the start to end", hub.log)
    assert status == 409
    assert "40 GiB &lt;b&gt;now&lt;/b&gt;" in text
    assert 'href="/hub/spawn/ada">Open your place in line</a>' in text
    assert '<meta http-equiv="refresh" content="1; url=/hub/spawn/ada">' in text
    (event,) = [
        json.loads(line.removeprefix("data: "))
        async for line in hub.progress("ada")
        if line.startswith("data: ")
    ]
    assert event["failed"]
    assert 'href="/hub/spawn/ada"' in event["html_message"]


async def test_a_start_under_way_is_told_from_one_that_has_failed(running):
    hub, service = running
    client, bea = HubClient(f"{hub.url}/hub/api", service.token), UserName("bea")
    await hub.call("POST", "/users/bea")
    service.granting.clear()
    assert await client.start_server(bea, "", {"size": "large"}) is StartAnswer.STARTS
    await asyncio.wait_for(service.asked.wait(), 60)
    assert await client.standing_of(bea, "") is ServerStanding.CHANGES
    # It says the same of one that starts already, and there is one start.
    assert await client.start_server(bea, "", {"size": "large"}) is StartAnswer.STARTS
    service.problem = REFUSED
    service.granting.set()

    async def has_ended() -> bool:
        return await client.standing_of(bea, "") is ServerStanding.NOT_THERE

    await until(has_ended, 60, "the start to end", hub.log)
    assert [each.owner for each in service.requests].count("bea") == 1
