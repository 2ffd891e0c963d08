"""What the API server refuses to the service's account, by the chart's policies and roles."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubespawner.slugs import escape_slug, multi_slug, safe_slug
from sublet_hub.jobs.backends.kubernetes.objects.names import as_label

from tests.support.helm_charts import RELEASE, render
from tests.support.helm_programs import find_helm
from tests.support.kube.api import Api, RefusedError
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError

pytestmark = [
    pytest.mark.kube,
]

KINDS = (
    *("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
VALUES: dict[str, Any] = {"jobs": {"sharedClaims": ["models"], "volumeKinds": ["nfs"]}}


@pytest.fixture(scope="module")
def policed(cluster: Api) -> Iterator[Api]:
    """A namespace with the rights and the policies of a release."""
    try:
        find_helm()
    except MissingError as missing:
        pytest.skip(f"no helm here: {missing}")
    api = cluster.make_namespace("policed")
    made = [each for kind in KINDS for each in render(VALUES, api.namespace).all(kind)]
    for each in made:
        api.create(each)
    service = api.with_token(api.account_token(RELEASE))
    # A policy is in force some time after it was made.
    wait_for(lambda: is_refused(service, a_job("early", hostPID=True)), 60, "the policy to be kept")
    yield api
    for each in reversed(made):
        api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])
    cluster.delete("v1", "Namespace", api.namespace)


@pytest.fixture
def service(policed: Api) -> Api:
    """The way into the cluster that the service has."""
    return policed.with_token(policed.account_token(RELEASE))


def is_refused(service: Api, manifest: dict[str, Any]) -> bool:
    try:
        service.create(manifest)
    except RefusedError:
        return True
    service.delete("batch/v1", "Job", manifest["metadata"]["name"])
    return False


def a_job(name: str, owner: str = "Ada.L", **pod: Any) -> dict[str, Any]:
    labels = {"sublet.dev/job-id": name, "sublet.dev/owner": as_label(owner) or "x"}
    container = {"name": "job", "image": "nothing", **pod.pop("inside", {})}
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "serviceAccountName": f"{RELEASE}-job",
        "containers": [container],
        **pod,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"suspend": True, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def volume(**kind: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "home", **kind}]}


def claim(name: str) -> dict[str, Any]:
    return volume(persistentVolumeClaim={"claimName": name})


def token_for(audience: str) -> dict[str, Any]:
    source = {"path": "token", "audience": audience, "expirationSeconds": 3600}
    return volume(projected={"sources": [{"serviceAccountToken": source}]})


def inside(**fields: Any) -> dict[str, Any]:
    return {"inside": fields}


def rules(**fields: Any) -> dict[str, Any]:
    return inside(securityContext=fields)


HUB_TOKEN = {"secretKeyRef": {"name": "hub", "key": "hub.services.sublet.apiToken"}}
SECRET = {"sources": [{"secret": {"name": "hub"}}]}
HOSTILE = {
    "host's network": ({"hostNetwork": True}, "nothing of its node"),
    "host's processes": ({"hostPID": True}, "nothing of its node"),
    "host's port": (
        inside(ports=[{"containerPort": 80, "hostPort": 80}]),
        "nothing of its node",
    ),
    "privileged": (rules(privileged=True), "no rights beyond its owner's"),
    "capability": (rules(capabilities={"add": ["NET_ADMIN"]}), "no rights beyond"),
    "privileged at first": (
        {
            "initContainers": [
                {"name": "first", "image": "nothing", "securityContext": {"privileged": True}}
            ]
        },
        "no rights beyond",
    ),
    "token": ({"automountServiceAccountToken": True}, "no token of a service account"),
    "another account": ({"serviceAccountName": "hub"}, "no account but sublet-job"),
    "no account named": ({"serviceAccountName": None}, "no account but sublet-job"),
    "token as a file": (token_for("sublet"), "no token of a service account"),
    "high priority": ({"priorityClassName": "system-node-critical"}, "goes before nobody"),
    "secret as files": (volume(secret={"secretName": "hub"}), "reads no Secret"),
    "secret among others": (volume(projected=SECRET), "reads no Secret"),
    "secret as a variable": (
        inside(env=[{"name": "TOKEN", "valueFrom": HUB_TOKEN}]),
        "reads no Secret",
    ),
    "secret as variables": (inside(envFrom=[{"secretRef": {"name": "hub"}}]), "reads no Secret"),
    "host's folder": (volume(hostPath={"path": "/"}), "no folder of its node"),
    "storage of its own": (
        volume(iscsi={"targetPortal": "10.0.0.1", "iqn": "iqn.2026-11.example:disk", "lun": 0}),
        "volumes of no other kind",
    ),
    "other's volume": (claim("claim-grace"), "has volumes of no other user"),
    "name that begins alike": (claim("claim-ada-lovelace"), "has volumes of no other user"),
    "name that ends alike": (claim("other-claim-ada-l"), "has volumes of no other user"),
}


@pytest.mark.parametrize(("pod", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_job_of_the_service_is_refused(
    service: Api, pod: dict[str, Any], words: str
) -> None:
    with pytest.raises(RefusedError, match=words):
        service.create(a_job("hostile", **pod))


FRIENDLY = {
    "the sockets": volume(hostPath={"path": "/run/sublet/tenants"}),
    "shared claim": claim("models"),
    "files of all servers": volume(secret={"secretName": "singleuser"}),
    "kind of the admin's": volume(nfs={"server": "10.0.0.1", "path": "/data"}),
    "its request": volume(
        downwardAPI={"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}
    ),
    "its class": {"priorityClassName": "policed-sublet-job"},
    "its class on several GPUs": {"priorityClassName": "policed-sublet-job-set"},
    "scratch": volume(emptyDir={}),
    "user of its owner": rules(runAsUser=1000, allowPrivilegeEscalation=False),
}


@pytest.mark.parametrize("pod", FRIENDLY.values(), ids=FRIENDLY.keys())
def test_what_jobs_need_is_taken(service: Api, pod: dict[str, Any]) -> None:
    service.create(a_job("friendly", **pod))
    service.delete("batch/v1", "Job", "friendly")


LONGEST = 48
"""Of KubeSpawner's names: longer ones are cut off, and get a hash."""
OWNERS = (
    *("ada", "ada.l", "ada@example.org", "1ada", "_ada", "ada_l-", "ada--lovelace", "Δ", "é@x.org"),
    "bartholomew.featherstonehaugh@physics.example.org",
    *("a" * 60, "9" * 60),
)


