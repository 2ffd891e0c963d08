"""What owners' servers are made of, recorded for the cluster's admission policy."""

from pathlib import Path
from typing import Any

import pytest
from jupyterhub import orm
from sublet_quota.names.owner_hash import hash_of_name
from sublet_quota.wire.api import PodTemplate
from sublet_spawner.owner_records import record_of
from tornado.web import HTTPError

from tests.spawner.kube_world import POD, World, a_world

NAME = "sublet"
ADA = hash_of_name("ada")
OBJECT = f"{NAME}-{ADA[0]}"
DEFAULT = hash_of_name("")


def records(world: World) -> Any:
    return world.cluster.objects["ownerrecords", OBJECT].get("owners", {})


def make_object(world: World, **owners: Any) -> None:
    world.cluster.create("ownerrecords", {"metadata": {"name": OBJECT}, "owners": owners})


def test_a_record_has_what_jobs_may_have_of_a_pod_and_nothing_of_the_server_s_own() -> None:
    template = PodTemplate(
        namespace="hub",
        image="notebook:1",
        image_pull_secrets=("registry",),
        pod_security_context={"fsGroup": 100},
        container_security_context={"runAsUser": 1000},
        volumes=(
            {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ada"}},
            {"name": "homes", "persistentVolumeClaim": {"claimName": "homes"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "net", "nfs": {"server": "10.0.0.1", "path": "/"}},
        ),
        volume_mounts=(
            {"name": "home", "mountPath": "/home/jovyan"},
            {"name": "homes", "mountPath": "/mine", "subPath": "ada"},
            {"name": "homes", "mountPath": "/all", "subPath": "shared", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "net", "mountPath": "/net", "subPath": "ada"},
        ),
    )
    assert record_of(template) == {
        "image": "notebook:1",
        "pullSecrets": ["registry"],
        "runtimeClass": "",
        "volumes": [
            {
                "source": {"persistentVolumeClaim": {"claimName": "claim-ada"}},
                "mounts": [{"subPath": "", "readOnly": False}],
            },
            {
                "source": {"persistentVolumeClaim": {"claimName": "homes"}},
                "mounts": [
                    {"subPath": "ada", "readOnly": False},
                    {"subPath": "shared", "readOnly": True},
                ],
            },
            {
                "source": {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
                "mounts": [{"subPath": "", "readOnly": True}],
            },
            {
                "source": {"nfs": {"server": "10.0.0.1", "path": "/"}},
                "mounts": [{"subPath": "ada", "readOnly": False}],
            },
        ],
        "podSecurity": {"fsGroup": 100},
        "containerSecurity": {"runAsUser": 1000},
    }


def test_a_record_has_of_settings_what_the_api_server_keeps_of_a_job_s() -> None:
    template = PodTemplate(
        namespace="hub",
        image="notebook:1",
        pod_security_context={"fsGroup": 100, "supplementalGroups": [], "sysctls": None},
        container_security_context={
            "runAsUser": 0,
            "privileged": False,
            "capabilities": {"drop": ["ALL"], "add": []},
            "seLinuxOptions": {},
        },
        volumes=({"name": "a", "csi": {"driver": "d", "fsType": None, "readOnly": False}},),
    )
    record = record_of(template)
    assert record["podSecurity"] == {"fsGroup": 100}
    assert record["containerSecurity"] == {
        "runAsUser": 0,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
        "seLinuxOptions": {},
    }
    assert record["volumes"][0]["source"] == {"csi": {"driver": "d", "readOnly": False}}


@pytest.mark.asyncio
async def test_a_start_records_the_pod_as_the_admin_s_hook_left_it_before_the_service_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        make_object(world)

        def hook(_: Any, pod: Any) -> Any:
            pod.spec.containers[0].image = "hooked:1"
            return pod

        world.spawner.modify_pod_hook = hook
        task = await world.starting()
        await world.until(lambda: world.service.pods, "the pod told")
        assert records(world)[ADA][DEFAULT][0]["image"] == "hooked:1"
        world.cluster.run(POD)
        await task


@pytest.mark.asyncio
@pytest.mark.parametrize("why", ["its pod is refused", "it has no slice"])
async def test_a_start_that_the_service_is_not_told_of_leaves_the_record_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME, allow_no_gpu=True) as world:
        make_object(world, **{ADA: {DEFAULT: [{"image": "before:1"}]}})
        if why == "it has no slice":
            world.spawner.user_options = {"size": "none"}
            task = await world.starting()
            world.cluster.run(POD)
            await task
        else:
            world.cluster.refused["pods"] = 403
            with pytest.raises(HTTPError):
                await world.spawner.start()
        assert records(world) == {ADA: {DEFAULT: [{"image": "before:1"}]}}


@pytest.mark.asyncio
async def test_a_new_start_leaves_nothing_of_the_record_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        before = {"image": "old:1", "volumes": ["of-another"], "anything": True}
        make_object(world, **{ADA: {DEFAULT: [before], "of-a-named-one": [before]}})
        await world.started()
        assert records(world)[ADA]["of-a-named-one"] == [before]
        (record,) = records(world)[ADA][DEFAULT]
        assert (record["image"], record["volumes"]) == ("usual:1", [])
        assert "anything" not in record


def is_full(world: World) -> None:
    """As many of Ada's servers are recorded as there may be."""
    cause = {"reason": "FieldValueTooMany", "field": f"owners.{ADA}"}
    world.cluster.says_of_patches = {"message": "too many", "details": {"causes": [cause]}}
    world.cluster.refused_patches = {"ownerrecords": [422]}


def runs_too(world: World, *names: str) -> None:
    """Other servers of Ada's run."""
    user = world.spawner.user
    for name in names:
        user.db.add(orm.Spawner(name=name, user=user.orm_user))
        user.db.commit()
        user.spawners[name]._spawn_pending = True


def told(world: World) -> str:
    return " ".join(event["message"] for event in world.spawner._start_log._events)


@pytest.mark.asyncio
async def test_more_servers_than_a_record_holds_make_room_but_none_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        running = hash_of_name("running")
        make_object(world, **{ADA: {"ended": [{}], running: [{}]}, "of-another": {"s": [{}]}})
        runs_too(world, "running")
        is_full(world)
        await world.started()
        assert set(records(world)[ADA]) == {running, DEFAULT}
        assert records(world)[ADA][running] == [{}]
        assert records(world)["of-another"] == {"s": [{}]}


@pytest.mark.asyncio
async def test_where_all_that_a_record_holds_run_the_next_is_not_recorded_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        before = {ADA: {hash_of_name("running"): [{"image": "its:1"}]}}
        make_object(world, **before)
        runs_too(world, "running")
        is_full(world)
        await world.started()
        assert records(world) == before
        assert "could not be recorded (too many)" in told(world)


@pytest.mark.asyncio
async def test_what_the_api_server_finds_wrong_for_another_reason_costs_no_other_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        before = {ADA: {"ended": [{"image": "its:1"}]}}
        make_object(world, **before)
        world.cluster.refused_patches = {"ownerrecords": [422]}
        causes = [{"reason": "FieldValueTooMany", "field": f"owners.{ADA}.{DEFAULT}[0].volumes"}]
        says = {"message": "volumes: Too many: 65", "details": {"causes": causes}}
        world.cluster.says_of_patches = says
        await world.started()
        assert records(world) == before
        assert "could not be recorded (volumes: Too many: 65)" in told(world)


@pytest.mark.asyncio
async def test_a_server_starts_in_an_image_whose_name_no_job_can_have_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        before = {ADA: {DEFAULT: [{"image": "its:1"}]}}
        make_object(world, **before)
        world.spawner.image = f"registry.example/{'a' * 1024}:1"
        await world.started()
        assert records(world) == before
        assert "No training job can be made as this server is: image: String should" in told(world)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "the hub's role may not patch"), (404, "there is no such OwnerRecords")],
)
async def test_what_cannot_be_recorded_is_told_and_keeps_no_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        make_object(world)
        world.cluster.refused_patches = {"ownerrecords": [status]}
        await world.started()
        assert "could not be recorded" in told(world)
        assert words in told(world)


