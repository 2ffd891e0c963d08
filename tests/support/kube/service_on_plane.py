"""A service over the tests' control plane: its API is real, its hub and its agent are pretended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sublet_hub.agents.node_secrets import NodeSecrets
from sublet_hub.host.private_files import write_private
from sublet_hub.jobs.backends.kubernetes.factory import ClusterRuns
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.kubernetes_api.client import KubeApi, connect

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import NODE_SECRET, HubWorld, fake_hub, hub_world, until
from tests.support.jobs_on_kube import ACCOUNT, SETTINGS
from tests.support.kube.api import Api

WITHIN_S: Final = 180


@asynccontextmanager
async def way_in(cluster: Api) -> AsyncIterator[KubeApi]:
    """The service's own client, with an admin's rights."""
    api = await connect(str(cluster.plane.kubeconfig()))
    try:
        yield api
    finally:
        await api.close()


@dataclass
class Cluster:
    """A service over the real control plane, and Ada, who may submit jobs."""

    world: HubWorld
    namespace: Api
    token: str
    secrets: Path

    async def agent_on(self, node: str) -> FakeAgent:
        """The agent of a node beside the first, with a card of its own."""
        write_private(self.secrets / node, NODE_SECRET.encode())
        cards = (a_gpu(f"SIM-{node}"),)
        return await self.world.agent(node=node, boot_id="another-machine", gpus=cards)

    async def submit(self, **request: Any) -> str:
        """Submit a job of 20 GiB; returns its id."""
        body = {"notebook": "train.ipynb", "memory_mib": 20 * 1024, **request}
        status, job = await self.world.call("POST", "jobs", self.token, body)
        assert status < 300, job
        return str(job["job_id"])

    async def until_state(self, job_id: str, state: str, words: str = "") -> dict[str, Any]:
        """Wait for a job to be in a state, with words in its reason; returns it."""
        seen: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal seen
            _, seen = await self.world.call("GET", f"jobs/{job_id}", self.token)
            return seen["state"] == state and words in seen["reason"]

        try:
            await until(is_so, WITHIN_S)
        except TimeoutError:
            raise AssertionError(seen) from None
        return seen

    async def pods(self, job_id: str) -> list[dict[str, Any]]:
        """The pods of a job."""
        return await asyncio.to_thread(self.namespace.pods, f"sublet.dev/job-id={job_id}")


def lend(namespace: Api, node: str, units: int) -> None:
    """As the agent's device plugin has the kubelet say."""
    room = {"sublet.dev/lent": str(units)}
    namespace.patch(
        "v1", "Node", node, {"status": {"capacity": room, "allocatable": room}}, part="status"
    )


@asynccontextmanager
async def service(
    folder: Path, namespace: Api, node: str, settings: KubeJobSettings | None = None
) -> AsyncIterator[Cluster]:
    """A service, an agent of one node, and an owner who has started a server there before."""
    settings = settings or replace(
        SETTINGS, namespace=namespace.namespace, priority_class="", home_is_shared=True
    )
    secrets = folder / "nodes-of-cluster"
    secrets.mkdir()
    write_private(secrets / node, NODE_SECRET.encode())
    async with (
        way_in(namespace) as api,
        fake_hub() as hub,
        hub_world(
            folder, hub, agents=NodeSecrets(secrets), runs=ClusterRuns(api, settings)
        ) as world,
    ):
        await world.agent(node=node, boot_id="another-machine")
        lease = await world.slice_for("ada", account=ACCOUNT)
        home = {"name": "home", "emptyDir": {}}
        template = {
            "namespace": namespace.namespace,
            "image": "pretended",
            "volumes": [home],
            "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        }
        told = {"pod_uid": "u", "namespace": namespace.namespace, "pod_name": "jupyter-ada"}
        path = f"slices/{lease['slice_id']}"
        await world.hub_call("POST", f"{path}/pod", {**told, "template": template})
        await world.hub_call("DELETE", path)
        yield Cluster(world, namespace, world.user("ada"), secrets)
