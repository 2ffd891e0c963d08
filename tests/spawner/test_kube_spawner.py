"""The life of a server on Kubernetes, over a fake service and a fake API server."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.api import Problem

from tests.spawner.kube_world import POD, a_world
from tests.spawner.real_hub import until
from tests.spawner.spawners import WORDS, after_a_restart, refusal_of
from tests.support.kube_spawner import environment_in

pytestmark = pytest.mark.asyncio


async def test_a_start_gets_a_slice_and_writes_it_into_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.user_options = {"size": "large"}
        world.service.lease_changes = {"simulated": False}
        slice_id = await world.started()
        (request,) = world.service.requests
        assert (request.owner, request.groups, request.size) == ("ada", ("research",), "large")
        assert (request.account.uid, request.account.gid) == (1000, 100)
        assert (request.account.home, request.account.python) == ("/home/jovyan", "python3")
        assert world.pod["metadata"]["labels"]["sublet.dev/slice"] == slice_id
        variables = environment_in(world.pod)
        assert variables["SUBLET_SLICE_ID"] == slice_id
        assert variables["SUBLET_MEMORY_MIB"] == "40960"
        assert world.pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


async def test_the_service_is_told_of_the_pod_when_it_exists_and_when_it_has_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        task = await world.starting()
        (slice_id,) = world.service.slices
        told = world.service.pods
        await world.until(lambda: told.get(slice_id), "the pod told")
        assert told[slice_id][0].node is None
        assert told[slice_id][0].pod_uid == world.pod["metadata"]["uid"]
        assert told[slice_id][0].pod_name == POD
        world.cluster.schedule(POD, "node-7")
        await world.until(lambda: told[slice_id][-1].node == "node-7", "the node told")
        assert not task.done()
        world.cluster.run(POD, "node-7")
        await task


@pytest.mark.parametrize(
    ("backend", "volumes", "claim"),
    [
        (
            "time-slicing",
            {"a": {"name": "h", "persistentVolumeClaim": {"claimName": "c-{username}"}}},
            "c-ada",
        ),
        ("time-slicing", [{"name": "h", "persistent_volume_claim": {"claimName": "c"}}], "c"),
        ("time-slicing", [{"name": "h", "nfs": {"server": "s", "path": "/"}}], ""),
        ("time-slicing", [], ""),
        ("volcano", [{"name": "h", "persistentVolumeClaim": {"claimName": "c"}}], None),
    ],
    ids=[
        "of the user",
        "in other letters",
        "no claim",
        "no volume",
        "the cluster chooses the node",
    ],
)
async def test_the_service_is_told_the_claim_of_the_home_where_it_chooses_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, volumes: Any, claim: str | None
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.simulated_socket = ""
        world.spawner._as_configured["slice_backend"] = backend
        world.service.problem = Problem(reason="no-room", message=WORDS)
        world.spawner.volumes = volumes
        if volumes:
            world.spawner.volume_mounts = [{"name": "h", "mountPath": "/home/"}]
        await refusal_of(world.spawner)
        (request,) = world.service.requests
        assert request.home_claim == claim


async def test_how_pods_are_made_is_told_for_jobs_and_holds_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "c"}}]
        world.spawner.volume_mounts = [{"name": "home", "mountPath": "/home/jovyan"}]
        world.spawner.extra_pod_config = {"runtimeClassName": "nvidia"}
        world.spawner.api_token = "token-canary"  # noqa: S105

        def hook(spawner: Any, pod: Any) -> Any:
            del spawner
            pod.spec.containers[0].image = "hooked:1"
            return pod

        world.spawner.modify_pod_hook = hook
        slice_id = await world.started()
        template = world.service.pods[slice_id][-1].template
        assert (template.image, template.runtime_class_name) == ("hooked:1", "nvidia")
        assert template.volumes[0]["persistentVolumeClaim"] == {"claimName": "c"}
        assert {mount["name"] for mount in template.volume_mounts} == {"home", "sublet-agent"}
        assert "token-canary" not in template.model_dump_json()


@pytest.mark.parametrize(("backend", "part"), [("time-slicing", None), ("mps", "under MPS")])
async def test_the_service_is_told_where_slices_must_never_be_suspended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, part: str | None
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = backend
        await world.started()
        (request,) = world.service.requests
        if part is None:
            assert request.never_suspended is None
        else:
            assert part in request.never_suspended


@pytest.mark.parametrize(
    ("backend", "cap", "compute"),
    [("time-slicing", ("framework", "watch"), None), ("hami", ("hami",), "by-hami")],
)
async def test_the_service_is_told_what_keeps_cap_and_share_under_the_backend(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    cap: tuple[str, ...],
    compute: str | None,
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = backend
        await world.started()
        (request,) = world.service.requests
        assert (request.cap_kept_by, request.compute_kept_by) == (cap, compute)


@pytest.mark.parametrize(
    ("memory_mib", "told"),
    [(81919, ("framework", "watch")), (10240, None)],
    ids=["a whole card", "a part"],
)
async def test_of_a_whole_card_under_kai_the_service_is_told_what_keeps_that_cap(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    memory_mib: int,
    told: tuple[str, ...] | None,
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "kai"
        settings = {"kai": {"sharing_mode": "HamiCore", "unit": "fraction"}}
        world.spawner._as_configured["slice_backend_settings"] = settings
        world.service.lease_changes = {"memory_mib": memory_mib, "simulated": False}
        slice_id = await world.started()
        (request,) = world.service.requests
        assert request.cap_kept_by == ("hami",)
        assert {pod.cap_kept_by for pod in world.service.pods[slice_id]} == {told}


async def test_a_stop_removes_the_pod_and_gives_the_slice_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        slice_id = await world.started()
        assert await world.spawner.poll() is None
        await world.spawner.stop()
        assert ("pods", POD) not in world.cluster.objects
        assert world.service.released == [slice_id]
        assert await world.spawner.poll() == 1
        assert world.service.released == [slice_id]


async def test_a_crash_gives_the_slice_back_at_the_next_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        slice_id = await world.started()
        world.cluster.end(POD, 137)

        async def crashed() -> bool:
            return await world.spawner.poll() is not None

        await until(crashed, 60, "the crash seen")
        assert slice_id in world.service.released
        assert world.service.slices == {}
        assert "sublet" not in world.spawner.get_state()


async def test_a_pod_that_never_gets_a_node_gives_its_slice_back_when_the_hub_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        task = await world.starting()
        (slice_id,) = world.service.slices
        assert await world.spawner.poll() is None
        await world.gives_up(task)
        assert task.cancelled()
        assert world.service.released == []
        assert world.spawner._following is None
        await world.spawner.stop()
        assert world.service.released == [slice_id]
        assert ("pods", POD) not in world.cluster.objects


async def test_a_pod_of_before_is_removed_without_giving_the_new_slice_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        labels = {"component": "singleuser-server"}
        old = {"metadata": {"name": POD, "labels": labels}, "spec": {"containers": []}}
        world.cluster.create("pods", old)
        old_uid = world.pod["metadata"]["uid"]
        task = world.spawner.start()

        def is_new() -> bool:
            there = world.cluster.objects.get(("pods", POD))
            return there is not None and there["metadata"]["uid"] != old_uid

        await world.until(is_new, "the new pod")
        world.cluster.run(POD)
        await task
        (slice_id,) = world.service.slices
        assert world.service.released == []
        assert world.pod["metadata"]["labels"]["sublet.dev/slice"] == slice_id
        assert world.service.pods[slice_id][-1].pod_uid == world.pod["metadata"]["uid"]


async def test_a_slice_survives_a_restart_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        slice_id = await world.started()
        state = world.spawner.get_state()
        assert json.loads(json.dumps(state)) == state
        assert state["sublet"]["slice_id"] == slice_id
        assert state["sublet"]["pod"]["node"] == "node-1"
        world.service.pods.clear()
        again = after_a_restart(world.spawner)
        again.namespace = "hub"
        assert await again.poll() is None
        assert world.service.pods[slice_id][0].pod_uid == world.pod["metadata"]["uid"]
        world.service.calls.clear()
        assert await again.poll() is None
        assert world.service.calls == []
        await again.stop()
        assert world.service.released == [slice_id]


async def test_a_hub_killed_while_the_pod_waited_tells_its_node_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        task = await world.starting()
        (slice_id,) = world.service.slices
        await world.until(lambda: slice_id in world.service.pods, "the pod told")
        again = after_a_restart(world.spawner)
        await world.gives_up(task)
        world.cluster.schedule(POD, "node-7")

        async def told() -> bool:
            assert await again.poll() is None
            return world.service.pods[slice_id][-1].node == "node-7"

        await until(told, 60, "the node told")
        assert again.get_state()["sublet"]["slice_id"] == slice_id


async def test_progress_tells_of_the_slice_and_of_what_the_pod_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        messages: list[str] = []

        async def read() -> None:
            async for event in world.spawner.progress():
                assert "html_message" not in event
                messages.append(event["message"])

        task = await world.starting()
        reading = asyncio.create_task(read())
        scarce = "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes"
        world.cluster.no_node_for(POD, scarce)

        def said(part: str) -> Any:
            return lambda: any(part in message for message in messages)

        await world.until(said("of 2 nodes, 2 with too little memory free"), "no node")
        world.cluster.schedule(POD, "node-1")
        await world.until(said("Node node-1 prepares the server"), "the node")
        world.cluster.warn(POD, "FailedMount", 'MountVolume.SetUp failed for volume "sublet-agent"')
        await world.until(said("Node node-1 has no Sublet agent yet"), "the trouble")
        world.cluster.run(POD)
        await task
        (slice_id,) = world.service.slices
        world.service.reports[slice_id] = SliceReport(
            slice_id=slice_id,
            state="resident",
            active=True,
            since=datetime.now(UTC),
            gate_open=True,
            memory_mib=0,
        )
        await world.until(said("The slice is ready on node-1"), "the slice")
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert "Asking for a GPU slice: the default size" in messages
        assert any(message.startswith("Slice granted (size small)") for message in messages)
        assert any(message.startswith("Memory: ") for message in messages)
