"""The gate before the cells of real kernels, with a fake agent.

Kernel and agent may stand still for a second on a busy machine: what is said of a gate's times
must hold then too, so a test that needs other times sets them.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_quota.wire.tenant_socket import NOBODYS_CELL, CapNotice, GateOpen

from tests.support.fake_tenant_socket import FakeAgent
from tests.support.real_kernels import Execution, RunningKernel, running_kernel, slice_environment

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def impatient_of_all(
    agent_of_all: FakeAgent, kernels_folder: Path
) -> AsyncIterator[RunningKernel]:
    environment = slice_environment(agent_of_all.path)
    async with running_kernel(
        environment, kernels_folder, "--SubletGate.agent_patience_s=0.7"
    ) as kernel:
        yield kernel


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(impatient_of_all: RunningKernel, agent: FakeAgent) -> RunningKernel:
    """A kernel that soon runs a cell without the agent's leave, and has just had it for one."""
    await set_gate(impatient_of_all, agent_patience_s=0.7, notice_after_s=0)
    async with asyncio.timeout(90):
        while (await impatient_of_all.run("pass")).warnings:
            pass
    assert agent.requests
    return impatient_of_all


async def set_gate(kernel: RunningKernel, **settings: float) -> None:
    """Set times of the kernel's gate, for its next cells."""
    gate = "get_ipython().kernel._sublet_gated_cells._settings"
    code = "\n".join(f"{gate}.{name} = {value}" for name, value in settings.items())
    execution = await kernel.run(code, silent=True)
    assert execution.reply is not None
    assert execution.reply["status"] == "ok"


@pytest_asyncio.fixture(loop_scope="module")
async def quiet_kernel(kernel: RunningKernel) -> AsyncIterator[RunningKernel]:
    """The module's kernel, with a minute for what counts as a short wait."""
    await set_gate(kernel, notice_after_s=60)
    yield kernel
    await set_gate(kernel, notice_after_s=0.3)


async def shown_until(kernel: RunningKernel, execution: Execution, text: str) -> dict[str, Any]:
    """Read what the cell displays until it shows ``text``; returns that display's content."""
    while True:
        shown = await kernel.output_until(execution, "display_data", "update_display_data")
        if text in shown["data"]["text/plain"]:
            return shown


async def warned(kernel: RunningKernel, why: str) -> Execution:
    """Run cells until one says that it runs for this reason without leave.

    A kernel that stands still may run one before it has heard why.
    """
    async with asyncio.timeout(90):
        while why not in (execution := await kernel.run("print('ran')")).warnings:
            assert execution.text == "ran\n"
            assert "without leave from the GPU agent" in execution.warnings
    assert execution.text == "ran\n"
    return execution


async def test_a_cell_asks_the_agent_by_the_names_that_the_server_knows(
    agent: FakeAgent, kernel: RunningKernel
):
    execution = await kernel.run("print(6 * 7)")
    assert execution.text == "42\n"
    (request,) = agent.requests
    assert request.enter.cell == execution.msg_id
    assert request.enter.kernel == kernel.manager.kernel_id


async def test_a_cell_waits_until_the_gate_opens_and_says_for_what(
    agent: FakeAgent, kernel: RunningKernel
):
    agent.hold = True
    execution = kernel.begin("print('ran')")
    request = await agent.until(lambda a: a.requests and a.requests[0])
    request.wait("Your 8 GiB come back, about 4 s left.", seconds_left=4)
    shown = await shown_until(kernel, execution, "4 s left")
    assert shown["data"]["text/plain"] == "Sublet: Your 8 GiB come back, about 4 s left."
    request.wait("Your 8 GiB come back, about 2 s left.", seconds_left=2)
    updated = await kernel.output_until(execution, "update_display_data")
    assert updated["transient"] == shown["transient"]
    assert updated["data"]["text/plain"] == "Sublet: Your 8 GiB come back, about 2 s left."
    assert len(execution.contents("display_data")) == 1
    request.open()
    await kernel.finish(execution)
    kinds = [m["header"]["msg_type"] for m in execution.messages]
    assert kinds.index("clear_output") < kinds.index("stream")
    assert execution.text == "ran\n"


