"""Jobs that Kueue queues: its objects from the quota document, its word, and the lent quota."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from click.testing import CliRunner
from sublet_hub.app.kueue_objects import main
from sublet_hub.jobs.backends.kubernetes.lent_quota import LentQuota
from sublet_hub.jobs.backends.kubernetes.objects.kueue import (
    CardsOfType,
    KueueNames,
    flavor_of,
    group_queue,
    lent_quota_of,
    priority_objects,
    queue_objects,
    with_lent_quota,
)
from sublet_hub.jobs.backends.kubernetes.objects.names import JOB_ID, MANAGED_BY
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings
from sublet_quota.document.reading import read_quota_document

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.fake_kube_api import FakeKube, fake_kube, way_into
from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.jobs_on_kube import (
    GROUPS_OF_QUEUES,
    JOBS,
    NAMESPACE,
    SETTINGS,
    ClusterByHand,
    RunsAhead,
    owner_with_pods,
)

EXPECTED = Path(__file__).parent / "expected" / "kueue-objects.yaml"
H100 = CardsOfType(80 * 1024, (("gpu", "hopper"),))
QUEUE = "/apis/kueue.x-k8s.io/v1beta2/clusterqueues/sublet-lent"
WORKLOADS = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/workloads"
JOB_SETS = f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{NAMESPACE}/jobsets"


def test_queues_are_as_the_file_says() -> None:
    document = read_quota_document(GROUPS_OF_QUEUES)
    made = [
        *queue_objects(document, KueueNames(NAMESPACE), 40, {"H100": H100}),
        *priority_objects(((10, "sublet-high"), (0, "sublet-normal"))),
    ]
    if os.environ.get("SUBLET_WRITE_EXPECTED"):
        EXPECTED.write_text(yaml.safe_dump_all(made, sort_keys=False, width=100))
    assert made == list(yaml.safe_load_all(EXPECTED.read_text()))


def test_no_two_groups_have_the_same_queue_nor_that_of_lent_room() -> None:
    groups = ("ml-team", "ml_team", "ML-Team", "ml.team", "ml-team-", "lent", "données", "研究")
    groups += ("a" * 70, "a" * 71, "研究所")
    queues = [group_queue(group, KueueNames(NAMESPACE)) for group in groups]
    assert len({*queues, "sublet-lent"}) == len(groups) + 1
    assert queues[0] == "sublet-ml-team"
    for queue in queues:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", queue), queue


def test_a_queue_of_lent_room_that_has_a_groups_name_is_not_the_groups() -> None:
    names = KueueNames(NAMESPACE, lent_queue="gpu-vision", prefix="gpu-")
    assert group_queue("vision", names).startswith("gpu-vision-")


def a_queue(units: int = 0) -> dict[str, Any]:
    (queue,) = (
        each
        for each in queue_objects(read_quota_document(""), KueueNames(NAMESPACE), units)
        if each["kind"] == "ClusterQueue"
    )
    return queue


def test_the_lent_quota_is_changed_and_nothing_else() -> None:
    before = {**a_queue(3), "metadata": {"name": "sublet-lent", "resourceVersion": "7"}}
    change = with_lent_quota(before, 55)
    assert change["metadata"] == {"resourceVersion": "7"}
    after = {**before, "spec": {**before["spec"], **change["spec"]}}
    assert lent_quota_of(before) == 3
    assert lent_quota_of(after) == 55
    assert with_lent_quota(after, 3)["spec"]["resourceGroups"] == before["spec"]["resourceGroups"]


class Story:
    def __init__(
        self, world: HubWorld, agent: FakeAgent, kube: FakeKube, token: str, runs: RunsAhead
    ) -> None:
        self.world = world
        self.runs = runs
        self.agent = agent
        self.kube = kube
        self.cluster = ClusterByHand(kube)
        self.token = token

    async def submit(self, **request: Any) -> str:
        body = {"notebook": "train.ipynb", "memory_mib": 20 * 1024, **request}
        status, job = await self.world.call("POST", "jobs", self.token, body)
        assert status < 300, job
        return str(job["job_id"])

    async def forecast(self, **request: Any) -> dict[str, Any]:
        body = {"notebook": "train.ipynb", "memory_mib": 20 * 1024, **request}
        _, answer = await self.world.call("POST", "jobs/forecast", self.token, body)
        return dict(answer)

    async def two_gpus(self) -> None:
        self.agent.gpus = (a_gpu("SIM-0"), a_gpu("SIM-1"))
        await self.agent.report()
        await until(lambda: len(self.world.service.ledger.gpus) == 2, within_s=60)

    async def until_state(self, job_id: str, state: str, words: str = "") -> None:
        async def is_so() -> bool:
            self.cluster.collect_garbage()
            _, job = await self.world.call("GET", f"jobs/{job_id}", self.token)
            return job["state"] == state and words in job["reason"]

        await until(is_so, within_s=60)

    @property
    def quota(self) -> int | None:
        return lent_quota_of(self.kube.objects[QUEUE])

    def reset_quota(self, amount: str) -> None:
        groups = a_queue()["spec"]["resourceGroups"]
        groups[0]["flavors"][0]["resources"][-1]["nominalQuota"] = amount
        self.kube.change(QUEUE, spec={"resourceGroups": groups})


@pytest_asyncio.fixture
async def story(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Story]:
    settings = replace(SETTINGS, kueue=KueueSettings("sublet-lent", "sublet-lent"))
    async with fake_kube() as kube, way_into(kube) as api:
        kube.put(QUEUE, a_queue())
        runs = RunsAhead(api, settings)
        async with hub_world(tmp_path, hub, runs=runs) as world:
            agent = await world.agent(boot_id="another-machine")
            yield Story(world, agent, kube, await owner_with_pods(world), runs)


@pytest.mark.asyncio
async def test_the_quota_of_lent_room_follows_what_agents_can_lend(story: Story) -> None:
    await until(lambda: story.quota == 79, within_s=60)
    story.agent.gpus = (a_gpu(lendable_mib=10 * 1024),)
    await story.agent.report()
    await until(lambda: story.quota == 10, within_s=60)


@pytest.mark.asyncio
@pytest.mark.parametrize("amount", ["3", "1k"])
async def test_a_quota_that_somebody_else_has_reset_is_written_again(
    story: Story, amount: str
) -> None:
    await until(lambda: story.quota == 79, within_s=60)
    story.reset_quota(amount)
    assert story.quota != 79
    story.runs.ahead = timedelta(seconds=61)
    await until(lambda: story.quota == 79, within_s=60)


@pytest.mark.asyncio
async def test_a_quota_is_not_read_each_time(story: Story) -> None:
    await until(lambda: story.quota == 79, within_s=60)
    for units in (10, 42):
        story.agent.gpus = (a_gpu(lendable_mib=units * 1024),)
        await story.agent.report()
        await until(lambda units=units: story.quota == units, within_s=60)
    assert 3 <= story.kube.asked.count(("GET", QUEUE)) <= 4


@pytest.mark.asyncio
async def test_whatever_happens_the_quota_is_kept_on(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def speaking(self) -> None:
            message = "whatever"
            raise RuntimeError(message)

    stores = replace(story.runs.stores, fleet=Broken())  # type: ignore[arg-type]
    async with way_into(story.kube) as api:
        keeping = asyncio.create_task(LentQuota(api, stores, "sublet-lent", 1024).run())
        await until(lambda: "whatever" in caplog.text, within_s=60)
        assert not keeping.done()
        keeping.cancel()


@pytest.mark.asyncio
async def test_kueue_says_who_is_next_and_why_the_others_wait(story: Story) -> None:
    job_id = await story.submit()
    name = await story.cluster.job()
    assert story.cluster.manifest(name)["spec"]["suspend"] is True
    story.kube.put(
        f"{WORKLOADS}/job-{name}",
        {
            "metadata": {"ownerReferences": [{"kind": "Job", "name": name, "controller": True}]},
            "status": {
                "conditions": [
                    {"type": "QuotaReserved", "status": "False", "message": "needs 20 more"}
                ]
            },
        },
    )
    await story.until_state(job_id, "waiting", "needs 20 more")
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state(job_id, "running")
    (held,) = (s for s in story.world.service.ledger.slices.values() if s.is_job)
    assert held.gpu.node == "node-a"
    variables = story.cluster.manifest(name)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "SUBLET_SLICE_ID", "value": held.slice_id} in variables


@pytest.mark.asyncio
async def test_a_forecast_leaves_to_kueue_when_a_job_begins(story: Story) -> None:
    await until(lambda: story.quota == 79, within_s=60)
    answer = await story.forecast(gpus=1)
    assert answer["allowed"]
    assert answer["expected_wait_s"] is None
    assert answer["message"] == (
        "A GPU has room for it now. In any case the cluster's queue decides when it begins."
    )
    await story.two_gpus()
    answer = await story.forecast(gpus=2)
    assert answer["allowed"]
    assert answer["expected_wait_s"] is None
    assert answer["message"] == (
        "It needs 2 GPUs at once: the cluster's queue decides when it begins."
    )


@pytest.mark.asyncio
async def test_more_gpus_than_there_are_are_refused(story: Story) -> None:
    answer = await story.forecast(gpus=64)
    assert not answer["allowed"]
    assert "asks for 64 GPUs, each another, and there is 1" in answer["message"]
    assert answer["problem"]["numbers"] == {"asked_gpus": 64, "most_gpus": 1}


@pytest.mark.asyncio
async def test_a_job_whose_room_kueue_takes_goes_back_and_is_queued_anew(story: Story) -> None:
    job_id = await story.submit()
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    pod = story.cluster.make_pod(name)
    story.cluster.run_pod(pod)
    await story.until_state(job_id, "running")
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": True})
    story.kube.running_logs.clear()
    story.kube.remove(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}")
    await until(lambda: story.kube.names(JOBS) not in ([], [name]), within_s=60)
    await story.until_state(job_id, "waiting")


@pytest.mark.asyncio
async def test_a_job_on_several_gpus_is_a_job_set(story: Story) -> None:
    await story.two_gpus()
    await story.submit(gpus=2)
    await until(lambda: len(story.kube.names(JOB_SETS)) == 1, within_s=60)


@pytest.mark.asyncio
async def test_a_job_on_several_gpus_that_is_cancelled_before_it_runs_leaves_no_slice(
    story: Story,
) -> None:
    await story.two_gpus()
    job_id = await story.submit(gpus=2)
    await until(lambda: len(story.kube.names(JOB_SETS)) == 1, within_s=60)
    (name,) = story.kube.names(JOB_SETS)
    story.kube.change(f"{JOB_SETS}/{name}", spec={"suspend": False})
    for rank in range(2):
        pod = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}-workers-0-{rank}-abcde"
        labels = {JOB_ID: job_id, MANAGED_BY: "sublet"}
        spec = {"nodeName": "node-a", "containers": [{"name": "job"}]}
        status = {"phase": "Pending"}
        story.kube.put(pod, {"metadata": {"labels": labels}, "spec": spec, "status": status})
    slices = story.world.service.ledger.slices
    await until(lambda: len([s for s in slices.values() if s.job_id == job_id]) == 2, within_s=60)
    answer = await story.world.call("POST", f"jobs/{job_id}/cancel", story.token)
    assert answer[0] == 200, answer
    assert [s for s in slices.values() if s.job_id == job_id] == []


def test_the_objects_can_be_printed_for_kubectl(tmp_path: Path) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text(GROUPS_OF_QUEUES)
    options = ["--quota-file", str(file), "--namespace", NAMESPACE, "--lent-units", "40"]
    options += ["--card", "H100=80GiB", "--node-label", "H100=gpu=hopper"]
    options += ["--priority", "10=sublet-high", "--priority", "0=sublet-normal"]
    answer = CliRunner().invoke(main, options)
    assert answer.exit_code == 0, answer.output
    assert list(yaml.safe_load_all(answer.output)) == list(yaml.safe_load_all(EXPECTED.read_text()))
    answer = CliRunner().invoke(main, [*options, "--no-lent-queue", "--gpu-memory", "gpumem"])
    made = list(yaml.safe_load_all(answer.output))
    assert "sublet-lent" not in {each["metadata"]["name"] for each in made}
    (vision,) = (
        each
        for each in made
        if (each["kind"], each["metadata"]["name"]) == ("ClusterQueue", "sublet-vision")
    )
    assert vision["spec"]["resourceGroups"][0]["coveredResources"] == ["cpu", "memory", "gpumem"]
    file.write_text("groups: 3")
    assert CliRunner().invoke(main, options).exit_code == 1


def test_the_memory_of_a_card_is_asked_for_where_quotas_need_it(tmp_path: Path) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text(GROUPS_OF_QUEUES)
    answer = CliRunner().invoke(main, ["--quota-file", str(file), "--namespace", NAMESPACE])
    assert answer.exit_code == 1
    assert "say how much memory a card has: --card H100=80GiB" in answer.output


def test_a_group_with_groups_in_it_is_a_cohort_and_its_direct_members_have_the_queue() -> None:
    document = read_quota_document(
        """
        gpu_types: {H100: {match: "*H100*"}}
        groups:
          uni:
            guaranteed: {H100: 3}
            weight: 2
            groups: {lab: {guaranteed: {H100: 1}, limit: {H100: 2}}}
        """
    )
    names = KueueNames(NAMESPACE, lent_queue="")
    made = queue_objects(document, names, 0, {"H100": CardsOfType(1000)})
    (cohort,) = (each for each in made if each["kind"] == "Cohort")
    queues = {each["metadata"]["name"]: each for each in made if each["kind"] == "ClusterQueue"}
    assert cohort["metadata"]["name"] == "sublet-uni"
    assert cohort["spec"]["parentName"] == "sublet"
    assert cohort["spec"]["fairSharing"] == {"weight": "2"}
    assert {each["spec"]["cohortName"] for each in queues.values()} == {"sublet-uni"}

    def quota_of(spec: dict[str, Any]) -> dict[str, str]:
        (flavor,) = spec["resourceGroups"][0]["flavors"]
        assert flavor["name"] == flavor_of("H100", names)
        return dict(flavor["resources"][-1])

    assert quota_of(cohort["spec"])["nominalQuota"] == "2000"
    assert quota_of(queues["sublet-uni"]["spec"])["nominalQuota"] == "0"
    of_lab = quota_of(queues["sublet-lab"]["spec"])
    assert (of_lab["nominalQuota"], of_lab["borrowingLimit"]) == ("1000", "1000")
