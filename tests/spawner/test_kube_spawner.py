"""The life of a server on Kubernetes, over a fake service and a fake API server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubespawner import KubeSpawner
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.api import Problem
from sublet_spawner.kube import KubeSliceSpawner
from tornado.web import HTTPError

from tests.spawner.real_hub import until
from tests.spawner.spawners import a_spawner, after_a_restart
from tests.support.fake_service import FakeService, fake_service
from tests.support.kube_spawner import environment_in, point_clients_at
from tests.support.kube_spawner_api import FakeCluster, fake_cluster

pytestmark = pytest.mark.asyncio

POD = "jupyter-ada"
WORDS = "40 GiB <b>asked</b>, 10 GiB left: pick a smaller size"
PROFILES = [
    {"display_name": "Usual", "slug": "usual"},
    {
        "display_name": "Large",
        "slug": "large",
        "kubespawner_override": {"slice_size": "large", "image": "large:1"},
    },
    {"display_name": "CPU only", "slug": "cpu", "kubespawner_override": {"slice_size": "none"}},
    {
        "display_name": "Choose",
        "slug": "choose",
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "old": {"display_name": "Old", "kubespawner_override": {"image": "old:1"}},
                    "new": {"display_name": "New", "kubespawner_override": {"image": "new:1"}},
                },
            }
        },
    },
]


@dataclass
class World:
    service: FakeService
    cluster: FakeCluster
    spawner: KubeSliceSpawner

    @property
    def pod(self) -> dict[str, Any]:
        return self.cluster.pod(POD)

    async def starting(self) -> "asyncio.Task[Any]":
        """Begin to start; the pod exists when this returns."""
        task = self.spawner.start()
        there = lambda: ("pods", POD) in self.cluster.objects or task.done()  # noqa: E731
        await self.until(there, "the pod")
        if task.done():
            task.result()
        return task

    async def started(self) -> str:
        """Start to the end; returns the slice's id."""
        task = await self.starting()
        self.cluster.run(POD)
        await task
        (slice_id,) = self.service.slices
        return slice_id

    async def until(self, happened: Any, what: str) -> None:
        async def ask() -> Any:
            return happened()

        await until(ask, 60, what)


@asynccontextmanager
async def a_world(folder: Path, patch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[World]:
    async with fake_service(folder) as service, fake_cluster() as cluster:
        point_clients_at(cluster.url, folder, patch)
        before = set(asyncio.all_tasks())
        settings = {"wait_report_interval_s": 0.2, **settings}
        spawner = a_spawner(service, folder, KubeSliceSpawner, **settings)
        for name, value in {"namespace": "hub", "image": "usual:1", "mem_limit": "4G"}.items():
            setattr(spawner, name, value)
        try:
            yield World(service, cluster, spawner)
        finally:
            await spawner._stop_following()
            if spawner._releases._later is not None:
                spawner._releases._later.cancel()
            await KubeSpawner._stop_all_reflectors()
            spawner.db.close()
            left = set(asyncio.all_tasks()) - before - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def refusal_of(world: World) -> HTTPError:
    with pytest.raises(HTTPError) as raised:
        await world.spawner.start()
    return raised.value


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
        await refusal_of(world)
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


async def test_a_refusal_is_said_in_the_services_words_and_no_pod_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.service.problem = Problem(reason="no-room", message=WORDS)
        error = await refusal_of(world)
        assert (error.status_code, error.jupyterhub_message) == (403, WORDS)
        assert "&lt;b&gt;asked" in error.jupyterhub_html_message
        assert world.cluster.created == []
        assert await world.spawner.poll() == 1
        assert world.service.released == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"size": 5}, "size is 5"),
        ({"sudo": True}, "'sudo'"),
        ({"image": "mine:1"}, "'image'"),
        ({"profile": "nobodys"}, "No such profile: nobodys"),
        ({"profile": "choose", "image": "newest"}, "newest"),
        ({"profile": "choose", "image--unlisted-choice": "x"}, "without being enabled"),
        ({"profile": ["choose"]}, "No such profile"),
        ({"profile": "choose", "image": ["new"]}, "unhashable"),
    ],
)
async def test_options_that_are_no_choice_are_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], part: str
) -> None:
    profiles = [] if options.get("image") == "mine:1" else PROFILES
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = profiles
        world.spawner.user_options = options
        error = await refusal_of(world)
        assert error.status_code == 400
        assert part in error.jupyterhub_message
        assert world.service.calls == []
        assert world.cluster.created == []


