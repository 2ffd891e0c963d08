"""A real JupyterHub starts notebook servers in pods, whose kernels use simulated GPUs.

The agent is a DaemonSet's pod; servers reach it by a socket that their pods mount.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from tornado.httpclient import AsyncHTTPClient

from tests.support.kube.control_plane import NODE
from tests.support.kube.processes import wait_for
from tests.support.kube.sublet_on_cluster import SubletOnCluster

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio(loop_scope="module"),
]

FILL = """
import hashlib, json, os
import sublet_agent.simulated.client as gpu
data = gpu.allocate(mib=300)
fingerprint = data.fill(seed=7)
print(json.dumps({"pid": os.getpid(), "fingerprint": fingerprint}))
"""
CHECK = """
print(json.dumps({"pid": os.getpid(), "intact": data.sha256() == fingerprint}))
"""
CROWD = 50
FIT = 2


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ada(sublet: SubletOnCluster) -> AsyncIterator[Person]:
    sublet.hub.add_user("ada")
    person = sublet.person("ada")
    await person.start_server({"size": "small"})
    yield person
    sublet.hub.stop_server("ada")
    AsyncHTTPClient().close()


@pytest_asyncio.fixture(loop_scope="module")
async def kernel(ada: Person) -> AsyncIterator[Kernel]:
    opened = await ada.open_kernel()
    yield opened
    opened.close()


async def test_a_server_runs_in_a_pod_with_its_slice_written_into_it(
    sublet: SubletOnCluster, ada: Person
) -> None:
    pod = sublet.hub.pod_of("ada")
    assert pod["spec"]["nodeName"] == NODE
    assert pod["status"]["phase"] == "Running"
    share = await ada.service("GET", "share")
    lease = share["slices"][0]["lease"]
    assert pod["metadata"]["labels"]["sublet.dev/slice"] == lease["slice_id"]
    # What it may have without a slice, and what suspending the slice moves to host memory.
    (server,) = pod["spec"]["containers"]
    assert int(server["resources"]["limits"]["memory"]) == 2**30 + lease["memory_mib"] * 2**20


async def test_a_kernel_in_a_pod_keeps_its_bytes_on_the_gpu_and_is_known_as_its_owners(
    sublet: SubletOnCluster, kernel: Kernel
) -> None:
    filled = (await kernel.run(FILL)).value()
    assert (await kernel.run(CHECK)).value() == {"pid": filled["pid"], "intact": True}
    held = await asyncio.to_thread(
        wait_for,
        lambda: (sublet.slice_of("ada")["report"] or {}).get("memory_mib", 0) > 300,
        60,
        lambda: f"the kernel's memory in {sublet.slice_of('ada')}",
    )
    assert held


async def test_of_a_crowd_that_comes_at_once_as_many_get_a_slice_as_the_quota_allows(
    sublet: SubletOnCluster,
) -> None:
    hub = sublet.hub
    names = [f"crowd{number:02}" for number in range(CROWD)]
    hub.add_group("crowd", names)
    with ThreadPoolExecutor(CROWD) as at_once:
        ends = at_once.map(lambda name: hub.try_server(name, size="small"), names)
        refusals = dict(zip(names, ends, strict=True))
    began = [name for name, refusal in refusals.items() if refusal is None]
    refused = [refusal for refusal in refusals.values() if refusal is not None]
    assert len(began) == FIT, refusals
    assert all("crowd" in words and "2 GiB" in words for words in refused), refused
    owners = [s["lease"]["owner"] for gpu in sublet.gpus() for s in gpu["slices"]]
    assert sorted(each for each in owners if each.startswith("crowd")) == began
    for name in began:
        assert hub.pod_of(name)["status"]["phase"] == "Running"
    with ThreadPoolExecutor(FIT) as at_once:
        list(at_once.map(hub.stop_server, began))
