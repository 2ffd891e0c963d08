"""Real Python kernels, started in a slice, and what a front end sees of them."""

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from tests.support.ports import free_ports


@dataclass(eq=False)
class Execution:
    """One cell: the messages that belong to it, in order."""

    msg_id: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] | None = None

    def contents(self, msg_type: str) -> list[dict[str, Any]]:
        return [m["content"] for m in self.messages if m["header"]["msg_type"] == msg_type]

    @property
    def text(self) -> str:
        return "".join(c["text"] for c in self.contents("stream") if c["name"] == "stdout")

    @property
    def warnings(self) -> str:
        return "".join(c["text"] for c in self.contents("stream") if c["name"] == "stderr")


class RunningKernel:
    """A kernel and its front end."""

    def __init__(self, manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self.manager = manager
        self.client = client

    def begin(self, code: str, **options: Any) -> Execution:
        """Send a cell; ``finish`` waits for it."""
        return Execution(self.client.execute(code, **options))

    def begin_in_subshell(self, code: str, subshell_id: str) -> Execution:
        message = self.client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "allow_stdin": False},
        )
        message["header"]["subshell_id"] = subshell_id
        self.client.shell_channel.send(message)
        return Execution(message["header"]["msg_id"])

    async def output_until(self, execution: Execution, *msg_types: str) -> dict[str, Any]:
        """Read outputs until one of these types belongs to the cell; returns its content."""
        async with asyncio.timeout(90):
            while True:
                message = await self.client.get_iopub_msg()
                if message["parent_header"].get("msg_id") == execution.msg_id:
                    execution.messages.append(message)
                    if message["header"]["msg_type"] in msg_types:
                        content: dict[str, Any] = message["content"]
                        return content

    async def finish(self, *executions: Execution) -> None:
        """Read outputs and replies until all of them have ended."""
        by_id = {execution.msg_id: execution for execution in executions}
        async with asyncio.timeout(90):
            while any(e.reply is None for e in executions):
                message = await self.client.get_shell_msg()
                found = by_id.get(message["parent_header"].get("msg_id", ""))
                if found is not None:
                    found.reply = message["content"]
            idle = set[str]()
            while len(idle) < len(by_id):
                message = await self.client.get_iopub_msg()
                found = by_id.get(message["parent_header"].get("msg_id", ""))
                if found is not None:
                    found.messages.append(message)
                    if message["content"].get("execution_state") == "idle":
                        idle.add(found.msg_id)

    async def run(self, code: str, **options: Any) -> Execution:
        execution = self.begin(code, **options)
        await self.finish(execution)
        return execution

    async def control(self, msg_type: str) -> dict[str, Any]:
        """A request on the control channel, and its reply's content."""
        message = self.client.session.msg(msg_type, {})
        self.client.control_channel.send(message)
        async with asyncio.timeout(90):
            while True:
                reply = await self.client.get_control_msg()
                if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                    content: dict[str, Any] = reply["content"]
                    return content


def slice_environment(socket: Path) -> dict[str, str]:
    return {"SUBLET_SLICE_ID": "slice-1", "SUBLET_AGENT_SOCKET": str(socket)}


@contextlib.asynccontextmanager
async def running_kernel(
    environment: Mapping[str, str], folder: Path, *arguments: str
) -> AsyncIterator[RunningKernel]:
    """A kernel of this environment's own kind, with these variables and arguments.

    Its connection file lies in ``folder``, named after the kernel's id as a notebook server does.
    """
    # Ports of its own choice could be another's before the kernel, a second later, binds them.
    names = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    manager = AsyncKernelManager(kernel_name="python3", cache_ports=False, **ports)
    kernel_id = str(uuid.uuid4())
    manager.connection_file = str(folder / f"kernel-{kernel_id}.json")
    spec = manager.kernel_spec
    assert spec is not None
    spec.argv = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--HistoryManager.enabled=False",
        # It takes a second to be imported.
        "--Completer.use_jedi=False",
        *arguments,
    ]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SUBLET_")}
    await manager.start_kernel(env={**inherited, **environment}, kernel_id=kernel_id)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=120)
        yield RunningKernel(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
