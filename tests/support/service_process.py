"""The hub service as a process of its own, beside a hub that this process pretends to be."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sublet_hub.host.private_files import write_private

from tests.support.hub_world import (
    METRICS_TOKEN,
    PREFIX,
    SERVICE_TOKEN,
    FakeHub,
    until,
    write_node_secrets,
)
from tests.support.ports import free_port


@dataclass
class ServiceProcess:
    """A service that runs, where it listens, and what it has logged."""

    port: int
    folder: Path
    pid: int

    @property
    def link_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PREFIX}api/agents/link"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}{path}"

    def log(self) -> str:
        return (self.folder / "service.log").read_text(errors="replace")

    def resident_mib(self) -> float:
        return psutil.Process(self.pid).memory_info().rss / 2**20

    async def answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def service_process(folder: Path, hub: FakeHub, *more: str) -> AsyncIterator[ServiceProcess]:
    """Run ``sublet-hub`` until the block ends."""
    port = free_port()
    write_private(folder / "token", SERVICE_TOKEN.encode())
    write_private(folder / "metrics-token", METRICS_TOKEN.encode())
    write_node_secrets(folder / "nodes")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB_")}
    with (folder / "service.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sublet_hub.app.application",
            f"--port={port}",
            f"--hub-api-url={hub.url}",
            f"--token-file={folder / 'token'}",
            f"--SubletHub.metrics_token_file={folder / 'metrics-token'}",
            f"--state-folder={folder / 'state'}",
            f"--node-secrets-folder={folder / 'nodes'}",
            *more,
            stdout=log,
            stderr=log,
            env=environment,
        )
    service = ServiceProcess(port, folder, process.pid)
    try:
        await until(service.answers, within_s=180)
        yield service
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            process.kill()
            await process.wait()
