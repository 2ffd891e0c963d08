"""What the chart's parts may do, and nothing else."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from sublet_hub.jobs.backends.kubernetes.objects.names import JOB_ID
from sublet_quota.names.owner_hash import SHARDS
from sublet_quota.wire.api import PodTemplate
from sublet_spawner.owner_records import record_of

from tests.support.helm_charts import ChartRefusedError, Manifest, Rendered, render
from tests.support.helm_documents import CHART
from tests.support.helm_options import OPTIONS, Values

pytestmark = pytest.mark.usefixtures("helm")
cases = pytest.mark.parametrize("values", OPTIONS.values(), ids=OPTIONS.keys())

Right = tuple[str, str, str, str]
"""Of which account, in which API group, on what, doing what."""

SERVICE = {
    ("sublet", "authentication.k8s.io", "tokenreviews", "create"),
    *(("sublet", "", "nodes", verb) for verb in ("list", "watch")),
    *(("sublet", "coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")),
}
JOBS = {
    *(("sublet", "batch", "jobs", verb) for verb in ("create", "delete", "list", "watch")),
    *(("sublet", "", "pods", verb) for verb in ("list", "watch")),
    ("sublet", "", "pods/log", "get"),
    ("sublet", "", "events", "list"),
}
KUEUE = {
    *(("sublet", "kueue.x-k8s.io", "workloads", verb) for verb in ("list", "watch")),
    *(("sublet", "kueue.x-k8s.io", "clusterqueues", verb) for verb in ("get", "patch")),
}
JOB_SETS = {
    ("sublet", "jobset.x-k8s.io", "jobsets", verb) for verb in ("create", "delete", "list", "watch")
}
TRAIN_JOBS = {
    ("sublet", "trainer.kubeflow.org", "trainjobs", verb)
    for verb in ("create", "delete", "list", "watch")
}
CHECK = {
    ("sublet-check", "apps", "deployments", "get"),
    ("sublet-check", "apps", "daemonsets", "get"),
    *(("sublet-check", "", kind, "list") for kind in ("pods", "events", "nodes")),
    ("sublet-check", "", "namespaces", "get"),
    ("sublet-check", "scheduling.k8s.io", "priorityclasses", "get"),
}
"""What `helm test` may read while it runs."""
CHECKED_POLICY = {
    (
        "sublet-check",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "get",
    ),
    ("sublet-check", "apiextensions.k8s.io", "customresourcedefinitions", "get"),
    ("sublet-check", "sublet.dev", "ownerrecords", "get"),
    ("sublet-check", "authorization.k8s.io", "localsubjectaccessreviews", "create"),
}
CHECKED_RUNTIME = {("sublet-check", "node.k8s.io", "runtimeclasses", "get")}
HUB = {("hub", "", "secrets", verb) for verb in ("create", "delete", "patch")}
THEIR_HUB = {("their-hub", *right) for _, *right in HUB}
"""Where users' servers find their tokens; the service and all others have no right to any."""
RECORDS = {("hub", "sublet.dev", "ownerrecords", "patch")}
THEIR_RECORDS = {("their-hub", "sublet.dev", "ownerrecords", "patch")}
CLAIMS = {("their-hub", "resource.k8s.io", "resourceclaims", "create")}


def rights(chart: Rendered) -> set[Right]:
    """Follow each binding to its role."""
    found = set()
    for binding in (*chart.all("RoleBinding"), *chart.all("ClusterRoleBinding")):
        role = chart.one(binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            assert subject["kind"] == "ServiceAccount"
            for rule in role["rules"]:
                found |= {
                    (subject["name"], group, resource, verb)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                }
    return found


def pods(chart: Rendered) -> Iterator[tuple[str, Manifest]]:
    for each in chart.objects:
        if each["kind"] in {"Deployment", "DaemonSet"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, SERVICE | JOBS | CHECKED_POLICY | HUB | RECORDS),
        (
            OPTIONS["claims"],
            SERVICE | JOBS | CHECKED_POLICY | THEIR_HUB | THEIR_RECORDS | CLAIMS,
        ),
        (OPTIONS["no jobs"], SERVICE | HUB),
        (OPTIONS["no admission policy"], SERVICE | JOBS | HUB),
        (OPTIONS["Kueue"], SERVICE | JOBS | CHECKED_POLICY | HUB | RECORDS | KUEUE | JOB_SETS),
        (
            OPTIONS["Kueue in a cohort"],
            SERVICE | JOBS | CHECKED_POLICY | HUB | RECORDS | KUEUE | TRAIN_JOBS,
        ),
        (
            OPTIONS["agents' place"],
            SERVICE | JOBS | CHECKED_POLICY | HUB | RECORDS | CHECKED_RUNTIME,
        ),
    ],
    ids=[
        "defaults",
        "claims",
        "no jobs",
        "no admission policy",
        "Kueue and JobSet",
        "Kueue and TrainJob",
        "runtime class",
    ],
)
def test_rights_equal_the_list(values: Values, wanted: set[Right]) -> None:
    assert rights(render(values)) == wanted | CHECK


