"""The spawner against a real API server and scheduler: its pods, its rights, and its words.

It runs in this process over a fake service; nodes are pretended. Whole servers in real pods are
in ``test_slices_in_pods``.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from kubespawner import KubeSpawner
from sublet_quota.names.owner_hash import hash_of_name
from sublet_spawner.kube import KubeSliceSpawner
from tornado.web import HTTPError

from tests.spawner.pod_cases import CASES, FOLDER
from tests.spawner.real_hub import until
from tests.spawner.spawners import a_spawner
from tests.support.closing import end_tasks_but
from tests.support.fake_service import FakeService, fake_service
from tests.support.kube.api import Api
from tests.support.kube.owner_records import RECORDS, define_records, object_of, records_of
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.processes import wait_for
from tests.support.kube_spawner import point_clients_at

pytestmark = [
    pytest.mark.kube,
]

POD = "jupyter-ada"
CLAIMS = "resource.k8s.io/v1"
WITHIN_S = 120.0
HUB = "hub"
# What KubeSpawner's documentation asks for, and what the backend `dra` asks for beside it.
RULES = [
    {
        "apiGroups": [""],
        "resources": ["pods", "persistentvolumeclaims", "secrets", "services"],
        "verbs": ["get", "watch", "list", "create", "delete"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "watch", "list"]},
]
RECORD = "sublet"
OBJECT = object_of("ada", RECORD)
RECORD_RULE = {"apiGroups": ["sublet.dev"], "resources": ["ownerrecords"]}
CLAIM_RULE = {"apiGroups": ["resource.k8s.io"], "resources": ["resourceclaims"]}


@pytest.mark.parametrize("name", CASES)
def test_a_real_api_server_takes_each_kept_pod(namespace: Api, name: str) -> None:
    pod = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    taken = namespace.call("POST", f"{namespace.path('v1', 'Pod')}?dryRun=All", pod)
    wanted = pod["spec"]["containers"][0]["resources"]["limits"]
    assert taken["spec"]["containers"][0]["resources"]["limits"].keys() == wanted.keys()
    # Kubernetes takes requests of extended resources from the limits.
    requested = taken["spec"]["containers"][0]["resources"]["requests"].keys()
    assert {resource for resource in wanted if "/" in resource} <= requested


@dataclass
class World:
    service: FakeService
    spawner: KubeSliceSpawner
    api: Api
    node: str

    async def until(self, happened: Any, what: str) -> Any:
        async def ask() -> Any:
            return await asyncio.to_thread(happened)

        return await until(ask, WITHIN_S, what)

    async def said(self, part: str) -> None:
        """Wait until the progress page says it."""
        told: list[str] = []

        async def read() -> None:
            async for event in self.spawner.progress():
                told.append(event["message"])
                if part in told[-1]:
                    return

        reading = asyncio.create_task(read())
        try:
            await self.until(lambda: reading.done() or any(part in m for m in told), part)
        except AssertionError as error:
            error.add_note(f"the progress page said {told}")
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert any(part in message for message in told), told


@pytest.fixture
def hub_account(namespace: Api) -> Api:
    """The hub's service account, with the rights of a hub."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": HUB}}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": HUB},
        "rules": [
            *RULES,
            {**CLAIM_RULE, "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]},
            {**RECORD_RULE, "verbs": ["patch"], "resourceNames": [OBJECT]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": HUB},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": HUB},
        "subjects": [{"kind": "ServiceAccount", "name": HUB, "namespace": namespace.namespace}],
    }
    for each in (account, role, binding):
        namespace.create(each)
    # The API server goes by what it has taken some moments later.
    wait_for(lambda: _may_write_tokens(namespace), 60, "the hub's rights")
    return namespace


def _may_write_tokens(api: Api) -> bool:
    """Whether the hub's account has the last of its rights, and so all of that role."""
    who = f"system:serviceaccount:{api.namespace}:{HUB}"
    what = {"namespace": api.namespace, "verb": "patch", "resource": "secrets"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": who, "resourceAttributes": what},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(api.call("POST", path, review)["status"]["allowed"])


@pytest.fixture
def node(pretended_nodes: None, cluster: Api) -> Iterator[str]:
    """A pretended node of the test's own."""
    del pretended_nodes
    name = f"node-{secrets.token_hex(4)}"
    cluster.create(pretended_node(name, 4))
    yield name
    cluster.delete("v1", "Node", name)


def come_in_as_the_hub(api: Api, folder: Path, patch: pytest.MonkeyPatch) -> None:
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = api.call("POST", f"{api.path('v1', 'ServiceAccount', HUB)}/token", wanted)
    token, authority = answer["status"]["token"], api.plane.keys.authority
    point_clients_at(api.plane.url, folder, patch, token=token, authority=authority)


@asynccontextmanager
async def a_world(
    api: Api, node: str, folder: Path, patch: pytest.MonkeyPatch, **changes: Any
) -> AsyncIterator[World]:
    come_in_as_the_hub(api, folder, patch)
    async with fake_service(folder) as service:
        before = set(asyncio.all_tasks())
        service.lease_changes = {"node": node, **changes}
        spawner = a_spawner(service, folder, KubeSliceSpawner, wait_report_interval_s=0.2)
        settings = {
            "namespace": api.namespace,
            "image": "notebook:1",
            "mem_limit": "1G",
            "start_timeout": 600,
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        }
        for name, value in settings.items():
            setattr(spawner, name, value)
        try:
            yield World(service, spawner, api, node)
        finally:
            await spawner._stop_following()
            await KubeSpawner._stop_all_reflectors()
            spawner.db.close()
            await end_tasks_but(before)
            # The tests' own connections stay open for others.
            api.plane.session.close()
            await _until_disconnected(api.plane.port)


async def _until_disconnected(port: int) -> None:
    """TLS takes a moment to be closed, and a loop that ends before leaves it open."""

    async def disconnected() -> bool:
        here = psutil.Process().net_connections("tcp")
        return not any(each.raddr and each.raddr.port == port for each in here)

    await until(disconnected, WITHIN_S, "the API server's connections to end")


@pytest.mark.asyncio
async def test_a_server_runs_on_the_node_of_its_slice_and_gives_it_back(
    hub_account: Api, node: str, cluster: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"node-{secrets.token_hex(4)}"
    cluster.create(pretended_node(other, 4))
    try:
        async with a_world(hub_account, node, tmp_path, monkeypatch, simulated=False) as world:
            await world.spawner.start()
            (slice_id,) = world.service.slices
            pod = world.api.pod(POD)
            assert pod["spec"]["nodeName"] == node
            told = world.service.pods[slice_id]
            assert (told[-1].pod_uid, told[-1].node) == (pod["metadata"]["uid"], node)
            limits = pod["spec"]["containers"][0]["resources"]["limits"]
            assert limits["nvidia.com/gpu"] == "1"
            assert limits["memory"] == str(11 * 1024**3)
            assert await world.spawner.poll() is None
            await world.spawner.stop()
            assert world.service.released == [slice_id]
            assert world.api.find("v1", "Pod", POD) is None
    finally:
        cluster.delete("v1", "Node", other)


@pytest.mark.asyncio
async def test_a_server_whose_node_has_no_room_says_so_in_words_and_gives_its_slice_back(
    hub_account: Api, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(hub_account, node, tmp_path, monkeypatch) as world:
        world.spawner.mem_guarantee = "600G"
        world.spawner.mem_limit = "600G"
        starting = world.spawner.start()
        await world.said("1 with too little memory free")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        (slice_id,) = world.service.slices
        await world.spawner.stop()
        assert world.service.released == [slice_id]


@pytest.mark.asyncio
async def test_a_server_whose_slices_node_is_gone_says_so(
    hub_account: Api, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert node
    async with a_world(hub_account, "node-nowhere", tmp_path, monkeypatch) as world:
        starting = world.spawner.start()
        await world.said("not the one that the slice is on")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await world.spawner.stop()
        assert world.service.slices == {}


@pytest.mark.asyncio
async def test_a_server_whose_pod_kubernetes_refuses_says_why_and_gives_its_slice_back(
    hub_account: Api, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(hub_account, node, tmp_path, monkeypatch) as world:
        world.spawner.priority_class_name = "not-there"
        with pytest.raises(HTTPError) as refused:
            await world.spawner.start()
        assert refused.value.status_code == 403
        told = refused.value.jupyterhub_message  # type: ignore[attr-defined]
        assert told.startswith("Kubernetes refuses the pod of this server, which an admin has to")
        assert "no PriorityClass with name not-there was found" in told
        (slice_id,) = {*world.service.slices, *world.service.released}
        await world.spawner.stop()
        assert world.service.released == [slice_id]


@pytest.mark.asyncio
async def test_a_claim_belongs_to_its_pod_and_is_collected_with_it(
    hub_account: Api, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(hub_account, node, tmp_path, monkeypatch, simulated=False) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        starting = world.spawner.start()
        await world.until(lambda: bool(world.service.slices), "the slice")
        (slice_id,) = world.service.slices
        name = f"sublet-{slice_id}-gpu"
        claim = await world.until(
            lambda: world.api.find(CLAIMS, "ResourceClaim", name), "the claim"
        )
        pod = world.api.pod(POD)
        assert claim["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
        wanted = claim["spec"]["devices"]["requests"][0]["exactly"]
        assert wanted["deviceClassName"] == "gpu.nvidia.com"
        await world.said("The server waits for a node")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await world.spawner.stop()
        await world.until(
            lambda: world.api.find(CLAIMS, "ResourceClaim", name) is None, "the claim to go"
        )


@pytest.mark.asyncio
async def test_a_real_api_server_takes_what_is_recorded_of_a_server(
    hub_account: Api, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define_records(hub_account)
    hub_account.create(records_of(OBJECT))
    async with a_world(hub_account, node, tmp_path, monkeypatch) as world:
        world.spawner.owner_records = RECORD
        world.spawner.volumes = [
            {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ada"}},
            {"name": "scratch", "emptyDir": {}},
        ]
        world.spawner.volume_mounts = [
            {"name": "home", "mountPath": "/home/jovyan", "subPath": "ada"}
        ]
        starting = world.spawner.start()
        ada, default = hash_of_name("ada"), hash_of_name("")
        owners = await world.until(
            lambda: world.api.get(*RECORDS, OBJECT).get("owners"), "what is recorded"
        )
        (record,) = owners[ada][default]
        assert record["image"] == "notebook:1"
        home = {"persistentVolumeClaim": {"claimName": "claim-ada"}}
        mount = {"subPath": "ada", "readOnly": False}
        assert record["volumes"] == [{"source": home, "mounts": [mount]}]
        assert record["containerSecurity"]["allowPrivilegeEscalation"] is False
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await world.spawner.stop()
        # More servers than the kind takes: those that do not run make room.
        many = {hash_of_name(f"s{number}"): [record] for number in range(16)}
        world.api.patch(*RECORDS, OBJECT, {"owners": {ada: {default: None, **many}}})
        template = world.spawner._pod_template
        await world.spawner._records().write("", template, ["", "s1", "s2"])
        kept = {hash_of_name(each) for each in ("", "s1", "s2")}
        assert set(world.api.get(*RECORDS, OBJECT)["owners"][ada]) == kept
        # Of whatever else is wrong nothing is forgotten.
        wrong = template.model_copy(update={"image_pull_secrets": ("registry",) * 17})
        await world.spawner._records().write("", wrong, [])
        assert set(world.api.get(*RECORDS, OBJECT)["owners"][ada]) == kept
        await world.spawner._records().forget("")
        assert world.api.get(*RECORDS, OBJECT).get("owners") in ({}, None)


@pytest.mark.asyncio
async def test_no_pod_of_a_server_shows_a_token_and_what_names_them_goes_with_it(
    hub_account: Api, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokens() -> list[dict[str, Any]]:
        return hub_account.all("v1", "Secret", "sublet.dev/server")

    async with a_world(hub_account, node, tmp_path, monkeypatch, simulated=False) as world:
        world.spawner.api_token = token = secrets.token_hex(16)
        await world.spawner.start()
        pod = world.api.pod(POD)
        assert token not in json.dumps(world.api.pods())
        (secret,) = tokens()
        (owner,) = secret["metadata"]["ownerReferences"]
        assert owner["uid"] == pod["metadata"]["uid"]
        shown = {each["name"]: each for each in pod["spec"]["containers"][0]["env"]}
        for name in ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"):
            named = shown[name]["valueFrom"]["secretKeyRef"]
            assert named["name"] == secret["metadata"]["name"]
            assert base64.b64decode(secret["data"][named["key"]]).decode() == token
        # Whoever removes the pod, removes it: the cluster sees to that.
        world.api.delete("v1", "Pod", POD, grace_s=0)
        await world.until(lambda: not tokens(), "the Secret to go with its pod")
        await world.spawner.stop()
        world.spawner.api_token = secrets.token_hex(16)
        await world.spawner.start()
        (again,) = tokens()
        assert again["metadata"]["name"] != secret["metadata"]["name"]
        await world.spawner.stop()
        assert tokens() == []
