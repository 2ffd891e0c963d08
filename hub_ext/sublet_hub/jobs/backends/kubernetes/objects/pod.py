"""The pod of a job: as its owner's servers are made, with lent room in place of their GPU.

Pure: from records to what Kubernetes' API takes. The image, user, volumes and tolerations are the
owner's own (``PodTemplate``); the environment is by allow-list; there is no token of any kind: a
job speaks to its node's agent alone, which knows it by its pod's cgroup, and tells its progress
in its log, which the service reads.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sublet_quota.amounts.lent_units import RESOURCE
from sublet_quota.names.owner_hash import hash_of_name
from sublet_quota.wire.api import AccountTemplate, PodTemplate
from sublet_quota.wire.environment import HUGE_PAGES

from sublet_hub.host.owner_environment import is_reserved
from sublet_hub.jobs.backends.kubernetes.objects.names import (
    CONTAINER,
    JOB_ID,
    MANAGED_BY,
    OWNER,
    OWNER_HASH,
    REQUEST,
    SERVICE,
    SLICE_ID,
    as_label,
)
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.folders import paths_of
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import JobRecord

REQUEST_FOLDER: Final = "/run/sublet-job"
REQUEST_FILE: Final = "request.json"
ENDING_FILE: Final = "/dev/termination-log"
MOST_REQUEST: Final = 192 * 1024
"""Annotations of an object may be 256 KiB in all."""
_RUN: Final = ("-P", "-m", "sublet_lab.runner", "pod")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUEST_VOLUME: Final = "sublet-job-request"


@dataclass(frozen=True, slots=True)
class PlacedJob:
    """A job with everything that its pod depends on."""

    job: JobRecord
    account: AccountTemplate
    pod: PodTemplate
    asked: Mapping[str, str]
    """The variables that the job's owner asked for."""
    memory_mib: int
    """The cap of the job's slice: GPU memory in MiB."""
    units: int
    slice_id: str | None = None
    simulated: bool = False
    prefers_node: str | None = None
    """The node where the queue found room; none where the cluster places the job."""
    only_on: tuple[str, ...] = ()
    """The only nodes that have its owner's files or the cards it asks for; empty: all do."""


def labels_of(placed: PlacedJob, settings: KubeJobSettings) -> dict[str, str]:
    """Return the labels of a job's objects and pods."""
    labels = {**dict(settings.labels), MANAGED_BY: SERVICE, JOB_ID: placed.job.job_id}
    # For people: several names may look alike as a label. Never none; KubeSpawner says "x", too.
    labels[OWNER] = as_label(placed.job.owner) or "x"
    labels[OWNER_HASH] = hash_of_name(placed.job.owner)
    if placed.slice_id is not None:
        labels[SLICE_ID] = placed.slice_id
    return labels


def annotations_of(placed: PlacedJob) -> dict[str, str]:
    """Return the annotations of a job's pods: the request, which the runner reads as a file."""
    return {REQUEST: json.dumps(request_of(placed), sort_keys=True)}


def request_of(placed: PlacedJob) -> dict[str, Any]:
    """Return what the runner in a job's pod is asked for."""
    job = placed.job
    paths = paths_of(job, placed.account)
    take = {
        "notebook": str(paths.original),
        "to": str(paths.copy_folder),
        "paths": list(job.take_along),
    }
    return {"take": take, "run": paths.run_request(job)}


def pod_spec(placed: PlacedJob, settings: KubeJobSettings, *command: str) -> Manifest:
    """Return the pod's spec; ``command`` stands before the interpreter's arguments."""
    template = placed.pod
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": settings.service_account,
        "terminationGracePeriodSeconds": int(settings.grace.total_seconds()),
        "containers": [_container(placed, settings, command)],
        "volumes": [*template.volumes, _request_volume()],
    }
    alone = placed.job.gpus == 1
    priority_class = settings.priority_class if alone else settings.job_set_priority_class
    if priority_class:
        spec["priorityClassName"] = priority_class
    if template.pod_security_context:
        spec["securityContext"] = template.pod_security_context
    if template.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in template.image_pull_secrets]
    if template.node_selector:
        spec["nodeSelector"] = dict(template.node_selector)
    if template.tolerations:
        spec["tolerations"] = list(template.tolerations)
    if template.runtime_class_name is not None:
        spec["runtimeClassName"] = template.runtime_class_name
    affinity = _affinity(placed)
    if affinity:
        spec["affinity"] = {"nodeAffinity": affinity}
    return spec


