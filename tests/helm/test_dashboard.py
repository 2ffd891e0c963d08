"""The dashboard asks for metrics that the service has."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.metrics import ServiceMetrics
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.residency.snapshot import Holder

from tests.support.helm_charts import render
from tests.support.helm_documents import CHART
from tests.support.helm_options import OPTIONS

DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
SELECTOR = re.compile(r"(sublet_\w+)\{([^}]*)\}")
ADDED = {"namespace", "le"}
"""By Prometheus itself, and of histograms."""


@pytest.fixture
def labels(tmp_path: Path) -> dict[str, set[str]]:
    """The service's metrics, and what each is told apart by."""
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    database.migrate()
    ledger = Ledger(database)
    fleet = Fleet(ledger, lambda: datetime.now(UTC), "boot")
    found = {}
    for metric, names in ServiceMetrics(ledger, fleet)._registry._collector_to_names.items():
        found |= {name: set(getattr(metric, "_labelnames", ())) for name in names}
        found |= {
            each.name: set(each._labelnames)
            for each in metric.collect()
            if isinstance(each, GaugeMetricFamily)
        }
    database.close()
    return found


def test_every_query_asks_for_a_metric_by_labels_that_it_has(labels: dict[str, set[str]]) -> None:
    for query in QUERIES:
        for name, conditions in SELECTOR.findall(query):
            assert name in labels, query
            asked = set(re.findall(r"(\w+)(?:=~|!=|=)\"", conditions))
            grouped = {
                word.strip()
                for group in re.findall(r"by \(([^)]*)\)", query)
                for word in group.split(",")
            }
            assert asked | grouped <= labels[name] | ADDED, query


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
