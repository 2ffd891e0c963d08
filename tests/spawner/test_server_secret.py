"""A server's tokens: in a Secret of its own start, and nowhere in its pod."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tornado.web import HTTPError

from tests.spawner.kube_world import POD, World, a_world
from tests.spawner.real_hub import until
from tests.spawner.spawners import after_a_restart

pytestmark = pytest.mark.asyncio
TOKEN = "0123-of-the-server"  # noqa: S105 - an example
RULE = '{apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch", "delete"]}'


class Said(logging.Handler):
    """What a log was told."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def secrets_in(world: World) -> dict[str, Any]:
    return {name: each for (kind, name), each in world.cluster.objects.items() if kind == "secrets"}


def told_to(world: World, container: int = 0) -> dict[str, str]:
    """The variables of a container, as its kubelet reads them."""
    told = {}
    for variable in world.pod["spec"]["containers"][container]["env"]:
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        if source is None:
            told[variable["name"]] = variable.get("value", "")
        else:
            told[variable["name"]] = secrets_in(world)[source["name"]]["stringData"][source["key"]]
    return told


async def test_no_token_is_in_a_pod_and_its_server_is_told_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.spawner.environment = {"BUCKET_SECRET": "of-the-admin", "TEAM": "vision"}
        sidecar = {"name": "beside", "image": "i", "env": [{"name": "HUB", "value": f"t={TOKEN}"}]}
        world.spawner.extra_containers = [sidecar]
        await world.started()
        shown = json.dumps(world.pod)
        assert TOKEN not in shown
        assert "of-the-admin" not in shown
        told = told_to(world)
        assert told["JUPYTERHUB_API_TOKEN"] == told["JPY_API_TOKEN"] == TOKEN
        assert (told["BUCKET_SECRET"], told["TEAM"]) == ("of-the-admin", "vision")
        assert told_to(world, 1) == {"HUB": f"t={TOKEN}"}


async def test_a_secret_is_there_before_its_pod_belongs_to_it_and_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        await world.started()
        made = [each["metadata"]["name"] for each in world.cluster.created]
        (secret,) = secrets_in(world).values()
        assert made.index(secret["metadata"]["name"]) < made.index(POD)
        assert secret["metadata"]["ownerReferences"][0]["uid"] == world.pod["metadata"]["uid"]
        world.cluster.delete("pods", POD)
        assert secrets_in(world) == {}


async def test_a_stop_removes_the_secret_and_a_new_start_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused_patches = {"secrets": [403]}
        await world.started()
        (first,) = secrets_in(world)
        # It does not belong to the pod, and so the hub removes it.
        await world.spawner.stop()
        assert secrets_in(world) == {}
        world.service.slices.clear()
        await world.started()
        (second,) = secrets_in(world)
        assert first != second


async def test_a_hub_that_starts_again_removes_the_secret_of_a_server_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused_patches = {"secrets": [403]}
        await world.started()
        assert len(secrets_in(world)) == 1
        again = after_a_restart(world.spawner)
        again.namespace = "hub"
        await again.stop()
        assert secrets_in(world) == {}


async def test_of_a_server_that_ended_while_the_hub_was_away_no_secret_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        # The hub may not have it go with the pod, or ended before.
        world.cluster.refused_patches = {"secrets": [403]}
        await world.started()
        world.cluster.delete("pods", POD)
        assert len(secrets_in(world)) == 1
        again = after_a_restart(world.spawner)
        again.namespace = "hub"
        # A hub that starts looks whether the server runs, and does not stop one that does not.

        async def is_gone() -> bool:
            return await again.poll() is not None

        await until(is_gone, 60, "the pod's end to be told")
        assert secrets_in(world) == {}


async def test_a_start_whose_pod_is_refused_leaves_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused["pods"] = 403
        with pytest.raises(HTTPError):
            await world.spawner.start()
        await world.spawner.stop()
        assert secrets_in(world) == {}


async def test_a_pod_of_before_in_the_way_keeps_no_secret_from_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.create("pods", {"metadata": {"name": POD, "labels": {}}, "spec": {}})
        task = world.spawner.start()
        await world.until(
            lambda: ("pods", POD) in world.cluster.objects and "containers" in world.pod["spec"],
            "the new pod",
        )
        world.cluster.run(POD)
        await task
        assert told_to(world)["JUPYTERHUB_API_TOKEN"] == TOKEN
        assert TOKEN not in json.dumps(world.pod)


async def test_without_the_right_to_make_secrets_no_server_starts_and_it_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused["secrets"] = 403
        world.cluster.says = 'User "hub" cannot create resource "secrets" in API group ""'
        with pytest.raises(HTTPError) as refused:
            await world.spawner.start()
        told = refused.value.jupyterhub_message  # type: ignore[attr-defined]
        assert RULE in told
        assert "Role in namespace hub" in told
        assert "tokens_in_secrets to 'if-allowed'" in told
        assert ("pods", POD) not in world.cluster.objects
        await world.spawner.stop()


