"""Logs of pods as a real kubelet sends them: whole and once, over restarts of either side."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.logs.follower import LogFollower
from sublet_hub.jobs.backends.kubernetes.logs.pace import LogPace
from sublet_hub.jobs.backends.kubernetes.objects.names import CONTAINER, JOB_ID, MANAGED_BY, SERVICE
from sublet_hub.state.job_files import JobFiles
from sublet_quota.names.ids import JobId

from tests.support.hub_world import until
from tests.support.jobs_on_kube import SETTINGS
from tests.support.kube.api import Api
from tests.support.kube.manifests import container, pod, real_pod
from tests.support.kube.node import Node
from tests.support.kube.service_on_plane import WITHIN_S, way_in

pytestmark = [pytest.mark.kube, pytest.mark.asyncio]

JOB = JobId("0123456789ab")
POD = f"sublet-{JOB}-1-abcde"
PRINTS = """
i=0
until [ -e /told/enough ]; do echo line $i; i=$((i+1)); sleep 0.05; done
echo end
"""
"""Several lines have the same second."""


@dataclass
class Following:
    cluster: JobsInCluster
    files: JobFiles

    @asynccontextmanager
    async def follower(self) -> AsyncIterator[LogFollower]:
        follower = LogFollower(self.files, JOB, 1, self.cluster.log_of(POD), LogPace())
        try:
            yield follower
        finally:
            await follower.stop()

    def has_more_than(self, lines: int) -> Callable[[], bool]:
        return lambda: len(self.lines()) > lines

    def lines(self) -> list[str]:
        return self.files.read_log(JOB, 0, ended=True).text.splitlines()


async def test_a_log_is_whole_and_once_over_restarts_of_its_kubelet_and_of_the_service(
    namespace: Api, node: Node, notebook_image_on_node: str, tmp_path: Path
) -> None:
    files = JobFiles(tmp_path)
    files.prepare(JOB, {})
    told = tmp_path / "told"
    told.mkdir()
    prints = container(
        notebook_image_on_node,
        imagePullPolicy="Never",
        command=["/bin/sh", "-c", PRINTS],
        volumeMounts=[{"name": "told", "mountPath": "/told"}],
    )
    labels = {JOB_ID: JOB, MANAGED_BY: SERVICE}
    inside = real_pod(
        {**prints, "name": CONTAINER},
        volumes=[{"name": "told", "hostPath": {"path": str(told)}}],
    )
    namespace.create(pod(POD, inside, **labels))
    async with way_in(namespace) as api:
        settings = replace(SETTINGS, namespace=namespace.namespace)
        cluster = JobsInCluster(api, settings, several_nodes=False)
        cluster.start()
        await until(lambda: cluster.synced)
        following = Following(cluster, files)
        async with following.follower():
            await until(following.has_more_than(25), WITHIN_S)
        async with following.follower() as follower:
            await until(following.has_more_than(50), WITHIN_S)
            await asyncio.to_thread(restart_kubelet, node)
            read = len(following.lines())
            await until(following.has_more_than(read + 50), WITHIN_S)
            (told / "enough").touch()
            await until(lambda: follower.done, WITHIN_S)
        await cluster.close()
    *lines, last = following.lines()
    assert last == "end"
    assert lines == [f"line {number}" for number in range(len(lines))]


def restart_kubelet(node: Node) -> None:
    """Its containers run on."""
    arguments = [str(each) for each in node.kubelet.process.args]  # type: ignore[union-attr]
    node.kubelet.stop()
    inside = arguments[arguments.index("--") + 1 :]
    node.kubelet.process = node.programs.start("kubelet", inside).process
