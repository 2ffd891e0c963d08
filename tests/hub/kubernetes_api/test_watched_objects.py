"""A watch that the API server ends is gone on with: nothing is missed, and nobody is hurried."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sublet_hub.kubernetes_api.resources import PODS
from sublet_hub.kubernetes_api.watched_objects import WatchedObjects

from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import until

pytestmark = pytest.mark.asyncio

PODS_PATH = "/api/v1/namespaces/users/pods"


@asynccontextmanager
async def watched(kube: FakeKube) -> AsyncIterator[WatchedObjects]:
    async with way_into(kube) as api:
        pods = WatchedObjects(api, PODS, "users", "", lambda: None)
        running = asyncio.create_task(pods.run())
        try:
            await until(lambda: pods.synced)
            yield pods
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_what_happens_between_two_watches_is_told_by_the_second() -> None:
    async with fake_kube() as kube, watched(kube) as pods:
        kube.end_watches()
        kube.put(f"{PODS_PATH}/one", {})
        await until(lambda: set(pods.objects) == {"one"})
        kube.end_watches()
        kube.remove(f"{PODS_PATH}/one")
        await until(lambda: not pods.objects)


async def test_a_server_that_ends_each_watch_at_once_is_not_hurried() -> None:
    async with fake_kube() as kube:
        kube.brief_watches = True
        began = asyncio.get_running_loop().time()
        async with watched(kube):
            # The list, and four watches: three pauses.
            await until(lambda: len(kube.asked) >= 5)
        assert asyncio.get_running_loop().time() - began > 3 * 0.3


async def test_a_cluster_that_does_not_know_a_kind_has_no_objects_of_it() -> None:
    async with fake_kube() as kube:
        kube.refuses["GET", PODS_PATH] = (404, "404 page not found")
        async with watched(kube) as pods:
            assert dict(pods.objects) == {}
