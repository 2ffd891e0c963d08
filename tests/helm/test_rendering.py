"""Every option gives objects that Kubernetes would take."""

import functools
import json
import logging
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from sublet_agent.app.application import SubletAgent
from sublet_hub.app.application import SubletHub
from sublet_quota.document.reading import read_quota_document

from tests.support.helm_charts import KUBERNETES, render, run_helm
from tests.support.helm_custom_kinds import is_custom, validate_custom
from tests.support.helm_documents import CHART
from tests.support.helm_options import OPTIONS, Values

pytestmark = pytest.mark.usefixtures("helm")
cases = pytest.mark.parametrize("values", OPTIONS.values(), ids=OPTIONS.keys())


@cases
def test_helm_finds_nothing_wrong(values: Values) -> None:
    said = run_helm("lint", "--strict", CHART, values=values)
    assert "WARNING" not in said


@cases
def test_each_object_is_what_its_kind_may_be(values: Values) -> None:
    for each in render(values).objects:
        _validate(json.dumps(each))


@cases
def test_no_two_objects_have_one_name(values: Values) -> None:
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in render(values).objects
    ]
    assert len(set(names)) == len(names)


@cases
def test_service_and_agent_read_their_configuration(tmp_path: Path, values: Values) -> None:
    chart = render({**values, "fullnameOverride": "", "nameOverride": ""})
    for part, program in (("hub", SubletHub), ("agent", SubletAgent)):
        if part == "agent" and not chart.all("DaemonSet"):
            continue
        settings = chart.configuration(part)
        file = tmp_path / f"{part}.json"
        file.write_text(json.dumps({program.__name__: settings}))
        application = program()
        application.load_config_file(str(file))
        level = settings.pop("log_level", None)
        assert {name: getattr(application, name) for name in settings} == settings
        assert level is None or logging.getLevelName(application.log_level) == level


def test_the_quota_document_is_mounted_as_it_was_given() -> None:
    values = OPTIONS["quota"]
    text = render(values).one("ConfigMap", "sublet-quota")["data"]["quota.yaml"]
    written = read_quota_document(json.dumps(values["quota"]).encode())
    read = read_quota_document(text.encode())
    assert read == written
    # Helm sorts keys, and leaves lists as they are.
    assert list(read.sizes) == list(written.sizes) == ["whole", "half"]
    assert list(yaml.safe_load(text)["groups"]) == ["arts", "science"] != list(read.pools)


def test_a_new_quota_document_restarts_nothing() -> None:
    before, after = (render(values) for values in (OPTIONS["defaults"], OPTIONS["quota"]))
    for kind in ("Deployment", "DaemonSet"):
        assert before.all(kind) == after.all(kind)


@pytest.mark.parametrize(
    ("part", "kind"), [("service", "Deployment"), ("agent", "DaemonSet")], ids=["service", "agent"]
)
def test_new_settings_restart_who_reads_them(part: str, kind: str) -> None:
    before = render({}).all(kind)
    after = render({part: {"settings": {"log_level": "DEBUG"}}}).all(kind)
    assert _checksum(before) != _checksum(after)


def test_without_jobs_the_service_runs_none_and_agents_offer_them_nothing() -> None:
    chart = render(OPTIONS["no jobs"])
    assert chart.configuration("hub")["job_backend"] == "none"
    assert "device_plugin" not in chart.configuration("agent")
    pod = chart.one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
    mounts = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert "/var/lib/kubelet/device-plugins" not in mounts
    assert "device-plugins" not in {each["name"] for each in pod["volumes"]}


def test_an_upgrade_never_has_two_services_write() -> None:
    (service,) = render({}).all("Deployment")
    assert service["spec"]["replicas"] == 1
    assert service["spec"]["strategy"] == {"type": "Recreate"}


def test_an_upgrade_leaves_the_simulated_cards_memory_alone() -> None:
    chart = render(OPTIONS["simulated"])
    cards = chart.one("DaemonSet", "sublet-simulated-gpus")
    assert cards["spec"]["updateStrategy"] == {"type": "OnDelete"}
    agent = chart.one("DaemonSet", "sublet-agent")
    assert agent["spec"]["updateStrategy"]["type"] == "RollingUpdate"


def test_what_an_agent_writes_down_outlives_its_pod() -> None:
    chart = render({})
    pod = chart.one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
    folder = chart.configuration("agent")["state_folder"]
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    volume = next(each for each in pod["volumes"] if each["name"] == mounts[folder])
    assert volume["hostPath"] == {"path": "/var/lib/sublet-agent", "type": "DirectoryOrCreate"}


def test_the_driver_is_called_from_a_container_of_its_own_where_there_is_one() -> None:
    chart = render({})
    pod = chart.one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
    (helper,) = (each for each in pod["containers"] if each["name"] == "driver-helper")
    folder = chart.configuration("agent")["driver_helper_folder"]
    assert f"--folder={folder}" in helper["args"]
    assert any(folder.startswith(each["mountPath"] + "/") for each in helper["volumeMounts"])
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in helper["env"]
    simulated = render(OPTIONS["simulated"])
    (agent,) = simulated.one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]["containers"]
    assert agent["name"] == "agent"
    assert "driver_helper_folder" not in simulated.configuration("agent")


