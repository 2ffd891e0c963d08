"""The spawner under a real JupyterHub with its proxy and real notebook servers."""

import asyncio
import os
import pwd
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import requests
from sublet_quota.names import scopes
from sublet_quota.wire.api import Problem

from tests.spawner.real_hub import REAL_SERVER, RealHub, proxy_command, real_hub, until
from tests.support.fake_service import a_wait, an_offer, fake_service, some_offers

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(proxy_command() is None, reason="configurable-http-proxy is not installed"),
]

WORDS = "You asked for 40 GiB <b>now</b>, and 10 GiB are left: pick a smaller size"
NO_ROOM = Problem(reason="no-room", message=WORDS, numbers={"left_mib": 10240})


class Running:
    """A hub and the service that it asks."""

    def __init__(self, hub: RealHub, service) -> None:
        self.hub = hub
        self.service = service

    async def until_released(self, slice_id: str) -> None:
        async def is_released() -> bool:
            return slice_id in self.service.released

        await until(is_released, 60, f"{slice_id} to be released", self.hub.log)

    async def started_slice(self, user: str, options=None) -> tuple[str, int]:
        answer = await self.hub.spawn(user, options)
        assert answer.status_code in {201, 202}, answer.text
        await self.hub.until_ready(user)
        (slice_id,) = [key for key, lease in self.service.slices.items() if lease.owner == user]
        return slice_id, self.service.started[slice_id].root_pid


FAILURE_LIMIT = 5
"""As zero-to-jupyterhub sets it: a hub ends itself after so many failed starts in a row."""
HOLDS_ON = "c.SliceSpawnerMixin.service_request_timeout_s = 120"
"""Whoever gave a start up still hears of its slice, however late the test sees that and lets it be
granted.
"""
NEVER_ANSWERED = {"cmd": ["/bin/sleep", "600"], "http_timeout": 1}
OF_USERS = {
    "ada": REAL_SERVER,
    "never-answered": NEVER_ANSWERED,
    "impatient": {"start_timeout": 10},
}


@asynccontextmanager
async def running_hub(folder, service, of_users, more: str = "") -> AsyncIterator[RealHub]:
    hub = real_hub(folder, service, of_users=of_users, more=more)
    try:
        await hub.ready()
        yield hub
    finally:
        hub.end()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory):
    """One hub for the tests that need no setting of their own; each has users of its own."""
    folder = tmp_path_factory.mktemp("shared-hub")
    more = f"c.Spawner.consecutive_failure_limit = {FAILURE_LIMIT}\n{HOLDS_ON}"
    async with fake_service(folder) as service, running_hub(folder, service, OF_USERS, more) as hub:
        yield Running(hub, service)


@pytest.fixture
def running(shared) -> Running:
    """The shared hub, with its service as new."""
    service = shared.service
    service.offers, service.problem, service.away = some_offers(), None, False
    service.wait = None
    service.granting.set()
    service.hearing.set()
    service.asked.clear()
    service.released_one.clear()
    for record in (
        service.requests,
        service.released,
        service.started,
        service.slices,
        service.left_line,
    ):
        record.clear()
    return shared


async def test_a_server_gets_its_slice_and_a_stop_gives_it_back(running):
    hub, service = running.hub, running.service
    slice_id, pid = await running.started_slice("ada", {})
    process = psutil.Process(pid)
    environment = process.environ()
    assert environment["SUBLET_SLICE_ID"] == slice_id
    assert environment["SUBLET_MEMORY_MIB"] == "10240"
    assert environment["SUBLET_SIMULATED_SOCKET"] == f"{running.hub.folder}/gpus.sock"
    assert environment["PYTORCH_ALLOC_CONF"] == "per_process_memory_fraction:0.1187"
    # The C library splits this value where /proc shows it: it is looked for in the raw bytes.
    raw = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
    assert re.search(rb"GLIBC_TUNABLES=glibc.malloc.check=1[:\0]glibc.malloc.hugetlb=1\0", raw)
    assert service.started[slice_id].root_start_time == process.create_time() - psutil.boot_time()
    assert service.slices[slice_id].size == "small"
    assert service.requests[0].groups == ("g<img src=x onerror=alert(1)>",)
    account = service.requests[0].account
    assert account.home == f"{hub.folder}/homes/ada"
    assert not [name for name in account.environment if name.startswith("JUPYTERHUB_")]

    token = environment["JUPYTERHUB_API_TOKEN"]
    own = set((await hub.call("GET", "/user", token)).json()["scopes"])
    assert own - {"read:users:name!user=ada", "read:users:groups!user=ada"} == {
        "access:servers!server=ada/",
        f"access:services!service={scopes.SERVICE_NAME}",
        f"{scopes.READ}!user=ada",
        f"{scopes.ACTIVITY}!server=ada/",
        f"{scopes.JOBS}!user=ada",
        "read:users:activity!user=ada",
        "users:activity!user=ada",
    }

    assert (await hub.call("DELETE", "/users/ada/server")).status_code in {202, 204}
    await running.until_released(slice_id)
    assert not psutil.pid_exists(pid)


