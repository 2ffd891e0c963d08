"""What the API server refuses to the service's account, by the chart's policies and roles."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import yaml
from sublet_hub.jobs.backends.kubernetes.objects.manifests import manifest_of
from sublet_hub.jobs.backends.kubernetes.objects.pod import PlacedJob
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings, SeveralNodes
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_quota.names.owner_hash import hash_of_name
from sublet_spawner.owner_records import record_of
from sublet_spawner.pod_template import template_of

from tests.spawner.pod_cases import FOLDER
from tests.support.helm_charts import RELEASE
from tests.support.helm_programs import find_helm
from tests.support.jobs_on_kube import SETTINGS, a_placed_job
from tests.support.jobs_on_kube import a_job as a_placed_job_record
from tests.support.kube.api import Api, RefusedError
from tests.support.kube.jobset_fake import jobs_of
from tests.support.kube.owner_records import RECORDS, records_of
from tests.support.kube.policed_jobs import (
    DISK,
    HOME,
    IMAGE,
    OF_CONTAINER,
    OTHERS_HOME,
    TEMPLATE,
    a_job,
    claim,
    from_elsewhere,
    inside,
    policed_release,
    record,
    refusal_of,
    rules,
    service_of,
    token_for,
    volume,
)
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError
from tests.support.kube.trainjob_fake import job_set_of

pytestmark = [
    pytest.mark.kube,
]


@pytest.fixture(scope="module")
def policed(cluster: Api) -> Iterator[Api]:
    try:
        find_helm()
    except MissingError as missing:
        pytest.skip(f"no helm here: {missing}")
    with policed_release(cluster, "policed") as api:
        yield api


@pytest.fixture(scope="module")
def without_records(cluster: Api, policed: Api) -> Iterator[Api]:
    """The service's way into a namespace where no policy measures jobs by what is recorded."""
    assert policed
    with policed_release(cluster, "unrecorded", records=False) as api:
        yield service_of(api)


@pytest.fixture
def service(policed: Api) -> Api:
    return service_of(policed)