async def test_a_short_wait_shows_nothing(agent: FakeAgent, quiet_kernel: RunningKernel):
    agent.hold = True
    execution = quiet_kernel.begin("print('ran')")
    request = await agent.until(lambda a: a.requests and a.requests[0])
    request.wait("Nearly.", 0.1)
    request.open()
    await quiet_kernel.finish(execution)
    assert execution.contents("display_data") == []
    assert execution.contents("clear_output") == []


async def test_an_interrupt_ends_the_waiting_cell_and_takes_its_request_back(
    agent: FakeAgent, kernel: RunningKernel
):
    agent.hold = True
    execution = kernel.begin("ran = True")
    request = await agent.until(lambda a: a.requests and a.requests[0])
    await kernel.manager.interrupt_kernel()
    await kernel.finish(execution)
    await asyncio.wait_for(request.taken_back.wait(), 60)
    assert execution.reply is not None
    assert (execution.reply["status"], execution.reply["ename"]) == ("error", "KeyboardInterrupt")
    assert [e["ename"] for e in execution.contents("error")] == ["KeyboardInterrupt"]
    agent.hold = False
    after = await kernel.run("print('ran' in globals())")
    assert after.text == "False\n"


async def test_an_interrupt_by_message_works_too(agent: FakeAgent, kernel: RunningKernel):
    agent.hold = True
    execution = kernel.begin("ran = True")
    request = await agent.until(lambda a: a.requests and a.requests[0])
    await kernel.control("interrupt_request")
    await kernel.finish(execution)
    await asyncio.wait_for(request.taken_back.wait(), 60)
    assert execution.reply is not None
    assert execution.reply["ename"] == "KeyboardInterrupt"


INTERRUPTED_FROM = """
import signal
{owner}, once = {lookup}, []
def interrupted_once(*args, before={owner}.{name}, **kwargs):
    result = before(*args, **kwargs)
    if not once:
        once.append(True)
        signal.raise_signal(signal.SIGINT)
    return result
{owner}.{name} = interrupted_once
"""
"""Interrupts the kernel, once, in a step of its own on the way to a cell's first line."""


@pytest.mark.parametrize(
    ("owner", "lookup", "name"),
    [
        ("kernel", "get_ipython().kernel", "_forward_input"),
        ("shell", "get_ipython()", "transform_cell"),
        ("shell", "get_ipython()", "should_run_async"),
    ],
)
async def test_a_cell_that_is_interrupted_between_gate_and_first_line_is_answered(
    agent: FakeAgent, kernel: RunningKernel, owner: str, lookup: str, name: str
):
    hook = INTERRUPTED_FROM.format(owner=owner, lookup=lookup, name=name)
    # What a silent execution replaces, itself still runs without.
    await kernel.run(hook, silent=True)
    execution = await kernel.run("ran = True")
    assert execution.reply is not None
    assert (execution.reply["status"], execution.reply["ename"]) == ("error", "KeyboardInterrupt")
    assert [e["ename"] for e in execution.contents("error")] == ["KeyboardInterrupt"]
    await agent.until(lambda a: a.activities and not a.activities[-1].busy)
    assert (await kernel.run("print('ran' in globals())")).text == "False\n"
    await kernel.run(f"del {lookup}.{name}", silent=True)


async def test_an_asynchronous_cell_that_is_interrupted_before_it_begins_is_answered(
    kernel: RunningKernel,
):
    hook = """
import contextlib
kernel, once = get_ipython().kernel, []
@contextlib.contextmanager
def cancelled_once(future, before=kernel._cancel_on_sigint):
    with before(future):
        if not once:
            once.append(True)
            future.cancel()
        yield
kernel._cancel_on_sigint = cancelled_once
"""
    await kernel.run(hook, silent=True)
    execution = await kernel.run("import asyncio\nran = True\nawait asyncio.sleep(0)")
    assert execution.reply is not None
    assert (execution.reply["status"], execution.reply["ename"]) == ("error", "KeyboardInterrupt")
    assert (await kernel.run("print('ran' in globals())")).text == "False\n"
    await kernel.run("del get_ipython().kernel._cancel_on_sigint", silent=True)


