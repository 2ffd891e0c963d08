"""What the chart's policies are about: Sublet's Jobs, known by a label that none can do without."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sublet_hub.jobs.backends.kubernetes.objects.manifests import manifest_of
from sublet_hub.jobs.backends.kubernetes.objects.settings import SeveralNodes
from sublet_quota.names.owner_hash import hash_of_name, shard_of

from tests.support.helm_charts import RELEASE, render
from tests.support.helm_programs import find_helm
from tests.support.jobs_on_kube import SETTINGS, a_placed_job
from tests.support.jobs_on_kube import a_job as a_job_record
from tests.support.kube.api import Api, Manifest, RefusedError
from tests.support.kube.owner_records import RECORDS, all_records_kept, object_of
from tests.support.kube.policed_jobs import (
    TEMPLATE,
    VALUES,
    a_job,
    policed_release,
    refusal_of,
    service_of,
    upgrade_policies,
)
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError

pytestmark = [
    pytest.mark.kube,
]

JOB_ID = "sublet.dev/job-id"
OWNER = "sublet.dev/owner-hash"
SHARD = "sublet.dev/owner-shard"
ADAS = shard_of(hash_of_name("Ada.L"))
KIND = "ownerrecords.sublet.dev"
DEFINITIONS = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


@pytest.fixture(scope="module")
def policed(cluster: Api) -> Iterator[Api]:
    try:
        find_helm()
    except MissingError as missing:
        pytest.skip(f"no helm here: {missing}")
    with policed_release(cluster, "labelled") as api:
        yield api


@pytest.fixture
def service(policed: Api) -> Api:
    return service_of(policed)


@pytest.fixture(params=["object", "kind"])
def without_records(request: pytest.FixtureRequest, policed: Api) -> Iterator[None]:
    """The release's OwnerRecords are gone, or their kind is, and with it those of all releases."""
    with all_records_kept(policed):
        if request.param == "object":
            policed.delete(*RECORDS, object_of("Ada.L", RELEASE))
        else:
            policed.delete(*DEFINITIONS, KIND)
            wait_for(lambda: policed.find(*DEFINITIONS, KIND) is None, 60, "the kind to go")
        yield
    service = service_of(policed)
    wait_for(lambda: not refusal_of(service, a_job("back")), 60, "the records to be known")


@pytest.fixture
def queued(policed: Api) -> Iterator[str]:
    """A job that waits in Kueue's queue."""
    service_of(policed).create(a_job("queued"))
    yield "queued"
    policed.delete("batch/v1", "Job", "queued")


def change(api: Api, name: str, **parts: Any) -> None:
    api.patch("batch/v1", "Job", name, parts)


def in_pods(**parts: Any) -> dict[str, Any]:
    return {"spec": {"template": parts}}


def let_go_by_kueue(api: Api, name: str) -> None:
    """Say on which nodes a job runs, and let it go."""
    change(api, name, **in_pods(spec={"nodeSelector": {"flavor": "a100"}}))
    change(api, name, spec={"suspend": False})


