"""Pods that the cluster has, and that do not begin: how long they may hold room, and what then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings, KueueSettings

from tests.support.hub_world import until
from tests.support.jobs_on_kube import JOBS, NAMESPACE, PODS, SETTINGS, JobsStory

pytestmark = pytest.mark.asyncio

KUEUE = replace(SETTINGS, kueue=KueueSettings("sublet-lent"))
FULL = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"


def warn(story: JobsStory, about: dict[str, str], reason: str, message: str) -> None:
    """Put a warning about an object, as of now, among the cluster's events."""
    event = {"type": "Warning", "reason": reason, "message": message, "involvedObject": about}
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    story.kube.put(f"{EVENTS}/told-{story.kube.version}", {**event, "lastTimestamp": now})


async def admitted_without_a_node(story: JobsStory) -> str:
    """Kueue lets the job begin, and no node takes its pod; returns the Job's uid."""
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    story.cluster.make_pod(name, conditions=FULL)

    async def is_seen() -> bool:
        # An attempt before it has left its words, and when it is queued again behind them.
        return str((await story.job())["reason"]).endswith("for it yet: 0/1 nodes are available")

    await until(is_seen, within_s=60)
    return str(story.cluster.manifest(name)["metadata"]["uid"])


@pytest.mark.parametrize("settings", [KUEUE])
async def test_what_kueue_admits_and_no_node_takes_leaves_its_quota_to_others_longer_each_time(
    story: JobsStory,
) -> None:
    await story.submit()
    seen = set()
    for minutes in (1, 2, 4):
        seen.add(await admitted_without_a_node(story))
        story.pass_time(SETTINGS.pending_for)
        await story.until_state(
            "waiting", f"0/1 nodes are available; it is queued again in {minutes} min"
        )
        await until(lambda: story.kube.names(JOBS) == [], within_s=60)
        story.pass_time(timedelta(minutes=minutes, seconds=-30))
        await story.some_rounds()
        assert story.kube.names(JOBS) == []
        story.pass_time(timedelta(seconds=31))
    name = await story.cluster.job()
    assert story.cluster.manifest(name)["metadata"]["uid"] not in seen
    assert (await story.job())["attempts"] == 0
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state("running")


@pytest.mark.parametrize("settings", [KUEUE])
async def test_a_pod_that_kueue_takes_before_it_has_a_node_leaves_its_job_in_the_queue(
    story: JobsStory,
) -> None:
    await story.submit()
    uid = await admitted_without_a_node(story)
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": True})
    await story.until_state("waiting", "waits in the cluster's queue")
    story.pass_time(2 * SETTINGS.pending_for)
    await story.some_rounds()
    assert story.cluster.manifest(name)["metadata"]["uid"] == uid


def waiting(reason: str, message: str = "") -> list[dict[str, Any]]:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return [{"name": "job", "state": state}]


@pytest.mark.parametrize("settings", [SETTINGS, KUEUE])
async def test_a_pod_that_has_a_node_and_does_not_begin_is_an_attempt_that_failed(
    story: JobsStory, settings: KubeJobSettings
) -> None:
    await story.submit(retries=1)
    for attempt in (1, 2):
        name = await story.job_of_attempt(attempt)
        if settings.kueue is not None:
            story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
        status = waiting("ImagePullBackOff", "Back-off pulling image x")
        story.cluster.make_pod(name, node="node-a", containerStatuses=status)
        await story.until_state("placed", "ImagePullBackOff: Back-off pulling image x")
        story.pass_time(2 * SETTINGS.pending_for)
        await story.some_rounds()
        assert (await story.job())["state"] == "placed"
        story.pass_time(SETTINGS.begins_within)
    job = await story.until_state("failed", "ImagePullBackOff: Back-off pulling image x")
    assert "has not begun within 30 min" in job["reason"]
    assert job["attempts"] == 2
    assert story.gpu_slices() == []


@pytest.mark.parametrize("may_read_events", [True, False])
async def test_for_what_a_container_waits_that_is_being_started_its_kubelet_says_in_events(
    story: JobsStory, *, may_read_events: bool
) -> None:
    if not may_read_events:
        story.kube.refuses["GET", EVENTS] = (403, "events is forbidden")
    await story.submit()
    status = waiting("ContainerCreating")
    pod = story.cluster.make_pod(await story.cluster.job(), node="node-a", containerStatuses=status)
    uid = story.kube.objects[f"{PODS}/{pod}"]["metadata"]["uid"]
    warn(story, {"uid": uid}, "FailedMount", "volume home is elsewhere")
    await story.until_state("placed", "is being started")
    story.pass_time(SETTINGS.begins_within + timedelta(seconds=1))
    job = await story.until_state("failed", "has not begun within 30 min")
    assert ("FailedMount: volume home is elsewhere" in job["reason"]) is may_read_events


async def test_room_is_not_held_for_a_job_whose_object_the_cluster_does_not_take(
    story: JobsStory,
) -> None:
    story.kube.refuses["POST", JOBS] = (503, "etcd is away")
    await story.submit()
    await story.until_state("placed", "etcd is away")
    (held,) = story.gpu_slices()
    story.pass_time(SETTINGS.pending_for + timedelta(seconds=1))

    def is_released() -> bool:
        return held.slice_id not in {each.slice_id for each in story.gpu_slices()}

    await until(is_released, within_s=60)


REFUSED = 'Error creating: Pod "x" is invalid: metadata.labels: Invalid value: "-5"'


