"""The objects that run a job: a Job for one GPU; a JobSet or a TrainJob for several.

Pure: from a placed job to what Kubernetes' API takes. Each attempt has an object of its own, that
is never tried again by the cluster: whether and when a job begins anew is our queue's decision.
"""

from typing import Final

from sublet_quota.names.owner_hash import hash_of_name, shard_of

from sublet_hub.jobs.backends.kubernetes.objects.names import (
    JOB_ID,
    NODES,
    OWNER_SHARD,
    TRAINERS_CONTAINER,
    nodes_mark,
    object_name,
)
from sublet_hub.jobs.backends.kubernetes.objects.pod import (
    PlacedJob,
    annotations_of,
    labels_of,
    pod_spec,
)
from sublet_hub.jobs.backends.kubernetes.objects.settings import (
    KubeJobSettings,
    KueueSettings,
    SeveralNodes,
)
from sublet_hub.kubernetes_api.resources import JOB_SETS, JOBS, TRAIN_JOBS, Manifest, Resource
from sublet_hub.ledger.records import JobRecord

QUEUE_NAME: Final = "kueue.x-k8s.io/queue-name"
QUEUE_PRIORITY: Final = "kueue.x-k8s.io/priority-class"
_KEPT_S: Final = 7 * 24 * 3600
"""An object that has ended is removed by us; should we be away for longer, by the cluster.

Nobody can tell then how its job ended, and the job is run again.
"""
_WORKERS: Final = "workers"
_PORT: Final = 29500
_RUNTIME: Final = "torch-distributed"
_MANAGER: Final = "sublet.dev/service"
"""Whose part of a runtime's patches is ours: Kueue has one of its own."""


def resource_of(job: JobRecord, settings: KubeJobSettings) -> Resource:
    """Return the kind of object that runs a job."""
    if job.gpus == 1:
        return JOBS
    return JOB_SETS if settings.several_nodes is SeveralNodes.JOB_SET else TRAIN_JOBS


def manifest_of(placed: PlacedJob, settings: KubeJobSettings) -> Manifest:
    """Return the object that runs a job's next attempt."""
    resource = resource_of(placed.job, settings)
    labels = labels_of(placed, settings)
    metadata: Manifest = {
        "name": object_name(placed.job),
        "namespace": settings.namespace,
        "labels": {
            **labels,
            OWNER_SHARD: _shard_of(placed),
            **_queue_labels(placed.job, settings.kueue),
        },
    }
    if settings.kueue is not None:
        metadata["annotations"] = {NODES: nodes_mark(placed.only_on)}
    if resource is JOBS:
        return JOBS.manifest(metadata, spec=_job_spec(placed, settings, labels, pods=1))
    if resource is JOB_SETS:
        return JOB_SETS.manifest(metadata, spec=_job_set_spec(placed, settings, labels))
    return TRAIN_JOBS.manifest(metadata, spec=_train_job_spec(placed, settings, labels))


def _queue_labels(job: JobRecord, kueue: KueueSettings | None) -> dict[str, str]:
    if kueue is None:
        return {}
    labels = {QUEUE_NAME: kueue.local_queue}
    reached = [each for each in kueue.priority_classes if each[0] <= job.priority]
    if reached:
        labels[QUEUE_PRIORITY] = max(reached)[1]
    return labels


def _job_spec(
    placed: PlacedJob,
    settings: KubeJobSettings,
    labels: dict[str, str],
    *,
    pods: int,
    command: tuple[str, ...] = (),
) -> Manifest:
    spec: Manifest = {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": _KEPT_S,
        "template": {
            "metadata": {"labels": labels, "annotations": annotations_of(placed)},
            "spec": pod_spec(placed, settings, *command),
        },
    }
    if pods > 1:
        spec |= {"completions": pods, "parallelism": pods, "completionMode": "Indexed"}
    if settings.kueue is not None:
        # Kueue lets it go; without this its pods could start before Kueue has seen it.
        spec["suspend"] = True
    return spec


