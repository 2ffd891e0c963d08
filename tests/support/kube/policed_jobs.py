"""Jobs for the tests of what the API server refuses, and a release of the chart's policies."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sublet_quota.names.owner_hash import SHARDS, hash_of_name, shard_of
from sublet_quota.wire.api import PodTemplate
from sublet_spawner.owner_records import record_of

from tests.support.helm_charts import RELEASE, render
from tests.support.kube.api import Api, RefusedError
from tests.support.kube.owner_records import RECORDS, define_records, object_of
from tests.support.kube.processes import wait_for

_KINDS: Final = (
    *("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "OwnerRecords", "ValidatingAdmissionPolicyBinding"),
)
VALUES: Final[dict[str, Any]] = {
    "jobs": {
        "volumeKinds": ["nfs", "iscsi"],
        "sharedConfigMaps": ["greeting"],
        "labels": {"team": "science"},
    }
}
HOME: Final = "claim-ada-l---0a1b2c3d"
OTHERS_HOME: Final = "claim-ada-l---99999999"
"""As KubeSpawner names claims: of another owner, whose name looks the same but for its hash."""
IMAGE: Final = "registry.example/notebook:1"
OF_CONTAINER: Final = {
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
DISK: Final = {"targetPortal": "10.0.0.1", "iqn": "iqn.2026-11.example:disk", "lun": 0}
TEMPLATE: Final = PodTemplate(
    namespace="policed",
    image=IMAGE,
    image_pull_secrets=("registry",),
    pod_security_context={"fsGroup": 100, "seccompProfile": {"type": "RuntimeDefault"}},
    container_security_context=OF_CONTAINER,
    volumes=(
        {"name": "home", "persistentVolumeClaim": {"claimName": HOME}},
        {"name": "homes", "persistentVolumeClaim": {"claimName": "homes"}},
        {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "data", "nfs": {"server": "10.0.0.1", "path": "/data"}},
        {"name": "disk", "iscsi": DISK},
    ),
    volume_mounts=(
        {"name": "home", "mountPath": "/home/jovyan"},
        {"name": "homes", "mountPath": "/mine", "subPath": "ada.l"},
        {"name": "models", "mountPath": "/models", "readOnly": True},
        {"name": "data", "mountPath": "/data", "subPath": "ada.l"},
        {"name": "disk", "mountPath": "/disk", "readOnly": True},
    ),
    runtime_class_name="nvidia",
)
_OTHER_SERVER: Final = PodTemplate(
    namespace="policed",
    image="registry.example/other:2",
    container_security_context={"runAsUser": 7},
)


@contextmanager
def policed_release(cluster: Api, namespace: str, *, records: bool = True) -> Iterator[Api]:
    """A namespace with the rights and the policies of a release, and what Ada's servers were.

    Without ``records`` no policy reads these. Of two policies that refuse either is told first.
    """
    api = cluster.make_namespace(namespace)
    define_records(cluster)
    made = [
        each
        for kind in _KINDS
        for each in render(VALUES, namespace).all(kind)
        if records or "-owner-records" not in each["metadata"]["name"]
    ]
    for each in made:
        api.create(each)
    record_servers(api)
    _wait_until_in_force(api, records=records)
    yield api
    for each in reversed(made):
        api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])
    cluster.delete("v1", "Namespace", namespace)


def _wait_until_in_force(api: Api, *, records: bool) -> None:
    """Wait for each policy, and each binding of it, by what it alone refuses.

    Some time after they were made they come into force, those that were made first perhaps a second
    before the others; the records are known some time after that.
    """
    service = service_of(api)
    early = a_job("early", hostPID=True)
    wait_for(lambda: "nothing of its node" in refusal_of(service, early), 60, "the policy")
    for shard in SHARDS if records else "":
        wait_for(partial(_asks_for_a_record, service, shard), 60, f"the policy of part {shard}")
    wait_for(lambda: not refusal_of(service, a_job("early")), 60, "the records to be known")
    wait_for(lambda: _keeps_its_name(api), 60, "the policy of changes")


def _asks_for_a_record(service: Api, shard: str) -> bool:
    """Whether a job is refused whose owner is recorded in no object, and would be in this part."""
    manifest = a_job("early", labels={"sublet.dev/owner-hash": f"{shard}{'0' * 31}"})
    manifest["metadata"]["labels"]["sublet.dev/owner-shard"] = shard
    return f"-owner-records-{shard}'" in refusal_of(service, manifest)


def _keeps_its_name(api: Api) -> bool:
    """Whether nobody can name a job that is there otherwise."""
    api.create(a_job("early"))
    name = {"metadata": {"labels": {"sublet.dev/job-id": "another"}}}
    renamed = {**name, "spec": {"template": name}}
    try:
        api.patch("batch/v1", "Job", "early", renamed)
    except RefusedError as refused:
        return "keeps its labels" in str(refused)
    finally:
        api.delete("batch/v1", "Job", "early")
    return False


def upgrade_policies(api: Api, values: Mapping[str, Any]) -> None:
    """Change the policies as `helm upgrade` does with other values."""
    kind = "ValidatingAdmissionPolicy"
    for each in render(values, api.namespace).all(kind):
        api.patch(each["apiVersion"], kind, each["metadata"]["name"], {"spec": each["spec"]})


def record_servers(api: Api) -> None:
    """Record Ada's servers, as the spawner does."""
    servers = {
        hash_of_name(""): [record_of(TEMPLATE)],
        hash_of_name("other"): [record_of(_OTHER_SERVER)],
    }
    record(api, "Ada.L", servers)