@pytest.mark.parametrize("settings", [SETTINGS, KUEUE])
async def test_why_the_cluster_makes_no_pods_is_told_soon_and_keeps_no_quota_of_kueue(
    story: JobsStory, settings: KubeJobSettings
) -> None:
    await story.submit()
    name = await story.cluster.job()
    state = "placed" if settings.kueue is None else "waiting"
    if settings.kueue is not None:
        story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    await story.until_state(state, "its pods are being made")
    warn(story, {"kind": "Pod", "name": f"{name}-abcde"}, "FailedScheduling", "not of its maker")
    warn(story, {"kind": "Job", "name": "sublet-another-1"}, "FailedCreate", "not of this job")
    warn(story, {"kind": "Job", "name": name}, "FailedCreate", REFUSED)
    story.pass_time(timedelta(seconds=4))
    await story.until_state(state, f"the cluster makes no pods for it: FailedCreate: {REFUSED}")
    story.pass_time(timedelta(seconds=30))
    if settings.kueue is None:
        await story.some_rounds()
        assert story.kube.names(JOBS) == [name]
        return
    await story.until_state("waiting", f"{REFUSED}; it is queued again in 1 min")
    await until(lambda: story.kube.names(JOBS) == [], within_s=60)


@pytest.mark.parametrize("settings", [KUEUE])
async def test_pods_that_are_refused_only_at_first_lead_to_a_job_that_runs(
    story: JobsStory,
) -> None:
    await story.submit()
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    warn(story, {"kind": "Job", "name": name}, "FailedCreate", "failed calling webhook")
    await story.until_state("waiting", "its pods are being made")
    story.pass_time(timedelta(seconds=4))
    await story.until_state("waiting", "FailedCreate: failed calling webhook")
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state("running")
    story.pass_time(timedelta(seconds=60))
    await story.some_rounds()
    assert (await story.job())["state"] == "running"


@pytest.mark.parametrize("settings", [KUEUE])
async def test_where_events_may_not_be_read_a_job_without_pods_leaves_its_quota_later(
    story: JobsStory,
) -> None:
    story.kube.refuses["GET", EVENTS] = (403, "events is forbidden")
    await story.submit()
    name = await story.cluster.job()
    story.kube.change(f"{JOBS}/{name}", spec={"suspend": False})
    await story.until_state("waiting", "its pods are being made")
    story.pass_time(timedelta(seconds=60))
    await story.some_rounds()
    assert story.kube.names(JOBS) == [name]
    story.pass_time(SETTINGS.pending_for)
    await story.until_state("waiting", "its pods are being made; it is queued again in 1 min")


UNRECORDED = (403, "nothing is recorded yet: start your server again")
BY_THE_POLICY = (
    "ValidatingAdmissionPolicy 'jhub-sublet-owner-records' with binding "
    f"'jhub-sublet-owner-records' denied request: {UNRECORDED[1]}"
)


async def forbidden(story: JobsStory) -> None:
    """A job waits for what the cluster is to know of its owner's server; its owner reads so."""
    story.kube.refuses["POST", JOBS] = UNRECORDED
    story.kube.causes.append(BY_THE_POLICY)
    await story.submit()

    async def is_told() -> bool:
        return "nothing is recorded yet" in str((await story.job())["reason"])

    await until(is_told, within_s=60)


@pytest.mark.parametrize("settings", [SETTINGS, KUEUE])
async def test_what_a_role_or_a_webhook_forbids_fails_a_job_at_once(story: JobsStory) -> None:
    story.kube.refuses["POST", JOBS] = (403, "the account sublet cannot create jobs")
    await story.submit()
    job = await story.until_state("failed", "the account sublet cannot create jobs")
    assert job["reason_code"] == "cluster-refused"


@pytest.mark.parametrize("settings", [SETTINGS, KUEUE])
async def test_a_job_that_the_cluster_forbids_runs_once_its_owner_s_server_is_recorded(
    story: JobsStory, settings: KubeJobSettings
) -> None:
    await forbidden(story)
    state = "placed" if settings.kueue is None else "waiting"
    for _ in range(2):
        story.pass_time(timedelta(minutes=6))
        await story.until_state(state, "nothing is recorded yet")
    story.kube.refuses.clear()
    await story.until_in_time(lambda: story.kube.names(JOBS) != [])
    assert (await story.job())["attempts"] == 0


async def test_a_job_that_the_cluster_forbids_goes_back_so_that_others_have_its_place(
    story: JobsStory,
) -> None:
    await forbidden(story)
    (held,) = story.gpu_slices()
    story.pass_time(SETTINGS.pending_for + timedelta(seconds=1))
    await until(
        lambda: held.slice_id not in {each.slice_id for each in story.gpu_slices()}, within_s=60
    )
    await story.until_state("placed")


@pytest.mark.parametrize("settings", [SETTINGS, KUEUE])
async def test_a_job_that_is_forbidden_for_a_quarter_of_an_hour_fails_in_the_cluster_s_words(
    story: JobsStory,
) -> None:
    await forbidden(story)
    story.pass_time(timedelta(minutes=16))
    job = await story.until_state("failed", "nothing is recorded yet: start your server again")
    assert job["reason_code"] == "cluster-refused"


async def test_a_job_that_was_taken_once_is_given_as_long_when_it_is_forbidden_again(
    story: JobsStory,
) -> None:
    await forbidden(story)
    story.kube.refuses.clear()
    await story.until_in_time(lambda: story.kube.names(JOBS) != [])
    name = await story.cluster.job()
    story.cluster.run_pod(story.cluster.make_pod(name))
    await story.until_state("running")
    story.kube.refuses["POST", JOBS] = UNRECORDED
    story.pass_time(timedelta(minutes=20))
    story.kube.remove(f"{JOBS}/{name}")
    await story.until_state("placed", "nothing is recorded yet")