HUB_TOKEN = {"name": "hub", "key": "hub.services.sublet.apiToken"}
SECRET = {"sources": [{"secret": {"name": "hub"}}]}
SOCKETS = {"path": "/run/sublet/tenants", "type": "Directory"}
UNCONFINED = {"type": "Unconfined"}
CLONE = {
    "volumeClaimTemplate": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "dataSource": {"kind": "PersistentVolumeClaim", "name": "claim-grace"},
        }
    }
}
SECOND = {"name": "second", "image": IMAGE, "securityContext": OF_CONTAINER}
HOSTILE = {
    "host's network": ({"hostNetwork": True}, "nothing of its node"),
    "host's processes": ({"hostPID": True}, "nothing of its node"),
    "a node of its choice": ({"nodeName": "control-plane"}, "on none past the scheduler"),
    "host's port": (
        inside(ports=[{"containerPort": 80, "hostPort": 80}]),
        "nothing of its node",
    ),
    "privileged": (
        rules(privileged=True, allowPrivilegeEscalation=True),
        "no rights beyond its owner's",
    ),
    "capability": (rules(capabilities={"add": ["NET_ADMIN"]}), "no rights beyond"),
    "no seccomp": (rules(seccompProfile=UNCONFINED), "no rights beyond"),
    "no AppArmor": (rules(appArmorProfile=UNCONFINED), "no rights beyond"),
    "no seccomp in the pod": (
        {"securityContext": {"seccompProfile": UNCONFINED}},
        "no rights beyond",
    ),
    "no AppArmor in the pod": (
        {"securityContext": {"appArmorProfile": UNCONFINED}},
        "no rights beyond",
    ),
    "AppArmor by annotation": (
        {"annotations": {"container.apparmor.security.beta.kubernetes.io/job": "unconfined"}},
        "no labels or annotations but",
    ),
    "a device by annotation": (
        {"annotations": {"cdi.k8s.io/gpus": "nvidia.com/gpu=all"}},
        "no labels or annotations but",
    ),
    "label of who may reach the hub": (
        {"labels": {"hub.jupyter.org/network-access-hub": "true"}},
        "no labels or annotations but",
    ),
    "all of /proc": (
        {"hostUsers": False, **rules(procMount="Unmasked")},
        "(no rights beyond|nothing but what jobs need)",
    ),
    "sysctl": (
        {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}]}},
        "no rights beyond",
    ),
    "another account within": (rules(runAsUser=0), "in the image and with the rights of"),
    "another group for volumes": (
        {"securityContext": {"fsGroup": 0}},
        "in the image and with the rights of",
    ),
    "another image": (inside(image="registry.example/notebook:2"), "in the image and with the"),
    "image of one server, account of another": (
        inside(image="registry.example/other:2"),
        "in the image and with the rights of",
    ),
    "another runtime": ({"runtimeClassName": "runc"}, "in the image and with the rights of"),
    "another's credentials of a registry": (
        {"imagePullSecrets": [{"name": "theirs"}]},
        "in the image and with the rights of",
    ),
    "a container before": ({"initContainers": [SECOND]}, "one container, in a pod of nothing but"),
    "processes of two containers": ({"shareProcessNamespace": True}, "one container, in a pod of"),
    "names of hosts": (
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hub"]}]},
        "one container, in a pod of",
    ),
    "a claim for devices": (
        {"resourceClaims": [{"name": "gpu", "resourceClaimName": "theirs"}]},
        "one container, in a pod of",
    ),
    "a card": (inside(resources={"limits": {"nvidia.com/gpu": "1"}}), "and for no device"),
    "what runs at its start": (
        inside(lifecycle={"postStart": {"exec": {"command": ["true"]}}}),
        "a container of nothing but",
    ),
    "a disk as it is": (
        inside(volumeDevices=[{"name": "home", "devicePath": "/dev/disk"}])
        | {"volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": HOME}}]},
        "a container of nothing but",
    ),
    "token": ({"automountServiceAccountToken": True}, "no token of a service account"),
    "another service account": ({"serviceAccountName": "hub"}, "no account but sublet-job"),
    "no service account named": ({"serviceAccountName": None}, "no account but sublet-job"),
    "token as a file": (token_for("sublet"), "no token of a service account"),
    "high priority": ({"priorityClassName": "system-node-critical"}, "goes before nobody"),
    "secret as files": (volume(secret={"secretName": "hub"}), "reads no Secret"),
    "secret among others": (volume(projected=SECRET), "reads no Secret"),
    "secret as a variable": (from_elsewhere(secretKeyRef=HUB_TOKEN), "reads no Secret"),
    "secret as variables": (inside(envFrom=[{"secretRef": {"name": "hub"}}]), "reads no Secret"),
    "settings as files": (volume(configMap={"name": "hub"}), "no ConfigMap but"),
    "settings among others": (
        volume(projected={"sources": [{"configMap": {"name": "hub"}}]}),
        "no ConfigMap but",
    ),
    "settings as a variable": (
        from_elsewhere(configMapKeyRef={"name": "hub", "key": "a"}),
        "no ConfigMap but",
    ),
    "settings as variables": (inside(envFrom=[{"configMapRef": {"name": "hub"}}]), "no ConfigMap"),
    "host's folder": (volume(hostPath={"path": "/"}), "no folder of its node"),
    "sockets' folder to be written": (volume(hostPath=SOCKETS), "which it cannot write"),
    "sockets' folder to be made": (
        volume({"readOnly": True}, hostPath={**SOCKETS, "type": "DirectoryOrCreate"}),
        "no folder of its node but",
    ),
    "storage of its own": (
        volume(cephfs={"monitors": ["10.0.0.1"]}),
        "volumes of no other kind",
    ),
    "copy of another's volume": (volume(ephemeral=CLONE), "volumes of no other kind"),
    "a driver's volume": (volume(csi={"driver": "example.org"}), "volumes of no other kind"),
    "other's volume": (claim("claim-grace"), "has volumes of no other user"),
    "name that begins alike": (claim(OTHERS_HOME), "has volumes of no other user"),
    "name without the hash": (claim("claim-ada-l"), "has volumes of no other user"),
    "other's folder of a shared volume": (
        claim("homes", subPath="grace"),
        "has volumes of no other user",
    ),
    "all of a shared volume": (claim("homes"), "has volumes of no other user"),
    "a folder by a variable": (claim("homes", subPathExpr="$(HOME)"), "folders that are named as"),
    "mounts passed on": (
        claim(HOME, mountPropagation="HostToContainer"),
        "passes no mounts on",
    ),
    "other's folder of the admin's kind": (
        volume({"subPath": "grace"}, nfs={"server": "10.0.0.1", "path": "/data"}),
        "has volumes of no other user",
    ),
    "another path of the admin's kind": (
        volume({"subPath": "ada.l"}, nfs={"server": "10.0.0.1", "path": "/"}),
        "has volumes of no other user",
    ),
    "another server of the admin's kind": (
        volume({"subPath": "ada.l"}, nfs={"server": "10.0.0.9", "path": "/data"}),
        "has volumes of no other user",
    ),
    "another initiator of the admin's kind": (
        volume({"readOnly": True}, iscsi={**DISK, "initiatorName": "iqn.2026-11.example:hub"}),
        "has volumes of no other user",
    ),
    "what was only read": (claim("models"), "has volumes of no other user"),
}