def record(api: Api, owner: str, servers: Mapping[str, Any] | None) -> None:
    """Record an owner's servers; ``None``: forget the owner."""
    api.patch(*RECORDS, object_of(owner, RELEASE), {"owners": {hash_of_name(owner): servers}})


def service_of(api: Api) -> Api:
    """Return the way into the cluster that the service has."""
    return api.with_token(api.account_token(RELEASE))


def refusal_of(service: Api, manifest: dict[str, Any]) -> str:
    """Return why a job is refused; empty: it was taken, and removed again."""
    try:
        service.create(manifest)
    except RefusedError as refused:
        return str(refused)
    service.delete("batch/v1", "Job", manifest["metadata"]["name"])
    return ""


def a_job(name: str, owner: str = "Ada.L", **pod: Any) -> dict[str, Any]:
    """Return a Job as the service makes them; ``pod`` changes its pods, metadata included."""
    named = {"sublet.dev/job-id": name, "sublet.dev/owner-hash": hash_of_name(owner)}
    labels = {
        **named,
        "sublet.dev/owner": "of-the-test",
        "team": "science",
        **pod.pop("labels", {}),
    }
    annotations = {"sublet.dev/job-request": "{}", **pod.pop("annotations", {})}
    container = {
        "name": "job",
        "image": IMAGE,
        "securityContext": OF_CONTAINER,
        "env": [{"name": "HOME", "value": "/home/jovyan"}],
        "resources": {"limits": {"memory": "1Gi", "sublet.dev/lent": "1"}},
        **pod.pop("inside", {}),
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "serviceAccountName": f"{RELEASE}-job",
        "securityContext": dict(TEMPLATE.pod_security_context),
        "runtimeClassName": "nvidia",
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [container],
        **pod,
    }
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": {
                **named,
                "sublet.dev/owner": "of-the-test",
                "sublet.dev/owner-shard": shard_of(hash_of_name(owner)),
            },
        },
        "spec": {"suspend": True, "template": template},
    }


def volume(mount: dict[str, Any] | None = None, **kind: Any) -> dict[str, Any]:
    mounts = [{"name": "home", "mountPath": "/data", **(mount or {})}]
    return {"volumes": [{"name": "home", **kind}], "inside": {"volumeMounts": mounts}}


def claim(name: str, **mount: Any) -> dict[str, Any]:
    return volume(mount, persistentVolumeClaim={"claimName": name})


def token_for(audience: str) -> dict[str, Any]:
    source = {"path": "token", "audience": audience, "expirationSeconds": 3600}
    return volume(projected={"sources": [{"serviceAccountToken": source}]})


def inside(**fields: Any) -> dict[str, Any]:
    return {"inside": fields}


def rules(**fields: Any) -> dict[str, Any]:
    return inside(securityContext={**OF_CONTAINER, **fields})


def from_elsewhere(**source: Any) -> dict[str, Any]:
    return inside(env=[{"name": "TOKEN", "valueFrom": source}])