async def test_a_slice_that_the_backend_cannot_express_is_refused_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"slice_backend": "mig", "slice_backend_settings": {"mig": {"profiles": ["1g.5gb"]}}}
    async with a_world(tmp_path, monkeypatch) as world:
        for name, value in settings.items():
            world.spawner._as_configured[name] = value
        world.service.lease_changes = {"simulated": False}
        error = await refusal_of(world)
        assert error.status_code == 403
        assert "1g.5gb" in error.jupyterhub_message
        assert world.service.slices == {}
        assert len(world.service.released) == 1


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
    ("options", "size", "image"),
    [
        ({}, None, "usual:1"),
        ({"profile": "usual", "size": "small"}, "small", "usual:1"),
        ({"profile": "large"}, "large", "large:1"),
        ({"profile": "large", "size": "small"}, "large", "large:1"),
        ({"profile": "large", "memory_mib": 5, "compute_milli": 5}, "large", "large:1"),
        ({"profile": "choose", "image": "new", "size": "large"}, "large", "new:1"),
    ],
)
async def test_profiles_and_sizes_are_chosen_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    size: str | None,
    image: str,
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = lambda _spawner: PROFILES
        world.spawner.user_options = options
        await world.started()
        (request,) = world.service.requests
        assert (request.size, request.memory_mib) == (size, None)
        assert world.pod["spec"]["containers"][0]["image"] == image
        told = [event["message"] for event in world.spawner._start_log._events]
        overruled = "small" in str(options) * (size == "large") or "memory_mib" in options
        assert any("was not used" in message for message in told) is overruled


async def test_a_profile_may_come_without_a_gpu_where_users_may_not_ask_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        world.spawner.user_options = {"profile": "cpu"}
        task = await world.starting()
        world.cluster.run(POD)
        await task
        assert world.service.slices == {}
        assert environment_in(world.pod)["NVIDIA_VISIBLE_DEVICES"] == "void"
        assert "sublet.dev/slice" not in world.pod["metadata"]["labels"]


async def test_what_one_profile_set_does_not_stay_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        world.service.problem = Problem(reason="no-room", message=WORDS)
        world.spawner.user_options = {"profile": "large"}
        await refusal_of(world)
        world.service.problem = None
        world.spawner.user_options = {"profile": "usual", "size": "small"}
        await world.started()
        assert [request.size for request in world.service.requests] == ["large", "small"]


async def test_a_profile_may_bring_settings_of_its_backend_and_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = {"slice_backend": "kai", "slice_backend_settings": {"kai": {"queue": "large"}}}
    wrong = {"slice_backend_settings": {"time-slicing": {"resurce": "x"}}}
    async with a_world(tmp_path, monkeypatch) as world:
        world.service.lease_changes = {"simulated": False}
        world.spawner.profile_list = [
            {"display_name": "Usual"},
            {"display_name": "Large", "kubespawner_override": backend},
            {"display_name": "Wrong", "kubespawner_override": wrong},
        ]
        world.spawner.user_options = {"profile": "wrong"}
        error = await refusal_of(world)
        assert error.status_code == 400
        assert "did you mean 'resource'" in error.jupyterhub_message
        world.spawner.user_options = {"profile": "large"}
        await world.started()
        assert world.pod["metadata"]["labels"]["kai.scheduler/queue"] == "large"
        await world.spawner.stop()
        world.spawner.user_options = {}
        await world.started()
        assert "kai.scheduler/queue" not in world.pod["metadata"]["labels"]


