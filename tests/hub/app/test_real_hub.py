"""The service as a process, with a real JupyterHub, its proxy and its spawner."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.host.clock import read_boot_id
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.installation.standings import HubStanding
from sublet_spawner.hub_configuration import ONE_ORIGIN

from tests.support.fake_agent import FakeAgent
from tests.support.hub_world_processes import (
    BIN,
    SERVICE_TOKEN,
    Processes,
    make_processes,
    wait_for,
)

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(
        not (BIN / "configurable-http-proxy").exists(), reason="needs configurable-http-proxy"
    ),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = make_processes(tmp_path_factory.mktemp("real"))
    try:
        processes.start_service()
        processes.start_hub()
        processes.until_ready()
        yield processes
    finally:
        processes.end()


@pytest_asyncio.fixture
async def agent(real: Processes) -> AsyncIterator[FakeAgent]:
    found = await connected(real)
    yield found
    await found.close()


async def connected(real: Processes) -> FakeAgent:
    found = FakeAgent(real.link_url, real.node_secret, boot_id=read_boot_id())
    return await found.connect()


async def call(real: Processes, *arguments: Any) -> tuple[int, Any]:
    return await asyncio.to_thread(real.call, *arguments)


async def test_a_servers_own_token_sees_its_share_and_nothing_of_others(
    real: Processes, agent: FakeAgent
) -> None:
    token = await asyncio.to_thread(real.start_server, "ada")
    status, share = await call(real, "GET", "share", token)
    assert (status, [s["lease"]["owner"] for s in share["slices"]]) == (200, ["ada"])
    slice_id = share["slices"][0]["lease"]["slice_id"]
    # The answer to another connection may come before what the agent is told.
    await agent.until(lambda: agent.serves(lambda told: told.root_pid is not None))
    assert (await call(real, "POST", f"slices/{slice_id}/keep", token, {"minutes": 1}))[0] == 200
    assert (await call(real, "GET", "gpus", token))[0] == 403
    assert (await call(real, "PUT", "lending", token, {"lending": False}))[0] == 403
    assert (await call(real, "GET", f"hub/slices/{slice_id}", token))[0] == 403
    bob = await asyncio.to_thread(real.token_of, "bob")
    assert (await call(real, "POST", f"slices/{slice_id}/wake", bob))[0] == 404
    assert (await call(real, "GET", "share?owner=ada", bob))[0] == 403
    root = await asyncio.to_thread(real.token_of, "root")
    _, gpus = await call(real, "GET", "gpus", root)
    assert gpus[0]["slices"][0]["lease"]["owner"] == "ada"


async def test_the_service_killed_and_started_again_knows_everything(
    real: Processes, agent: FakeAgent
) -> None:
    token = await asyncio.to_thread(real.start_server, "ada")
    _, before = await call(real, "GET", "share", token)
    real.kill("service")
    await agent.until(lambda: agent.close_reason is not None)
    real.start_service()
    await asyncio.to_thread(real.until_ready)
    _, after = await call(real, "GET", "share", token)
    assert [s["lease"] for s in after["slices"]] == [s["lease"] for s in before["slices"]]
    again = await connected(real)
    await again.until(lambda: again.assignments is not None and again.assignments.slices)
    await again.close()


async def test_a_killed_server_gives_its_slice_back(real: Processes, agent: FakeAgent) -> None:
    await asyncio.to_thread(real.start_server, "carol")
    root = await asyncio.to_thread(real.token_of, "root")

    def owners() -> list[str]:
        _, gpus = real.call("GET", "gpus", root)
        return [s["lease"]["owner"] for s in gpus[0]["slices"]]

    assert "carol" in owners()
    real.server_process("carol").kill()
    await asyncio.to_thread(wait_for, lambda: "carol" not in owners(), 120, "carol's slice")
    await agent.until(lambda: "carol" not in [s.owner for s in agent.assignments.slices])


async def test_a_server_stopped_while_the_service_was_away_has_no_slice_afterwards(
    real: Processes, agent: FakeAgent
) -> None:
    del agent
    await asyncio.to_thread(real.start_server, "dora")
    root = await asyncio.to_thread(real.token_of, "root")
    real.kill("service")
    real.server_process("dora").kill()
    await asyncio.to_thread(wait_for, lambda: not real.is_ready("dora"), 120, "the hub to see it")
    real.start_service()
    await asyncio.to_thread(real.until_ready)

    def is_gone() -> bool:
        status, slices = real.call("GET", "slices?owner=dora", root)
        return (status, slices) == (200, [])

    await asyncio.to_thread(wait_for, is_gone, 120, "dora's slice to be released")


async def test_the_services_role_lets_it_stop_a_server_as_its_owner_would(
    real: Processes, agent: FakeAgent
) -> None:
    await asyncio.to_thread(real.start_server, "finn")
    hub = HubClient(f"http://127.0.0.1:{real.ports['hub']}/hub/api", SERVICE_TOKEN)
    assert await hub.whose_token() is HubStanding.OK
    assert await hub.may_stop_servers()
    await hub.stop_server(UserName("finn"), "")
    await asyncio.to_thread(wait_for, lambda: not real.is_ready("finn"), 120, "the server's end")
    await agent.until(lambda: "finn" not in [s.owner for s in agent.assignments.slices])
    # What does not run, and what is not there, is stopped.
    await hub.stop_server(UserName("finn"), "")
    await hub.stop_server(UserName("finn"), "no-such")
    await hub.stop_server(UserName("nobody-at-all"), "")


async def test_neither_log_nor_ledger_holds_a_secret(real: Processes, agent: FakeAgent) -> None:
    del agent
    token = await asyncio.to_thread(real.start_server, "ada")
    await call(real, "GET", f"share?token={token}", token)
    await call(real, "GET", "share", "false-token-canary")
    log = real.log("service")
    assert "GET /services/sublet/api/share" in log
    state = Path(real.folder / "state")
    kept = b"".join(path.read_bytes() for path in state.glob("ledger.*"))  # noqa: ASYNC240
    for secret in (SERVICE_TOKEN, real.node_secret, token, "false-token-canary"):
        assert secret not in log
        assert secret.encode() not in kept


async def test_the_hubs_log_recommends_an_origin_for_each_user(real: Processes) -> None:
    assert ONE_ORIGIN in real.log("jupyterhub")


async def test_a_server_that_was_stopped_has_a_token_no_more(
    real: Processes, agent: FakeAgent
) -> None:
    """Stop, then call: what was kept of the hub's answer is believed for 30 seconds at most."""
    del agent
    used = await asyncio.to_thread(real.start_server, "gus")
    assert (await call(real, "GET", "share", used))[0] == 200
    status, _ = await asyncio.to_thread(real.hub_call, "DELETE", "users/gus/server")
    assert status in {202, 204}

    def is_refused() -> bool:
        return real.call("GET", "share", used)[0] == 401

    await asyncio.to_thread(wait_for, is_refused, 150, "the token to be refused")


