"""Jobs on Kubernetes for tests: records, and a cluster whose programs a test plays by hand."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sublet_hub.jobs.backend import JobBackend
from sublet_hub.jobs.backends.kubernetes.factory import ClusterRuns
from sublet_hub.jobs.backends.kubernetes.objects.pod import PlacedJob
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.pods import Pods
from sublet_hub.state.stores import Stores
from sublet_quota.wire.api import AccountTemplate, PodTemplate

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.fake_kube_api import FakeKube, Manifest
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, until
from tests.support.ledger_records import a_job_record

NAMESPACE = "hub"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SETTINGS = KubeJobSettings(
    namespace=NAMESPACE,
    service_url="http://proxy-public/services/sublet/",
    grace=timedelta(seconds=20),
)
GROUPS_OF_QUEUES = """
gpu_types:
  H100: {match: "*H100*"}
groups:
  vision:
    guaranteed: {H100: 1}
    limit: {H100: 2}
    weight: 3
  Language_Team:
    limit: {H100: unlimited}
"""
"""A quota document with groups, one of them with a name that Kubernetes does not take."""
TEMPLATE = {
    "namespace": NAMESPACE,
    "image": "registry.example/notebook:1",
    "image_pull_policy": "IfNotPresent",
    "image_pull_secrets": ["registry"],
    "pod_security_context": {"fsGroup": 100},
    "container_security_context": {"runAsUser": 1000, "allowPrivilegeEscalation": False},
    "volumes": [
        {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ada"}},
        {"name": "sublet", "hostPath": {"path": "/run/sublet", "type": "Directory"}},
    ],
    "volume_mounts": [
        {"name": "home", "mountPath": "/home/jovyan"},
        {"name": "sublet", "mountPath": "/run/sublet"},
    ],
    "node_selector": {"sublet.dev/gpu": "true"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
}
ACCOUNT = {
    "uid": 1000,
    "gid": 100,
    "home": "/home/jovyan",
    "notebook_dir": "/home/jovyan",
    "python": "/opt/conda/bin/python",
    "environment": {"TEAM": "vision", "JUPYTERHUB_API_TOKEN": "token-canary"},
}


def a_job(**values: Any) -> JobRecord:
    facts: dict[str, Any] = {
        "groups": ("vision",),
        "notebook": "work/train.ipynb",
        "parameters": {"epochs": 3},
        "memory_mib": 20 * 1024,
        **values,
    }
    job_id, owner = facts.pop("job_id", "0123456789ab"), facts.pop("owner", "ada@example")
    return a_job_record(job_id, owner, **facts)


def a_placed_job(job: JobRecord | None = None, **values: Any) -> PlacedJob:
    template = PodTemplate.model_validate(TEMPLATE)
    placed = PlacedJob(
        job=job or a_job(),
        account=AccountTemplate.model_validate({**ACCOUNT, "pod": TEMPLATE}),
        pod=template,
        asked={"WANDB_MODE": "offline"},
        memory_mib=20 * 1024,
        units=20,
        slice_id="5" * 32,
        prefers_node="node-a",
    )
    return replace(placed, **values)


class RunsAhead(ClusterRuns):
    """Jobs in the cluster, by a clock that a test puts forward."""

    def __init__(self, api: KubeApi, settings: KubeJobSettings) -> None:
        super().__init__(api, settings)
        self.ahead = timedelta()
        self.rounds = 0

    def backend(self, stores: Stores, pods: Pods) -> JobBackend:
        self.stores = replace(stores, now=lambda: stores.now() + self.ahead)
        made = super().backend(self.stores, pods)
        take = made.round

        def take_and_count() -> None:
            take()
            self.rounds += 1

        made.round = take_and_count  # type: ignore[method-assign]
        return made


@dataclass
class ClusterByHand:
    """The job controller, the scheduler and a kubelet, played by a test."""

    kube: FakeKube

    async def job(self, within_s: float = 60) -> str:
        """The name of the only Job, once there is one."""
        await until(lambda: len(self.kube.names(JOBS)) == 1, within_s)
        return self.kube.names(JOBS)[0]

    def manifest(self, job: str) -> Manifest:
        return self.kube.objects[f"{JOBS}/{job}"]

    def make_pod(self, job: str, node: str | None = None, **status: Any) -> str:
        """Make the pod of a Job, as its controller does; returns the pod's name."""
        name = f"{job}-abcde"
        owner = self.manifest(job)
        template = owner["spec"]["template"]
        made_by = {"kind": "Job", "name": job, "uid": owner["metadata"]["uid"], "controller": True}
        spec = {**template["spec"], **({"nodeName": node} if node else {})}
        self.kube.put(
            f"{PODS}/{name}",
            {
                "metadata": {**template["metadata"], "ownerReferences": [made_by]},
                "spec": spec,
                "status": {"phase": "Pending", **status},
            },
        )
        return name

    def run_pod(self, pod: str, node: str = "node-a") -> None:
        path = f"{PODS}/{pod}"
        self.kube.logs.setdefault(path, b"")
        self.kube.running_logs.add(path)
        state = {"running": {"startedAt": "2026-11-24T08:00:00Z"}}
        self.kube.change(
            path,
            spec={"nodeName": node},
            status={
                "phase": "Running",
                "conditions": [],
                "containerStatuses": [{"name": "job", "state": state}],
            },
        )

    def prints(self, pod: str, text: bytes) -> None:
        self.kube.logs[f"{PODS}/{pod}"] += text

    def end_pod(self, pod: str, code: int = 0, said: Any = None, **status: Any) -> None:
        """The container ends; the runner's last word is what the kubelet read."""
        path = f"{PODS}/{pod}"
        self.kube.running_logs.discard(path)
        ended: Manifest = {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}
        if said is not None:
            ended["message"] = json.dumps(said)
        self.kube.change(
            path,
            status={
                "phase": "Succeeded" if code == 0 else "Failed",
                "containerStatuses": [{"name": "job", "state": {"terminated": ended}}],
                **status,
            },
        )

    def collect_garbage(self) -> None:
        """Pods go when the Job that made them has gone, but for those on nodes that are dead."""
        jobs = self.kube.names(JOBS)
        for pod in self.kube.names(PODS):
            about = self.kube.objects[f"{PODS}/{pod}"]["metadata"]
            stays = "deletionTimestamp" in about
            if pod.removesuffix("-abcde") not in jobs and not stays:
                self.kube.running_logs.discard(f"{PODS}/{pod}")
                self.kube.remove(f"{PODS}/{pod}")