@pytest.mark.parametrize(("pod", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_job_of_the_service_is_refused(
    service: Api, without_records: Api, pod: dict[str, Any], words: str
) -> None:
    job = a_job("hostile", **pod)
    with pytest.raises(RefusedError) as refused:
        service.create(job)
    # What a server of its owner's may have when it is started again is tried again.
    may_come = "has volumes of no other user" in words or "in the image and" in words
    if not may_come:
        with pytest.raises(RefusedError) as refused:
            without_records.create(job)
    assert re.search(words, str(refused.value))
    assert (refused.value.status == 403) is may_come


FRIENDLY = {
    "home": claim(HOME),
    "folder of its own": claim("homes", subPath="ada.l"),
    "what is only read": claim("models", readOnly=True),
    "the sockets": volume({"readOnly": True}, hostPath=SOCKETS),
    "files of all servers": volume(secret={"secretName": "singleuser"}),
    "settings of all servers": volume(configMap={"name": "greeting"}),
    "kind of the admin's": volume(
        {"subPath": "ada.l"}, nfs={"server": "10.0.0.1", "path": "/data"}
    ),
    "kind with what Kubernetes adds": volume({"readOnly": True}, iscsi=DISK),
    "read only as a volume": volume(
        persistentVolumeClaim={"claimName": "models", "readOnly": True}
    ),
    "its request": volume(
        downwardAPI={"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}
    ),
    "what it is told of itself": from_elsewhere(fieldRef={"fieldPath": "metadata.name"}),
    "its class": {"priorityClassName": "policed-sublet-job"},
    "its class on several GPUs": {"priorityClassName": "policed-sublet-job-set"},
    "scratch": volume(emptyDir={"medium": "Memory"}),
    "as another server of its owner": {
        "runtimeClassName": None,
        "imagePullSecrets": None,
        "securityContext": None,
        **inside(image="registry.example/other:2", securityContext={"runAsUser": 7}),
    },
}


@pytest.mark.parametrize("pod", FRIENDLY.values(), ids=FRIENDLY.keys())
def test_what_jobs_need_is_taken(service: Api, pod: dict[str, Any]) -> None:
    service.create(a_job("friendly", **pod))
    service.delete("batch/v1", "Job", "friendly")


def jobs_for(kind: str, placed: PlacedJob) -> Iterator[dict[str, Any]]:
    """What the service asks for of a kind, as the Jobs that it is made into."""
    several = SeveralNodes.TRAIN_JOB if kind == "TrainJob" else SeveralNodes.JOB_SET
    settings = replace(
        SETTINGS,
        namespace="policed",
        service_account=f"{RELEASE}-job",
        priority_class="policed-sublet-job",
        job_set_priority_class="policed-sublet-job-set",
        simulated_socket="/run/sublet/gpus.sock",
        several_nodes=several,
        labels=(("team", "science"),),
        kueue=None if kind == "Job" else KueueSettings(),
    )
    made = manifest_of(placed, settings)
    if kind == "Job":
        yield made
        return
    made["metadata"]["uid"] = "of-the-test"
    job_set = job_set_of(made) if kind == "TrainJob" else made
    job_set["metadata"]["uid"] = "of-the-test"
    yield from jobs_of(job_set)


@pytest.mark.parametrize("kind", ["Job", "JobSet", "TrainJob"])
@pytest.mark.parametrize("name", ["time-slicing", "hami", "simulated"])
def test_what_the_spawner_writes_and_records_the_service_asks_for_and_the_policy_takes(
    policed: Api, service: Api, kind: str, name: str
) -> None:
    """Each with a home, and the sockets' folder, as they are kept in the spawner's tests."""
    pod = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    template = template_of(pod, "policed")
    owner = f"owner-of-{kind}-{name}"
    servers = {hash_of_name(""): [record_of(template)]}
    record(policed, owner, servers)
    job = a_placed_job_record(owner=owner, gpus=1 if kind == "Job" else 2)
    placed = a_placed_job(job, pod=template, simulated=True)
    for made in jobs_for(kind, placed):
        # What makes them are other accounts, such as JobSet's own.
        made["metadata"].pop("ownerReferences", None)
        maker = service if kind == "Job" else policed
        made["spec"]["suspend"] = True
        told = wait_for(partial(known, maker, made), 60, "the record to be known")
        assert told == TAKEN


TAKEN = "taken"


def known(maker: Api, made: dict[str, Any]) -> str:
    """What is said of a job once its owner's record is known; empty before."""
    told = refusal_of(maker, made)
    return "" if "nothing is recorded yet" in told else told or TAKEN


def test_a_job_whose_owner_is_not_recorded_is_told_to_start_a_server(service: Api) -> None:
    with pytest.raises(RefusedError, match="nothing is recorded yet of what") as refused:
        service.create(a_job("unrecorded", "grace"))
    # So the service tries it again for a while, and nothing else that is forbidden.
    known = KubeError(str(refused.value), refused.value.status, causes=refused.value.causes)
    assert known.may_be_granted


def test_a_server_that_is_started_anew_is_the_only_measure_of_jobs_then(
    policed: Api, service: Api
) -> None:
    def start(image: str) -> None:
        server = record_of(TEMPLATE.model_copy(update={"image": image}))
        record(policed, "eve", {"s": [server]})

    start("registry.example/old:1")
    old = a_job("of-old", "eve", **inside(image="registry.example/old:1"))
    wait_for(lambda: not refusal_of(service, old), 60, "the record to be known")
    start(IMAGE)
    new = a_job("of-new", "eve")
    wait_for(lambda: not refusal_of(service, new), 60, "the new record to be known")
    assert "in the image and with the rights of" in refusal_of(service, old)


def test_what_is_there_goes_on_whatever_is_recorded_since(policed: Api, service: Api) -> None:
    record(policed, "mia", {"s": [record_of(TEMPLATE)]})
    wait_for(lambda: not refusal_of(service, a_job("queued", "mia")), 60, "the record to be known")
    service.create(a_job("queued", "mia"))
    record(policed, "mia", None)
    again = a_job("again", "mia")
    wait_for(lambda: "start your server" in refusal_of(service, again), 60, "it to be forgotten")
    # As Kueue does: it says on which nodes the job runs, and lets it go.
    where = {"template": {"spec": {"nodeSelector": {"flavor": "a100"}}}}
    policed.patch("batch/v1", "Job", "queued", {"spec": where})
    policed.patch("batch/v1", "Job", "queued", {"spec": {"suspend": False}})
    service.delete("batch/v1", "Job", "queued")


def test_records_as_large_as_owners_have_them_are_weighed_within_the_server_s_bounds(
    policed: Api, service: Api
) -> None:
    """The API server gives a policy a budget, and refuses what would take more."""
    claims = [f"claim-{number}" for number in range(24)]
    template = TEMPLATE.model_copy(
        update={
            "volumes": tuple(
                {"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims
            ),
            "volume_mounts": tuple(
                {"name": each, "mountPath": f"/{each}/{half}", "subPath": half}
                for each in claims
                for half in ("a", "b")
            ),
        }
    )
    others = TEMPLATE.model_copy(
        update={"volumes": template.volumes, "volume_mounts": template.volume_mounts, "image": "i"}
    )
    servers = {f"s{number:02}": [record_of(others)] for number in range(15)}
    servers["the-last"] = [record_of(template)]
    record(policed, "many", servers)
    mounts = {"volumeMounts": list(template.volume_mounts)}
    job = a_job("of-many", "many", volumes=list(template.volumes), inside=mounts)
    assert wait_for(partial(known, service, job), 60, "the record to be known") == TAKEN


def test_an_object_holds_two_thousand_servers_and_measures_jobs_by_each(
    cluster: Api, crowded: tuple[str, ...]
) -> None:
    """Of sixteen; what would be too much is refused in etcd's words, and loses nothing."""
    with policed_release(cluster, "crowded") as api:
        usual = record_of(TEMPLATE.model_copy(update={"volumes": TEMPLATE.volumes[:1]}))

        def record_all(owners: tuple[str, ...]) -> None:
            servers = {owner: {hash_of_name(""): [usual]} for owner in owners}
            api.patch(*RECORDS, f"{RELEASE}-0", {"owners": servers})

        record_all(crowded[:2000])
        with pytest.raises(RefusedError, match=r"request is too large|message larger than max"):
            record_all(crowded[2000:])
        service = service_of(api)
        for owner, told in ((crowded[1999], ""), (crowded[-1], "nothing is recorded yet")):
            job = a_job("crowded", labels={"sublet.dev/owner-hash": owner})
            job["metadata"]["labels"]["sublet.dev/owner-shard"] = "0"
            as_told = lambda job=job, told=told: (  # noqa: E731
                told in (said := refusal_of(service, job)) and bool(said) is bool(told)
            )
            wait_for(as_told, 60, f"{owner} to be measured: {told}")


@pytest.fixture
def crowded() -> tuple[str, ...]:
    """The hashes of more owners than one object holds, all of its part."""
    return tuple(f"0{hash_of_name(str(number))[1:]}" for number in range(5000))


def test_the_service_cannot_write_what_is_recorded(service: Api) -> None:
    for call in (
        lambda: service.patch(*RECORDS, f"{RELEASE}-0", {"owners": {"mine": None}}),
        lambda: service.delete(*RECORDS, f"{RELEASE}-0"),
        lambda: service.create(records_of("another")),
    ):
        with pytest.raises(RefusedError) as refused:
            call()
        assert refused.value.status == 403


def test_a_job_without_a_name_of_ours_is_refused_to_the_service_and_to_nobody_else(
    policed: Api, service: Api
) -> None:
    manifest = a_job("unnamed")
    manifest["spec"]["template"]["metadata"] = manifest["metadata"]["labels"] = {}
    with pytest.raises(RefusedError, match="itself and its owner in those of its pods"):
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
        known = KubeError(str(refused.value), 403, causes=refused.value.causes)
        assert not known.may_be_granted
