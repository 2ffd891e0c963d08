"""What a job asks of the cluster: whole objects, kept as files beside the tests.

``SUBLET_WRITE_EXPECTED=1`` writes the files anew, for a person to read in the difference.
"""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate
from sublet_hub.jobs.backends.kubernetes.objects.manifests import manifest_of, resource_of
from sublet_hub.jobs.backends.kubernetes.objects.names import ALL_JOBS, JOB_ID
from sublet_hub.jobs.backends.kubernetes.objects.pod import environment_of, request_of
from sublet_hub.jobs.backends.kubernetes.objects.settings import KueueSettings, SeveralNodes
from sublet_quota.life_cycles.job_states import JobState

from tests.support.jobs_on_kube import SETTINGS, a_job, a_placed_job

EXPECTED = Path(__file__).parent / "expected"
KUEUE = replace(
    SETTINGS,
    kueue=KueueSettings("sublet-lent", "", ((0, "sublet-normal"), (10, "sublet-high"))),
    job_set_priority_class="sublet-job-sets",
)

CASES: dict[str, Any] = {
    "one-gpu": (a_placed_job(), SETTINGS),
    "home-on-a-node": (a_placed_job(only_on=("node-b",), prefers_node="node-b"), SETTINGS),
    "type-on-nodes": (a_placed_job(only_on=("node-a", "node-b")), SETTINGS),
    "files-taken-along": (a_placed_job(a_job(take_along=("data", "model.py"))), SETTINGS),
    "kueue": (a_placed_job(a_job(priority=12), slice_id=None, prefers_node=None), KUEUE),
    "jobset": (a_placed_job(a_job(gpus=2), slice_id=None, prefers_node=None), KUEUE),
    "trainjob": (
        a_placed_job(a_job(gpus=2), slice_id=None, prefers_node=None),
        replace(KUEUE, several_nodes=SeveralNodes.TRAIN_JOB),
    ),
    "simulated": (
        a_placed_job(simulated=True),
        replace(SETTINGS, simulated_socket="/run/sublet/gpus.sock", labels=(("zone", "jobs"),)),
    ),
}

FIELDS_OF_TRAINERS_PODS = {
    "serviceAccountName",
    "volumes",
    "initContainers",
    "containers",
    "imagePullSecrets",
    "securityContext",
    "nodeSelector",
    "affinity",
    "tolerations",
    "schedulingGates",
}
"""``PodSpecPatch`` of Kubeflow's trainer (``pkg/apis/trainer/v1alpha1/trainjob_types.go``)."""
FIELDS_OF_TRAINERS_CONTAINERS = {"name", "env", "volumeMounts", "securityContext"}
"""``ContainerPatch`` there."""


@pytest.mark.parametrize("name", CASES)
def test_objects_are_as_the_files_say(name: str) -> None:
    placed, settings = CASES[name]
    made = manifest_of(placed, settings)
    path = EXPECTED / f"{name}.yaml"
    if os.environ.get("SUBLET_WRITE_EXPECTED"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(made, sort_keys=False, width=100))
    assert made == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    "name", ["one-gpu", "home-on-a-node", "type-on-nodes", "files-taken-along", "kueue"]
)
def test_jobs_are_valid_for_kubernetes(name: str) -> None:
    validate(manifest_of(*CASES[name]), "1.34", strict=True)


def test_the_pods_of_a_job_set_are_valid_for_kubernetes() -> None:
    (inside,) = manifest_of(*CASES["jobset"])["spec"]["replicatedJobs"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, **inside["template"]}
    validate(job, "1.34", strict=True)


def test_an_ended_job_outlasts_a_long_absence_of_the_service() -> None:
    kept_s = [
        manifest_of(*CASES[name])["spec"]["ttlSecondsAfterFinished"]
        for name in ("one-gpu", "jobset")
    ]
    assert all(timedelta(seconds=each) >= timedelta(days=7) for each in kept_s)


def test_a_train_job_patches_nothing_that_kubeflows_trainer_has_no_field_for() -> None:
    (patch,) = manifest_of(*CASES["trainjob"])["spec"]["runtimePatches"]
    (replicated,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    inside = replicated["template"]["spec"]["template"]["spec"]
    assert set(inside) <= FIELDS_OF_TRAINERS_PODS
    assert all(set(each) <= FIELDS_OF_TRAINERS_CONTAINERS for each in inside["containers"])


@pytest.mark.parametrize("name", ["jobset", "trainjob"])
def test_the_jobs_that_others_make_of_an_object_are_not_taken_for_the_service_s_own(
    name: str,
) -> None:
    """By one label policies know them; with all labels of its own the service would remove them."""
    spec = manifest_of(*CASES[name])["spec"]
    if name == "trainjob":
        (patch,) = spec["runtimePatches"]
        spec = patch["trainingRuntimeSpec"]["template"]["spec"]
    (replicated,) = spec["replicatedJobs"]
    labels = replicated["template"]["metadata"]["labels"]
    needed = {each.partition("=")[0] for each in ALL_JOBS.split(",")}
    assert JOB_ID in labels
    assert not needed <= labels.keys()


def test_no_token_and_nothing_of_the_hubs_is_in_a_jobs_pod() -> None:
    placed = a_placed_job()
    written = yaml.safe_dump(manifest_of(placed, SETTINGS))
    assert "canary" not in written
    assert "JUPYTERHUB_" not in written
    assert "automountServiceAccountToken: false" in written


def test_what_the_owner_asks_for_cannot_replace_what_is_ours() -> None:
    placed = a_placed_job(asked={"SUBLET_SLICE_ID": "another", "HOME": "/root"})
    variables = environment_of(placed, SETTINGS)
    assert variables["SUBLET_SLICE_ID"] == "5" * 32
    assert variables["HOME"] == "/home/jovyan"


def test_which_card_it_is_the_pod_leaves_to_the_agent() -> None:
    variables = environment_of(a_placed_job(), SETTINGS)
    decided_by_agent = {"SUBLET_GPU_ID", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}
    assert not decided_by_agent & set(variables)
    assert not {"PYTORCH_ALLOC_CONF", "XLA_CLIENT_MEM_FRACTION"} & set(variables)


def test_the_pods_memory_covers_what_a_suspend_moves_into_it() -> None:
    (container,) = manifest_of(a_placed_job(), SETTINGS)["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{(4 + 20) * 1024}Mi"
    assert container["resources"]["requests"]["memory"] == f"{(4 + 20) * 1024}Mi"


def test_each_attempt_has_an_object_and_results_of_all_are_in_one_place() -> None:
    first = a_placed_job()
    running = replace(first, job=a_job(state=JobState.RUNNING, attempts=1))
    second = replace(first, job=a_job(attempts=1))
    names = [manifest_of(each, SETTINGS)["metadata"]["name"] for each in (first, running, second)]
    assert names == [
        "sublet-0123456789ab-1",
        "sublet-0123456789ab-1",
        "sublet-0123456789ab-2",
    ]
    assert request_of(first)["run"]["output"] == request_of(second)["run"]["output"]


def test_one_gpu_is_a_job_whatever_runs_several() -> None:
    settings = replace(SETTINGS, several_nodes=SeveralNodes.TRAIN_JOB)
    assert resource_of(a_job(), settings).kind == "Job"
    assert resource_of(a_job(gpus=2), settings).kind == "TrainJob"