def _job_set_spec(placed: PlacedJob, settings: KubeJobSettings, labels: dict[str, str]) -> Manifest:
    name = object_name(placed.job)
    first = f"{name}-{_WORKERS}-0-0.{name}"
    command = (
        "-m",
        "torch.distributed.run",
        f"--nnodes={placed.job.gpus}",
        "--nproc-per-node=1",
        "--rdzv-backend=c10d",
        f"--rdzv-id={name}",
        f"--rdzv-endpoint={first}:{_PORT}",
        "--max-restarts=0",
        "--no-python",
        placed.account.python,
    )
    inside = _job_spec(placed, settings, labels, pods=placed.job.gpus, command=command)
    inside.pop("suspend", None)
    inside.pop("ttlSecondsAfterFinished")
    made_into = {"metadata": _of_what_it_is_made_into(placed), "spec": inside}
    spec: Manifest = {
        "failurePolicy": {"maxRestarts": 0},
        "network": {"enableDNSHostnames": True},
        "successPolicy": {"operator": "All", "targetReplicatedJobs": [_WORKERS]},
        "ttlSecondsAfterFinished": _KEPT_S,
        "replicatedJobs": [{"name": _WORKERS, "replicas": 1, "template": made_into}],
    }
    if settings.kueue is not None:
        spec["suspend"] = True
    return spec


def _train_job_spec(
    placed: PlacedJob, settings: KubeJobSettings, labels: dict[str, str]
) -> Manifest:
    """Return a TrainJob's spec: Kubeflow's trainer brings torchrun's options from its runtime."""
    pod = pod_spec(placed, settings)
    (container,) = pod.pop("containers")
    patched = {key: container[key] for key in _PATCHED_IN_CONTAINERS if key in container}
    inside: Manifest = {key: pod[key] for key in _PATCHED_IN_PODS if key in pod}
    inside["containers"] = [{"name": TRAINERS_CONTAINER, **patched}]
    metadata = {"labels": labels, "annotations": annotations_of(placed)}
    made_into = {
        "metadata": _of_what_it_is_made_into(placed),
        "spec": {"template": {"metadata": metadata, "spec": inside}},
    }
    runtime = {"spec": {"replicatedJobs": [{"name": TRAINERS_CONTAINER, "template": made_into}]}}
    spec: Manifest = {
        "runtimeRef": {
            "apiGroup": "trainer.kubeflow.org",
            "kind": "ClusterTrainingRuntime",
            "name": _RUNTIME,
        },
        "trainer": {
            "image": container["image"],
            "command": ["torchrun", "--no-python", container["command"][0]],
            "args": [*container["command"][1:], *container["args"]],
            "env": container["env"],
            "numNodes": placed.job.gpus,
            "numProcPerNode": 1,
            "resourcesPerNode": container["resources"],
        },
        "runtimePatches": [{"manager": _MANAGER, "trainingRuntimeSpec": {"template": runtime}}],
    }
    if settings.kueue is not None:
        spec["suspend"] = True
    return spec


def _of_what_it_is_made_into(placed: PlacedJob) -> Manifest:
    """Return the labels by which the chart's policies know the Jobs that others make of an object.

    No more: what ``ALL_JOBS`` finds the service made itself, and removes where it is not wanted.
    """
    return {"labels": {JOB_ID: placed.job.job_id, OWNER_SHARD: _shard_of(placed)}}


def _shard_of(placed: PlacedJob) -> str:
    return shard_of(hash_of_name(placed.job.owner))


_PATCHED_IN_PODS: Final = (
    "serviceAccountName",
    "securityContext",
    "nodeSelector",
    "affinity",
    "tolerations",
    "volumes",
    "imagePullSecrets",
)
"""What a TrainJob (trainer 2.2 and newer) lets one change in the pods of its runtime.

Neither the priority class nor the grace period: these, and whatever else the pods shall have, are
the runtime's.
"""
_PATCHED_IN_CONTAINERS: Final = ("volumeMounts", "securityContext")
"""What a TrainJob lets one change in the containers, beside the trainer's own fields."""