async def test_where_an_admin_allows_it_servers_start_without_the_right_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.spawner.tokens_in_secrets = "if-allowed"
        world.spawner.environment = {"A_PASSWORD": "pa$$word-$(HOME)"}
        world.cluster.refused["secrets"] = 403
        world.cluster.says = 'User "hub" cannot create resource "secrets" in API group ""'
        said = Said(logging.ERROR)
        world.spawner.log.addHandler(said)
        await world.started()
        told = told_to(world)
        assert told["JUPYTERHUB_API_TOKEN"] == TOKEN
        # As the admin has written it, for the kubelet to read.
        assert told["A_PASSWORD"] == "pa$$word-$(HOME)"  # noqa: S105 - an example
        world.spawner.log.removeHandler(said)
        (line,) = [line for line in said.lines if RULE in line]
        assert f"are in its pod {POD}" in line
        assert TOKEN not in line
        assert "sublet_secret" not in world.spawner.get_state()
        await world.spawner.stop()


async def test_where_the_hub_has_the_right_if_allowed_keeps_tokens_out_of_pods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.spawner.tokens_in_secrets = "if-allowed"
        await world.started()
        assert TOKEN not in json.dumps(world.pod)
        assert told_to(world)["JUPYTERHUB_API_TOKEN"] == TOKEN


async def test_if_allowed_is_no_way_round_another_refusal_of_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.spawner.tokens_in_secrets = "if-allowed"
        world.cluster.refused["secrets"] = 403
        world.cluster.says = "exceeded quota: few, requested: count/secrets=1, used: 9"
        with pytest.raises(HTTPError):
            await world.spawner.start()
        assert ("pods", POD) not in world.cluster.objects


@pytest.mark.parametrize("status", [404, 429, 500])
async def test_a_pod_that_cannot_be_read_for_its_secret_s_sake_is_a_server_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused_reads = {"pods": [status]}
        await world.started()
        assert await world.spawner.poll() is None
        assert len(secrets_in(world)) == 1
        await world.spawner.stop()
        assert secrets_in(world) == {}


async def test_a_secret_that_is_refused_for_another_reason_is_told_in_kubernetes_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused["secrets"] = 403
        world.cluster.says = "exceeded quota: few, requested: count/secrets=1, used: 9"
        with pytest.raises(HTTPError) as refused:
            await world.spawner.start()
        told = refused.value.jupyterhub_message  # type: ignore[attr-defined]
        assert world.cluster.says in told


async def test_an_admin_can_have_tokens_in_pods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.spawner.tokens_in_secrets = False
        await world.started()
        assert TOKEN in json.dumps(world.pod)
        assert secrets_in(world) == {}


async def test_containers_and_variables_as_the_api_writes_them_are_taken_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        own_name = {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        hub = {"name": "HUB", "value": f"t={TOKEN}"}
        before = {"name": "before", "image": "i", "env": [own_name, hub]}
        world.spawner.init_containers = [before]
        world.spawner.extra_pod_config = {"hostname": "h"}

        def hook(_: Any, pod: Any) -> Any:
            pod.spec.init_containers.append({**before, "name": "as-the-api-has-it"})
            pod.spec.init_containers.append({"name": "without", "image": "i"})
            return pod

        world.spawner.modify_pod_hook = hook
        await world.started()
        assert TOKEN not in json.dumps(world.pod)
        first, second, third = world.pod["spec"]["initContainers"]
        assert own_name in first["env"]
        assert own_name in second["env"]
        assert "env" not in third
        (secret,) = secrets_in(world).values()
        assert secret["stringData"]["1.HUB"] == secret["stringData"]["2.HUB"] == f"t={TOKEN}"


async def test_two_dollar_signs_stand_for_one_as_in_a_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        other = "$$(HOME)/$(HOME)"
        world.spawner.environment = {"A_PASSWORD": "pa$$word", "OF_OTHERS_SECRET": other}
        await world.started()
        assert told_to(world)["A_PASSWORD"] == "pa$word"  # noqa: S105 - an example
        assert told_to(world)["OF_OTHERS_SECRET"] == other


async def test_a_pod_s_name_may_be_longer_than_a_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.spawner.pod_name = "jupyter-" + "first-2elast-40" * 5
        task = world.spawner.start()
        await world.until(lambda: ("pods", world.spawner.pod_name) in world.cluster.objects, "it")
        world.cluster.run(world.spawner.pod_name)
        await task
        (secret,) = secrets_in(world).values()
        assert len(secret["metadata"]["labels"]["sublet.dev/server"]) <= 63


async def test_a_server_that_is_gone_leaves_no_secret_though_nobody_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        # JupyterHub looks whether a server runs, and stops none that does not, as this one.
        world.cluster.refused["pods"] = 403
        with pytest.raises(HTTPError):
            await world.spawner.start()
        assert await world.spawner.poll() is not None
        assert secrets_in(world) == {}
        assert "sublet_secret" not in world.spawner.get_state()


async def test_a_new_start_removes_the_secret_of_one_that_nobody_looked_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.api_token = TOKEN
        world.cluster.refused["pods"] = 403
        with pytest.raises(HTTPError):
            await world.spawner.start()
        (first,) = secrets_in(world)
        del world.cluster.refused["pods"]
        world.service.slices.clear()
        await world.started()
        (second,) = secrets_in(world)
        assert first != second