@cases
def test_the_check_changes_nothing_and_reads_single_objects_by_their_names(values: Values) -> None:
    chart = render(values)
    for role in (*chart.all("Role"), *chart.all("ClusterRole")):
        if not role["metadata"]["name"].endswith("-check"):
            continue
        for rule in role["rules"]:
            if rule["resources"] == ["localsubjectaccessreviews"]:
                # A question, which nothing is made of: what others may in the namespace.
                assert rule["verbs"] == ["create"]
                continue
            assert set(rule["verbs"]) in ({"get"}, {"list"})
            assert ("resourceNames" in rule) is (rule["verbs"] == ["get"])


@cases
def test_nobody_reads_secrets_enters_pods_or_may_do_everything(values: Values) -> None:
    chart = render(values)
    bound = {each["metadata"]["name"]: each["subjects"] for each in chart.all("RoleBinding")}
    hub = next(iter(name for name in bound if name.endswith("-hub")))
    for who, group, resource, verb in rights(chart):
        assert "*" not in {group, resource, verb}
        # What the hub may already: it makes the tokens that are in these.
        of_the_hub = who == bound[hub][0]["name"] and verb in {"create", "delete", "patch"}
        assert resource != "secrets" or of_the_hub
        assert resource not in {"pods/exec", "pods/attach", "serviceaccounts/token"}
        assert verb not in {"escalate", "bind", "impersonate"}


def test_the_hub_alone_writes_what_is_recorded_of_owners_servers() -> None:
    chart = render({})
    writers = {
        who for who, group, _, verb in rights(chart) if (group, verb) == ("sublet.dev", "patch")
    }
    others = {
        verb for who, group, _, verb in rights(chart) if group == "sublet.dev" and who != "hub"
    }
    assert others == {"get"}
    assert writers == {"hub"}
    written = {
        name
        for rule in chart.one("Role", "sublet-hub")["rules"]
        if rule["apiGroups"] == ["sublet.dev"]
        for name in rule["resourceNames"]
    }
    assert written == {f"sublet-{digit}" for digit in SHARDS}
    assert not any("owners" in each for each in chart.all("OwnerRecords"))


def test_each_part_of_the_owners_is_measured_by_the_object_in_which_it_is_recorded() -> None:
    chart = render({})
    policy = chart.one("ValidatingAdmissionPolicy", "jhub-sublet-owner-records")["spec"]
    assert policy["paramKind"] == {"apiVersion": "sublet.dev/v1", "kind": "OwnerRecords"}
    # Where the kind is gone, whatever the policy is about is refused, and no binding looked at.
    known = {"key": "sublet.dev/job-id", "operator": "Exists"}
    assert policy["matchConstraints"]["objectSelector"] == {"matchExpressions": [known]}
    records = {each["metadata"]["name"] for each in chart.all("OwnerRecords")}
    assert records == {f"sublet-{digit}" for digit in SHARDS}
    for digit in SHARDS:
        name = f"jhub-sublet-owner-records-{digit}"
        binding = chart.one("ValidatingAdmissionPolicyBinding", name)["spec"]
        assert binding["policyName"] == "jhub-sublet-owner-records"
        selected = binding["matchResources"]["objectSelector"]
        assert selected == {"matchLabels": {"sublet.dev/owner-shard": digit}}
        assert binding["paramRef"]["name"] == f"sublet-{digit}"
        assert binding["paramRef"]["parameterNotFoundAction"] == "Deny"


def test_each_kind_of_volume_that_the_admin_can_name_is_recorded() -> None:
    kinds = json.loads((CHART / "values.schema.json").read_text())["properties"]["jobs"]
    named = kinds["properties"]["volumeKinds"]["items"]["enum"]
    volumes = tuple({"name": kind, kind: {"of": "a user"}} for kind in named)
    template = PodTemplate(namespace="jhub", image="i", volumes=volumes)
    sources = [each["source"] for each in record_of(template)["volumes"]]
    assert sources == [{kind: {"of": "a user"}} for kind in named]


def test_one_object_alone_where_the_service_changes_some() -> None:
    chart = render(OPTIONS["Kueue"])
    for role in (*chart.all("Role"), *chart.all("ClusterRole")):
        if role["metadata"]["name"].endswith("-hub"):
            continue
        for rule in role["rules"]:
            if {"update", "patch"} & set(rule["verbs"]):
                assert len(rule["resourceNames"]) == 1