def others_job(name: str) -> Manifest:
    """Such as the one by which zero-to-jupyterhub's upgrades wait for images."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "wait", "image": "awaiter"}]}
    labels = {"app": "jupyterhub", "component": "image-puller"}
    spec = {"suspend": True, "template": {"metadata": {"labels": labels}, "spec": pod}}
    about = {"name": name, "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": spec}


def test_where_records_are_gone_jobs_of_others_are_taken_and_ours_wait_for_them(
    policed: Api, service: Api, queued: str, without_records: None
) -> None:
    assert without_records is None
    ours = partial(refusal_of, service, a_job("ours"))
    told = wait_for(lambda: "failed to configure" in (said := ours()) and said, 60, "a refusal")
    assert "'labelled-sublet-owner-records'" in told
    assert not refusal_of(policed, others_job("hook-image-awaiter"))
    # What is forged is refused as before, and what is there goes on and ends.
    assert refusal_of(service, a_job("forged", hostNetwork=True))
    assert "names itself" in refusal_of(service, others_job("forged"))
    let_go_by_kueue(policed, queued)


# A Job without any label gets its pods' from the API server.
UNNAMED = {
    "by another owner's label alone": {OWNER: "0" * 16, SHARD: ADAS},
    "by a label without a name": {JOB_ID: "", SHARD: ADAS},
    "by another's name": {JOB_ID: "another", SHARD: ADAS},
    "but not where its owner is recorded": {JOB_ID: "unnamed"},
    "with a place where nobody is recorded": {JOB_ID: "unnamed", SHARD: "x"},
}


@pytest.mark.parametrize("labels", UNNAMED.values(), ids=UNNAMED.keys())
@pytest.mark.parametrize("maker", ["the service", "whoever makes Jobs of a JobSet"])
def test_what_says_in_its_pods_that_it_is_a_job_of_ours_has_the_label_of_those_with_records(
    policed: Api, service: Api, labels: dict[str, str], maker: str
) -> None:
    manifest = a_job("unnamed")
    manifest["metadata"]["labels"] = labels
    by = service if maker == "the service" else policed
    assert "names itself" in refusal_of(by, manifest)


def test_an_owner_who_can_be_recorded_nowhere_has_no_jobs(policed: Api, service: Api) -> None:
    manifest = a_job("unnamed", labels={OWNER: "x" * 32})
    manifest["metadata"]["labels"][SHARD] = "x"
    assert "names itself" in refusal_of(service, manifest)
    assert "names itself" in refusal_of(policed, manifest)
    # Where others are recorded its owner is not.
    manifest["metadata"]["labels"][SHARD] = f"{15 - int(ADAS, 16):x}"
    assert refusal_of(service, manifest)


def test_what_has_the_label_alone_is_a_job_of_ours_whoever_makes_it(policed: Api) -> None:
    manifest = others_job("labelled")
    manifest["metadata"]["labels"][JOB_ID] = "labelled"
    assert refusal_of(policed, manifest)


CHANGES: dict[str, dict[str, Any]] = {
    "its label": {"metadata": {"labels": {JOB_ID: None}}},
    "its name": {"metadata": {"labels": {JOB_ID: "another"}}},
    "its name in its pods": in_pods(metadata={"labels": {JOB_ID: "another"}}),
    "its pods' label": in_pods(metadata={"labels": {JOB_ID: None}}),
    "its owner": in_pods(metadata={"labels": {OWNER: "0" * 16}}),
    "its owner's label": in_pods(metadata={"labels": {OWNER: None}}),
    "its slice": in_pods(metadata={"labels": {"sublet.dev/slice-id": "another"}}),
    "what it is asked for": in_pods(metadata={"annotations": {"sublet.dev/job-request": "[]"}}),
    "labels of the hub": in_pods(metadata={"labels": {"component": "hub"}}),
    "annotations": in_pods(metadata={"annotations": {"cdi.k8s.io/gpus": "nvidia.com/gpu=all"}}),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_nobody_takes_from_a_job_what_it_is_known_by(
    policed: Api, queued: str, changed: dict[str, Any]
) -> None:
    words = "keeps its labels and annotations|gets no labels or annotations"
    with pytest.raises(RefusedError, match=words):
        change(policed, queued, **changed)


def test_a_job_of_others_does_not_become_ours(policed: Api) -> None:
    policed.create(others_job("of-others"))
    with pytest.raises(RefusedError, match="no other becomes one"):
        change(policed, "of-others", metadata={"labels": {JOB_ID: "of-others"}})
    with pytest.raises(RefusedError, match="no other becomes one"):
        change(policed, "of-others", **in_pods(metadata={"labels": {JOB_ID: "of-others"}}))
    change(policed, "of-others", metadata={"labels": {"app": "another"}})
    policed.delete("batch/v1", "Job", "of-others")


def test_a_job_made_before_labels_or_shared_files_of_the_chart_changed_goes_on(
    policed: Api, service: Api
) -> None:
    service.create(a_job("of-before", volumes=[{"name": "a", "configMap": {"name": "greeting"}}]))
    others = {**VALUES["jobs"], "labels": {"group": "science"}, "sharedConfigMaps": []}
    upgrade_policies(policed, {"jobs": others})
    new = partial(refusal_of, service, a_job("new"))
    wait_for(lambda: "no labels or annotations" in new(), 60, "the labels to be others")
    try:
        change(policed, "of-before", **in_pods(metadata={"labels": {"team": "art"}}))
        let_go_by_kueue(policed, "of-before")
    finally:
        upgrade_policies(policed, VALUES)
        policed.delete("batch/v1", "Job", "of-before")
    wait_for(lambda: not new(), 60, "the labels to be those of before")


def on_several_nodes(kind: SeveralNodes) -> tuple[Manifest, dict[str, str]]:
    """Return an object for several nodes, and the labels in it of the pods that come of it."""
    settings = replace(
        SETTINGS,
        namespace="labelled",
        service_account=f"{RELEASE}-job",
        priority_class="",
        job_set_priority_class="",
        several_nodes=kind,
    )
    # Of names of their own: the trainer makes a JobSet of its TrainJob's.
    job = a_job_record(job_id=f"on-{kind.value}s", owner="Ada.L", gpus=2)
    placed = a_placed_job(job, pod=TEMPLATE)
    made = manifest_of(placed, settings)
    spec = made["spec"]
    if kind is SeveralNodes.TRAIN_JOB:
        spec = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]
    (replicated,) = spec["replicatedJobs"]
    return made, replicated["template"]["spec"]["template"]["metadata"]["labels"]


@pytest.fixture
def several(policed: Api, train_jobs: Api, kind: SeveralNodes) -> Iterator[Api]:
    """The service's way in, where the chart lets it make jobs on several nodes."""
    assert train_jobs
    values = {"jobs": {"severalNodes": kind.value}, "kueue": {"enabled": True}}
    chart = render(values, policed.namespace)
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    made = [chart.one(each, "labelled-sublet-several-nodes") for each in kinds]
    for each in made:
        policed.create(each)
    role = chart.one("Role", f"{RELEASE}-jobs")
    policed.patch(role["apiVersion"], "Role", role["metadata"]["name"], {"rules": role["rules"]})
    service = service_of(policed)
    early, labels = on_several_nodes(kind)
    if kind is SeveralNodes.TRAIN_JOB:
        early["spec"]["runtimeRef"]["name"] = "another"
    else:
        del labels[JOB_ID]
    told = partial(refused_on_several, service, early)
    wait_for(lambda: "labelled-sublet-several-nodes" in told(), 60, "the policy")
    yield service
    for each in made:
        policed.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])


