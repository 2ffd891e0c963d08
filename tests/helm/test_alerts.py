"""The alerts ask for metrics that the service has, and each is on the page of monitoring."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from sublet_hub.state.collectors.closed_cards import CardClosed
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault
from sublet_quota.reasons.undelivered import Undelivered

from tests.support.helm_charts import render
from tests.support.helm_documents import CHART, ROOT
from tests.support.helm_options import OPTIONS
from tests.support.metric_world import exposed
from tests.support.prometheus_queries import wrong_in

TEXT = (CHART / "files" / "alerts.yaml").read_text()
ALERTS = [rule for group in yaml.safe_load(TEXT)["groups"] for rule in group["rules"]]
PAGE = (ROOT / "hub_ext" / "docs" / "monitoring.md").read_text()
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    return exposed(tmp_path_factory.mktemp("metrics"))


@each_alert
def test_an_alert_asks_for_metrics_by_labels_that_they_have(
    alert: Mapping[str, Any], labels: Mapping[str, set[str]]
) -> None:
    assert not wrong_in(alert["expr"], labels)


@each_alert
def test_an_alert_s_words_name_labels_that_it_has(alert: Mapping[str, Any]) -> None:
    kept = {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", alert["expr"])
        for label in group.split(",")
    }
    told = re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values()))
    assert set(told) <= kept


@each_alert
def test_an_alert_leads_to_what_helps(alert: Mapping[str, Any]) -> None:
    name = alert["alert"]
    assert alert["annotations"]["runbook_url"] == f"$runbook#{name.lower()}"
    assert re.search(rf"^### {name}$", PAGE, re.MULTILINE)


def test_the_page_has_no_alert_that_is_not_there() -> None:
    told = re.findall(r"^### (Sublet\w+)$", PAGE, re.MULTILINE)
    assert told == [alert["alert"] for alert in ALERTS]


def test_alerts_name_reasons_and_faults_that_there_are() -> None:
    reasons = "|".join(re.findall(r'reason=~"([^"]*)"', TEXT)).split("|")
    assert set(reasons) <= {reason.value for reason in CardClosed}
    faults = re.findall(r'fault!?="([^"]*)"', TEXT)
    assert set(faults) <= {fault.value for fault in GuaranteeFault}
    problems = re.findall(r'problem!="([^"]*)"', TEXT)
    assert set(problems) <= {problem.value for problem in Undelivered}


def test_the_page_names_each_reason_for_which_a_notice_is_given_up() -> None:
    (row,) = re.findall(r"^\| `sublet_notices_given_up` .*$", PAGE, re.MULTILINE)
    assert all(f"`{problem.value}`" in row for problem in Undelivered)


def test_the_page_says_what_each_fault_means_as_a_metric_and_as_an_alert() -> None:
    (row,) = re.findall(r"^\| `sublet_guarantee_faults` .*$", PAGE, re.MULTILINE)
    (alert,) = re.findall(r"### SubletGuaranteeNotInForce\n(.*?)\n###", PAGE, re.DOTALL)
    for fault in GuaranteeFault:
        assert f"`{fault.value}`" in row
        assert fault.value.endswith("-than-expected") or f"`{fault.value}`" in alert


@pytest.mark.usefixtures("helm")
def test_the_operator_gets_every_alert_of_its_own_namespace_alone() -> None:
    rule = render(OPTIONS["monitoring"], "hubs").one("PrometheusRule", "sublet")
    assert rule["metadata"]["labels"]["release"] == "prom"
    (group,) = rule["spec"]["groups"]
    assert [each["alert"] for each in group["rules"]] == [each["alert"] for each in ALERTS]
    for given, written in zip(group["rules"], ALERTS, strict=True):
        assert given["expr"] == written["expr"].replace("$namespace", "hubs")
        assert 'namespace="hubs"' in given["expr"]
        where = given["annotations"]["runbook_url"]
        assert where.startswith("https://git.example.org/sublet/monitoring.md#sublet")


@pytest.mark.usefixtures("helm")
def test_without_the_operator_there_are_no_alerts() -> None:
    assert not render(OPTIONS["defaults"]).all("PrometheusRule")