def test_agents_run_only_where_gpus_are() -> None:
    def place(values: Values) -> Any:
        pod = render(values).one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
        return pod.get("nodeSelector"), pod.get("tolerations")

    gpus = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert place({}) == ({"nvidia.com/gpu.present": "true"}, [gpus])
    assert place(OPTIONS["simulated"]) == (None, None)
    elsewhere = OPTIONS["simulated elsewhere"]["simulatedGpus"]
    assert place(OPTIONS["simulated elsewhere"]) == (
        elsewhere["nodeSelector"],
        elsewhere["tolerations"],
    )


def test_a_queue_of_an_admin_s_own_is_named_and_not_made() -> None:
    chart = render(OPTIONS["own queues in Kueue"])
    for kind in ("ClusterQueue", "LocalQueue", "ResourceFlavor"):
        assert chart.all(kind) == []
    told = chart.configuration("hub")
    assert (told["kueue_local_queue"], told["kueue_cluster_queue"]) == ("their-lent", "their-gpus")
    (priority,) = chart.all("WorkloadPriorityClass")
    assert told["kueue_priority_classes"] == {"0": priority["metadata"]["name"]}
    rules = chart.one("ClusterRole", "jhub-sublet")["rules"]
    assert [each["resourceNames"] for each in rules if "resourceNames" in each] == [["their-gpus"]]


def test_a_password_is_in_no_configuration() -> None:
    chart = render(OPTIONS["PostgreSQL"])
    (service,) = chart.all("Deployment")
    variables = service["spec"]["template"]["spec"]["containers"][0]["env"]
    (password,) = [each for each in variables if each["name"] == "PGPASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "database", "key": "password"}


def test_secrets_of_notices_are_files_and_in_no_configuration() -> None:
    chart = render(OPTIONS["notices by mail and webhook"])
    told = chart.configuration("hub")
    files = ("notices_mail_password_file", "notices_webhook_secret_file", "notices_ca_file")
    assert [told[each] for each in files] == [
        "/run/secrets/sublet/mail/password",
        "/run/secrets/sublet/webhook/secret",
        "/etc/sublet-notices/ca.crt",
    ]
    (service,) = chart.all("Deployment")
    pod = service["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["mail-password"]["secret"]["secretName"] == "mail"
    assert volumes["webhook-secret"]["secret"]["secretName"] == "hook"
    assert volumes["notices-certificates"]["configMap"]["name"] == "authorities"
    mounted = {each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert {"/run/secrets/sublet/mail", "/run/secrets/sublet/webhook"} <= mounted
    policy = chart.one("NetworkPolicy", "sublet-service")
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert 587 in ports


def test_the_notes_recommend_an_origin_for_each_user() -> None:
    said = run_helm(
        *("install", "sublet", CHART, "--dry-run=client", "--namespace", "jhub"),
        values=OPTIONS["simulated"],
    )
    notes = said.partition("NOTES:")[2]
    assert "Without `subdomain_host` every user's pages share one origin with the hub" in notes
    for whose in ("JupyterHub", "settings"):
        assert re.search(rf"^ +{whose}:\n +subdomain_host: https://", notes, re.MULTILINE)
    assert "SIMULATED" in notes
    assert "helm test --namespace jhub sublet" in notes


def test_the_notes_are_quiet_of_origins_where_the_console_knows_its_own() -> None:
    words = ("install", "sublet", CHART, "--dry-run=client", "--namespace", "jhub")
    settings = {"subdomain_host": "https://hub.example.org"}
    values = {**OPTIONS["simulated"], "service": {"settings": settings}}
    notes = run_helm(*words, values=values).partition("NOTES:")[2]
    assert "subdomain_host" not in notes
    assert "SIMULATED" in notes


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("defaults", "--selector nvidia.com/gpu.present=true\n"),
        ("agents' place", "--selector gpu=yes\n"),
        ("simulated", "Agents run on all nodes"),
        ("simulated elsewhere", "--selector try=sublet\n"),
        ("no agents", "Agents run on no node"),
    ],
)
def test_the_notes_say_which_nodes_agents_run_on(option: str, said: str) -> None:
    words = ("install", "sublet", CHART, "--dry-run=client", "--namespace", "jhub")
    assert said in run_helm(*words, values=OPTIONS[option]).partition("NOTES:")[2]


@pytest.mark.parametrize("option", ["Kueue", "jobs", "defaults"])
def test_the_notes_say_where_jobs_on_several_nodes_cannot_find_each_other(option: str) -> None:
    words = ("install", "sublet", CHART, "--dry-run=client", "--namespace", "jhub")
    said = run_helm(*words, values=OPTIONS[option])
    assert ("amongEachOther" in said.partition("NOTES:")[2]) is (option == "Kueue")


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == SubletHub.version


@functools.cache
def _validate(written: str) -> None:
    """Check an object once: most are the same whatever the options."""
    manifest = json.loads(written)
    if is_custom(manifest):
        validate_custom(manifest)
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def _checksum(workloads: list[dict[str, Any]]) -> list[str]:
    return [
        each["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for each in workloads
    ]
