"""Jobs on several GPUs as JobSets in Kueue's queue: both themselves where they are named."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.jobs.backends.kubernetes.attempts import pending
from sublet_hub.jobs.backends.kubernetes.objects.kueue import KueueNames, queue_objects
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings
from sublet_quota.document.quota_document import QuotaDocument

from tests.support.hub_world import until
from tests.support.jobs_on_kube import SETTINGS
from tests.support.kube.api import Api
from tests.support.kube.jobset_fake import VERSION
from tests.support.kube.manifests import priority_class
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.processes import wait_for
from tests.support.kube.service_on_plane import WITHIN_S, Cluster, lend, service

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio,
    pytest.mark.usefixtures("pretended_nodes"),
]

NAMES = KueueNames("several", lent_queue="lent-of-several", flavor="flavor-of-several")
GENTLE, NEGATIVE = "jobs-on-several-gpus", "below-nothing"


@pytest.fixture(scope="module")
def several(kueue: Api, job_sets: Api) -> Iterator[Api]:
    """A namespace with a queue of lent room, where JobSets are served."""
    assert job_sets
    api = kueue.make_namespace(NAMES.namespace)
    made = [
        *queue_objects(QuotaDocument(), NAMES, 0),
        priority_class(GENTLE, 0),
        priority_class(NEGATIVE, -5),
    ]
    for each in made:
        api.create(each)
    yield api
    for each in made:
        api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])
    kueue.delete("v1", "Namespace", api.namespace)


@pytest.fixture(scope="module")
def nodes(several: Api) -> Iterator[tuple[str, str]]:
    names = ("first-of-several", "second-of-several")
    for name in names:
        several.create(pretended_node(name, gpus=0))
        lend(several, name, 79)
    yield names
    for name in names:
        several.delete("v1", "Node", name)


@pytest.fixture
def job_set_class() -> str:
    """The priority class of JobSets' pods."""
    return GENTLE


@pytest_asyncio.fixture
async def jobs(
    tmp_path: Path, several: Api, nodes: tuple[str, str], job_set_class: str
) -> AsyncIterator[Cluster]:
    settings = replace(
        SETTINGS,
        namespace=several.namespace,
        priority_class="",
        job_set_priority_class=job_set_class,
        home_is_shared=True,
        kueue=KueueSettings(NAMES.lent_queue, NAMES.lent_queue),
    )
    first, second = nodes
    async with service(tmp_path, several, first, settings) as running:
        await running.agent_on(second)
        yield running
    for each in several.all(VERSION, "JobSet"):
        several.delete(VERSION, "JobSet", each["metadata"]["name"])
    wait_for(lambda: not several.all("batch/v1", "Job"), WITHIN_S, "the JobSets' Jobs to go")


async def test_a_job_on_two_gpus_runs_on_two_nodes_below_notebooks(
    jobs: Cluster, nodes: tuple[str, str]
) -> None:
    job_id = await jobs.submit(memory_mib=45 * 1024, gpus=2)
    await jobs.until_state(job_id, "running")
    pods = await jobs.pods(job_id)
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(nodes)
    assert {pod["spec"]["priority"] for pod in pods} == {0}
    held = [s for s in jobs.world.service.ledger.slices.values() if s.is_job]
    assert sorted(each.gpu.node for each in held) == sorted(nodes)
    await jobs.world.call("POST", f"jobs/{job_id}/cancel", jobs.token, {})
    await jobs.until_state(job_id, "cancelled")
    assert await jobs.pods(job_id) == []


@pytest.mark.parametrize("job_set_class", [NEGATIVE])
async def test_pods_that_jobset_refuses_leave_kueue_s_quota_to_others_and_the_owner_reads_why(
    jobs: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_REFUSED_FOR", timedelta(seconds=8))
    refused = await jobs.submit(memory_mib=45 * 1024, gpus=2)
    told = await jobs.until_state(refused, "waiting", "the cluster makes no pods for it")
    assert '"-5"' in told["reason"]
    back = await jobs.until_state(refused, "waiting", "it is queued again in 1 min")
    assert '"-5"' in back["reason"]
    # It holds nothing: there is room for both pods of none, and for the next job.
    await until(lambda: not jobs.namespace.all(VERSION, "JobSet"), WITHIN_S)
    alone = await jobs.submit(memory_mib=45 * 1024)
    await jobs.until_state(alone, "running")