def _container(placed: PlacedJob, settings: KubeJobSettings, command: tuple[str, ...]) -> Manifest:
    template = placed.pod
    units = {RESOURCE: str(placed.units)}
    # What a suspend moves to host memory is the pod's own, so request and limit both cover it.
    memory = f"{_mib(settings.memory) + placed.memory_mib}Mi"
    container: Manifest = {
        "name": CONTAINER,
        "image": template.image,
        "command": [placed.account.python, *command, *_RUN],
        "args": [
            "--request-file",
            f"{REQUEST_FOLDER}/{REQUEST_FILE}",
            "--ending-file",
            ENDING_FILE,
        ],
        "workingDir": placed.account.notebook_dir,
        "env": [
            {"name": name, "value": value}
            for name, value in sorted(environment_of(placed, settings).items())
        ],
        "resources": {
            "requests": {"cpu": settings.cpu, "memory": memory, **units},
            "limits": {"memory": memory, **units},
        },
        "terminationMessagePath": ENDING_FILE,
        "volumeMounts": [
            *template.volume_mounts,
            {"name": _REQUEST_VOLUME, "mountPath": REQUEST_FOLDER, "readOnly": True},
        ],
    }
    if template.image_pull_policy:
        container["imagePullPolicy"] = template.image_pull_policy
    if template.container_security_context:
        container["securityContext"] = template.container_security_context
    return container


def environment_of(placed: PlacedJob, settings: KubeJobSettings) -> dict[str, str]:
    """Return the variables of a job's pod; its card, and its part of that, the agent adds."""
    account = placed.account
    allowed = {k: v for k, v in account.environment.items() if not is_reserved(k)}
    variables = {
        **allowed,
        **placed.asked,
        "HOME": account.home,
        "SUBLET_AGENT_SOCKET": settings.agent_socket,
        "SUBLET_SERVICE_URL": settings.service_url,
        "SUBLET_JOB_ID": placed.job.job_id,
        "SUBLET_ATTEMPT": str(placed.job.attempts + 1),
        "SUBLET_MEMORY_MIB": str(placed.memory_mib),
        "SUBLET_COMPUTE_MILLI": str(placed.job.compute_milli),
    }
    variables.setdefault("GLIBC_TUNABLES", HUGE_PAGES)
    if placed.slice_id is not None:
        variables["SUBLET_SLICE_ID"] = placed.slice_id
    if placed.simulated and settings.simulated_socket is not None:
        variables["SUBLET_SIMULATED_SOCKET"] = settings.simulated_socket
    return variables


def _request_volume() -> Manifest:
    item = {
        "path": REQUEST_FILE,
        "fieldRef": {"fieldPath": f"metadata.annotations['{REQUEST}']"},
    }
    return {"name": _REQUEST_VOLUME, "downwardAPI": {"items": [item]}}


def _affinity(placed: PlacedJob) -> Manifest:
    affinity: Manifest = {}
    if placed.only_on:
        # Of a node's name a term takes one value alone; of several terms one is enough.
        terms = [_on_node(name) for name in placed.only_on]
        affinity[_REQUIRED] = {"nodeSelectorTerms": terms}
    if placed.prefers_node is not None and placed.only_on != (placed.prefers_node,):
        affinity[_PREFERRED] = [{"weight": 100, "preference": _on_node(placed.prefers_node)}]
    return affinity


def _on_node(name: str) -> Manifest:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}


_SUFFIXES: Final = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}


def _mib(quantity: str) -> int:
    """Return an amount as Kubernetes writes it, such as ``4Gi``, in MiB."""
    number, suffix = quantity[:-2], quantity[-2:]
    if suffix not in _SUFFIXES or not number.isdecimal():
        message = f"{quantity!r} is no amount of memory: write it as 4Gi or 512Mi"
        raise ValueError(message)
    return int(int(number) * _SUFFIXES[suffix])