async def test_a_profiles_option_named_like_one_of_sublets_is_an_error_for_the_admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        options = {"size": {"choices": {"a": {"display_name": "A"}}}}
        world.spawner.profile_list = [{"display_name": "X", "profile_options": options}]
        world.spawner.user_options = {"profile": "x", "size": "a"}
        error = await refusal_of(world)
        assert error.status_code == 500
        assert "named 'size'" in error.jupyterhub_message


async def test_the_form_has_sizes_guarantees_and_profiles_and_reads_them_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        form = await world.spawner.get_options_form()
        assert 'name="size"' in form
        assert "While it is idle its room is lent" in form
        assert "comes with a slice of its own (large)" in form
        assert 'name="profile"' in form
        assert world.spawner.run_options_from_form(
            {
                "size": ["large"],
                "profile": ["choose"],
                "profile-option-choose--image": ["new"],
                "profile-option-other--image": ["old"],
                "_xsrf": ["x"],
            }
        ) == {"size": "large", "profile": "choose", "image": "new"}
        with pytest.raises(HTTPError):
            world.spawner.run_options_from_form({"sudo": ["1"]})


async def test_the_hubs_own_hook_knows_the_keys_of_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        world.spawner.user_options = {"profile": "choose", "image": "new"}
        await world.spawner._run_apply_user_options(world.spawner.user_options)
        world.spawner.user_options = {"images": "new"}
        with pytest.raises(HTTPError) as raised:
            await world.spawner._run_apply_user_options(world.spawner.user_options)
        assert raised.value.status_code == 400


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
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
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
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        world.cluster.schedule(POD, "node-7")

        async def told() -> bool:
            assert await again.poll() is None
            return world.service.pods[slice_id][-1].node == "node-7"

        await until(told, 60, "the node told")
        assert again.get_state()["sublet"]["slice_id"] == slice_id


async def test_a_resource_claim_is_made_with_the_pod_and_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        world.service.lease_changes = {"simulated": False}
        task = await world.starting()
        (slice_id,) = world.service.slices
        name = f"sublet-{slice_id}-gpu"
        await world.until(lambda: ("resourceclaims", name) in world.cluster.objects, "the claim")
        world.cluster.run(POD)
        await task
        claim = world.cluster.objects["resourceclaims", name]
        assert claim["metadata"]["ownerReferences"][0]["uid"] == world.pod["metadata"]["uid"]
        assert world.pod["spec"]["resourceClaims"] == [{"name": "gpu", "resourceClaimName": name}]
        await world.spawner.stop()
        assert ("resourceclaims", name) not in world.cluster.objects


async def test_a_claim_that_may_not_be_made_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        world.service.lease_changes = {"simulated": False}
        world.cluster.refused["resourceclaims"] = 403
        task = await world.starting()

        def messages() -> list[str]:
            return [event["message"] for event in world.spawner._start_log._events]

        told = "could not be made: the hub's role may not create resourceclaims"
        await world.until(lambda: any(told in m for m in messages()), "the trouble told")
        del world.cluster.refused["resourceclaims"]
        claims = lambda: [k for k, _ in world.cluster.objects if k == "resourceclaims"]  # noqa: E731
        await world.until(claims, "the claim")
        world.cluster.run(POD)
        await task
        assert sum(told in message for message in messages()) == 1


async def test_a_claim_is_asked_for_again_when_the_connection_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        world.service.lease_changes = {"simulated": False}
        world.cluster.dropped.add("resourceclaims")
        task = await world.starting()
        told = "Kubernetes' API does not answer"
        log = world.spawner._start_log._events
        await world.until(lambda: any(told in each["message"] for each in log), "the trouble told")
        world.cluster.dropped.clear()
        claims = lambda: [k for k, _ in world.cluster.objects if k == "resourceclaims"]  # noqa: E731
        await world.until(claims, "the claim")
        world.cluster.run(POD, "node-7")
        await task
        (slice_id,) = world.service.slices
        assert world.service.pods[slice_id][-1].node == "node-7"


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