@pytest.mark.asyncio
async def test_where_nothing_is_to_be_recorded_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        await world.started()
        assert world.cluster.pod(POD)
        assert [each for each in world.cluster.patches if each["kind"] == "ownerrecords"] == []


@pytest.mark.asyncio
async def test_with_its_owner_goes_all_that_is_recorded_and_with_a_named_server_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        named = hash_of_name("gpu")
        make_object(world, **{ADA: {DEFAULT: [{}], named: [{}]}, "of-another": {}})
        world.spawner.orm_spawner.name = "gpu"
        await world.spawner.delete_forever()
        assert records(world) == {ADA: {DEFAULT: [{}]}, "of-another": {}}
        world.spawner.orm_spawner.name = ""
        await world.spawner.delete_forever()
        assert records(world) == {"of-another": {}}


@pytest.mark.asyncio
@pytest.mark.parametrize(("kib", "is_told"), [(700, False), (800, True)])
async def test_an_object_that_is_half_full_is_told_to_the_admin_before_it_takes_nothing_more(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kib: int,
    *,
    is_told: bool,
) -> None:
    async with a_world(tmp_path, monkeypatch, owner_records=NAME) as world:
        make_object(world, **{"of-many": {"s": [{"image": "i" * kib * 1024}]}})
        world.spawner.log.addHandler(caplog.handler)
        await world.started()
        assert (f"The OwnerRecords {OBJECT} of sublet.dev in hub have" in caplog.text) is is_told
        assert "OwnerRecords" not in told(world)
