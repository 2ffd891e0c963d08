"""Jobs as pods, from their submission to their end, over an API server that a test plays."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.factory import ClusterRuns
from sublet_hub.jobs.backends.kubernetes.objects.names import JOB_ID, MANAGED_BY
from sublet_hub.jobs.backends.kubernetes.objects.settings import SeveralNodes
from sublet_quota.amounts.node_amounts import NodeAmount

from tests.support.fake_agent import FakeAgent
from tests.support.fake_kube_api import FakeKube, way_into
from tests.support.hub_world import FakeHub, HubWorld, hub_world, until
from tests.support.jobs_on_kube import (
    JOBS,
    PODS,
    SETTINGS,
    ClusterByHand,
    JobsStory,
    RunsAhead,
    another_agent,
    owner_with_pods,
)

pytestmark = pytest.mark.asyncio

_EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}


async def an_agent(world: HubWorld) -> FakeAgent:
    return await world.agent(boot_id="another-machine")


async def test_a_job_becomes_a_pod_runs_and_is_done(story: JobsStory) -> None:
    await story.submit()
    name = await story.cluster.job()
    pod = story.cluster.make_pod(name)
    await story.until_state("placed", "looks for a node")
    story.cluster.run_pod(pod)
    await story.until_state("running")
    (held,) = story.gpu_slices()
    assert held.pod.name == pod
    # As much as its pod asks for, its slice's cap among it.
    assert held.takes == NodeAmount(1000, 4096 + held.memory_mib)
    story.cluster.prints(pod, b'so far\n\x1e{"cell": 1, "total": 2, "state": "done"}\n')

    async def told() -> bool:
        return (await story.job())["cells_done"] == 1

    await until(told, within_s=60)
    story.cluster.prints(pod, b'\x1e{"ended": true, "ok": true}\nthe last word\n')
    story.cluster.end_pod(pod)
    job = await story.until_state("done")
    assert job["exit_code"] == 0
    assert job["output_notebook"].endswith("/train.ipynb")
    _, log = await story.world.call("GET", f"jobs/{story.job_id}/log", story.token)
    assert log["text"] == "so far\nthe last word\n"
    assert story.gpu_slices() == []
    await until(lambda: story.kube.names(JOBS) == [], within_s=60)


async def test_the_agent_knows_the_jobs_slice_by_its_pod(story: JobsStory) -> None:
    pod = await story.running()
    uid = story.kube.objects[f"{PODS}/{pod}"]["metadata"]["uid"]
    (agent,) = story.world.agents
    await agent.until(lambda: [s.pod_uid for s in agent.assignments.slices] == [uid], within_s=60)


async def test_a_slice_follows_its_job_to_the_node_that_the_cluster_chose(story: JobsStory) -> None:
    other = await another_agent(story.world)
    await story.submit()
    pod = story.cluster.make_pod(await story.cluster.job(), node="node-b")
    story.cluster.run_pod(pod, "node-b")
    await story.until_state("running")
    (held,) = story.gpu_slices()
    assert (held.gpu.node, held.gpu.gpu_id) == (other.node, "SIM-9")


async def test_a_failed_cell_is_told_and_tried_again_as_often_as_asked(story: JobsStory) -> None:
    said = {"ended": True, "ok": False, "error": {"cell": 2, "name": "ValueError", "message": "x"}}
    await story.submit(retries=1)
    for attempt in (1, 2):
        await until(
            lambda n=attempt: [j.rsplit("-", 1)[1] for j in story.kube.names(JOBS)] == [str(n)],
            within_s=60,
        )
        pod = story.cluster.make_pod(await story.cluster.job())
        story.cluster.run_pod(pod)
        await story.until_state("running")
        story.cluster.end_pod(pod, 1, said)
        if attempt == 1:
            await until(lambda p=pod: _is_gone(story, p), within_s=60)
    job = await story.until_state("failed", "cell 2: ValueError: x")
    assert job["attempts"] == 2
    assert job["exit_code"] == 1


def _is_gone(story: JobsStory, pod: str) -> bool:
    story.cluster.collect_garbage()
    return pod not in story.kube.names(PODS)


async def test_a_job_whose_pod_was_preempted_goes_on_from_where_it_was_in_a_new_pod(
    story: JobsStory,
) -> None:
    pod = await story.running()
    first = await story.cluster.job()
    preempted = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    story.cluster.end_pod(pod, 143, conditions=preempted)
    await until(lambda: _is_gone(story, pod), within_s=60)
    await until(lambda: story.kube.names(JOBS) not in ([], [first]), within_s=60)
    second = await story.cluster.job()
    requests = [
        story.cluster.manifest(second)["spec"]["template"]["metadata"]["annotations"],
    ]
    assert "sublet-jobs/train-" in str(requests)
    story.cluster.run_pod(story.cluster.make_pod(second))
    job = await story.until_state("running")
    assert (job["attempts"], job["failed_attempts"]) == (2, 0)


async def test_why_a_pod_was_taken_is_told_when_only_the_job_is_left_that_made_it(
    story: JobsStory,
) -> None:
    pod = await story.running()
    story.kube.change(f"{PODS}/{pod}", status={"conditions": [_EVICTED]})
    await story.some_rounds()
    assert "took its pod away: EvictionByEvictionAPI" in await _why_it_went_back(story, pod)


async def test_why_a_pod_was_taken_is_told_when_it_had_gone_before_anybody_looked(
    story: JobsStory,
) -> None:
    pod = await story.running()
    # All in one breath: no round comes between.
    story.kube.change(f"{PODS}/{pod}", status={"conditions": [_EVICTED]})
    assert "took its pod away: EvictionByEvictionAPI" in await _why_it_went_back(story, pod)


async def test_without_a_word_of_its_pod_that_of_the_job_is_told(story: JobsStory) -> None:
    pod = await story.running()
    assert "ended it: BackoffLimitExceeded" in await _why_it_went_back(story, pod)


async def _why_it_went_back(story: JobsStory, pod: str) -> str:
    """Fail the job for its pod and remove that; return what its owner reads of it."""
    (job,) = story.kube.names(JOBS)
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    story.kube.change(f"{JOBS}/{job}", status={"conditions": [failed]})
    story.kube.remove(f"{PODS}/{pod}")
    await story.some_rounds()
    # What it printed last is there now.
    story.kube.running_logs.discard(f"{PODS}/{pod}")
    await until(lambda: story.kube.names(JOBS) not in ([], [job]), within_s=60)
    _, events = await story.world.call("GET", "events", story.token)
    (back,) = [event for event in events if event["kind"] == "job-went-back"]
    return str(back["detail"])


async def test_a_job_that_is_cancelled_is_removed_and_its_slice_is_free_when_its_pod_has_gone(
    story: JobsStory,
) -> None:
    pod = await story.running()
    await story.world.call("POST", f"jobs/{story.job_id}/cancel", story.world.admin(), {})
    await until(lambda: story.kube.names(JOBS) == [], within_s=60)
    assert story.gpu_slices()
    assert (await story.job())["state"] == "running"
    story.kube.running_logs.discard(f"{PODS}/{pod}")
    story.kube.remove(f"{PODS}/{pod}")
    await story.until_state("cancelled", "by an admin")
    assert story.gpu_slices() == []


@pytest.mark.parametrize("settings", [replace(SETTINGS, log_bytes=2**20)])
async def test_a_job_that_prints_empty_lines_is_ended_for_its_log(story: JobsStory) -> None:
    pod = await story.running()
    story.cluster.prints(pod, b"\n" * 40_000)
    await until(lambda: story.kube.names(JOBS) == [], within_s=60)
    story.kube.running_logs.discard(f"{PODS}/{pod}")
    story.kube.remove(f"{PODS}/{pod}")
    await story.until_state("failed", "its log, with the time of each line, grew beyond 1 MiB")


async def test_a_job_that_is_cancelled_before_its_pod_runs_leaves_nothing(story: JobsStory) -> None:
    await story.submit()
    await story.cluster.job()
    await story.until_state("placed")
    await story.world.call("POST", f"jobs/{story.job_id}/cancel", story.token, {})
    await until(lambda: story.kube.names(JOBS) == [], within_s=60)
    assert (await story.job())["state"] == "cancelled"


async def test_a_service_that_starts_again_takes_its_jobs_up(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    cluster = ClusterByHand(kube)
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, runs=ClusterRuns(api, SETTINGS)) as world,
    ):
        await an_agent(world)
        story = JobsStory(world, cluster, await owner_with_pods(world))
        pod = await story.running()
        cluster.prints(pod, b'before\n\x1e{"cell": 1, "total": 2, "state": "done"}\n')

        async def told() -> bool:
            return (await story.job())["cells_done"] == 1

        await until(told, within_s=60)
        (held,) = story.gpu_slices()
    cluster.prints(pod, b'after\n\x1e{"ended": true, "ok": true}\n')
    cluster.end_pod(pod)
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, runs=ClusterRuns(api, SETTINGS)) as world,
    ):
        again = JobsStory(world, cluster, story.token)
        again.job_id = story.job_id
        assert [s.slice_id for s in again.gpu_slices()] in ([held.slice_id], [])
        await again.until_state("done")
        _, log = await world.call("GET", f"jobs/{story.job_id}/log", story.token)
        assert log["text"] == "before\nafter\n"
        assert (await again.job())["attempts"] == 1


async def test_a_job_that_vanished_while_the_service_was_away_goes_back_to_the_queue(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    cluster = ClusterByHand(kube)
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, runs=ClusterRuns(api, SETTINGS)) as world,
    ):
        await an_agent(world)
        story = JobsStory(world, cluster, await owner_with_pods(world))
        await story.running()
    for path in [*(f"{JOBS}/{n}" for n in kube.names(JOBS))]:
        kube.remove(path)
    cluster.collect_garbage()
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, runs=ClusterRuns(api, SETTINGS)) as world,
    ):
        again = JobsStory(world, cluster, story.token)
        again.job_id = story.job_id
        await again.until_state("waiting")
        assert (await again.job())["attempts"] == 1


async def test_objects_of_no_job_are_removed_and_others_left_alone(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    ours = {"app.kubernetes.io/managed-by": "sublet", "sublet.dev/job-id": "ffffffffffff"}
    kube.put(f"{JOBS}/sublet-ffffffffffff-1", {"metadata": {"labels": ours}})
    kube.put(f"{JOBS}/somebody-elses", {"metadata": {"labels": {"app": "other"}}})
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, runs=ClusterRuns(api, SETTINGS)),
    ):
        await until(lambda: kube.names(JOBS) == ["somebody-elses"], within_s=60)


async def test_a_pod_that_finds_no_node_gives_its_place_back(story: JobsStory) -> None:
    await story.submit()
    name = await story.cluster.job()
    full = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes available"}]
    story.cluster.make_pod(name, conditions=full)
    await story.until_state("placed", "0/1 nodes available")
    assert ("DELETE", f"{JOBS}/{name}") not in story.kube.asked
    story.pass_time(SETTINGS.pending_for + timedelta(seconds=1))
    await until(lambda: ("DELETE", f"{JOBS}/{name}") in story.kube.asked, within_s=60)


async def test_what_kubernetes_refuses_for_good_fails_the_job_with_its_words(
    story: JobsStory,
) -> None:
    story.kube.refuses["POST", JOBS] = (422, "the policy forbids it")
    await story.submit()
    job = await story.until_state("failed")
    assert "the policy forbids it" in job["reason"]
    assert job["reason_code"] == "cluster-refused"


async def test_a_namespace_without_room_for_a_job_has_it_wait(
    tmp_path: Path, hub: FakeHub, kube: FakeKube
) -> None:
    full = "jobs.batch is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: 9"
    kube.refuses["POST", JOBS] = (403, full)
    async with (
        way_into(kube) as api,
        hub_world(tmp_path, hub, runs=(runs := RunsAhead(api, SETTINGS))) as world,
    ):
        await an_agent(world)
        story = JobsStory(world, ClusterByHand(kube), await owner_with_pods(world))
        await story.submit()
        await story.until_state("placed", "exceeded quota: few")
        kube.refuses.clear()
        runs.ahead = timedelta(seconds=15)
        await story.cluster.job()


async def test_an_api_server_that_fails_for_a_while_is_asked_again(story: JobsStory) -> None:
    story.kube.refuses["POST", JOBS] = (503, "etcd is away")
    await story.submit()
    await until(lambda: ("POST", JOBS) in story.kube.asked, within_s=60)
    assert (await story.job())["state"] == "placed"
    story.kube.refuses.clear()
    await story.until_in_time(lambda: story.kube.names(JOBS) != [])


@pytest.mark.parametrize("forget", [False, True])
async def test_watches_that_break_off_are_taken_up_again(story: JobsStory, *, forget: bool) -> None:
    await story.submit()
    name = await story.cluster.job()
    story.kube.end_watches(forget=forget)
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state("running")


async def test_an_owner_whose_pods_are_not_known_is_told_to_start_a_server(
    story: JobsStory,
) -> None:
    await story.world.slice_for("bob")
    token = story.world.user("bob")
    body = {"notebook": "train.ipynb"}
    status, problem = await story.world.call("POST", "jobs", token, body)
    assert status in {403, 409}, problem
    assert "start a notebook server once" in problem["message"]


async def test_several_gpus_are_refused_without_kueue(story: JobsStory) -> None:
    body = {"notebook": "train.ipynb", "gpus": 2}
    status, problem = await story.world.call("POST", "jobs", story.token, body)
    assert status >= 400
    assert "Kueue" in problem["message"]


async def test_a_pod_that_a_dead_node_keeps_does_not_end_the_one_that_took_its_place(
    story: JobsStory,
) -> None:
    await story.submit()
    name = await story.cluster.job()
    pod = story.cluster.make_pod(name)
    left = story.kube.objects[f"{PODS}/{pod}"]
    made_by = [{"kind": "Job", "name": name, "uid": "before", "controller": True}]
    deleted = {"deletionTimestamp": "2026-11-24T08:00:00Z", "ownerReferences": made_by}
    story.kube.put(
        f"{PODS}/{name}-zzzzz",
        {**left, "metadata": {**left["metadata"], **deleted}, "status": {"phase": "Running"}},
    )
    story.cluster.run_pod(pod)
    await story.until_state("running")
    story.cluster.end_pod(pod)
    await story.until_state("done")
    assert (await story.job())["attempts"] == 1


@pytest.mark.parametrize("container", ["job", "node"])
async def test_a_jobs_log_is_that_of_the_container_that_runs_it(
    kube: FakeKube, container: str
) -> None:
    pod, labels = "sublet-0123456789ab-1-node-0-0-xyz", {JOB_ID: "0123456789ab"}
    beside = {"name": "proxy"}
    kube.put(
        f"{PODS}/{pod}",
        {
            "metadata": {"labels": {**labels, MANAGED_BY: "sublet"}},
            "spec": {"containers": [beside, {"name": container}]},
        },
    )
    kube.logs[f"{PODS}/{pod}"] = b"so far\n"
    settings = replace(SETTINGS, several_nodes=SeveralNodes.TRAIN_JOB)
    async with way_into(kube) as api:
        cluster = JobsInCluster(api, settings, several_nodes=True)
        cluster.start()
        await until(lambda: cluster.synced)
        assert b"".join([part async for part in cluster.log(pod)]).endswith(b" so far\n")
        await cluster.close()
