"""What `helm test` reads of a release in a real API server, with the rights that it has there.

The chart is installed by helm; nodes and pods are pretended, and the service is not there.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sublet_hub.kubernetes_api.client import connect
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.release_check.cluster import ReleaseReader
from sublet_hub.release_check.facts import ClusterFacts, Reached, Seen
from sublet_hub.release_check.findings import find_faults
from sublet_hub.release_check.settings import ReleaseSettings
from sublet_quota.reasons.installation.faults import Fault, Finding

from tests.support.helm_charts import RELEASE, Rendered, render, run_helm
from tests.support.helm_documents import CHART
from tests.support.helm_programs import find_helm
from tests.support.kube.api import Api
from tests.support.kube.pretended_nodes import pretended_node
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError
from tests.support.releases import health

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
HOOKS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@dataclass
class CheckedRelease:
    """A release of the chart, and the check's way to what Kubernetes says of it."""

    api: Api
    made: list[dict[str, Any]] = field(default_factory=list)
    chart: Rendered | None = None

    def install(self, **changes: Any) -> None:
        """Install it, or upgrade it to the good values with changes, by part."""
        values = {part: {**GOOD.get(part, {}), **changes.get(part, {})} for part in GOOD | changes}
        words = ("upgrade", "--install", RELEASE, CHART, "--namespace", self.api.namespace)
        run_helm(*words, values=values, kubeconfig=self.api.plane.kubeconfig())
        self.chart = render(values, self.api.namespace)
        self.make_rights()

    def make_rights(self) -> None:
        """Make what helm makes when it tests."""
        self.remove_rights()
        assert self.chart is not None
        for kind in HOOKS:
            for each in self.chart.all(kind):
                if "helm.sh/hook" in each["metadata"].get("annotations", {}):
                    self.made.append(each)
                    self.api.create(each)

    def remove_rights(self) -> None:
        while self.made:
            each = self.made.pop()
            self.api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])

    @property
    def settings(self) -> ReleaseSettings:
        """What the check's pod is told."""
        assert self.chart is not None
        (container,) = self.chart.one("Pod", f"{RELEASE}-check")["spec"]["containers"]
        (told,) = (e["value"] for e in container["env"] if e["name"] == "SUBLET_CHECK")
        return ReleaseSettings.model_validate_json(told)

    def read(self) -> ClusterFacts:
        """Read as the check does, with its account's rights."""
        return asyncio.run(self._read())

    async def _read(self) -> ClusterFacts:
        api = await connect(str(self.api.account_kubeconfig(f"{RELEASE}-check")))
        try:
            return await ReleaseReader(api, self.settings).read()
        finally:
            await api.close()

    def findings(self, *, serves: bool = True) -> tuple[Finding, ...]:
        """What is wrong by Kubernetes' word, beside a service that answers well or not at all."""
        told = Reached(health()) if serves else Reached(words="nobody")
        return find_faults(self.settings, Seen(self.read(), told, told if serves else None))

    def until_told(self, *faults: Fault, serves: bool = True, words: str = "") -> str:
        """Wait until exactly these faults are found, with these words; returns their sentences."""
        found: tuple[Finding, ...] = ()

        def is_so() -> bool:
            nonlocal found
            found = self.findings(serves=serves)
            told = all(words in each.sentence for each in found)
            return told and [each.fault for each in found] == list(faults)

        wait_for(is_so, 120, lambda: f"{faults}, but it is {found}")
        return "\n".join(each.sentence for each in found)


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
    words = ("uninstall", RELEASE, "--namespace", "checked")
    run_helm(*words, kubeconfig=cluster.plane.kubeconfig())
    cluster.delete("v1", "Namespace", "checked")
    for name in NODES:
        cluster.delete("v1", "Node", name)


def enforce(release: CheckedRelease, level: str | None) -> None:
    labels = {"pod-security.kubernetes.io/enforce": level}
    release.api.patch("v1", "Namespace", release.api.namespace, {"metadata": {"labels": labels}})


def test_a_release_with_which_nothing_is_wrong(release: CheckedRelease) -> None:
    release.install()
    assert release.until_told() == ""
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
        release.install(
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
    release.install(agent={"nodeSelector": {}})
    said = release.until_told(Fault.NO_NODE)
    assert "kubectl label node NODE nvidia.com/gpu.present=true" in said


def test_nodes_with_the_label_and_a_taint(release: CheckedRelease) -> None:
    release.install(agent={"tolerations": []})
    said = release.until_told(Fault.NODES_TAINTED)
    assert (
        "though 2 nodes have the label checked=yes: their taints (kwok.x-k8s.io/node=fake" in said
    )


def test_a_runtime_class_that_is_not_there(release: CheckedRelease) -> None:
    release.install(agent={"runtimeClassName": "nvidia"})
    # Agents of before run on: a DaemonSet ends none before it can make the next.
    said = release.until_told(Fault.RUNTIME_CLASS)
    assert "There is no RuntimeClass nvidia" in said


def test_priority_classes_that_are_not_there(release: CheckedRelease) -> None:
    classes = {
        "agents": {"create": False, "name": "mine"},
        "jobs": {"create": False, "name": "low"},
    }
    release.install(priorityClasses=classes)
    said = release.until_told(Fault.PRIORITY_CLASS, Fault.PRIORITY_CLASS)
    assert "no PriorityClass mine (priorityClasses.agents), so pods of agents are refused" in said
    assert "no PriorityClass low (priorityClasses.jobs), so pods of jobs are refused" in said


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_under_a_pod_security_standard(release: CheckedRelease, level: str) -> None:
    release.install()
    enforce(release, level)
    try:
        said = release.until_told(Fault.POD_SECURITY)
        # What it says is so: the API server refuses what an agent's pod is made of.
        release.install(agent={"podAnnotations": {"example.org/another": level}})
        refused = wait_for(
            lambda: [e for e in release.api.all("v1", "Event") if e["reason"] == "FailedCreate"],
            120,
            "Kubernetes to refuse an agent's pod",
        )
    finally:
        enforce(release, None)
    assert f"The namespace checked enforces Pod Security `{level}`" in said
    assert any("violates PodSecurity" in event["message"] for event in refused)


def test_a_service_that_no_node_takes(release: CheckedRelease) -> None:
    release.install(service={"nodeSelector": {"nobody": "has"}})
    said = release.until_told(Fault.UNSCHEDULABLE, serves=False)
    assert "No node takes the pod of the service: 0/" in said


def test_objects_that_were_removed_since(release: CheckedRelease) -> None:
    release.install()
    release.until_told()
    version = "admissionregistration.k8s.io/v1"
    release.api.delete(version, "ValidatingAdmissionPolicyBinding", "checked-sublet-jobs")
    release.api.delete("apps/v1", "DaemonSet", "sublet-agent")
    said = release.until_told(Fault.ADMISSION_POLICY, Fault.PART_GONE)
    assert "There is no DaemonSet sublet-agent any more" in said
    release.api.delete("apps/v1", "Deployment", "sublet")
    release.until_told(Fault.ADMISSION_POLICY, Fault.PART_GONE, Fault.PART_GONE, serves=False)


def test_a_hub_that_is_labelled_otherwise_than_the_chart_is_told(release: CheckedRelease) -> None:
    release.install(jupyterhub={"podLabels": {"app": "jupyterhub", "release": "hub"}})
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
    release.install()
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
    with pytest.raises(KubeError, match="is forbidden"):
        release.read()
    release.api.delete("v1", "ServiceAccount", f"{RELEASE}-check")
