"""What `helm test` reads of a release in a real API server, with the rights that it has there.

The chart is installed by helm; nodes and pods are pretended, and the service is not there.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_quota.names.owner_hash import SHARDS
from sublet_quota.reasons.installation.faults import Fault

from tests.support.helm_charts import RELEASE
from tests.support.helm_programs import find_helm
from tests.support.kube.api import Api, RefusedError
from tests.support.kube.checked_release import CheckedRelease
from tests.support.kube.owner_records import RECORDS, all_records_kept
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError

pytestmark = [
    pytest.mark.kube,
]

NODES = ("checked-1", "checked-2")
LABEL = "checked"
PRETENDED = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
GOOD: dict[str, Any] = {
    "service": {
        "persistence": {"enabled": False},
        "nodeSelector": {LABEL: "yes"},
        "tolerations": PRETENDED,
    },
    "agent": {
        "nodeSelector": {"nvidia.com/gpu.present": None, LABEL: "yes"},
        "tolerations": PRETENDED,
    },
}


def install(release: CheckedRelease, **changes: Any) -> None:
    """Install it with the good values but for changes, by part."""
    parts = GOOD | changes
    release.install({part: {**GOOD.get(part, {}), **changes.get(part, {})} for part in parts})


@pytest.fixture(scope="module")
def release(cluster: Api, pretended_nodes: None) -> Iterator[CheckedRelease]:
    assert pretended_nodes is None
    try:
        find_helm()
    except MissingError as missing:
        pytest.skip(f"no helm here: {missing}")
    for name in NODES:
        cluster.create(pretended_node(name, 1, **{LABEL: "yes"}))
    made = CheckedRelease(cluster.make_namespace("checked"))
    yield made
    made.remove_rights()
    made.helm("uninstall", RELEASE)
    cluster.delete("v1", "Namespace", "checked")
    for name in NODES:
        cluster.delete("v1", "Node", name)


def enforce(release: CheckedRelease, level: str | None) -> None:
    labels = {"pod-security.kubernetes.io/enforce": level}
    release.api.patch("v1", "Namespace", release.api.namespace, {"metadata": {"labels": labels}})


def test_a_release_with_which_nothing_is_wrong(release: CheckedRelease) -> None:
    install(release)
    assert release.until_told(serves=True) == ""
    facts = release.read()
    assert facts.agents is not None
    assert (facts.agents.wanted, facts.agents.ready) == (2, 2)


def test_pods_that_are_refused_for_something_else_in_kubernetes_words(
    release: CheckedRelease,
) -> None:
    # Before the others: of an object's many failures Kubernetes tells only so many in an hour.
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    release.api.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    try:
        install(
            release,
            agent={"podAnnotations": {"example.org/another": "1"}, "maxUnavailable": 2},
            service={"podAnnotations": {"example.org/another": "1"}},
        )
        both = (Fault.PODS_REFUSED, Fault.PODS_REFUSED)
        said = release.until_told(*both, serves=False, words="exceeded quota: none")
    finally:
        release.api.delete("v1", "ResourceQuota", "none")
    assert "refuses the pods of the service: " in said
    assert "refuses the pods of the agents: " in said


def test_no_node_with_the_label(release: CheckedRelease) -> None:
    install(release, agent={"nodeSelector": {}})
    said = release.until_told(Fault.NO_NODE, serves=True)
    assert "kubectl label node NODE nvidia.com/gpu.present=true" in said


def test_nodes_with_the_label_and_a_taint(release: CheckedRelease) -> None:
    install(release, agent={"tolerations": []})
    said = release.until_told(Fault.NODES_TAINTED, serves=True)
    assert (
        "though 2 nodes have the label checked=yes: taints there (kwok.x-k8s.io/node=fake" in said
    )


def test_a_runtime_class_that_is_not_there(release: CheckedRelease) -> None:
    install(release, agent={"runtimeClassName": "nvidia"})
    # Agents of before run on: a DaemonSet ends none before it can make the next.
    said = release.until_told(Fault.RUNTIME_CLASS, serves=True)
    assert "There is no RuntimeClass nvidia" in said


def test_priority_classes_that_are_not_there(release: CheckedRelease) -> None:
    classes = {
        "agents": {"create": False, "name": "mine"},
        "jobs": {"create": False, "name": "low"},
    }
    install(release, priorityClasses=classes)
    said = release.until_told(Fault.PRIORITY_CLASS, Fault.PRIORITY_CLASS, serves=True)
    assert "no PriorityClass mine (priorityClasses.agents), so pods of agents are refused" in said
    assert "no PriorityClass low (priorityClasses.jobs), so pods of jobs are refused" in said


def refusal_of(release: CheckedRelease) -> str:
    """What is said to the check, which reads; empty: it may."""
    try:
        release.read()
    except KubeError as error:
        return str(error)
    return ""


def why_no_agent(release: CheckedRelease) -> str:
    """Why a pod as the agents' cannot be made, in Kubernetes' words; empty: it can.

    Its events do not say: of an object's many failures there are only so many in an hour.
    """
    api = release.api
    template = api.get("apps/v1", "DaemonSet", f"{RELEASE}-agent")["spec"]["template"]
    made = {"apiVersion": "v1", "kind": "Pod", **template}
    made["metadata"] = {**template["metadata"], "name": "trial"}
    try:
        api.call("POST", f"{api.path('v1', 'Pod')}?dryRun=All", made)
    except RefusedError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_under_a_pod_security_standard(release: CheckedRelease, level: str) -> None:
    install(release)
    enforce(release, level)
    try:
        said = release.until_told(Fault.POD_SECURITY, serves=True)
        # What it says is so: the API server refuses what an agent's pod is made of.
        words = f'violates PodSecurity "{level}:'
        refuses = lambda: words in why_no_agent(release)  # noqa: E731
        wait_for(refuses, 60, lambda: f"{words}\n{why_no_agent(release)}")
    finally:
        enforce(release, None)
    assert f"The namespace checked enforces Pod Security `{level}`" in said


def test_a_service_that_no_node_takes(release: CheckedRelease) -> None:
    install(release, service={"nodeSelector": {"nobody": "has"}})
    said = release.until_told(Fault.UNSCHEDULABLE, serves=False)
    assert "No node takes the pod of the service: 0/" in said


def test_objects_that_were_removed_since(release: CheckedRelease) -> None:
    install(release)
    release.until_told(serves=True)
    version = "admissionregistration.k8s.io/v1"
    release.api.delete(version, "ValidatingAdmissionPolicyBinding", "checked-sublet-jobs")
    release.api.delete("apps/v1", "DaemonSet", "sublet-agent")
    said = release.until_told(Fault.ADMISSION_POLICY, Fault.PART_GONE, serves=True)
    assert "There is no DaemonSet sublet-agent any more" in said
    release.api.delete("apps/v1", "Deployment", "sublet")
    release.until_told(Fault.ADMISSION_POLICY, Fault.PART_GONE, Fault.PART_GONE, serves=False)


def test_policies_of_jobs_that_were_removed_since(release: CheckedRelease) -> None:
    install(release)
    names = release.settings.admission_policies
    assert len(names) == 2 + len(SHARDS)
    for name in names:
        version = "admissionregistration.k8s.io/v1"
        release.api.delete(version, "ValidatingAdmissionPolicyBinding", name)
    said = release.until_told(*(len(names) * [Fault.ADMISSION_POLICY]), serves=True)
    assert all(f"Binding {name} is not there" in said for name in names)


def test_a_hub_that_may_not_write_what_jobs_are_measured_by(release: CheckedRelease) -> None:
    install(release)
    release.api.delete("rbac.authorization.k8s.io/v1", "RoleBinding", f"{RELEASE}-hub")
    said = release.until_told(Fault.RECORDS_NOT_WRITTEN, serves=True)
    assert "account hub may not patch the OwnerRecords sublet-0, sublet-1, " in said


def test_records_of_owners_servers_that_are_gone(release: CheckedRelease) -> None:
    install(release)
    release.api.delete(*RECORDS, f"{RELEASE}-a")
    said = release.until_told(Fault.NO_RECORDS, serves=True)
    assert "no OwnerRecords sublet-a in checked, so jobs are refused of all owners" in said


def test_records_whose_kind_is_gone(release: CheckedRelease) -> None:
    install(release)
    kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    name = "ownerrecords.sublet.dev"
    with all_records_kept(release.api):
        release.api.delete(*kind, name)
        wait_for(lambda: release.api.find(*kind, name) is None, 60, "the kind to go")
        said = release.until_told(Fault.NO_RECORDS_KIND, serves=True)
    assert "`kubectl apply --filename helm/sublet/crds`, and `helm upgrade`" in said


def test_a_hub_that_is_labelled_otherwise_than_the_chart_is_told(release: CheckedRelease) -> None:
    install(release, jupyterhub={"podLabels": {"app": "jupyterhub", "release": "hub"}})
    assert not release.read().other_hub_labels
    container = {"name": "hub", "image": "pretended"}
    labels = {"app": "jupyterhub", "release": "another", "component": "hub"}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}
    release.api.create({**pod, "metadata": {"name": "hub", "labels": labels}})
    assert release.read().other_hub_labels
    recommended = {
        "app.kubernetes.io/name": "jupyterhub",
        "app.kubernetes.io/instance": "hub",
        "app.kubernetes.io/component": "hub",
    }
    release.api.create({**pod, "metadata": {"name": "hub-2", "labels": recommended}})
    assert not release.read().other_hub_labels
    for name in ("hub", "hub-2"):
        release.api.delete("v1", "Pod", name, grace_s=0)


def test_the_check_may_read_that_and_nothing_else(release: CheckedRelease) -> None:
    install(release)
    check = release.api.with_token(release.api.account_token(f"{RELEASE}-check"))
    for version, kind, name in (
        ("v1", "Secret", "hub"),
        ("v1", "ConfigMap", "sublet-quota"),
        ("scheduling.k8s.io/v1", "PriorityClass", "system-node-critical"),
        ("v1", "Namespace", "default"),
    ):
        with pytest.raises(Exception, match="403"):
            check.get(version, kind, name)
    release.remove_rights()
    release.api.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": f"{RELEASE}-check"}}
    )
    # What an account of this name was allowed, the API server allows for some moments more.
    wait_for(lambda: "is forbidden" in refusal_of(release), 60, lambda: refusal_of(release))
    release.api.delete("v1", "ServiceAccount", f"{RELEASE}-check")
