"""What the chart tells `helm test` of a release, and what that may read."""

import json
from typing import Any

import pytest
from sublet_hub.release_check.__main__ import VARIABLE
from sublet_hub.release_check.settings import ReleaseSettings

from tests.support.helm_charts import Rendered, render
from tests.support.helm_options import OPTIONS, Values

pytestmark = pytest.mark.usefixtures("helm")
cases = pytest.mark.parametrize("values", OPTIONS.values(), ids=OPTIONS.keys())


def told(values: Values) -> ReleaseSettings:
    """What the check's pod is told."""
    (pod,) = render(values).all("Pod")
    variables = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
    return ReleaseSettings.model_validate_json(variables[VARIABLE])


def named(chart: Rendered, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in chart.all(kind)}


@cases
def test_what_the_check_looks_at_is_what_the_chart_makes(values: Values) -> None:
    settings, chart = told(values), render(values)
    assert settings.deployment in named(chart, "Deployment")
    (service,) = chart.all("Deployment")
    labels = service["spec"]["template"]["metadata"]["labels"]
    wanted = dict(pair.split("=") for pair in settings.pods_of("service").split(","))
    assert wanted.items() <= labels.items()
    policies = named(chart, "ValidatingAdmissionPolicyBinding")
    assert set(settings.admission_policies) == policies
    assert set(settings.owner_records) == named(chart, "OwnerRecords")
    (hub,) = (
        each for each in chart.all("RoleBinding") if each["metadata"]["name"].endswith("-hub")
    )
    assert settings.hub_account == hub["subjects"][0]["name"]
    if settings.agents is not None:
        daemon_set = chart.one("DaemonSet", settings.agents.daemon_set)
        pod = daemon_set["spec"]["template"]["spec"]
        assert settings.agents.labels == (pod.get("nodeSelector") or {})
        assert settings.agents.runtime_class == pod.get("runtimeClassName", "")
        assert pod.get("priorityClassName", "") in {"", *settings.priority_classes.values()}


def test_the_check_asks_where_everybody_else_does() -> None:
    for values in (OPTIONS["defaults"], OPTIONS["another hub"], OPTIONS["agents' place"]):
        settings, chart = told({**values, "fullnameOverride": ""}), render(values)
        hub, agent = chart.configuration("hub"), chart.configuration("agent")
        assert settings.hub_url == hub["hub_api_url"]
        assert settings.proxy_url == hub["service_url"]
        assert settings.service_url.endswith(hub["base_prefix"])
        assert settings.agents is not None
        assert settings.agents.service_url == agent["service_url"]


@pytest.mark.parametrize("option", ["defaults", "no agents", "small check"])
def test_agents_are_demanded_where_the_chart_has_them(option: str) -> None:
    assert (told(OPTIONS[option]).agents is not None) is (option == "defaults")


def test_classes_that_are_only_named_are_looked_for_too() -> None:
    assert told(OPTIONS["other priorities"]).priority_classes == {
        "priorityClasses.notebooks": "theirs",
        "priorityClasses.jobs": "our-jobs",
        "priorityClasses.jobSets": "our-job-sets",
    }
    classes = told(OPTIONS["agents' place"]).priority_classes
    assert classes["agent.priorityClassName"] == "system-node-critical"
    assert "priorityClasses.agents" not in classes


def test_without_jobs_nothing_of_theirs_is_looked_for() -> None:
    settings = told(OPTIONS["no jobs"])
    assert settings.admission_policies == ()
    assert settings.owner_records == ()
    assert not any("jobs" in each.lower() for each in settings.priority_classes)
    assert settings.agents is not None
    assert settings.agents.lend is False


def test_labels_of_the_hub_matter_to_network_policies_alone() -> None:
    assert told(OPTIONS["another hub"]).hub_labels == {"app": "jupyterhub", "release": "hub"}
    assert told(OPTIONS["no network policies"]).hub_labels == {}


def hooks(values: Values) -> list[dict[str, Any]]:
    found = render(values).objects
    return [e for e in found if "helm.sh/hook" in e["metadata"].get("annotations", {})]


@cases
def test_what_the_check_is_allowed_is_there_while_it_runs_alone(values: Values) -> None:
    kinds = set()
    for each in hooks(values):
        notes = each["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "test"
        if each["kind"] != "Pod":
            kinds.add(each["kind"])
            assert int(notes["helm.sh/hook-weight"]) < 0
            policy = set(notes["helm.sh/hook-delete-policy"].split(","))
            assert policy == {"before-hook-creation", "hook-succeeded", "hook-failed"}
    roles = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert kinds == {"ServiceAccount", *roles}


def test_helm_shows_what_the_check_says() -> None:
    (pod,) = render({}).all("Pod")
    notes = pod["metadata"]["annotations"]
    shown = set(notes["helm.sh/hook-output-log-policy"].split(","))
    assert shown == {"hook-succeeded", "hook-failed"}
    # To be read afterwards, too.
    assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation"


def test_service_and_agent_leave_in_their_status_why_they_ended() -> None:
    chart = render({})
    for each in (*chart.all("Deployment"), *chart.all("DaemonSet"), *chart.all("Pod")):
        spec = each["spec"] if each["kind"] == "Pod" else each["spec"]["template"]["spec"]
        assert spec["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_settings_are_one_text_that_a_shell_need_not_read() -> None:
    (pod,) = render(OPTIONS["agents' place"]).all("Pod")
    (value,) = (e["value"] for e in pod["spec"]["containers"][0]["env"] if e["name"] == VARIABLE)
    assert json.loads(value)["agents"]["labels"] == {"gpu": "yes"}