async def test_a_slice_survives_a_killed_hub_and_is_given_back_when_its_server_is_killed(running):
    hub, service = running.hub, running.service
    slice_id, pid = await running.started_slice("fay", {"size": "large"})
    lost_slice_id, lost_pid = await running.started_slice("gus", {"size": "large"})
    hub.kill()
    os.kill(lost_pid, signal.SIGKILL)
    service.started.clear()
    hub.start()
    await hub.ready()
    await running.until_released(lost_slice_id)
    await hub.until_ready("fay")
    assert psutil.pid_exists(pid)

    async def is_told_again() -> bool:
        return slice_id in service.started

    await until(is_told_again, 60, "the restarted hub to tell the first process")
    assert service.started[slice_id].root_pid == pid
    assert service.released == [lost_slice_id]

    os.kill(pid, signal.SIGKILL)
    await running.until_released(slice_id)


async def test_a_refusal_has_the_same_words_on_page_and_api_and_changes_nothing(running):
    hub, service = running.hub, running.service
    service.offers = some_offers(
        an_offer("small", title="<img src=x onerror=alert(1)>"),
        an_offer("large", allowed=False, why_not=WORDS),
    )
    service.problem = NO_ROOM
    answer = await hub.spawn("bob", {"size": "large"})
    assert (answer.status_code, answer.json()["message"]) == (403, WORDS)
    answer = await hub.spawn("bob", {"memory_mib": -5})
    assert answer.status_code == 403
    assert answer.json()["message"] == "memory is -5: ask for 1 MiB or more."
    answer = await hub.spawn("bob", {"size": ["large"], "sudo": True})
    assert answer.status_code == 400
    assert "'sudo'" in answer.json()["message"]
    server = await hub.server("bob")
    assert server is None or (server["user_options"] in ({}, None) and not server["pending"])
    assert service.started == {}

    page = await until_page(hub, "bob")
    assert "<img src=x" not in page["form"] + page["answer"]
    assert "&lt;img src=x onerror=alert(1)&gt;" in page["form"]
    assert "not walled off from each other" in page["form"]
    escaped = WORDS.replace("<", "&lt;").replace(">", "&gt;")
    assert escaped in page["form"]
    assert page["status"] == 403
    assert f"Error: {escaped}" in page["answer"]

    service.problem = None
    slice_id, _ = await running.started_slice("bob")
    assert service.slices[slice_id].size == "small"


async def test_neither_refusals_nor_a_service_that_is_away_end_the_hub(running):
    hub, service = running.hub, running.service
    service.problem = NO_ROOM
    for _ in range(FAILURE_LIMIT + 2):
        assert (await hub.spawn("ida", {"size": "large"})).status_code == 403
    for _ in range(FAILURE_LIMIT + 2):
        assert (await hub.spawn("ida", {"size": ["large"], "sudo": True})).status_code == 400
    for _ in range(FAILURE_LIMIT + 2):
        beyond = {"memory_mib": 1, "compute_milli": 2**31}
        assert (await hub.spawn("ida", beyond)).status_code == 400
    service.away = True
    for _ in range(FAILURE_LIMIT + 2):
        assert (await hub.spawn("ida", {"size": "large"})).status_code == 503
    service.away, service.problem = False, None
    # The hub that has had enough ends two seconds later.
    await asyncio.sleep(3)
    await running.started_slice("jan")
    assert hub.hub.poll() is None
    assert "consecutive spawn" not in hub.log()


WAITS = "/hub/spawn-pending/"


async def until_page(hub: RealHub, user: str) -> dict:
    """Log in as a person does, look at the form, and send it.

    A hub that has no answer within a second leads to a page that waits: then it is sent anew.
    """

    def as_a_person() -> dict:
        with requests.Session() as session:
            login = session.get(f"{hub.url}/hub/login", timeout=120)
            xsrf = re.search(r'name="_xsrf" value="([^"]+)"', login.text)[1]
            session.post(
                f"{hub.url}/hub/login",
                data={"username": user, "password": "any", "_xsrf": xsrf},
                timeout=120,
            ).raise_for_status()
            form = session.get(f"{hub.url}/hub/spawn", timeout=120)
            if WAITS in form.url:
                return {}
            action = re.search(r'action="([^"]+)"', form.text)[1].replace("&amp;", "&")
            answer = session.post(f"{hub.url}{action}", data={"size": "small"}, timeout=120)
            if WAITS in answer.url:
                return {}
            return {"form": form.text, "status": answer.status_code, "answer": answer.text}

    return await until(lambda: asyncio.to_thread(as_a_person), 120, "the form's answer", hub.log)


async def test_a_start_that_takes_too_long_gives_its_slice_back(running):
    hub, service = running.hub, running.service
    await hub.spawn("never-answered", {})
    await asyncio.wait_for(service.released_one.wait(), 60)
    assert service.slices == {}
    server = await hub.server("never-answered")
    assert server is None or not server["ready"]


