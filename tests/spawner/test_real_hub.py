"""The spawner under a real JupyterHub with its proxy and real notebook servers."""

import asyncio
import os
import pwd
import re
import signal
import tempfile
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import requests
from sublet_quota.names import scopes
from sublet_quota.wire.api import Problem

from tests.spawner.real_hub import RealHub, proxy_command, real_hub, until
from tests.support.fake_service import an_offer, fake_service, some_offers

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

        await until(is_released, 20, f"{slice_id} to be released\n{self.hub.log()[-3000:]}")

    async def started_slice(self, user: str, options=None) -> tuple[str, int]:
        answer = await self.hub.spawn(user, options)
        assert answer.status_code in {201, 202}, answer.text
        await self.hub.until_ready(user)
        (slice_id,) = [key for key, lease in self.service.slices.items() if lease.owner == user]
        return slice_id, self.service.started[slice_id].root_pid


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory):
    """One hub for the tests that need no setting of their own; each has users of its own."""
    folder = tmp_path_factory.mktemp("shared-hub")
    async with fake_service(folder) as service:
        hub = real_hub(folder, service.url, service.token_file)
        try:
            await hub.ready()
            yield Running(hub, service)
        finally:
            hub.end()


@pytest.fixture
def running(shared) -> Running:
    """The shared hub, with its service as new."""
    service = shared.service
    service.offers, service.problem, service.away = some_offers(), None, False
    service.granting.set()
    service.asked.clear()
    service.released_one.clear()
    for record in (service.requests, service.released, service.started, service.slices):
        record.clear()
    return shared


@pytest.fixture
def open_folder():
    """A folder that any account can enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


async def with_hub(folder, story, more: str = "") -> None:
    async with fake_service(folder) as service:
        hub = real_hub(folder, service.url, service.token_file, more)
        try:
            await hub.ready()
            await story(Running(hub, service))
        finally:
            hub.end()


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


async def test_a_slice_survives_a_killed_hub_and_is_given_back_when_its_server_is_killed(tmp_path):
    async def story(running: Running) -> None:
        hub, service = running.hub, running.service
        slice_id, pid = await running.started_slice("ada", {"size": "large"})
        hub.kill()
        service.started.clear()
        hub.start()
        await hub.ready()
        await hub.until_ready("ada")
        assert psutil.pid_exists(pid)
        assert service.released == []

        async def is_told_again() -> bool:
            return slice_id in service.started

        await until(is_told_again, 20, "the restarted hub to tell the first process")
        assert service.started[slice_id].root_pid == pid

        os.kill(pid, signal.SIGKILL)
        await running.until_released(slice_id)

        slice_id, pid = await running.started_slice("ada", {"size": "large"})
        hub.kill()
        os.kill(pid, signal.SIGKILL)
        hub.start()
        await running.until_released(slice_id)

    await with_hub(tmp_path, story)


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


async def until_page(hub: RealHub, user: str) -> dict:
    """Log in as a person does, look at the form, and send it."""

    def as_a_person() -> dict:
        with requests.Session() as session:
            login = session.get(f"{hub.url}/hub/login", timeout=30)
            xsrf = re.search(r'name="_xsrf" value="([^"]+)"', login.text)[1]
            session.post(
                f"{hub.url}/hub/login",
                data={"username": user, "password": "any", "_xsrf": xsrf},
                timeout=30,
            ).raise_for_status()
            form = session.get(f"{hub.url}/hub/spawn", timeout=30)
            action = re.search(r'action="([^"]+)"', form.text)[1].replace("&amp;", "&")
            answer = session.post(f"{hub.url}{action}", data={"size": "small"}, timeout=30)
            return {"form": form.text, "status": answer.status_code, "answer": answer.text}

    return await asyncio.to_thread(as_a_person)


async def test_a_start_that_takes_too_long_gives_its_slice_back(tmp_path):
    async def story(running: Running) -> None:
        hub, service = running.hub, running.service
        await hub.spawn("ada", {})
        await asyncio.wait_for(service.released_one.wait(), 30)
        assert service.slices == {}
        server = await hub.server("ada")
        assert server is None or not server["ready"]

    never_answers = (
        'c.Spawner.cmd = ["/bin/sleep", "600"]\nc.Spawner.args = []\nc.Spawner.http_timeout = 2'
    )
    await with_hub(tmp_path, story, never_answers)


async def test_a_start_while_the_service_hangs_ends_and_leaves_nothing_behind(tmp_path):
    async def story(running: Running) -> None:
        hub, service = running.hub, running.service
        service.granting.clear()
        await hub.spawn("ada", {})

        async def has_given_up() -> bool:
            server = await hub.server("ada")
            return server is None or not server["pending"]

        await until(has_given_up, 30, "the start to time out")
        service.granting.set()
        await asyncio.wait_for(service.released_one.wait(), 30)
        assert service.slices == {}

    await with_hub(tmp_path, story, "c.Spawner.start_timeout = 2")


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
    await asyncio.wait_for(service.released_one.wait(), 30)
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
async def test_a_server_runs_as_its_users_own_account(tmp_path, open_folder):
    uids = open_folder / "uids"

    async def story(running: Running) -> None:
        hub, service = running.hub, running.service
        answer = await hub.spawn("has-no-account", {})
        assert answer.status_code == 403
        assert "no system account named 'has-no-account'" in answer.json()["message"]

        entry = pwd.getpwnam("nobody")
        await hub.spawn("nobody", {})
        await asyncio.wait_for(service.released_one.wait(), 30)
        (request,) = service.requests
        assert (request.account.uid, request.account.gid) == (entry.pw_uid, entry.pw_gid)
        (uid,) = {int(line) for line in uids.read_text().split()}
        assert uid == entry.pw_uid

    uids.touch()
    uids.chmod(0o666)
    tells_its_uid = f'c.Spawner.cmd = ["/bin/sh", "-c", "id -u >> {uids}"]'
    more = (
        'c.JupyterHub.spawner_class = "sublet_spawner.local.LocalSliceSpawner"\n'
        f"{tells_its_uid}\nc.Spawner.args = []\nc.Spawner.http_timeout = 5\n"
        "from jupyterhub.auth import DummyAuthenticator\n"
        "c.JupyterHub.authenticator_class = DummyAuthenticator\n"
    )
    await with_hub(tmp_path, story, more)


async def test_the_progress_page_tells_which_gpu(running):
    hub = running.hub
    running.service.granting.clear()
    spawning = asyncio.create_task(hub.spawn("eve", {}))
    await running.service.asked.wait()
    progress = asyncio.create_task(hub.call("GET", "/users/eve/server/progress"))
    await asyncio.sleep(0)
    running.service.granting.set()
    await spawning
    text = (await progress).text
    assert "Slice granted (size small): 10 GiB and 0.25 GPU of GPU 0 on node-1" in text
    assert "(simulated)" in text
    assert "Spawning server..." in text
    assert '"ready": true' in text
