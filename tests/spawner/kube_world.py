"""A server on Kubernetes to be started, over a fake service and a fake API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubespawner import KubeSpawner
from sublet_spawner.kube import KubeSliceSpawner

from tests.spawner.real_hub import until
from tests.spawner.spawners import a_spawner, stop_trying
from tests.support.closing import end_tasks_but
from tests.support.fake_service import FakeService, fake_service
from tests.support.kube_spawner import point_clients_at
from tests.support.kube_spawner_api import FakeCluster, fake_cluster

POD = "jupyter-ada"


@dataclass
class World:
    service: FakeService
    cluster: FakeCluster
    spawner: KubeSliceSpawner

    @property
    def pod(self) -> dict[str, Any]:
        return self.cluster.pod(POD)

    async def starting(self) -> "asyncio.Task[Any]":
        """Begin to start; the pod exists when this returns."""
        task = self.spawner.start()
        there = lambda: ("pods", POD) in self.cluster.objects or task.done()  # noqa: E731
        await self.until(there, "the pod")
        if task.done():
            task.result()
        return task

    async def gives_up(self, task: "asyncio.Task[Any]") -> None:
        """Let the hub give a start up, and wait for its end."""
        while self.spawner._in_start:
            # A word that meets the answer to KubeSpawner's request is lost (`asyncio.wait_for` of
            # Python 3.11), and the pod is there a little before that.
            task.cancel()
            await asyncio.sleep(0.01)
        await asyncio.gather(task, return_exceptions=True)

    async def started(self) -> str:
        """Start to the end; returns the slice's id."""
        task = await self.starting()
        self.cluster.run(POD)
        await task
        (slice_id,) = self.service.slices
        return slice_id

    async def until(self, happened: Any, what: str) -> None:
        async def ask() -> Any:
            return happened()

        await until(ask, 60, what)


@asynccontextmanager
async def a_world(folder: Path, patch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[World]:
    async with fake_service(folder) as service, fake_cluster() as cluster:
        point_clients_at(cluster.url, folder, patch)
        before = set(asyncio.all_tasks())
        own = {"owner_records": settings.pop("owner_records", "")}
        settings = {"wait_report_interval_s": 0.2, **settings}
        spawner = a_spawner(service, folder, KubeSliceSpawner, **settings)
        usual = {"namespace": "hub", "image": "usual:1", "mem_limit": "4G"}
        for name, value in {**usual, **own}.items():
            setattr(spawner, name, value)
        try:
            yield World(service, cluster, spawner)
        finally:
            await spawner._stop_following()
            stop_trying(spawner)
            await KubeSpawner._stop_all_reflectors()
            spawner.db.close()
            await end_tasks_but(before)
