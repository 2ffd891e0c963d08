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
        creates = (cluster.create(JOBS, each, lambda: True) for each in manifests)
        making = [asyncio.create_task(each) for each in creates]
        await until(lambda: kube.asked.count(made) == AT_ONCE)
        with pytest.raises(KubeNotFoundError):
            await api.get(LEASES, NAMESPACE, "writer")
        # An owner may wait for the room of one that is removed.
        await cluster.delete(JOBS, kube.put(f"{JOBS_PATH}/evicted", {}))
        assert kube.names(JOBS_PATH) == []
        assert kube.asked.count(made) == AT_ONCE
        kube.silent.clear()
        for task in making[:AT_ONCE]:
            task.cancel()
        await asyncio.gather(*making[AT_ONCE:])
        await asyncio.gather(*making, return_exceptions=True)
    assert len(kube.names(JOBS_PATH)) == MANY - AT_ONCE


async def test_what_nobody_wants_any_more_when_its_turn_comes_is_not_made(kube: FakeKube) -> None:
    kube.silent.add(("POST", JOBS_PATH))
    wanted = {f"job-{number}" for number in range(AT_ONCE + 2)}
    async with way_into(kube) as api:
        cluster = JobsInCluster(api, SETTINGS, several_nodes=False)
        creates = (
            cluster.create(JOBS, JOBS.manifest({"name": name}), lambda name=name: name in wanted)
            for name in sorted(wanted)
        )
        making = [asyncio.create_task(each) for each in creates]
        await until(lambda: len(kube.asked) == AT_ONCE)
        kept, given_up = sorted(wanted)[-2:]
        wanted.discard(given_up)
        kube.silent.clear()
        for task in making[:AT_ONCE]:
            task.cancel()
        await asyncio.gather(*making[AT_ONCE:])
        await asyncio.gather(*making, return_exceptions=True)
    assert kube.names(JOBS_PATH) == [kept]


async def test_one_that_was_made_anew_is_not_removed_in_place_of_the_one_before(
    kube: FakeKube,
) -> None:
    path = f"{JOBS_PATH}/job"
    before = kube.put(path, {})
    async with way_into(kube) as api:
        cluster = JobsInCluster(api, SETTINGS, several_nodes=False)
        await cluster.delete(JOBS, before)
        anew = kube.put(path, {})
        # Asked for again, before anybody was told that it is gone.
        await cluster.delete(JOBS, before)
        assert kube.objects[path]["metadata"]["uid"] == anew["metadata"]["uid"]
        await cluster.delete(JOBS, anew)
    assert kube.names(JOBS_PATH) == []
