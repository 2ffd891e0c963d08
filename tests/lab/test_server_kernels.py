"""The extension and the server's kernels: what it tells the agent of them, and what they hold."""

import asyncio
import json
from pathlib import Path

import pytest
from sublet_lab.server.kernel_watch import BESIDE_CELLS, MISSED_CELL
from sublet_quota.wire.tenant_socket import KernelActivity, ShareProcess

from tests.support.fake_hub_service import FakeHubService
from tests.support.fake_tenant_socket import FakeAgent
from tests.support.jupyter_server import (
    JupyterServer,
    Surroundings,
)
from tests.support.lab_bodies import lease, slice_info
from tests.support.lab_shares import a_share

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def agent(surroundings: Surroundings) -> FakeAgent:
    surroundings.agent.requests.clear()
    surroundings.agent.activities.clear()
    return surroundings.agent


@pytest.fixture
def service(surroundings: Surroundings) -> FakeHubService:
    surroundings.service.asked.clear()
    return surroundings.service


def _levels(agent: FakeAgent, kernel: str) -> list[KernelActivity]:
    return [a for a in agent.activities if a.kernel == kernel]


async def test_cells_of_kernels_without_the_gate_are_reported_and_others_left_alone(
    server: JupyterServer, agent: FakeAgent, tmp_path: Path
):
    async with server.kernel("plain") as (kernel_id, plain):
        ends = tmp_path / "ends"
        execution = plain.begin(
            f"import os, time\nwhile not os.path.exists({str(ends)!r}): time.sleep(0.02)"
        )
        level = await agent.until(lambda a: _levels(a, kernel_id), 90)
        assert level[0].busy
        # It may have begun before the extension was connected.
        assert level[0].cell in {execution.msg_id, MISSED_CELL}
        await agent.until(lambda a: [x.busy for x in _levels(a, kernel_id)].count(True) >= 2)
        ends.touch()
        await plain.finish(execution)
        await agent.until(lambda a: not _levels(a, kernel_id)[-1].busy)
        before = len(_levels(agent, kernel_id))
        await plain.client.complete("impo", reply=True, timeout=90)
        assert agent.requests == []
        assert len(_levels(agent, kernel_id)) == before
    async with server.kernel("python3") as (kernel_id, gated):
        await gated.run("pass")
        await agent.until(lambda a: _levels(a, kernel_id) and not _levels(a, kernel_id)[-1].busy)
        assert [r.enter.kernel for r in agent.requests] == [kernel_id]
        # One numbering, so one teller.
        first, last = _levels(agent, kernel_id)[0], _levels(agent, kernel_id)[-1]
        assert last.sequence - first.sequence == len(_levels(agent, kernel_id)) - 1


@pytest.mark.parametrize("name", ["plain", "python3"])
async def test_what_a_widget_calls_counts_as_a_cell_when_it_takes_long(
    server: JupyterServer, agent: FakeAgent, tmp_path: Path, name: str
):
    """It may stand in a GPU call, and no cell could run meanwhile."""
    async with server.kernel(name) as (kernel_id, kernel):
        ends, answered = tmp_path / "ends", tmp_path / "answered"
        prepares = kernel.begin(
            "import os, time\n"
            "def opened(comm, message):\n"
            "    while not os.path.exists(message['content']['data']['until']): time.sleep(0.02)\n"
            "get_ipython().kernel.comm_manager.register_target('slow', opened)\n"
            f"while not os.path.exists({str(ends)!r}): time.sleep(0.02)"
        )
        # A cell of a moment may be told of later, or not at all.
        await agent.until(lambda a: _levels(a, kernel_id))
        ends.touch()
        await kernel.finish(prepares)
        teller = f"{kernel_id} {BESIDE_CELLS}" if name == "python3" else kernel_id
        await agent.until(lambda a: not _levels(a, kernel_id)[-1].busy)
        heard = len(_levels(agent, teller))
        calls = []
        for until in (ends, answered):
            data = {"until": str(until)}
            content = {"comm_id": until.name, "target_name": "slow", "data": data}
            call = kernel.client.session.msg("comm_open", content)
            kernel.client.shell_channel.send(call)
            calls.append(call["header"]["msg_id"])
        short, long = calls
        # Until it has been told, or the server might look too late.
        await agent.until(lambda a: [x.cell for x in _levels(a, teller)[heard:]][-1:] == [long])
        answered.touch()
        levels = await agent.until(
            lambda a: (
                [x.busy for x in _levels(a, teller)[heard:]][-1:] == [False]
                and _levels(a, teller)[heard:]
            )
        )
        told = [x.cell for x in levels]
        assert set(told[told.index(long) : -1]) == {long}
        # Where kernel or server stands still for a second, the short one takes long, too.
        assert set(told[: told.index(long)]) <= {short, None}


async def test_a_killed_cell_does_not_stay_busy(server: JupyterServer, agent: FakeAgent):
    async with server.kernel("plain") as (kernel_id, plain):
        plain.begin("import time; time.sleep(60)")
        await agent.until(lambda a: _levels(a, kernel_id), 90)
        assert (await server.ask("POST", f"api/kernels/{kernel_id}/restart", {})).code == 200
        await agent.until(lambda a: not _levels(a, kernel_id)[-1].busy)


async def test_kernels_are_shown_with_what_they_hold(server: JupyterServer, agent: FakeAgent):
    agent.share = None
    assert (await server.ask("GET", "sublet/api/kernels")).code == 503
    async with server.kernel("plain") as (kernel_id, plain):
        execution = await plain.run("import os; print(os.getpid())")
        pid = int(execution.text)
        agent.share = a_share(processes=(ShareProcess(pid=pid, memory_mib=700),))
        answer = await server.ask("GET", "sublet/api/kernels")
        held = {k["kernel_id"]: k for k in json.loads(answer.body)}[kernel_id]
        assert (held["memory_mib"], held["pids"], held["name"]) == (700, [pid], "plain")
        assert held["notebook"] is None


async def test_kernels_that_are_started_after_a_resize_see_the_new_size(
    server: JupyterServer, service: FakeHubService, agent: FakeAgent
):
    info = slice_info(lease=lease(slice_id="slice-1", memory_mib=20480, compute_milli=250))
    service.answer("POST slices/slice-1/resize", info)
    answer = await server.ask("POST", "sublet/api/slices/slice-1/resize", {"memory_mib": 20480})
    assert answer.code == 200
    agent.share = None
    asked = "import os; print(os.environ['SUBLET_MEMORY_MIB'], os.environ['PYTORCH_ALLOC_CONF'])"
    async with server.kernel("python3") as (_, kernel):
        shown = await kernel.run(asked)
        assert shown.text == "20480 per_process_memory_fraction:0.2437\n"
    # Resized from elsewhere: the agent says so when the kernel starts. One that has waited for half
    # a second in vain goes by what its server was told, and is started again.
    agent.share = a_share(cap_mib=30720, compute_milli=250, gpu_memory_mib=81920)
    before = shown.text
    async with asyncio.timeout(240):
        while shown.text == before:
            async with server.kernel("python3") as (_, kernel):
                shown = await kernel.run(asked)
    assert shown.text == "30720 per_process_memory_fraction:0.3687\n"
