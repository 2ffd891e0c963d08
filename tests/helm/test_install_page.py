"""The page on installing says what chart, notes, images and check have: its commands are run."""

import json
import re
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sublet_hub.jobs.backends.kubernetes.objects.names import JOB_ID
from sublet_hub.release_check.verdict import praise
from sublet_quota.document.reading import read_quota_document
from sublet_quota.reasons.installation.faults import Fault, found

from tests.support.helm_charts import Rendered, render, run_helm
from tests.support.helm_documents import CHART, ROOT
from tests.support.releases import health, release

PAGE = (ROOT / "spawner" / "docs" / "kubernetes-install.md").read_text()
CONTAINERFILE = (ROOT / "helm" / "images" / "Containerfile").read_text()
BLOCKS = {
    next(iter(yaml.safe_load(block))): yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
SUBLET, HUB = BLOCKS["image"], BLOCKS["hub"]
COMMANDS = textwrap.dedent("\n".join(re.findall(r"^(?: {4}.*)?$", PAGE, re.MULTILINE)))
HELM = [" ".join(c.split()) for c in re.findall(r"helm .*", COMMANDS.replace("\\\n", " "))]
# What an admin cannot do anything about, or is said otherwise there.
NOT_LISTED = {
    *(Fault.STARTING, Fault.BEING_CHECKED, Fault.API_UNREADABLE),
    *(Fault.CONTAINER, Fault.PART_GONE, Fault.HUB_LABELS),
}

pytestmark = pytest.mark.usefixtures("helm")


@pytest.fixture(scope="module")
def chart() -> Rendered:
    """What the page's values make."""
    return render(SUBLET)


@pytest.fixture(scope="module")
def notes() -> str:
    """What `helm get notes` says of the page's release."""
    (command,) = (each for each in HELM if "helm/sublet" in each)
    words = command.replace("helm upgrade --install", "install").split()
    values = words.index("--values")
    del words[values : values + 2]
    words[words.index("helm/sublet")] = str(CHART)
    said = run_helm(*words, "--dry-run=client", values=SUBLET)
    return "NOTES:" + said.partition("NOTES:")[2]


def test_the_quota_document_is_one(chart: Rendered) -> None:
    read_quota_document(json.dumps(SUBLET["quota"]).encode())
    assert "memory: 20GiB" in chart.one("ConfigMap", "sublet-quota")["data"]["quota.yaml"]


def test_the_names_that_are_taken_over_are_those_of_the_notes(notes: str, chart: Rendered) -> None:
    (command,) = re.findall(r"^helm get notes .* \| (sed .*) > names.yaml$", COMMANDS, re.MULTILINE)
    done = subprocess.run(
        ["/bin/sh", "-c", command], input=notes, capture_output=True, text=True, check=True
    )
    told = yaml.safe_load(done.stdout)
    ours = yaml.safe_load((ROOT / "helm" / "z2jh-values.yaml").read_text())
    assert told.keys() == {"custom"}
    assert told["custom"]["sublet"].keys() <= ours["custom"]["sublet"].keys()
    service = chart.one("Service", "sublet")["spec"]["ports"][0]["port"]
    assert told["custom"]["sublet"]["serviceAddress"] == f"http://sublet.jhub:{service}"
    classes = {each["metadata"]["name"] for each in chart.all("PriorityClass")}
    assert told["custom"]["sublet"]["priorityClassName"] in classes


def test_the_hub_s_own_values_replace_images_and_leave_what_sublet_needs() -> None:
    ours = yaml.safe_load((ROOT / "helm" / "z2jh-values.yaml").read_text())
    (command,) = (each for each in HELM if "jupyterhub/jupyterhub" in each)
    files = re.findall(r"--values (\S+)", command)
    assert files == ["helm/z2jh-values.yaml", "names.yaml", "hub.yaml"]
    merged = merge(ours, HUB)
    assert "zz-sublet" in merged["hub"]["extraConfig"]
    assert "sublet" in merged["hub"]["services"]
    for part, name in (("hub", "sublet-hub"), ("singleuser", "sublet-notebook")):
        assert merged[part]["image"]["name"] == f"registry.example.org/{name}"
        assert merged[part]["image"]["tag"] == ours[part]["image"]["tag"]


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """As helm merges files of values."""
    both = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], dict) and isinstance(above[name], dict):
            both[name] = merge(below[name], above[name])
    return both


def test_the_versions_are_those_that_the_repository_pins() -> None:
    (base,) = re.findall(r"^ARG HUB_BASE=\S+:(\S+)$", CONTAINERFILE, re.MULTILINE)
    (command,) = (each for each in HELM if "jupyterhub/jupyterhub" in each)
    assert re.findall(r"--version=(\S+)", command) == [base]
    constraints = (ROOT / ".ci" / "constraints-of-z2jh.txt").read_text()
    (minor,) = re.findall(r"zero-to-jupyterhub (\d+\.\d+)", constraints)
    assert base.startswith(f"{minor}.")
    assert f"zero-to-jupyterhub {minor}" in PAGE
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert f"$image:{version}" in COMMANDS
    assert HUB["hub"]["image"]["tag"] == HUB["singleuser"]["image"]["tag"] == version


