"""A watch that the API server ends is gone on with: nothing is missed, and nobody is hurried."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sublet_hub.kubernetes_api.resources import PODS, Manifest
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


def _named(name: str, label: str | None) -> dict[str, object]:
    return {"metadata": {"name": name, "labels": {"of": label} if label else {}}, "status": "much"}


async def test_the_objects_of_a_group_are_those_that_belong_to_it_now() -> None:
    async with fake_kube() as kube, way_into(kube) as api:
        kube.put(f"{PODS_PATH}/one", _named("one", "ada"))
        pods = WatchedObjects(
            api,
            PODS,
            "users",
            "",
            lambda: None,
            group=lambda pod: pod["metadata"]["labels"].get("of"),
        )

        def names(group: str) -> list[str]:
            return sorted(pod["metadata"]["name"] for pod in pods.in_group(group))

        running = asyncio.create_task(pods.run())
        try:
            assert names("ada") == []
            await until(lambda: names("ada") == ["one"])
            kube.put(f"{PODS_PATH}/two", _named("two", "ada"))
            await until(lambda: names("ada") == ["one", "two"])
            kube.put(f"{PODS_PATH}/one", _named("one", None))
            await until(lambda: names("ada") == ["two"])
            kube.remove(f"{PODS_PATH}/two")
            await until(lambda: names("ada") == [])
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_of_objects_that_are_long_only_what_is_asked_for_is_kept() -> None:
    async with fake_kube() as kube, way_into(kube) as api:
        kube.put(f"{PODS_PATH}/listed", _named("listed", None))
        pods = WatchedObjects(
            api,
            PODS,
            "users",
            "",
            lambda: None,
            keep=lambda pod: {"metadata": {"name": pod["metadata"]["name"]}},
        )
        running = asyncio.create_task(pods.run())
        try:
            await until(lambda: pods.synced)
            kube.put(f"{PODS_PATH}/told", _named("told", None))
            await until(lambda: "told" in pods.objects)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert {tuple(pod) for pod in pods.objects.values()} == {("metadata",)}


async def test_who_has_written_which_field_of_an_object_is_not_kept() -> None:
    managed = {"managedFields": [{"manager": "kubelet"}], "labels": {"of": "ada"}}
    async with fake_kube() as kube:
        kube.put(f"{PODS_PATH}/listed", {"metadata": {"name": "listed", **managed}})
        async with watched(kube) as pods:
            kube.put(f"{PODS_PATH}/told", {"metadata": {"name": "told", **managed}})
            await until(lambda: "told" in pods.objects)
            for name in ("listed", "told"):
                assert pods.objects[name]["metadata"]["labels"] == {"of": "ada"}
                assert "managedFields" not in pods.objects[name]["metadata"]


@pytest.mark.parametrize("told_by", ["a watch", "a list"])
async def test_an_object_that_is_removed_is_told_as_it_was_last(told_by: str) -> None:
    told: list[Manifest] = []
    async with fake_kube() as kube, way_into(kube) as api:
        kube.put(f"{PODS_PATH}/one", _named("one", "ada"))
        pods = WatchedObjects(api, PODS, "users", "", lambda: None, removed=told.append)
        running = asyncio.create_task(pods.run())
        try:
            await until(lambda: pods.synced)
            kube.end_watches()
            kube.remove(f"{PODS_PATH}/one")
            kube.end_watches(forget=told_by == "a list")
            await until(lambda: not pods.objects)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    (one,) = told
    assert one["metadata"]["labels"] == {"of": "ada"}
