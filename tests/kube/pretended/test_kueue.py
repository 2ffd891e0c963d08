"""Jobs in Kueue's queue of lent room: Kueue itself where ``KUEUE_BIN`` names it, else a fake."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from click.testing import CliRunner
from sublet_hub.app.kueue_objects import main
from sublet_hub.jobs.backends.kubernetes.objects.kueue import lent_quota_of, with_lent_quota
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings
from sublet_hub.kubernetes_api.client import connect
from sublet_hub.kubernetes_api.resources import CLUSTER_QUEUES

from tests.support.fake_agent import GIB, a_gpu
from tests.support.helm_charts import RELEASE, run_helm
from tests.support.helm_documents import CHART
from tests.support.helm_programs import find_helm
from tests.support.hub_world import until
from tests.support.jobs_on_kube import GROUPS_OF_QUEUES, SETTINGS
from tests.support.kube.admitting_fake import VERSION
from tests.support.kube.api import Api, Manifest
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError
from tests.support.kube.service_on_plane import WITHIN_S, Cluster, lend, service

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio,
    pytest.mark.usefixtures("pretended_nodes"),
]

QUEUE = "sublet-lent"
CLASSES = ((-10, "sublet-low"), (0, "sublet-normal"))


@pytest.fixture(scope="module")
def queues(kueue: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A namespace whose queues are those that the command prints for a quota document."""
    api = kueue.make_namespace("queued")
    file = tmp_path_factory.mktemp("quota") / "quota.yaml"
    file.write_text(GROUPS_OF_QUEUES)
    options = ["--quota-file", str(file), "--namespace", api.namespace, "--card", "H100=80GiB"]
    for least, name in CLASSES:
        options += ["--priority", f"{least}={name}"]
    printed = CliRunner().invoke(main, options)
    assert printed.exit_code == 0, printed.output
    made = list(yaml.safe_load_all(printed.output))
    for each in made:
        api.create(each)
    yield api
    for each in made:
        api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])
    kueue.delete("v1", "Namespace", api.namespace)


@pytest.fixture(scope="module")
def node(queues: Api) -> Iterator[str]:
    name = "node-of-queued"
    queues.create(pretended_node(name, gpus=0))
    lend(queues, name, 79)
    yield name
    queues.delete("v1", "Node", name)


@pytest_asyncio.fixture
async def jobs(tmp_path: Path, queues: Api, node: str) -> AsyncIterator[Cluster]:
    settings = replace(
        SETTINGS,
        namespace=queues.namespace,
        priority_class="",
        home_is_shared=True,
        kueue=KueueSettings(QUEUE, QUEUE, CLASSES),
    )
    async with service(tmp_path, queues, node, settings) as running:
        yield running
    for each in queues.all("batch/v1", "Job"):
        queues.delete("batch/v1", "Job", each["metadata"]["name"])
    wait_for(lambda: not queues.all(VERSION, "Workload"), WITHIN_S, "the jobs to leave the queue")


async def lendable(jobs: Cluster, gib: int, card_gib: int = 80) -> None:
    """Have the agent say what can be lent of its card, and the quota follow."""
    (agent,) = jobs.world.agents
    agent.gpus = (a_gpu(memory_mib=card_gib * GIB, lendable_mib=gib * GIB),)

    async def follows() -> bool:
        await agent.report()
        return quota(jobs.namespace) == gib

    await until(follows, WITHIN_S)


def quota(api: Api, name: str = QUEUE) -> int | None:
    return lent_quota_of(api.get(VERSION, "ClusterQueue", name))


def is_active(queue: Manifest) -> bool:
    conditions = queue.get("status", {}).get("conditions", ())
    return any(each["type"] == "Active" and each["status"] == "True" for each in conditions)


async def test_the_queues_of_a_quota_document_are_ready(queues: Api) -> None:
    for name in (QUEUE, "sublet-vision", "sublet-language-team-70745744"):
        wait_for(
            lambda name=name: is_active(queues.get(VERSION, "ClusterQueue", name)),
            WITHIN_S,
            lambda name=name: f"{queues.get(VERSION, 'ClusterQueue', name)}",
        )


async def test_the_quota_of_lent_room_is_what_agents_can_lend(jobs: Cluster) -> None:
    await until(lambda: quota(jobs.namespace) == 79, WITHIN_S)
    await lendable(jobs, 10)
    await lendable(jobs, 42)


async def test_an_admitted_job_runs_where_the_room_is(jobs: Cluster, node: str) -> None:
    job_id = await jobs.submit()
    await jobs.until_state(job_id, "running")
    (pod,) = await jobs.pods(job_id)
    assert pod["spec"]["nodeName"] == node
    (held,) = (s for s in jobs.world.service.ledger.slices.values() if s.is_job)
    assert (held.pod.uid, held.gpu.node) == (pod["metadata"]["uid"], node)
    await jobs.world.call("POST", f"jobs/{job_id}/cancel", jobs.token, {})
    await jobs.until_state(job_id, "cancelled")
    assert await jobs.pods(job_id) == []


async def test_a_job_without_quota_waits_in_kueue_s_words_until_a_slice_is_idle(
    jobs: Cluster,
) -> None:
    await lendable(jobs, 10)
    job_id = await jobs.submit()
    waiting = await jobs.until_state(job_id, "waiting", "quota for sublet.dev/lent")
    assert waiting["reason"].startswith("waits in the cluster's queue: ")
    assert await jobs.pods(job_id) == []
    await lendable(jobs, 30)
    await jobs.until_state(job_id, "running")


async def test_the_job_of_higher_priority_is_next(jobs: Cluster) -> None:
    await lendable(jobs, 10, card_gib=26)
    patient = await jobs.submit(priority=-10)
    await jobs.until_state(patient, "waiting", "quota for sublet.dev/lent")
    ordinary = await jobs.submit()
    await jobs.until_state(ordinary, "waiting", "quota for sublet.dev/lent")
    # All that the card has: one of the two.
    await lendable(jobs, 25, card_gib=26)
    await jobs.until_state(ordinary, "running")
    await jobs.until_state(patient, "waiting", "quota for sublet.dev/lent")


async def test_the_chart_s_queue_keeps_its_lent_quota_over_an_upgrade(
    kueue: Api, namespace: Api
) -> None:
    try:
        find_helm()
    except MissingError as missing:
        pytest.skip(f"no helm here: {missing}")
    name = f"{namespace.namespace}-{RELEASE}-lent"
    priorities = [{"name": "high", "from": 10, "value": 1000}]
    chart = {"kueue": {"enabled": True, "priorities": priorities}}

    def upgrade(values: dict[str, Any]) -> None:
        words = ("--namespace", namespace.namespace, "--server-side=true")
        run_helm(
            *("upgrade", "--install", RELEASE, CHART, *words),
            values=values,
            kubeconfig=kueue.plane.kubeconfig(),
        )

    upgrade(chart)
    try:
        wait_for(lambda: is_active(kueue.get(VERSION, "ClusterQueue", name)), WITHIN_S, "the queue")
        service = await connect(str(namespace.account_kubeconfig(RELEASE)))
        queue = await service.get(CLUSTER_QUEUES, None, name)
        await service.patch(CLUSTER_QUEUES, None, name, with_lent_quota(queue, 7))
        await service.close()
        assert quota(kueue, name) == 7
        upgrade({"kueue": {**chart["kueue"], "cpu": "64"}})
        assert quota(kueue, name) == 7
    finally:
        run_helm(
            *("uninstall", RELEASE, "--namespace", namespace.namespace),
            kubeconfig=kueue.plane.kubeconfig(),
        )