def refused_on_several(service: Api, manifest: Manifest) -> str:
    try:
        service.create(manifest)
    except RefusedError as refused:
        return str(refused)
    service.delete(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])
    return ""


@pytest.mark.parametrize("kind", list(SeveralNodes))
def test_what_runs_on_several_nodes_names_its_job_in_its_pods(
    several: Api, kind: SeveralNodes
) -> None:
    assert not refused_on_several(several, on_several_nodes(kind)[0])
    unnamed, labels = on_several_nodes(kind)
    del labels[JOB_ID]
    assert "names its job" in refused_on_several(several, unnamed)


@pytest.mark.parametrize("kind", [SeveralNodes.TRAIN_JOB])
@pytest.mark.parametrize("whose", ["of Jobs", "of pods"])
def test_no_further_patch_of_a_train_job_takes_its_labels_away(
    several: Api, kind: SeveralNodes, whose: str
) -> None:
    made, _ = on_several_nodes(kind)
    none = {"labels": {"$patch": "delete"}}
    pods = {"spec": {"template": {"metadata": none}}}
    template = {"metadata": none} if whose == "of Jobs" else pods
    spec = {"replicatedJobs": [{"name": "node", "template": template}]}
    patch = {"manager": "another/manager", "trainingRuntimeSpec": {"template": {"spec": spec}}}
    made["spec"]["runtimePatches"].append(patch)
    assert "takes none away" in refused_on_several(several, made)


@pytest.mark.parametrize("kind", list(SeveralNodes))
def test_the_jobs_that_it_is_made_into_are_known_and_taken(
    several: Api, policed: Api, kind: SeveralNodes
) -> None:
    made, labels = on_several_nodes(kind)
    several.create(made)
    named = f"{JOB_ID}={labels[JOB_ID]}"

    def story() -> str:
        return f"its Job: {[each['message'] for each in policed.all('v1', 'Event')]}"

    wait_for(lambda: policed.all("batch/v1", "Job", named), 60, story)
    several.delete(made["apiVersion"], made["kind"], made["metadata"]["name"])
    wait_for(lambda: not policed.all("batch/v1", "Job", named), 60, "its Job to go")