@cases
def test_every_role_is_bound_to_an_account_of_the_release(values: Values) -> None:
    chart = render(values)
    bindings = (*chart.all("RoleBinding"), *chart.all("ClusterRoleBinding"))
    bound = {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings}
    roles = {
        (each["kind"], each["metadata"]["name"])
        for each in (*chart.all("Role"), *chart.all("ClusterRole"))
    }
    assert bound == roles


@cases
def test_no_container_is_privileged_or_writes_to_its_image(values: Values) -> None:
    for name, pod in pods(render(values)):
        assert not pod.get("hostNetwork"), name
        assert not pod.get("hostIPC"), name
        for container in pod["containers"]:
            rules = container["securityContext"]
            assert rules["allowPrivilegeEscalation"] is False, name
            assert rules["readOnlyRootFilesystem"] is True, name
            assert rules["capabilities"]["drop"] == ["ALL"], name
            assert not rules.get("privileged"), name


def test_the_service_and_the_check_run_without_root_or_anything_of_the_node() -> None:
    for name, pod in pods(render({})):
        if name == "sublet-agent":
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert not pod.get("hostPID")
        assert not any("hostPath" in volume for volume in pod.get("volumes", ()))
        assert "add" not in pod["containers"][0]["securityContext"]["capabilities"]


def test_an_agent_has_the_rights_that_the_readme_explains_and_no_other() -> None:
    pod = dict(pods(render({})))["sublet-agent"]
    agent, helper = pod["containers"]
    assert helper["name"] == "driver-helper"
    assert helper["securityContext"] == agent["securityContext"]
    assert [each["name"] for each in helper["volumeMounts"]] == ["journal", "scratch"]
    assert "ports" not in helper
    assert pod["hostPID"] is True
    assert "ports" not in agent
    assert agent["securityContext"]["runAsUser"] == 0
    assert agent["securityContext"]["capabilities"]["add"] == ["SYS_PTRACE", "KILL"]
    assert agent["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v} == {
        "/run/sublet/tenants",
        "/var/lib/sublet-agent",
        "/sys/fs/cgroup",
        "/var/lib/kubelet/device-plugins",
    }


def test_without_lending_an_agent_does_not_reach_the_kubelet() -> None:
    pod = dict(pods(render(OPTIONS["no lending"])))["sublet-agent"]
    assert "device-plugins" not in {volume["name"] for volume in pod["volumes"]}


def test_an_agent_s_only_token_is_for_the_service() -> None:
    pod = dict(pods(render({})))["sublet-agent"]
    assert pod["automountServiceAccountToken"] is False
    (token,) = [each for each in pod["volumes"] if "projected" in each]
    (source,) = token["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "sublet"
    assert token["projected"]["defaultMode"] == 0o400


@pytest.mark.parametrize("name", ["service", "agent", "simulated-gpus"])
def test_who_may_connect_to_whom(name: str) -> None:
    chart = render(OPTIONS["simulated"])
    policy = chart.one("NetworkPolicy", f"sublet-{name}")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    sources = sorted({_component(peer) for rule in policy["ingress"] for peer in rule["from"]})
    assert (
        sources
        == {
            "service": ["agent", "check", "hub", "proxy", "sublet.dev/network-access-service"],
            "agent": [],
            "simulated-gpus": [],
        }[name]
    )
    targets = {_component(peer) for rule in policy["egress"] for peer in rule.get("to", [])}
    assert targets == {"service": {"hub"}, "agent": {"service"}, "simulated-gpus": set()}[name]


OLD = {"app": "jupyterhub", "release": "hub"}
RECOMMENDED = {"app.kubernetes.io/name": "jupyterhub", "app.kubernetes.io/instance": "hub"}
OF_ANOTHER = {"app.kubernetes.io/name": "jupyterhub", "app.kubernetes.io/instance": "other"}
LABELS_OF_HUBS = [
    ("the old ones", {**OLD, "component": "hub"}, {"service", "hub"}),
    ("recommended ones", {**RECOMMENDED, "app.kubernetes.io/component": "hub"}, {"service", "hub"}),
    ("a proxy's", {**RECOMMENDED, "app.kubernetes.io/component": "proxy"}, {"service"}),
    ("a server's", {**OLD, "component": "singleuser-server"}, set()),
    ("a server's, too", {**RECOMMENDED, "app.kubernetes.io/component": "singleuser-server"}, set()),
    ("another hub's", {**OF_ANOTHER, "app.kubernetes.io/component": "hub"}, set()),
]


@pytest.mark.parametrize(("whose", "labels", "speaks_to"), LABELS_OF_HUBS)
def test_a_hub_is_known_by_labels_of_either_kind(
    whose: str, labels: dict[str, str], speaks_to: set[str]
) -> None:
    policy = render({"jupyterhub": {"podLabels": OLD}}).one("NetworkPolicy", "sublet-service")
    ingress, egress = policy["spec"]["ingress"][0], policy["spec"]["egress"]
    reached = [peer for rule in egress for peer in rule.get("to", [])]
    found = {"service"} if _selects(ingress["from"], labels) else set()
    assert (found | ({"hub"} if _selects(reached, labels) else set())) == speaks_to, whose


def _selects(peers: list[Manifest], labels: dict[str, str]) -> bool:
    return any(peer["podSelector"]["matchLabels"].items() <= labels.items() for peer in peers)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://hub.example.org/services/sublet/", 443),
        ("http://hub.example.org/services/sublet/", 80),
        ("http://proxy-http:8000/services/sublet/", 8000),
    ],
)
def test_agents_may_reach_the_service_where_they_are_told_it_is(url: str, port: int) -> None:
    values = {"serviceUrl": url, "settings": {"plain_http": True}}
    policy = render({"agent": values}).one("NetworkPolicy", "sublet-agent")["spec"]
    assert {"ports": [{"port": port}]} in policy["egress"]


