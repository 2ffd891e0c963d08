"""Services as processes, over one ledger and one lease: one serves, another takes over."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sublet_hub.host.private_files import write_private
from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.fake_agent import FakeAgent
from tests.support.fake_kube_api import FakeKube, fake_kube
from tests.support.hub_world import NODE_SECRET, SERVICE_TOKEN, until, write_node_secrets
from tests.support.ports import free_ports

pytestmark = pytest.mark.asyncio

_WITHIN_S = 180
LEASE = "/apis/coordination.k8s.io/v1/namespaces/sublet/leases/sublet-hub"


class Replica:
    """A ``sublet-hub`` of its own."""

    def __init__(self, folder: Path, kube: FakeKube, port: int) -> None:
        self.port = port
        self.base = f"127.0.0.1:{port}/services/sublet/api"
        self.log = folder / f"service-{port}.log"
        self.command = [
            *(sys.executable, "-m", "sublet_hub.app.application"),
            f"--port={port}",
            "--hub-api-url=http://127.0.0.1:1/hub/api",
            f"--token-file={folder / 'token'}",
            f"--state-folder={folder / 'state'}",
            f"--node-secrets-folder={folder / 'nodes'}",
            "--log-level=INFO",
            "--SubletHub.writer_lease=sublet-hub",
            "--SubletHub.kube_namespace=sublet",
            f"--SubletHub.kubeconfig={write_kubeconfig(folder, kube)}",
        ]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdout=log, stderr=log
            )

    async def waits(self) -> None:
        """Start, and come as far as one does that may not serve yet."""
        await self.start()
        await until(lambda: b"waits for the lease" in self.log.read_bytes(), _WITHIN_S)

    async def serves(self) -> bool:
        client = SimpleAsyncHTTPClient(force_instance=True)
        try:
            request = HTTPRequest(f"http://{self.base}/openapi.json", request_timeout=20)
            return (await client.fetch(request, raise_error=False)).code == 200
        except OSError:
            return False
        finally:
            client.close()

    async def agent_epoch(self) -> int:
        agent = FakeAgent(f"ws://{self.base}/agents/link", NODE_SECRET)
        await agent.connect()
        await agent.close()
        return agent.epoch

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(_WITHIN_S):
            return await self.process.wait()


def write_kubeconfig(folder: Path, kube: FakeKube) -> Path:
    path = folder / "kubeconfig"
    names = {"cluster": "c", "user": "u"}
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": kube.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": names}],
        "current-context": "x",
    }
    path.write_text(json.dumps(told))
    return path


@asynccontextmanager
async def replicas(folder: Path, kube: FakeKube) -> AsyncIterator[tuple[Replica, Replica]]:
    write_private(folder / "token", SERVICE_TOKEN.encode())
    write_node_secrets(folder / "nodes")
    first, second = (Replica(folder, kube, port) for port in free_ports(2))
    try:
        yield first, second
    finally:
        for each in (first, second):
            if each.process is not None:
                await each.end(signal.SIGKILL)


async def test_one_serves_and_another_when_that_is_killed_cannot_renew_or_is_stopped(
    tmp_path: Path,
) -> None:
    """One story: each of its services takes a second of computing to start."""
    async with fake_kube() as kube, replicas(tmp_path, kube) as (first, second):
        await first.start()
        await until(first.serves, _WITHIN_S)
        assert await first.agent_epoch() == 1

        await second.waits()
        assert not await second.serves()
        assert await second.end(signal.SIGTERM) == 0
        assert await first.serves()

        await second.waits()
        await first.end(signal.SIGKILL)
        # As if it had said to hold it for a second: nobody is there to say another word.
        kube.change(LEASE, spec={"leaseDurationSeconds": 1})
        await until(second.serves, _WITHIN_S)
        # From the same ledger.
        assert await second.agent_epoch() == 2

        await first.waits()
        kube.change(LEASE, spec={"holderIdentity": "somebody-else", "leaseDurationSeconds": 1})
        assert await asyncio.wait_for(second.process.wait(), _WITHIN_S) == 1
        await until(first.serves, _WITHIN_S)
        assert await first.end(signal.SIGTERM) == 0
        assert kube.objects[LEASE]["spec"]["holderIdentity"] == ""
