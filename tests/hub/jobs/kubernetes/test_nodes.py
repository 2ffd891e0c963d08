"""On which nodes jobs' pods may run: by their owners' files, and by the cards that they ask for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings, KueueSettings
from sublet_quota.document.reading import read_quota_document

from tests.support.fake_agent import a_gpu
from tests.support.hub_world import until
from tests.support.jobs_on_kube import JOBS, SETTINGS, JobsStory, a_server, another_agent

pytestmark = pytest.mark.asyncio

KUEUE = replace(SETTINGS, kueue=KueueSettings("sublet-lent"))
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
A100 = "Simulated A100 80GB"
LENDABLE_MIB = 79 * 1024


@pytest.fixture
def settings() -> KubeJobSettings:
    return KUEUE


AN_ERRAND = timedelta(seconds=10)
"""For so long an object is not made again."""


def only_on(story: JobsStory) -> list[str] | None:
    """The nodes that the pod of the only Job may run on; nothing while there is none."""
    if len(story.kube.names(JOBS)) != 1:
        return None
    affinity: dict[str, Any] = the_pod(story).get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get(REQUIRED, {}).get("nodeSelectorTerms", [])
    return [name for term in terms for field in term["matchFields"] for name in field["values"]]


def the_pod(story: JobsStory) -> dict[str, Any]:
    """What the pod of the only Job shall be."""
    (name,) = story.kube.names(JOBS)
    spec: dict[str, Any] = story.cluster.manifest(name)["spec"]["template"]["spec"]
    return spec


async def test_a_queued_job_follows_its_owners_files(story: JobsStory) -> None:
    await another_agent(story.world)
    await story.submit()
    await until(lambda: only_on(story) == [], within_s=60)
    for node in ("node-b", "node-a"):
        story.pass_time(AN_ERRAND)
        slice_id = await a_server(story.world, node)
        await until(lambda node=node: only_on(story) == [node], within_s=60)
        story.pass_time(AN_ERRAND)
        await story.world.hub_call("DELETE", f"slices/{slice_id}")
        await story.some_rounds()
        # It would lose its place in the cluster's queue.
        assert only_on(story) == [node]
        story.pass_time(SETTINGS.pending_for + AN_ERRAND)
        await until(lambda: only_on(story) == [], within_s=60)
    assert (await story.job())["attempts"] == 0


async def test_an_object_of_a_version_before_is_left_in_its_place(story: JobsStory) -> None:
    await story.submit()
    name = await story.cluster.job()
    del story.kube.objects[f"{JOBS}/{name}"]["metadata"]["annotations"]["sublet.dev/nodes"]
    uid = story.kube.change(f"{JOBS}/{name}", status={})["metadata"]["uid"]
    story.pass_time(SETTINGS.pending_for + AN_ERRAND)
    await story.some_rounds()
    assert story.cluster.manifest(name)["metadata"]["uid"] == uid


async def test_a_job_that_was_admitted_elsewhere_goes_where_its_owners_files_came_into_use(
    story: JobsStory,
) -> None:
    await another_agent(story.world)
    await story.submit()
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    starting = [{"name": "job", "state": {"waiting": {"reason": "ContainerCreating"}}}]
    story.cluster.make_pod(name, node="node-a", containerStatuses=starting)
    await story.until_state("placed", "is being started")
    await a_server(story.world, "node-b")
    job = await story.until_state("waiting", "in use on node-b")
    assert job["attempts"] == 0


async def test_a_queued_job_that_can_run_where_it_could_is_left_in_its_place(
    story: JobsStory,
) -> None:
    await a_server(story.world, "node-a")
    await story.submit(gpu_type="*H100*")
    name = await story.cluster.job()
    uid = story.cluster.manifest(name)["metadata"]["uid"]
    await another_agent(story.world, type=A100)
    await story.some_rounds()
    assert story.cluster.manifest(name)["metadata"]["uid"] == uid


async def test_an_admitted_job_is_not_made_anew(story: JobsStory) -> None:
    await another_agent(story.world)
    await story.submit()
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    await a_server(story.world, "node-b")
    await story.some_rounds()
    assert only_on(story) == []


async def test_a_job_that_asks_for_a_type_of_card_runs_where_there_are_some(
    story: JobsStory,
) -> None:
    await story.submit(gpu_type="*H100*")
    await until(lambda: only_on(story) == ["node-a"], within_s=60)
    await another_agent(story.world, type="Simulated H100 141GB")
    await story.some_rounds()
    story.pass_time(SETTINGS.pending_for + AN_ERRAND)
    await until(lambda: only_on(story) == ["node-a", "node-b"], within_s=60)


async def test_a_job_whose_owners_files_are_where_no_card_of_its_type_is_waits_and_says_so(
    story: JobsStory,
) -> None:
    await another_agent(story.world, type=A100)
    slice_id = await a_server(story.world, "node-a")
    await story.submit(gpu_type=A100)
    await story.until_state("waiting", "in use on node-a: that has no GPU of type")
    assert story.kube.names(JOBS) == []
    await story.world.hub_call("DELETE", f"slices/{slice_id}")
    await until(lambda: only_on(story) == ["node-b"], within_s=60)


@pytest.mark.parametrize("settings", [SETTINGS])
async def test_our_own_queue_does_not_leave_the_type_of_card_to_the_scheduler(
    story: JobsStory,
) -> None:
    await another_agent(story.world, type=A100, lendable_mib=LENDABLE_MIB)
    await story.submit(gpu_type=A100)
    await until(lambda: only_on(story) == ["node-b"], within_s=60)


async def test_a_job_of_a_type_does_not_wait_for_a_card_that_its_node_has_lost(
    story: JobsStory,
) -> None:
    other = await another_agent(story.world, type=A100)
    slice_id = await a_server(story.world, "node-b")
    other.gpus = (a_gpu("SIM-8"),)
    await other.report()
    await until(lambda: "SIM-8" in story.world.service.ledger.gpus, within_s=60)
    await story.submit(gpu_type=A100)
    await story.until_state("waiting", "no node has one")
    await story.world.hub_call("DELETE", f"slices/{slice_id}")
    other.gpus = (a_gpu("SIM-8"), a_gpu("SIM-9", index=1, type=A100))
    await other.report()
    await until(lambda: only_on(story) == ["node-b"], within_s=60)


async def test_a_job_that_takes_a_whole_card_does_not_wait_for_the_largest_while_that_is_closed(
    story: JobsStory,
) -> None:
    large = {"type": "Simulated H100 141GB", "memory_mib": 141 * 1024}
    await another_agent(story.world, closed="XID 79", **large)
    await story.submit(memory_mib="whole")
    await story.cluster.job()
    (container,) = the_pod(story)["containers"]
    (open_card,) = story.world.agents[0].gpus
    usable_mib = open_card.memory_mib - open_card.margin_mib
    assert int(container["resources"]["limits"]["sublet.dev/lent"]) == usable_mib // 1024


async def test_of_a_nodes_cards_the_slice_is_on_one_of_the_type_that_was_asked_for(
    story: JobsStory,
) -> None:
    (agent,) = story.world.agents
    other = agent.gpus[0].model_copy(
        update={"gpu_id": "SIM-1", "index": 1, "type": A100, "lendable_mib": 30 * 1024}
    )
    agent.gpus = (*agent.gpus, other)
    await agent.report()
    await until(lambda: "SIM-1" in story.world.service.ledger.gpus, within_s=60)
    await story.submit(gpu_type="*H100*")
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state("running")
    (held,) = story.gpu_slices()
    assert held.gpu.gpu_id == "SIM-0"


async def test_a_job_runs_where_there_are_cards_that_its_owner_may_use(story: JobsStory) -> None:
    text = 'gpu_types: {A100: {match: "*A100*"}}\neveryone: {jobs: {types: [A100]}}'
    story.world.service.capacity.document_changed(read_quota_document(text))
    await another_agent(story.world, type=A100)
    await story.submit()
    await until(lambda: only_on(story) == ["node-b"], within_s=60)