def test_agents_see_the_authority_of_the_service_and_not_its_key() -> None:
    chart = render({})
    pod = dict(pods(chart))["sublet-agent"]
    (volume,) = [each for each in pod["volumes"] if "secret" in each]
    assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    (mount,) = [
        each for each in pod["containers"][0]["volumeMounts"] if each["name"] == volume["name"]
    ]
    assert chart.configuration("agent")["ca_file"] == f"{mount['mountPath']}/ca.crt"
    assert "plain_http" not in chart.configuration("agent")


def test_agents_send_their_token_in_clear_only_where_that_was_chosen() -> None:
    for option, values in OPTIONS.items():
        chart = render({**values, "fullnameOverride": "", "nameOverride": ""})
        if not chart.all("DaemonSet"):
            continue
        settings = chart.configuration("agent")
        is_https = settings["service_url"].startswith("https://")
        assert is_https == (option != "agents by http"), option
        assert settings.get("plain_http", False) == (not is_https), option
    # Refused before anything is changed: such agents would not start.
    with pytest.raises(ChartRefusedError, match=r"set agent\.settings\.plain_http to true"):
        render({"agent": {"serviceUrl": "http://proxy-http:8000/services/sublet/"}})


def test_the_service_may_reach_the_hub_where_it_is_told_it_is() -> None:
    values = {"jupyterhub": {"hubUrl": "http://their-hub:8082/jupyter/hub/"}}
    policy = render(values).one("NetworkPolicy", "sublet-service")["spec"]
    assert policy["egress"][0]["ports"] == [{"port": 8082}]


def test_policies_find_the_pods_they_are_for() -> None:
    chart = render(OPTIONS["simulated"])
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in (*chart.all("Deployment"), *chart.all("DaemonSet"))
    ]
    for policy in chart.all("NetworkPolicy"):
        if policy["metadata"]["name"] == "sublet-jobs":
            (only,) = policy["spec"]["podSelector"]["matchExpressions"]
            assert only == {"key": JOB_ID, "operator": "Exists"}
            continue
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        assert sum(wanted <= each.items() for each in labels) == 1, policy["metadata"]["name"]


METADATA = ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")
"""Of AWS and most others, Azure, Alibaba, and AWS by IPv6."""


@cases
@pytest.mark.parametrize("address", METADATA)
def test_jobs_reach_no_metadata_of_a_cloud_but_public_addresses(
    values: Values, address: str
) -> None:
    for policy in render(values).all("NetworkPolicy"):
        if not policy["metadata"]["name"].endswith("-jobs"):
            continue
        blocks = [
            peer["ipBlock"]
            for rule in policy["spec"]["egress"]
            for peer in rule.get("to", ())
            if "ipBlock" in peer
        ]
        assert not any(_holds(block, address) for block in blocks), blocks
        assert any(_holds(block, "192.0.2.1") for block in blocks)
        # Elsewhere they go to names alone.
        rest = [rule for rule in policy["spec"]["egress"] if "to" not in rule]
        assert {port["port"] for rule in rest for port in rule["ports"]} == {53}


def _holds(block: Manifest, address: str) -> bool:
    wanted = ip_address(address)
    inside = wanted in ip_network(block["cidr"])
    return inside and not any(wanted in ip_network(each) for each in block.get("except", ()))


def test_the_hub_lets_the_service_in() -> None:
    (service,) = render({}).all("Deployment")
    labels = service["spec"]["template"]["metadata"]["labels"]
    assert labels["hub.jupyter.org/network-access-hub"] == "true"


def _component(peer: dict[str, Any]) -> str:
    labels = peer["podSelector"]["matchLabels"]
    return str(
        labels.get("app.kubernetes.io/component") or labels.get("component") or next(iter(labels))
    )
