"""The fake API server of the spawner's tests: who lists and then watches misses nothing."""

import json

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from tests.support.hub_world import until
from tests.support.kube_spawner_api import fake_cluster

pytestmark = pytest.mark.asyncio


async def test_what_was_deleted_between_a_list_and_its_watch_is_told_to_the_watch() -> None:
    heard: list[bytes] = []
    client = AsyncHTTPClient(force_instance=True)
    async with fake_cluster() as cluster:
        pods = f"{cluster.url}/api/v1/namespaces/hub/pods"
        cluster.create("pods", {"metadata": {"name": "a", "labels": {}}, "spec": {}})
        listed = json.loads((await client.fetch(pods)).body)
        version = listed["metadata"]["resourceVersion"]
        cluster.delete("pods", "a")
        watch = HTTPRequest(
            f"{pods}?watch=true&resourceVersion={version}", streaming_callback=heard.append
        )
        watching = client.fetch(watch, raise_error=False)
        await until(lambda: heard, 60)
        client.close()
    assert [json.loads(line)["type"] for line in b"".join(heard).splitlines()][:1] == ["DELETED"]
    watching.cancel()