async def test_a_token_that_was_not_used_is_refused_as_soon_as_its_server_was_stopped(
    real: Processes, agent: FakeAgent
) -> None:
    del agent
    unused = await asyncio.to_thread(real.start_server, "hal")
    await asyncio.to_thread(real.hub_call, "DELETE", "users/hal/server")
    await asyncio.to_thread(wait_for, lambda: real.has_stopped("hal"), 120, "hal's server to end")
    assert (await call(real, "GET", "share", unused))[0] == 401


async def test_a_wrong_quota_file_stops_the_start_with_the_list_of_errors(tmp_path: Path) -> None:
    processes = make_processes(tmp_path)
    (tmp_path / "quota.yaml").write_text("polls: {}\nsizes: {half: {memory: x, compute: 0.5}}\n")
    processes.start_service(f"--quota-file={tmp_path / 'quota.yaml'}")
    assert processes.running["service"].wait(120) == 1
    log = processes.log("service")
    assert "line 1: polls" in log
    assert "line 2: sizes.half.memory" in log
    assert "Traceback" not in log


async def test_a_token_file_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    processes = make_processes(tmp_path)
    (tmp_path / "token").chmod(0o644)
    processes.start_service()
    assert processes.running["service"].wait(120) == 1
    assert "chmod 600" in processes.log("service")


async def test_an_admin_sees_the_share_of_a_user_who_has_no_server_and_of_nobody_else(
    real: Processes,
) -> None:
    root = await asyncio.to_thread(real.token_of, "root")
    await asyncio.to_thread(real.token_of, "bob")
    status, share = await call(real, "GET", "share?owner=bob", root)
    assert (status, share["groups_known"], share["slices"]) == (200, True, [])
    status, problem = await call(real, "GET", "share?owner=nobody-at-all", root)
    assert (status, problem["reason"]) == (404, "not-found")
