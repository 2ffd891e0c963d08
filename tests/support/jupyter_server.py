"""A real Jupyter Server with the extension, between a fake agent and a fake hub service."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from sublet_quota.wire.environment import SliceEndpoints, slice_environment
from tornado.httpclient import HTTPClientError, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.fake_hub_service import FakeHubService, fake_hub_service
from tests.support.fake_tenant_socket import FakeAgent, fake_agent
from tests.support.lab_bodies import lease
from tests.support.ports import free_port
from tests.support.real_kernels import RunningKernel

TOKEN = "page-token"  # noqa: S105
WITHIN_S = 120.0
"""How long the server may take for an answer: to restart a kernel takes it several seconds."""
HUB_TOKEN = "servers-own-hub-token"  # noqa: S105
OTHER_EXTENSIONS = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")


@dataclass
class JupyterServer:
    url: str
    runtime: Path
    log: Path

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str
    ) -> HTTPResponse:
        client = SimpleAsyncHTTPClient(force_instance=True)
        if token is not None:
            headers["Authorization"] = f"token {token}"
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            return await client.fetch(
                self.url + path,
                method=method,
                headers=headers,
                body=None if body is None else text,
                allow_nonstandard_methods=True,
                raise_error=False,
                request_timeout=WITHIN_S,
            )
        finally:
            client.close()

    async def _state(self, kernel_id: str) -> str:
        answer = await self.ask("GET", f"api/kernels/{kernel_id}")
        return str(json.loads(answer.body)["execution_state"])

    async def answers(self) -> bool:
        try:
            return (await self.ask("GET", "api/status")).code == 200
        except (OSError, HTTPClientError):
            return False

    @contextlib.asynccontextmanager
    async def kernel(self, name: str) -> AsyncIterator[tuple[str, RunningKernel]]:
        """A kernel of the server, and a front end that is not the server's page."""
        answer = await self.ask("POST", "api/kernels", {"name": name})
        assert answer.code == 201, answer.body
        kernel_id = json.loads(answer.body)["id"]
        client = AsyncKernelClient()
        client.load_connection_file(str(self.runtime / f"kernel-{kernel_id}.json"))
        # Without the heartbeat: on a busy machine a slow kernel is taken for a dead one by it.
        client.start_channels(hb=False)
        try:
            await client.wait_for_ready(timeout=120)
            # Until the server hears its kernel, nobody there could know of a cell.
            while await self._state(kernel_id) == "starting":  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
            yield kernel_id, RunningKernel(None, client)  # type: ignore[arg-type]
        finally:
            client.stop_channels()


@contextlib.asynccontextmanager
async def jupyter_server(
    folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[JupyterServer]:
    """A server of this environment, with a kernel "plain" that does not have our gate."""
    runtime, kernels = folder / "runtime", folder / "data" / "kernels" / "plain"
    kernels.mkdir(parents=True)
    spec = {
        "argv": [
            *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--Completer.use_jedi=False",
        ],
        "display_name": "Plain",
        "language": "python",
        "env": {"SUBLET_SLICE_ID": ""},
    }
    (kernels / "kernel.json").write_text(json.dumps(spec))
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("SUBLET_", "JUPYTER", "JPY_"))
    }
    port = free_port()
    server = JupyterServer(f"http://127.0.0.1:{port}/base/", runtime, folder / "server.log")
    with server.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
            *(f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.base_url=/base/"),
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={folder}",
            # What else this environment has takes a second and more to load.
            *(f"--ServerApp.jpserver_extensions={other}=False" for other in OTHER_EXTENSIONS),
            env={
                **inherited,
                "HOME": str(folder),
                "JUPYTER_RUNTIME_DIR": str(runtime),
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_CONFIG_DIR": str(folder / "config"),
                "IPYTHONDIR": str(folder / "ipython"),
                **environment,
            },
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(120):
            while not await server.answers():
                assert process.returncode is None, server.log.read_text()
                await asyncio.sleep(0.1)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 120)


@dataclass
class Surroundings:
    """One server for all tests, since it takes seconds to start, between its two neighbours.

    It has the variables that a spawner gives a server with a slice.
    """

    server: JupyterServer
    agent: FakeAgent
    service: FakeHubService


@contextlib.asynccontextmanager
async def server_in_surroundings(folder: Path) -> AsyncIterator[Surroundings]:
    with fake_hub_service() as service:
        async with fake_agent(folder / "agent.sock") as agent:
            endpoints = SliceEndpoints(str(agent.path), service.url)
            environment = {
                **slice_environment(lease(slice_id="slice-1"), endpoints),
                "JUPYTERHUB_API_TOKEN": HUB_TOKEN,
                "JUPYTERHUB_SERVER_NAME": "big",
            }
            async with jupyter_server(folder, environment) as server:
                yield Surroundings(server, agent, service)