async def test_interrupting_a_running_cell_works_as_ever(kernel: RunningKernel):
    # An interrupt right before a sleep begins is taken when that is over.
    cell = "import time\nprint('go', flush=True)\nfor _ in range(6000):\n    time.sleep(0.01)"
    execution = kernel.begin(cell)
    await kernel.output_until(execution, "stream")
    await kernel.manager.interrupt_kernel()
    await kernel.finish(execution)
    assert execution.reply is not None
    assert execution.reply["ename"] == "KeyboardInterrupt"
    assert (await kernel.run("print('alive')")).text == "alive\n"


async def test_silent_executions_pass_without_asking(agent: FakeAgent, kernel: RunningKernel):
    await kernel.run("x = 1", silent=True)
    assert agent.requests == []
    await kernel.run("x = 1", store_history=False)
    assert len(agent.requests) == 1


async def test_two_subshells_wait_and_run_by_themselves(agent: FakeAgent, kernel: RunningKernel):
    subshell = (await kernel.control("create_subshell_request"))["subshell_id"]
    agent.hold = True
    main = kernel.begin("print(first)")
    other = kernel.begin_in_subshell("first = 'other'", subshell)
    both = await agent.until(lambda a: len(a.requests) == 2 and list(a.requests))
    by_cell = {request.enter.cell: request for request in both}
    by_cell[other.msg_id].open()
    await kernel.finish(other)
    by_cell[main.msg_id].open()
    await kernel.finish(main)
    assert main.text == "other\n"


async def test_async_cells_and_errors_are_as_without_a_gate(kernel: RunningKernel):
    execution = await kernel.run("import asyncio\nawait asyncio.sleep(0)\nprint('done')")
    assert execution.text == "done\n"
    failed = await kernel.run("1 / 0")
    assert failed.reply is not None
    assert failed.reply["ename"] == "ZeroDivisionError"


async def test_a_forked_child_leaves_the_connection_alone(agent: FakeAgent, kernel: RunningKernel):
    code = """
import multiprocessing
context = multiprocessing.get_context('fork')
with context.Pool(2) as pool:
    print(sum(pool.map(abs, range(-3, 4))))
"""
    assert (await kernel.run(code)).text == "12\n"
    assert (await kernel.run("print('next')")).text == "next\n"
    assert len(agent.requests) == 2


async def test_an_interrupted_cell_is_taken_back_though_a_forked_child_lives(
    agent: FakeAgent, kernel: RunningKernel
):
    # Interrupts are for all that the kernel has started: this child is to do nothing but live.
    code = """
import os, signal, time
before = signal.signal(signal.SIGINT, signal.SIG_IGN)
if os.fork() == 0:
    time.sleep(20); os._exit(0)
signal.signal(signal.SIGINT, before)
"""
    await kernel.run(code)
    agent.hold = True
    execution = kernel.begin("pass")
    request = await agent.until(lambda a: len(a.requests) == 2 and a.requests[1])
    await kernel.manager.interrupt_kernel()
    await kernel.finish(execution)
    await asyncio.wait_for(request.taken_back.wait(), 60)


async def test_a_restarted_agent_is_asked_again_by_the_same_cell(
    agent: FakeAgent, kernel: RunningKernel
):
    agent.hold = True
    execution = kernel.begin("print('ran')")
    request = await agent.until(lambda a: a.requests and a.requests[0])
    request.wait("Making room.", None)
    await shown_until(kernel, execution, "Making room.")
    await agent.stop()
    updated = await kernel.output_until(execution, "update_display_data")
    assert "Waiting for this machine's GPU agent" in updated["data"]["text/plain"]
    agent.hold = False
    await agent.start()
    await kernel.finish(execution)
    assert execution.text == "ran\n"
    assert execution.warnings == ""
    assert agent.requests[-1].enter.cell == execution.msg_id


async def test_an_agent_that_restarted_between_cells_is_simply_asked(
    agent: FakeAgent, quiet_kernel: RunningKernel
):
    await quiet_kernel.run("pass")
    await agent.stop()
    await agent.start()
    execution = await quiet_kernel.run("print('ran')")
    assert execution.text == "ran\n"
    assert execution.warnings == ""
    assert execution.contents("display_data") == []


