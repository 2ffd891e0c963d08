"""What real kernels tell a fake agent of their cells."""

import asyncio
from pathlib import Path

import pytest
from sublet_quota.wire.tenant_socket import KernelActivity

from tests.support.fake_tenant_socket import FakeAgent
from tests.support.real_kernels import RunningKernel

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _last(agent: FakeAgent) -> KernelActivity | None:
    return agent.activities[-1] if agent.activities else None


async def _level(agent: FakeAgent, *, busy: bool) -> KernelActivity:
    def seen(agent: FakeAgent) -> KernelActivity | None:
        last = _last(agent)
        return last if last is not None and last.busy is busy else None

    level = await agent.until(seen)
    assert level is not None
    return level


def _runs_until(sign: Path) -> str:
    """Code that runs until there is a file, so that its level stays until the test has seen it."""
    return f"import os, time\nwhile not os.path.exists({str(sign)!r}): time.sleep(0.02)\n"


async def test_a_running_cell_is_told_as_busy_again_and_again_and_its_end_once(
    agent: FakeAgent, kernel: RunningKernel, tmp_path: Path
):
    execution = kernel.begin(_runs_until(tmp_path / "ends"))
    busy = await _level(agent, busy=True)
    assert busy.cell == execution.msg_id
    await agent.until(lambda a: [x.busy for x in a.activities].count(True) >= 2)
    (tmp_path / "ends").touch()
    await kernel.finish(execution)
    idle = await _level(agent, busy=False)
    assert idle.cell is None
    sequences = [a.sequence for a in agent.activities]
    assert sequences == sorted(set(sequences))


async def test_a_cell_at_input_is_idle_until_it_is_answered(
    agent: FakeAgent, kernel: RunningKernel, tmp_path: Path
):
    asks, ends = tmp_path / "asks", tmp_path / "ends"
    code = f"{_runs_until(asks)}name = input('who? ')\n{_runs_until(ends)}print(name)"
    execution = kernel.begin(code, allow_stdin=True)
    await _level(agent, busy=True)
    asks.touch()
    async with asyncio.timeout(90):
        prompt = await kernel.client.get_stdin_msg()
    assert prompt["content"]["prompt"] == "who? "
    await _level(agent, busy=False)
    kernel.client.input("ada")
    await _level(agent, busy=True)
    ends.touch()
    await kernel.finish(execution)
    assert execution.text == "ada\n"


async def test_a_waiting_cell_is_busy_and_an_interrupted_one_idle(
    agent: FakeAgent, kernel: RunningKernel
):
    agent.hold = True
    execution = kernel.begin("pass")
    await _level(agent, busy=True)
    # An interrupt before the cell is at the gate stops what the kernel does then, and not the cell.
    await agent.until(lambda a: a.requests)
    await kernel.manager.interrupt_kernel()
    await kernel.finish(execution)
    await _level(agent, busy=False)


async def test_the_level_is_told_again_to_a_restarted_agent(
    agent: FakeAgent, kernel: RunningKernel, tmp_path: Path
):
    execution = kernel.begin(_runs_until(tmp_path / "ends"))
    await _level(agent, busy=True)
    await agent.stop()
    agent.activities.clear()
    await agent.start()
    told = await _level(agent, busy=True)
    assert told.cell == execution.msg_id
    (tmp_path / "ends").touch()
    await kernel.finish(execution)


async def test_completion_and_silent_requests_are_no_activity(
    agent: FakeAgent, kernel: RunningKernel
):
    await kernel.client.complete("impo", reply=True, timeout=90)
    await kernel.run("x = 1", silent=True)
    assert agent.activities == []
