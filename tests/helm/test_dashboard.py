"""The dashboard asks for metrics that the service has."""

import json
import re
from collections.abc import Mapping
from itertools import pairwise

import pytest
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.residency.snapshot import Holder

from tests.support.helm_charts import render
from tests.support.helm_documents import CHART
from tests.support.helm_options import OPTIONS
from tests.support.metric_world import exposed
from tests.support.prometheus_queries import ADDED, SELECTOR, wrong_in

DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


VARIABLES = [v for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """The service's metrics, and what each is told apart by."""
    return exposed(tmp_path_factory.mktemp("metrics"))


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_a_metric_by_labels_that_it_has(
    labels: Mapping[str, set[str]], query: str
) -> None:
    assert not wrong_in(query, labels)


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: each["name"])
def test_every_variable_takes_its_values_of_a_metric_that_has_them(
    labels: Mapping[str, set[str]], variable: Mapping[str, str]
) -> None:
    query = variable["query"]
    asked = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", query)
    assert asked is not None
    assert asked[2] in labels[asked[1]] | ADDED
    assert asked[2] == "namespace" or not wrong_in(query, labels)


@pytest.mark.parametrize("variable", ["pool", "gpu_type", "group"])
def test_each_query_about_pools_types_or_groups_filters_by_the_variable(
    labels: Mapping[str, set[str]], variable: str
) -> None:
    """But for what is about all there is, by what lies at the top of the tree of groups."""
    for query in QUERIES:
        for name, conditions in SELECTOR.findall(query):
            if variable in labels[name] and 'parent=""' not in conditions:
                where = f'{variable}=~"${variable}"'
                assert where in conditions or _is_of_all_groups(variable, name), query


def _is_of_all_groups(variable: str, name: str) -> bool:
    return variable == "group" and name == "sublet_refusals_total"


def test_each_row_has_panels() -> None:
    kinds = [panel["type"] for panel in DASHBOARD["panels"]]
    assert kinds[0] == "row"
    assert not any(two == ("row", "row") for two in pairwise(kinds))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(kinds)


def test_queries_name_states_and_holders_that_there_are() -> None:
    said = "".join(QUERIES)
    states = set(re.findall(r'sublet_jobs\{[^}]*state="(\w+)"', said))
    assert states <= {state.value for state in JobState}
    assert set(re.findall(r'holder="(\w+)"', said)) <= {holder.value for holder in Holder}


def test_panels_do_not_lie_on_each_other() -> None:
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@pytest.mark.usefixtures("helm")
def test_grafana_s_sidecar_finds_the_dashboard() -> None:
    found = render(OPTIONS["monitoring"]).one("ConfigMap", "sublet-dashboard")
    assert found["metadata"]["namespace"] == "monitoring"
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["sublet.json"]) == DASHBOARD
