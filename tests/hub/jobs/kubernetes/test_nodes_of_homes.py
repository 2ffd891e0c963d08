"""Jobs as pods go to the node where their owner's files are in use, or wait for it."""

import pytest

from tests.support.hub_world import until
from tests.support.jobs_on_kube import (
    JOBS,
    JobsStory,
    a_server,
    another_agent,
)

pytestmark = pytest.mark.asyncio


async def test_a_running_server_keeps_its_owners_jobs_on_its_node(story: JobsStory) -> None:
    await a_server(story.world, "node-a")
    await story.submit()
    manifest = story.cluster.manifest(await story.cluster.job())
    affinity = manifest["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    assert "requiredDuringSchedulingIgnoredDuringExecution" in affinity


async def test_a_job_is_placed_where_its_owners_server_has_their_files(story: JobsStory) -> None:
    await another_agent(story.world, lendable_mib=79 * 1024)
    await a_server(story.world, "node-b")
    await story.submit()
    manifest = story.cluster.manifest(await story.cluster.job())
    (held,) = story.gpu_slices()
    assert held.gpu.node == "node-b"
    assert "node-b" in str(manifest["spec"]["template"]["spec"]["affinity"])
    assert "node-a" not in str(manifest["spec"]["template"]["spec"]["affinity"])


async def test_a_job_whose_owners_files_are_on_a_full_node_waits_and_says_so(
    story: JobsStory,
) -> None:
    await another_agent(story.world)
    await a_server(story.world, "node-b")
    job = await story.submit()
    assert job["state"] == "waiting"
    await story.until_state("waiting", "it runs on node-b alone, where its owner's files are")
    _, forecast = await story.world.call(
        "POST",
        "jobs/forecast?look=1",
        story.token,
        {"notebook": "train.ipynb", "memory_mib": 20 * 1024},
    )
    assert "node-b alone" in forecast["message"]
    assert not forecast["notebook_checked"]


async def test_a_job_without_a_pod_goes_to_another_node_with_its_owners_files(
    story: JobsStory,
) -> None:
    await another_agent(story.world, lendable_mib=79 * 1024)
    story.kube.refuses["POST", JOBS] = (503, "etcd is away")
    await story.submit()
    await until(lambda: ("POST", JOBS) in story.kube.asked, within_s=60)
    assert [held.gpu.node for held in story.gpu_slices()] == ["node-a"]
    await a_server(story.world, "node-b")
    story.kube.refuses.clear()
    await story.until_in_time(lambda: story.kube.names(JOBS) != [])
    manifest = story.cluster.manifest(await story.cluster.job())
    assert [held.gpu.node for held in story.gpu_slices()] == ["node-b"]
    assert "node-a" not in str(manifest["spec"]["template"]["spec"]["affinity"])
    assert (await story.job())["attempts"] == 0


async def test_two_jobs_of_one_owner_are_not_put_on_two_nodes(story: JobsStory) -> None:
    await another_agent(story.world, lendable_mib=79 * 1024)
    admin = story.world.admin()
    await story.world.call("PUT", "lending", admin, {"lending": False})
    for _ in range(2):
        await story.submit(memory_mib=60 * 1024)
    await story.world.call("PUT", "lending", admin, {"lending": True})
    await until(lambda: len(story.gpu_slices()) == 2, within_s=60)
    assert {held.gpu.node for held in story.gpu_slices()} == {"node-a"}