async def test_a_start_while_the_service_hangs_ends_and_leaves_nothing_behind(running):
    hub, service = running.hub, running.service
    service.wait = a_wait(owner="impatient", server="in-line")
    service.granting.clear()
    await asyncio.gather(*(hub.spawn("impatient", {}, server=name) for name in ("", "in-line")))
    assert len(service.requests) == 2

    async def have_been_given_up() -> bool:
        found = [await hub.server("impatient", name) for name in ("", "in-line")]
        return all(server is None or not server["pending"] for server in found)

    await until(have_been_given_up, 60, "the starts to time out")
    service.granting.set()
    await asyncio.wait_for(service.released_one.wait(), 60)
    assert service.slices == {}

    async def has_left() -> bool:
        return service.left_line == [("impatient", "in-line")]

    await until(has_left, 60, "the server that joined the line too late to leave it", hub.log)


async def test_named_servers_have_slices_of_their_own(running):
    hub, service = running.hub, running.service
    await hub.spawn("cleo", {})
    await hub.spawn("cleo", {"size": "large"}, server="two")
    await hub.until_ready("cleo")
    await hub.until_ready("cleo", "two")
    assert {(lease.server, lease.size) for lease in service.slices.values()} == {
        ("", "small"),
        ("two", "large"),
    }
    await hub.call("DELETE", "/users/cleo/servers/two")
    await asyncio.wait_for(service.released_one.wait(), 60)
    assert [lease.server for lease in service.slices.values()] == [""]


async def test_a_hub_without_its_service_says_so_and_starts_nothing(running):
    hub, service = running.hub, running.service
    service.away = True
    answer = await hub.spawn("dan", {"size": "small"})
    assert answer.status_code == 503
    assert "Try again in a minute" in answer.json()["message"]
    assert service.token not in hub.log()
    service.away = False
    await running.started_slice("dan", {"size": "small"})


@pytest.mark.skipif(os.getuid() != 0, reason="starting servers as other accounts needs root")
async def test_a_server_runs_as_its_users_own_account(tmp_path):
    more = """
from jupyterhub.auth import DummyAuthenticator
c.JupyterHub.authenticator_class = DummyAuthenticator
c.JupyterHub.spawner_class = "sublet_spawner.local.LocalSliceSpawner"
"""
    of_users = {"nobody": NEVER_ANSWERED}
    async with (
        fake_service(tmp_path) as service,
        running_hub(tmp_path, service, of_users, more) as hub,
    ):
        answer = await hub.spawn("has-no-account", {})
        assert answer.status_code == 403
        assert "no system account named 'has-no-account'" in answer.json()["message"]

        answer = await hub.spawn("daemon", {})
        assert answer.status_code == 403
        assert "'daemon' has uid 1, and those below" in answer.json()["message"]

        # The hub waits for the answer before it looks whether the server is there.
        service.hearing.clear()
        spawning = asyncio.create_task(hub.spawn("nobody", {}))
        await asyncio.wait_for(service.told.wait(), 60)
        ((slice_id, told),) = service.started.items()
        entry = pwd.getpwnam("nobody")
        process = psutil.Process(told.root_pid)
        assert (process.name(), process.uids().real) == ("sleep", entry.pw_uid)
        service.hearing.set()
        await spawning
        await asyncio.wait_for(service.released_one.wait(), 60)
        assert service.released == [slice_id]
        (request,) = service.requests
        assert (request.account.uid, request.account.gid) == (entry.pw_uid, entry.pw_gid)


async def test_the_progress_page_tells_which_gpu(running):
    hub = running.hub
    running.service.granting.clear()
    spawning = asyncio.create_task(hub.spawn("eve", {}))
    await running.service.asked.wait()
    events = hub.progress("eve")
    first = await anext(events)
    running.service.granting.set()
    text = "".join([first, *[event async for event in events]])
    await spawning
    assert "Slice granted (size small): 10 GiB and 0.25 GPU of GPU 0 on node-1" in text
    assert "(simulated)" in text
    assert "Spawning server..." in text
    assert '"ready": true' in text


async def test_where_each_user_has_an_origin_servers_reach_the_service_as_before(tmp_path):
    async with fake_service(tmp_path) as service:
        hub = real_hub(tmp_path, service, subdomain_host="hub.localhost")
        try:
            await hub.ready()

            def is_reached() -> bool:
                headers = {"Authorization": f"Bearer {service.token}"}
                with requests.Session() as session:
                    url = f"{hub.url}/services/sublet/"
                    answer = session.get(url, headers=headers, timeout=120, allow_redirects=False)
                    return answer.status_code == 200

            # The proxy is told the way to the hub and that to the service side by side.
            reached = partial(asyncio.to_thread, is_reached)
            await until(reached, 120, "the service to be reached", hub.log)
        finally:
            hub.end()
