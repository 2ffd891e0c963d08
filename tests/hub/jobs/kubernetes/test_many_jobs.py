"""Many jobs that begin at once: an API server that is slow to take them is left to all else too."""

import asyncio

import pytest
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.kubernetes_api.errors import KubeNotFoundError
from sublet_hub.kubernetes_api.resources import JOBS, LEASES

from tests.support.fake_kube_api import FakeKube, way_into
from tests.support.hub_world import until
from tests.support.jobs_on_kube import JOBS as JOBS_PATH
from tests.support.jobs_on_kube import NAMESPACE, SETTINGS

pytestmark = pytest.mark.asyncio

MANY = 90
AT_ONCE = 64


async def test_few_objects_are_made_at_once_and_the_others_after_them(kube: FakeKube) -> None:
    kube.silent.add(("POST", JOBS_PATH))
    made = ("POST", JOBS_PATH)
    async with way_into(kube) as api:
        cluster = JobsInCluster(api, SETTINGS, several_nodes=False)
        manifests = [JOBS.manifest({"name": f"job-{number}"}) for number in range(MANY)]
        making = [asyncio.create_task(cluster.create(JOBS, each)) for each in manifests]
        await until(lambda: kube.asked.count(made) == AT_ONCE)
        with pytest.raises(KubeNotFoundError):
            await api.get(LEASES, NAMESPACE, "writer")
        assert kube.asked.count(made) == AT_ONCE
        kube.silent.clear()
        for task in making[:AT_ONCE]:
            task.cancel()
        await asyncio.gather(*making[AT_ONCE:])
        await asyncio.gather(*making, return_exceptions=True)
    assert len(kube.names(JOBS_PATH)) == MANY - AT_ONCE
