"""Jobs on several GPUs in Kueue's queue, as JobSets or TrainJobs: all real where they are named."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.jobs.backends.kubernetes.attempts import pending
from sublet_hub.jobs.backends.kubernetes.objects.kueue import KueueNames, queue_objects
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings, SeveralNodes
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.life_cycles.slice_states import SliceState

from tests.support.fake_agent import a_report
from tests.support.hub_world import until
from tests.support.jobs_on_kube import SETTINGS
from tests.support.kube.api import Api
from tests.support.kube.jobset_fake import VERSION as JOB_SETS
from tests.support.kube.manifests import priority_class
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.processes import wait_for
from tests.support.kube.service_on_plane import WITHIN_S, Cluster, lend, service
from tests.support.kube.trainjob_fake import VERSION as TRAIN_JOBS

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio,
    pytest.mark.usefixtures("pretended_nodes"),
]

NAMES = KueueNames("several", lent_queue="lent-of-several", flavor="flavor-of-several")
GENTLE, NEGATIVE = "jobs-on-several-gpus", "below-nothing"


@pytest.fixture(scope="module")
def several(kueue: Api, train_jobs: Api) -> Iterator[Api]:
    """A namespace with a queue of lent room, where JobSets and TrainJobs are served."""
    assert train_jobs
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


@pytest.fixture
def runs_as() -> SeveralNodes:
    """What runs jobs on several GPUs."""
    return SeveralNodes.JOB_SET


@pytest_asyncio.fixture
async def jobs(
    tmp_path: Path,
    several: Api,
    nodes: tuple[str, str],
    job_set_class: str,
    runs_as: SeveralNodes,
) -> AsyncIterator[Cluster]:
    settings = replace(
        SETTINGS,
        namespace=several.namespace,
        priority_class="",
        job_set_priority_class=job_set_class,
        home_is_shared=True,
        several_nodes=runs_as,
        kueue=KueueSettings(NAMES.lent_queue, NAMES.lent_queue),
    )
    first, second = nodes
    async with service(tmp_path, several, first, settings) as running:
        await running.agent_on(second)
        yield running
    for version, kind in ((TRAIN_JOBS, "TrainJob"), (JOB_SETS, "JobSet"), ("batch/v1", "Job")):
        for each in several.all(version, kind):
            several.delete(version, kind, each["metadata"]["name"])
    wait_for(lambda: not several.all("batch/v1", "Job"), WITHIN_S, "all Jobs to go")


@pytest.mark.parametrize("runs_as", list(SeveralNodes))
async def test_a_job_on_two_gpus_runs_on_two_nodes_stands_still_for_owners_and_goes_on(
    jobs: Cluster, nodes: tuple[str, str]
) -> None:
    job_id = await jobs.submit(memory_mib=45 * 1024, gpus=2)
    await jobs.until_state(job_id, "running")
    pods = await jobs.pods(job_id)
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(nodes)
    assert {pod["spec"]["priority"] for pod in pods} == {0}
    held = {s.slice_id: s for s in jobs.world.service.ledger.slices.values() if s.is_job}
    assert sorted(each.gpu.node for each in held.values()) == sorted(nodes)

    for state, gate_open in ((SliceState.SUSPENDED, False), (SliceState.RESIDENT, True)):
        for agent in jobs.world.agents:
            for slice_id, record in held.items():
                if record.gpu.node == agent.node:
                    told = a_report(slice_id, state=state, active=gate_open, gate_open=gate_open)
                    agent.says[slice_id] = told
            await agent.report()

        async def is_told(state: SliceState = state) -> bool:
            _, job = await jobs.world.call("GET", f"jobs/{job_id}", jobs.token)
            report = (job["slice"] or {}).get("report") or {}
            return bool(report.get("state") == state and job["state"] == "running")

        await until(is_told, WITHIN_S)
        # Nobody but the agents acts: to the cluster it runs all the time.
        same = await jobs.pods(job_id)
        assert [p["metadata"]["uid"] for p in same] == [p["metadata"]["uid"] for p in pods]

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
    await until(lambda: not jobs.namespace.all(JOB_SETS, "JobSet"), WITHIN_S)
    alone = await jobs.submit(memory_mib=45 * 1024)
    await jobs.until_state(alone, "running")
