"""Jobs whose room Kueue takes away, and those that somebody has it keep back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings

from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.jobs_on_kube import (
    JOBS,
    NAMESPACE,
    SETTINGS,
    ClusterByHand,
    RunsAhead,
    owner_with_pods,
)

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
WORKLOADS = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/workloads"


class Story:
    """A cluster with Kueue played by hand, and Ada's job in it."""

    def __init__(self, world: HubWorld, kube: FakeKube, token: str, runs: RunsAhead) -> None:
        self.world, self.kube, self.token, self.runs = world, kube, token, runs
        self.cluster = ClusterByHand(kube)
        self.job_id = ""

    async def submit(self) -> None:
        body = {"notebook": "train.ipynb", "memory_mib": 20 * 1024}
        status, job = await self.world.call("POST", "jobs", self.token, body)
        assert status < 300, job
        self.job_id = job["job_id"]

    async def until_state(self, state: str, words: str = "") -> None:
        async def is_so() -> bool:
            self.cluster.collect_garbage()
            _, job = await self.world.call("GET", f"jobs/{self.job_id}", self.token)
            return job["state"] == state and words in job["reason"]

        await until(is_so, within_s=60)

    async def admitted(self, but: str = "") -> tuple[str, str]:
        """Let Kueue start the job's newest object; return its name and its pod's."""
        await until(lambda: self.names(but), within_s=60)
        (name,) = self.names(but)
        self.workload(name)
        self.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
        return name, self.cluster.make_pod(name)

    async def running(self, but: str = "") -> tuple[str, str]:
        name, pod = await self.admitted(but)
        self.cluster.run_pod(pod)
        await self.until_state("running")
        return name, pod

    def names(self, but: str = "") -> list[str]:
        return [name for name in self.kube.names(JOBS) if name != but]

    def workload(self, name: str, *, active: bool = True, **conditions: tuple[str, str]) -> None:
        """Let Kueue say this of an object."""
        owner = {"kind": "Job", "name": name, "controller": True}
        told = [
            {"type": kind, "status": status, "reason": "Deactivated", "message": message}
            for kind, (status, message) in conditions.items()
        ]
        path = f"{WORKLOADS}/job-{name}"
        self.kube.put(
            path,
            {
                "metadata": {"ownerReferences": [owner]},
                "spec": {"active": active},
                "status": {"conditions": told},
            },
        )

    def takes(self, name: str, *, active: bool = True) -> None:
        """Let Kueue evict a job: its Workload says so first, then its object is suspended."""
        message = "preempted" if active else "The workload is deactivated"
        told = {"Evicted": ("True", message), "QuotaReserved": ("False", message)}
        self.workload(name, active=active, **told)
        self.kube.change(f"{JOBS}/{name}", spec={"suspend": True})

    def ends(self, pod: str) -> None:
        """Let the job controller end a pod, as its Job is suspended."""
        path = f"{PODS}/{pod}"
        self.kube.running_logs.discard(path)
        self.kube.remove(path)

    def slices(self) -> list[Any]:
        return [s for s in self.world.service.ledger.slices.values() if s.is_job]

    async def rounds(self, more: int = 3) -> None:
        """Wait until everything was looked at a few times."""
        after = self.runs.rounds + more
        await until(lambda: self.runs.rounds >= after, within_s=60)


@pytest_asyncio.fixture
async def story(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Story]:
    settings = replace(SETTINGS, kueue=KueueSettings("sublet-lent", "sublet-lent"))
    async with fake_kube() as kube, way_into(kube) as api:
        runs = RunsAhead(api, settings)
        async with hub_world(tmp_path, hub, runs=runs) as world:
            await world.agent(boot_id="another-machine")
            made = Story(world, kube, await owner_with_pods(world), runs)
            await made.submit()
            yield made


@pytest.mark.asyncio
async def test_a_job_whose_room_is_taken_is_not_failed_however_often(story: Story) -> None:
    former = ""
    for _ in range(SETTINGS.most_attempts + 1):
        name, pod = await story.running(former)
        told = {"status": "True", "reason": "Preempted", "message": "somebody else's turn"}
        story.workload(name, Evicted=("True", "somebody else's turn"))
        # What a kubelet says of a pod that the job controller ends.
        story.cluster.end_pod(pod, 143, conditions=[{"type": "DisruptionTarget", **told}])
        story.kube.change(f"{JOBS}/{name}", spec={"suspend": True})
        await until(lambda name=name: story.names(name), within_s=60)
        await story.until_state("waiting")
        former = name


@pytest.mark.asyncio
async def test_one_that_was_not_begun_keeps_its_place_in_kueues_queue(story: Story) -> None:
    name, pod = await story.admitted()
    story.kube.change(f"{PODS}/{pod}", spec={"nodeName": "node-a"})
    await until(lambda: len(story.slices()) == 1, within_s=60)
    story.takes(name)
    story.ends(pod)
    await until(lambda: not story.slices(), within_s=60)
    await story.until_state("waiting")
    await story.rounds()
    assert story.names() == [name]
    story.workload(name)
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state("running")


@pytest.mark.asyncio
async def test_one_that_an_admin_deactivates_waits_until_it_is_activated(story: Story) -> None:
    name, pod = await story.running()
    story.takes(name, active=False)
    story.ends(pod)
    await story.until_state("waiting", "The workload is deactivated")
    assert not story.slices()
    await story.rounds()
    # Another object would have an active Workload, and begin at once.
    assert story.names() == [name]
    story.workload(name, QuotaReserved=("False", "activated"))
    await until(lambda: story.names(name), within_s=60)
    await story.running(name)


@pytest.mark.asyncio
async def test_one_that_is_deactivated_can_be_cancelled(story: Story) -> None:
    name, pod = await story.running()
    story.takes(name, active=False)
    story.ends(pod)
    await story.until_state("waiting", "The workload is deactivated")
    await story.world.call("POST", f"jobs/{story.job_id}/cancel", story.token, {})
    await story.until_state("cancelled")
    await until(lambda: story.names() == [], within_s=60)