class JobsStory:
    """A world, a cluster, and Ada's job."""

    def __init__(
        self, world: HubWorld, cluster: ClusterByHand, token: str, runs: RunsAhead | None = None
    ) -> None:
        self.world = world
        self.cluster = cluster
        self.kube = cluster.kube
        self.token = token
        self.runs = runs
        self.job_id = ""

    async def submit(self, **request: Any) -> dict[str, Any]:
        body = {"notebook": "train.ipynb", "memory_mib": 20 * 1024, **request}
        status, job = await self.world.call("POST", "jobs", self.token, body)
        assert status in {201, 202}, job
        self.job_id = job["job_id"]
        return dict(job)

    async def job(self) -> dict[str, Any]:
        _, job = await self.world.call("GET", f"jobs/{self.job_id}", self.token)
        return dict(job)

    async def until_state(self, state: str, reason: str = "") -> dict[str, Any]:
        """Wait for the job to be in a state, with words in its reason; returns it as it was."""
        seen: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal seen
            self.cluster.collect_garbage()
            seen = await self.job()
            return seen["state"] == state and reason in seen["reason"]

        try:
            await until(is_so, within_s=60)
        except TimeoutError:
            raise AssertionError(seen) from None
        return seen

    async def running(self) -> str:
        """Submit, and let the pod run; returns the pod's name."""
        await self.submit()
        pod = self.cluster.make_pod(await self.cluster.job())
        self.cluster.run_pod(pod)
        await self.until_state("running")
        return pod

    def gpu_slices(self) -> list[Any]:
        return [s for s in self.world.service.ledger.slices.values() if s.is_job]

    async def job_of_attempt(self, attempt: int) -> str:
        """The name of the only Job, once it is that of an attempt."""

        def is_so() -> bool:
            self.cluster.collect_garbage()
            return [name.rsplit("-", 1)[1] for name in self.kube.names(JOBS)] == [str(attempt)]

        await until(is_so, within_s=60)
        return self.kube.names(JOBS)[0]

    def pass_time(self, time: timedelta) -> None:
        assert self.runs is not None
        self.runs.ahead += time

    async def until_in_time(self, happened: Callable[[], bool]) -> None:
        """Until it has happened, a second passing at each look: what rests goes on soon."""

        def happened_later() -> bool:
            self.pass_time(timedelta(seconds=1))
            return happened()

        await until(happened_later, within_s=60)

    async def some_rounds(self) -> None:
        """Until every job was looked at twice more."""
        runs = self.runs
        assert runs is not None
        before = runs.rounds
        await until(lambda: runs.rounds >= before + 2, within_s=60)


@asynccontextmanager
async def jobs_story(
    folder: Path, hub: FakeHub, kube: FakeKube, runs: RunsAhead
) -> AsyncIterator[JobsStory]:
    """A service with one agent, and Ada, who has started a server once."""
    async with hub_world(folder, hub, runs=runs) as world:
        await world.agent(boot_id="another-machine")
        yield JobsStory(world, ClusterByHand(kube), await owner_with_pods(world), runs)


async def another_agent(world: HubWorld, **card: Any) -> FakeAgent:
    """The agent of a second node, with a card that lends nothing unless it is told to."""
    return await world.agent(
        node="node-b",
        boot_id="boot-b",
        secret=OTHER_SECRET,
        gpus=(a_gpu("SIM-9", **{"lendable_mib": 0, **card}),),
    )


async def a_server(world: HubWorld, node: str) -> str:
    """Ada's server runs in a pod, and so her files are in use there; returns its slice."""
    lease = await world.slice_for("ada", size="small")
    pod = {"pod_uid": "u", "namespace": NAMESPACE, "pod_name": "jupyter-ada", "node": node}
    await world.hub_call("POST", f"slices/{lease['slice_id']}/pod", pod)
    return str(lease["slice_id"])


async def owner_with_pods(world: HubWorld, owner: str = "ada") -> str:
    """Ada has started a server once, in a pod; returns her token."""
    lease = await world.slice_for(owner, account=ACCOUNT)
    path = f"slices/{lease['slice_id']}"
    pod = {"pod_uid": f"uid-{owner}", "namespace": NAMESPACE, "pod_name": f"jupyter-{owner}"}
    await world.hub_call("POST", f"{path}/pod", {**pod, "template": TEMPLATE})
    await world.hub_call("DELETE", path)
    world.hub.servers.pop(owner, None)
    return world.user(owner)