@pytest.mark.parametrize("owner", OWNERS)
def test_the_owner_s_volumes_are_taken_however_kubespawner_names_them(
    service: Api, owner: str
) -> None:
    alone = safe_slug(owner, max_length=LONGEST)
    together = f"{alone}--gpu"
    for name in (alone, multi_slug([owner, "gpu"]) if len(together) > LONGEST else together):
        service.create(a_job("of-owner", owner, **claim(f"claim-{name}")))
        service.delete("batch/v1", "Job", "of-owner")


@pytest.mark.parametrize("owner", ["ada", "ada.l", "ada@example.org", "ada-l", "1ada"])
def test_volumes_from_before_kubespawner_7_are_taken(service: Api, owner: str) -> None:
    for name in (escape_slug(owner), f"{escape_slug(owner)}--gpu"):
        service.create(a_job("of-owner", owner, **claim(f"claim-{name}")))
        service.delete("batch/v1", "Job", "of-owner")


def test_a_job_without_a_name_of_ours_is_refused_to_the_service_and_to_nobody_else(
    policed: Api, service: Api
) -> None:
    manifest = a_job("unnamed")
    manifest["spec"]["template"]["metadata"]["labels"] = {}
    with pytest.raises(RefusedError, match="names itself and its owner"):
        service.create(manifest)
    policed.create(manifest)
    policed.delete("batch/v1", "Job", "unnamed")


def test_the_service_may_neither_read_secrets_nor_make_pods(service: Api) -> None:
    for call in (
        lambda: service.get("v1", "Secret", "hub"),
        lambda: service.all("v1", "Secret"),
        lambda: service.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {}}
        ),
        lambda: service.delete("v1", "Pod", "x"),
    ):
        with pytest.raises(RefusedError) as refused:
            call()
        assert refused.value.status == 403
