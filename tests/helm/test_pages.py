"""What the pages about Kubernetes say is so: settings exist, what is lent is lendable."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from sublet_hub.app.application import SubletHub
from sublet_hub.app.kueue_objects import main
from sublet_hub.jobs.backends.kubernetes.objects.kueue import with_lent_quota
from sublet_hub.kubernetes_api.resources import CLUSTER_QUEUES
from sublet_quota.document.reading import read_quota_document
from sublet_spawner.backends import BACKENDS
from sublet_spawner.backends.reading import read_settings
from sublet_spawner.kube import KubeSliceSpawner
from sublet_spawner.kube_settings import KubeSliceSettings

from tests.support.helm_charts import render
from tests.support.helm_documents import CHART, ROOT

DOCS = ROOT / "spawner" / "docs"
PAGES = sorted(DOCS.glob("*.md"))
KUBERNETES = (DOCS / "kubernetes.md").read_text()
QUOTAS = ROOT / "quota" / "docs" / "quotas.md"
KUEUE = (DOCS / "kueue.md").read_text()
PAGE_OF = {
    **dict.fromkeys(("time-slicing", "none", "mps", "mig"), "device-plugin.md"),
    **{name: f"{name}.md" for name in ("hami", "kai", "volcano", "dra")},
}
SETTING = re.compile(r"`(\w+)`")


def values_for_the_hub(page: Path) -> Iterator[Mapping[str, Any]]:
    """The blocks of a page that say what goes under ``custom.sublet``."""
    text = page.read_text()
    for found in re.finditer(r"^( +)custom:\n(?:\1 +.*\n)+", text, re.MULTILINE):
        yield yaml.safe_load(found[0])["custom"]["sublet"]


def settings_in_table(text: str) -> set[str]:
    """The names in the first column of a page's tables of settings."""
    found: set[str] = set()
    for table in re.findall(r"\| setting \| default \| \|\n\| -.*\n((?:\|.*\n)+)", text):
        for row in table.splitlines():
            found |= set(SETTING.findall(row.split("|")[1]))
    return found


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_has_a_page_that_shows_how_to_set_it(name: str) -> None:
    shown = [each for each in values_for_the_hub(DOCS / PAGE_OF[name]) if each["backend"] == name]
    assert shown
    for values in shown:
        for of, settings in values.get("backendSettings", {}).items():
            read_settings(BACKENDS[of], settings)


def commands(text: str, word: str) -> list[str]:
    """The commands of a page that begin so, each as one line."""
    found = re.findall(rf"^ +({word} (?:.*\\\n)*.*)$", text, re.MULTILINE)
    return [" ".join(each.replace("\\\n", " ").split()) for each in found]


@pytest.mark.parametrize("page", sorted({*PAGE_OF.values(), "kubernetes.md"}))
def test_each_page_labels_the_nodes_that_agents_run_on(page: str) -> None:
    wanted = yaml.safe_load((CHART / "values.yaml").read_text())["agent"]["nodeSelector"]
    labels = {f"{key}={value}" for key, value in wanted.items()}
    said = commands((DOCS / page).read_text(), "kubectl label node NODE")
    assert any(labels <= set(command.split()) for command in said)


@pytest.mark.parametrize("page", sorted(set(PAGE_OF.values())))
def test_each_page_says_that_the_cards_are_sublet_s_alone(page: str) -> None:
    assert re.search(
        r"cards are Sublet's\s+alone\]\(kubernetes.md#nodes-with-gpus\)", (DOCS / page).read_text()
    )
    (section,) = re.findall(r"^## Nodes with GPUs\n(.*?)^## ", KUBERNETES, re.MULTILINE | re.DOTALL)
    for way in (
        "create quota",
        "taint node",
        "`lend: false`",
        "`lending.devicePlugin.enabled: false`",
    ):
        assert way in section


def test_the_device_plugin_comes_with_feature_discovery_whatever_it_offers() -> None:
    """All are of one release: a command that left it out would end it for those before."""
    said = commands((DOCS / "device-plugin.md").read_text(), "helm upgrade --install nvdp")
    assert len(said) == len([name for name, page in PAGE_OF.items() if page == "device-plugin.md"])
    for command in said:
        assert "--set gfd.enabled=true" in command


@pytest.mark.parametrize("name", ["time-slicing", "mps", "mig"])
def test_the_page_of_the_device_plugin_tells_of_all_settings(name: str) -> None:
    text = (DOCS / PAGE_OF[name]).read_text()
    for setting in BACKENDS[name].settings_type.__dataclass_fields__:
        assert re.search(rf"\b{setting}\b", text), setting


@pytest.mark.parametrize("name", ["hami", "kai", "volcano", "dra"])
def test_a_backend_s_table_has_its_settings_and_no_other(name: str) -> None:
    known = set(BACKENDS[name].settings_type.__dataclass_fields__)
    assert settings_in_table((DOCS / PAGE_OF[name]).read_text()) == known


def test_settings_of_the_spawner_are_all_in_the_table() -> None:
    own = set(KubeSliceSettings.class_own_traits(config=True))
    told = settings_in_table(KUBERNETES)
    assert own <= told <= set(KubeSliceSpawner.class_traits(config=True))


