"""What the chart's values may be, and what helm says of those that may not."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml
from sublet_agent.app.application import SubletAgent
from sublet_hub.app.application import SubletHub

from tests.support.helm_charts import ChartRefusedError, render
from tests.support.helm_documents import (
    CHART,
    HOW,
    QUOTA_SCHEMA,
    SET_BY_THE_CHART,
    configurable,
    readme_text,
    resolved,
    schema_text,
)
from tests.support.helm_options import OPTIONS
from tests.support.quota_documents import EXAMPLE

SCHEMA: Mapping[str, Any] = json.loads((CHART / "values.schema.json").read_text())
FREE = {"global"}
"""Helm's own: what is shared between charts."""


def objects(about: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give all of the schema's objects but the quota document's, whose schema has its own tests."""
    found = resolved(SCHEMA, about)
    if found.get("type") == "object":
        yield path, found
    for name, part in found.get("properties", {}).items():
        if (path, name) != ("", "quota"):
            yield from objects(part, f"{path}.{name}".lstrip("."))
    if isinstance(items := found.get("items"), Mapping):
        yield from objects(items, f"{path}[]")


def test_the_schema_is_up_to_date() -> None:
    def beside_settings(schema: Any) -> Any:
        for part in ("service", "agent"):
            schema["properties"][part]["properties"]["settings"].pop("properties")
        return schema

    current = json.loads((CHART / "values.schema.json").read_text())
    assert beside_settings(current) == beside_settings(json.loads(schema_text())), HOW


def test_the_readme_has_a_row_for_each_value() -> None:
    def rows(text: str) -> set[str]:
        return {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}

    text = (CHART / "README.md").read_text()
    values = {row for row in rows(readme_text(text)) if "." in row}
    assert values <= rows(text), HOW


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_no_object_takes_unknown_keys() -> None:
    open_ones = [
        path
        for path, about in objects(SCHEMA)
        if about.get("additionalProperties") in (None, True) and path not in FREE
    ]
    assert open_ones == []


def test_every_value_is_described() -> None:
    without = [
        f"{path}.{name}"
        for path, about in objects(SCHEMA)
        for name, part in about.get("properties", {}).items()
        if not resolved(SCHEMA, part).get("description", "").endswith((".", "`"))
    ]
    assert without == []


def test_every_value_has_a_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def missing(about: Mapping[str, Any], there: Any, path: str) -> Iterator[str]:
        for name, part in resolved(SCHEMA, about).get("properties", {}).items():
            here = f"{path}.{name}".lstrip(".")
            if here == "quota" or name in {"settings", "requests", "limits"}:
                continue
            if not isinstance(there, dict) or name not in there:
                yield here
            else:
                yield from missing(part, there[name], here)

    assert list(missing(SCHEMA, values, "")) == []


def test_every_value_is_tried_by_an_option() -> None:
    def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        if isinstance(values, dict) and values:
            for name, below in values.items():
                yield from leaves(below, (*path, name))
        else:
            yield path

    tried = {path for values in OPTIONS.values() for path in leaves(values)}
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    untried = [
        ".".join(path)
        for path in leaves(defaults)
        if path[0] not in FREE
        and not any(each[: len(path)] == path or path[: len(each)] == each for each in tried)
    ]
    assert untried == []


def test_settings_are_options_of_the_programs() -> None:
    for part, program in (("service", SubletHub), ("agent", SubletAgent)):
        settings = SCHEMA["properties"][part]["properties"]["settings"]["properties"]
        assert settings.keys().isdisjoint(SET_BY_THE_CHART[program])
        assert settings.keys() <= configurable(program).keys(), HOW


def test_the_quota_document_s_schema_is_in_the_chart_s() -> None:
    quota = json.loads(QUOTA_SCHEMA.read_text())
    for name, definition in quota["$defs"].items():
        assert SCHEMA["$defs"][name] == definition
    assert SCHEMA["properties"]["quota"]["properties"] == quota["properties"]


@pytest.mark.usefixtures("helm")
def test_a_document_with_all_that_a_quota_can_say_is_taken() -> None:
    quota = json.loads(json.dumps(yaml.safe_load(EXAMPLE), default=str))
    text = render({"quota": quota}).one("ConfigMap", "sublet-quota")["data"]["quota.yaml"]
    assert yaml.safe_load(text) == quota


@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize(
    ("values", "where", "what"),
    [
        ({"agents": {}}, "at ''", "additional properties 'agents' not allowed"),
        (
            {"service": {"replicas": 2}},
            "at '/service'",
            "additional properties 'replicas' not allowed",
        ),
        ({"service": {"port": "8901"}}, "at '/service/port'", "got string, want integer"),
        (
            {"service": {"settings": {"port": 80}}},
            "at '/service/settings'",
            "additional properties 'port' not allowed",
        ),
        (
            {"agent": {"settings": {"margin_mib": -1}}},
            "at '/agent/settings/margin_mib'",
            "minimum: got -1, want 0",
        ),
        (
            {"service": {"database": {"url": "mysql://db"}}},
            "at '/service/database/url'",
            "does not match pattern",
        ),
        (
            {"agent": {"tolerations": [{"taint": "gpu"}]}},
            "at '/agent/tolerations/0'",
            "additional properties 'taint' not allowed",
        ),
        (
            {"quota": {"pool": {}}},
            "at '/quota'",
            "additional properties 'pool' not allowed",
        ),
        (
            {"quota": {"groups": {"science": {"limit": {"memory": "many"}}}}},
            "at '/quota/groups/science/limit/memory'",
            "does not match pattern",
        ),
        (
            {"priorityClasses": {"jobs": {"preemptionPolicy": "Sometimes"}}},
            "at '/priorityClasses/jobs/preemptionPolicy'",
            "value must be one of 'PreemptLowerPriority', 'Never'",
        ),
        (
            {"priorityClasses": {"jobSets": {"value": -1}}},
            "at '/priorityClasses/jobSets/value'",
            "minimum: got -1, want 0",
        ),
    ],
    ids=lambda case: "" if isinstance(case, str) else json.dumps(case)[:60],
)
def test_a_wrong_value_is_refused_with_its_place(
    values: dict[str, Any], where: str, what: str
) -> None:
    with pytest.raises(ChartRefusedError) as refused:
        render(values)
    assert where in str(refused.value)
    assert what in str(refused.value)


@pytest.mark.parametrize("kind", ["jobs", "jobSets"])
def test_jobs_that_would_not_give_way_to_notebooks_are_refused(kind: str) -> None:
    level = {"notebooks": {"value": 5}, kind: {"value": 5}}
    with pytest.raises(ChartRefusedError) as refused:
        render({"priorityClasses": level})
    assert f"priorityClasses.{kind}.value is 5" in str(refused.value)
    assert "less than priorityClasses.notebooks.value, which is 5" in str(refused.value)
    render({"priorityClasses": {**level, kind: {"value": 4}}})