def test_each_image_is_built_under_the_name_that_the_values_have() -> None:
    (targets,) = re.findall(r"^for target in (.*); do$", COMMANDS, re.MULTILINE)
    assert set(targets.split()) <= set(re.findall(r" AS (\w+)$", CONTAINERFILE, re.MULTILINE))
    for name in (
        SUBLET["image"]["repository"],
        HUB["hub"]["image"]["name"],
        HUB["singleuser"]["image"]["name"],
    ):
        target = name.rpartition("/")[2].removeprefix("sublet-")
        assert target in targets.split()


def test_the_check_is_called_as_the_notes_say(notes: str) -> None:
    told = [" ".join(each.split()) for each in re.findall(r"helm test .*", notes)]
    assert told == ["helm test --namespace jhub sublet"]
    assert [each for each in HELM if each.startswith("helm test")] == told * 2


def test_labels_and_objects_are_called_as_in_the_chart(chart: Rendered) -> None:
    pod = chart.one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
    ((name, value),) = pod["nodeSelector"].items()
    assert f"--selector {name}={value} " in COMMANDS
    assert pod["runtimeClassName"] == "nvidia"
    assert "The DaemonSet `sublet-agent`" in PAGE
    level = "pod-security.kubernetes.io/enforce=privileged"
    assert f"kubectl label --overwrite namespace jhub {level}" in COMMANDS


def test_the_shell_reads_all_commands(tmp_path: Path) -> None:
    """But what they are said to show, which is indented, too."""
    shown = ("level=INFO", "Error: ")
    lines = [line for line in COMMANDS.splitlines() if not line.startswith(shown)]
    script = tmp_path / "commands.sh"
    script.write_text("\n".join(lines))
    subprocess.run(["/bin/bash", "-n", script], check=True)


def test_the_sharing_of_cards_is_what_the_page_on_the_device_plugin_has() -> None:
    (made,) = re.findall(r"<<'END'\n(.*?)^END$", COMMANDS, re.MULTILINE | re.DOTALL)
    page = (ROOT / "spawner" / "docs" / "device-plugin.md").read_text()
    shared, _ = re.findall(r"sharing.yaml <<'END'\n(.*?)^ +END$", page, re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(yaml.safe_load(made)["data"]["any"]) == yaml.safe_load(shared)
    assert "--set devicePlugin.config.name=sharing" in COMMANDS


def test_what_the_check_says_is_shown_as_it_says_it() -> None:
    assert praise(release(), health()) in COMMANDS
    said = found(Fault.TOKEN_SECRET, name="hub", namespace="jhub").sentence
    (shown,) = re.findall(r"(The service waits .*) \[\.\.\.\]$", COMMANDS, re.MULTILINE)
    assert said.startswith(shown)


def test_the_table_has_a_row_for_what_can_be_wrong() -> None:
    section = PAGE.partition("## What `helm test` says")[2]
    rows = re.findall(r"^\| .* \| (`.*`) \|$", section, re.MULTILINE)
    beginnings = [each for row in rows for each in re.findall(r"`([^`]+)`", row)]
    listed = set()
    for beginning in beginnings:
        told = [f for f in Fault if beginning in f.value.sentence]
        assert told, beginning
        listed |= {f for f in told if f.value.sentence.startswith(beginning)} or set(told)
    assert listed | NOT_LISTED == set(Fault)


def test_simulated_cards_are_small_enough_for_a_node_of_a_first_look() -> None:
    (written,) = re.findall(r"put `(simulatedGpus: .*?)`", PAGE)
    values = {name: told for name, told in SUBLET.items() if name != "agent"}
    pod = render({**values, **yaml.safe_load(written)}).one("DaemonSet", "sublet-simulated-gpus")
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    # Servers' pods ask for host memory by it: an eighth of the usual card is ten GiB.
    assert "--memory-gib=8" in container["args"]


def test_what_stays_and_goes_when_it_is_taken_away_is_called_as_in_the_chart(
    chart: Rendered,
) -> None:
    kept = chart.one("PersistentVolumeClaim", "sublet-state")["metadata"]["annotations"]
    assert kept["helm.sh/resource-policy"] == "keep"
    assert "`kubectl --namespace jhub delete pvc sublet-state`" in PAGE
    assert chart.one("Pod", "sublet-check")
    assert "kubectl --namespace jhub delete pod sublet-check " in COMMANDS
    assert f"get pods --selector {JOB_ID}\n" in COMMANDS


def test_the_readme_leads_there() -> None:
    assert "](spawner/docs/kubernetes-install.md)" in (ROOT / "README.md").read_text()