def test_the_pages_say_which_backends_are_lendable_and_which_keep_compute() -> None:
    rows = re.findall(
        r"^\| \[[^]]+\]\(([\w-]+\.md)\) \| (.+?) \| .+? \| (.+?) \| (.+?) \|$",
        KUBERNETES,
        re.MULTILINE,
    )
    assert {page for page, *_ in rows} == set(PAGE_OF.values())
    for page, backends, computes, lent in rows:
        names = set(re.findall(r"`([\w-]+)`", backends))
        assert names == {name for name, of in PAGE_OF.items() if of == page}
        for name in names:
            guarantees = BACKENDS[name].guarantees(BACKENDS[name].settings_type())
            assert (f"`{name}`" in lent) is (guarantees.not_lendable is None), name
            by_sublet = computes.partition(", the engine")[0]
            is_sublets = f"`{name}`" in by_sublet or by_sublet == "Sublet"
            assert is_sublets is (guarantees.compute_kept_by is None), name


@pytest.mark.usefixtures("helm")
def test_the_chart_takes_the_values_that_the_pages_show() -> None:
    shown = 0
    for page in PAGES:
        for found in re.finditer(
            r"^( +)(?:agent|kueue|jupyterhub|networkPolicies):\n(?:\1 +.*\n)+",
            page.read_text(),
            re.MULTILINE,
        ):
            render(yaml.safe_load(found[0]))
            shown += 1
    assert shown


@pytest.mark.usefixtures("helm")
def test_the_quota_documents_of_their_page_are_the_same_through_the_chart() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", QUOTAS.read_text(), re.DOTALL)
    for text in shown:
        values = json.loads(json.dumps({"quota": yaml.safe_load(text)}, default=str))
        given = render(values).one("ConfigMap", "sublet-quota")["data"]["quota.yaml"]
        assert read_quota_document(given) == read_quota_document(text)
    assert shown


def test_the_command_for_groups_queues_works_as_the_page_says(tmp_path: Path) -> None:
    (command,) = re.findall(
        r"^ +python -m sublet_hub.app.kueue_objects ((?:.*\\\n)*.*)\|", KUEUE, re.MULTILINE
    )
    file = tmp_path / "quota.yaml"
    file.write_text("groups: {vision: {guaranteed: {H100: 1}}}")
    words = command.replace("\\\n", " ").replace("quota.yaml", str(file)).split()
    printed = CliRunner().invoke(main, words)
    assert printed.exit_code == 0, printed.output
    kinds = [each["kind"] for each in yaml.safe_load_all(printed.output)]
    assert kinds == ["ResourceFlavor", "ClusterQueue", "LocalQueue"]


@pytest.mark.usefixtures("helm")
def test_the_queues_that_the_page_has_an_admin_make_are_those_of_the_chart() -> None:
    text = textwrap.dedent("\n".join(re.findall(r"^(?: {4}.*)?$", KUEUE, re.MULTILINE)))
    (made,) = re.findall(r"^kubectl apply -f - <<'END'\n(.*?)^END$", text, re.MULTILINE | re.DOTALL)
    theirs = {each["kind"]: each for each in yaml.safe_load_all(made)}
    (told,) = re.findall(
        r"^kueue:\n  enabled: true\n  create: false\n(?: +.*\n)+", text, re.MULTILINE
    )
    values = yaml.safe_load(told)
    assert not any(render(values).all(kind) for kind in theirs)
    values["kueue"]["create"] = True
    chart = render(values, theirs["LocalQueue"]["metadata"]["namespace"])
    for kind, each in theirs.items():
        (ours,) = chart.all(kind)
        assert (each["metadata"]["name"], each["spec"]) == (ours["metadata"]["name"], ours["spec"])


def test_the_page_has_argo_cd_leave_the_service_s_quota_alone() -> None:
    (found,) = re.finditer(
        r"^( +)spec:\n\1  ignoreDifferences:\n(?:\1 +.*\n)+", KUEUE, re.MULTILINE
    )
    application = yaml.safe_load(found[0])["spec"]
    (ignored,) = application["ignoreDifferences"]
    assert (ignored["group"], ignored["kind"]) == (
        CLUSTER_QUEUES.api_version.split("/")[0],
        CLUSTER_QUEUES.kind,
    )
    queue = {"metadata": {"resourceVersion": "7"}, "spec": {"resourceGroups": []}}
    (patched,) = with_lent_quota(queue, 1)["spec"]
    assert ignored["jsonPointers"] == [f"/spec/{patched}"]
    assert "RespectIgnoreDifferences=true" in application["syncPolicy"]["syncOptions"]


def test_the_page_about_kueue_lets_jobs_on_several_nodes_find_each_other() -> None:
    (found,) = re.finditer(r"^( +)networkPolicies:\n(?:\1 +.*\n)+", KUEUE, re.MULTILINE)
    assert yaml.safe_load(found[0]) == {"networkPolicies": {"jobs": {"amongEachOther": True}}}


def test_options_of_the_service_are_named_as_the_page_says() -> None:
    options = set(re.findall(r"`(?:SubletHub\.)?(kueue_\w+)`", KUEUE))
    assert options
    assert options <= set(SubletHub.class_traits(config=True))
