"""How long a cell waits for an agent that does not answer, or answers no more."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_lab.kernel import gate as gate_module
from sublet_lab.kernel.gate import CellGate, SubletGate
from sublet_lab.kernel.kernel_link import KernelLink
from sublet_lab.kernel.notice import WaitNotice

from tests.support.fake_tenant_socket import FakeAgent, fake_agent

pytestmark = pytest.mark.asyncio
SILENT = "the agent does not answer"


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    async with fake_agent(tmp_path / "agent.sock") as agent:
        yield agent


@pytest_asyncio.fixture
async def silent_agent(agent: FakeAgent, link: KernelLink) -> FakeAgent:
    """The agent, which is connected: it hears of a cell, however soon that runs without leave."""
    with link.running("before"):
        await agent.until(lambda a: a.requests)
    await agent.until(lambda a: a.activities and not a.activities[-1].busy)
    agent.renew()
    agent.hold = True
    return agent


@pytest.fixture
def gate(link: KernelLink) -> CellGate:
    return CellGate(link, SubletGate(agent_patience_s=0.3))


async def enters(gate: CellGate, link: KernelLink) -> str | None:
    """Why nobody gave leave to a cell."""
    notice = WaitNotice(lambda *_: None, 60)
    try:
        async with asyncio.timeout(60):
            with link.running("a") as request:
                return await gate.enter(request, notice)
    finally:
        notice.end()


async def test_an_agent_that_falls_silent_while_a_cell_waits_there_holds_it_not_for_ever(
    silent_agent: FakeAgent, gate: CellGate, link: KernelLink, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gate_module, "_SPEAKS_WITHIN_S", 0.5)
    cell = asyncio.create_task(enters(gate, link))
    request = await silent_agent.until(lambda a: a.requests and a.requests[0])
    request.wait("Room is made.")
    assert await cell == SILENT


async def test_the_cell_that_runs_without_leave_has_taken_its_request_back(
    silent_agent: FakeAgent, gate: CellGate, link: KernelLink
):
    assert await enters(gate, link) == SILENT
    request = await silent_agent.until(lambda a: a.requests and a.requests[0])
    async with asyncio.timeout(60):
        await request.taken_back.wait()


async def test_an_agent_that_is_back_has_its_time_to_answer(
    agent: FakeAgent, gate: CellGate, link: KernelLink, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gate_module, "_PATIENCE_ONCE_AWAY_S", 0.0)
    monkeypatch.setattr(gate_module, "_PATIENCE_WHERE_IT_IS_BACK_S", 60.0)
    agent.hold = True
    await agent.stop()
    gate._settings.agent_patience_s = 60.0
    with monkeypatch.context() as there:
        # The first word that it is away is enough.
        there.setattr(gate_module, "RETRY_S", 60.0)
        assert "no agent at" in str(await enters(gate, link))
    await agent.start()
    await agent.until(lambda a: a.activities)
    cell = asyncio.create_task(enters(gate, link))
    request = await agent.until(lambda a: a.requests and a.requests[-1])
    await asyncio.sleep(0.1)
    request.open()
    assert await cell is None