async def test_a_cell_runs_with_a_warning_when_the_agent_stays_away(
    agent: FakeAgent, impatient: RunningKernel
):
    await agent.stop()
    first = await impatient.run("print('ran')")
    assert first.text == "ran\n"
    assert "without leave from the GPU agent" in first.warnings
    assert "Waiting for this machine's GPU agent" in str(first.contents("display_data"))
    await warned(impatient, "without leave from the GPU agent (no agent at")
    # Once it is away, no cell takes the whole of its patience.
    await set_gate(impatient, agent_patience_s=60, notice_after_s=30)
    again = await impatient.run("print('again')")
    assert again.text == "again\n"
    assert again.contents("display_data") == []


async def test_a_cell_runs_with_a_warning_when_the_agent_knows_no_such_slice(
    agent: FakeAgent, impatient: RunningKernel
):
    agent.unknown = "no slice here has this process"
    await warned(impatient, "no slice here has this process")


async def test_a_cell_runs_with_a_warning_when_the_agent_hangs(
    agent: FakeAgent, impatient: RunningKernel
):
    agent.hold = True
    execution = await impatient.run("print('ran')")
    assert execution.text == "ran\n"
    assert "does not answer" in execution.warnings


@pytest.mark.parametrize("missing", ["SUBLET_AGENT_SOCKET", "SUBLET_SLICE_ID"])
async def test_outside_of_a_slice_nothing_is_wrapped(
    agent: FakeAgent, missing: str, tmp_path: Path
):
    environment = slice_environment(agent.path)
    del environment[missing]
    async with running_kernel(environment, tmp_path) as kernel:
        execution = await kernel.run("import sys; print('sublet_lab.kernel' in sys.modules)")
        features = (await kernel.control("kernel_info_request"))["supported_features"]
    assert execution.text == "False\n"
    assert agent.requests == []
    assert "sublet gate" not in features


async def test_the_kernel_says_that_it_reports_itself(kernel: RunningKernel):
    features = (await kernel.control("kernel_info_request"))["supported_features"]
    assert "sublet gate" in features


async def test_that_the_slice_comes_to_its_cap_is_said_in_the_cell_that_runs(
    agent: FakeAgent, kernel: RunningKernel
):
    # Once it has begun: an interrupt before its first line would stop what the kernel does then.
    cell = "import time\nprint('go', flush=True)\nwhile True: time.sleep(0.01)"
    execution = kernel.begin(cell)
    assert (await kernel.output_until(execution, "stream"))["text"] == "go\n"
    request = await agent.until(lambda a: a.requests and a.requests[-1])
    notice = CapNotice(crossing="over 7", message="Your slice has more than its cap.")
    request.answer(GateOpen(cell=NOBODYS_CELL, notice=notice))
    shown = await kernel.output_until(execution, "stream")
    assert (shown["name"], shown["text"]) == (
        "stderr",
        "Sublet: Your slice has more than its cap.\n",
    )
    await kernel.manager.interrupt_kernel()
    await kernel.finish(execution)


async def test_what_is_said_of_the_cap_outlives_the_line_that_told_for_what_the_cell_waits(
    agent: FakeAgent, kernel: RunningKernel
):
    await set_gate(kernel, notice_after_s=0)
    agent.hold = True
    execution = kernel.begin("print('ran')")
    request = await agent.until(lambda a: a.requests and a.requests[-1])
    request.wait("Room is being made.")
    await shown_until(kernel, execution, "Room is being made.")
    notice = CapNotice(crossing="near 8", message="Your slice has almost all.")
    request.answer(GateOpen(cell=request.enter.cell, notice=notice))
    await kernel.finish(execution)
    await set_gate(kernel, notice_after_s=0.3)
    kinds = [m["msg_type"] for m in execution.messages]
    said = next(
        at
        for at, m in enumerate(execution.messages)
        if m["msg_type"] == "stream" and "almost all" in m["content"]["text"]
    )
    assert kinds.index("clear_output") < said
    assert "ran" in execution.text
