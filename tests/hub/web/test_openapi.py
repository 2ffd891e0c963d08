"""The OpenAPI document describes the routes that there are."""

import json
import re

import pytest
from sublet_hub.web.openapi import openapi_document
from sublet_hub.web.routes.problems import STATUS_OF_REFUSAL
from sublet_hub.web.routes.table import ROUTES
from sublet_quota.reasons.refusal import RefusalReason

from tests.support.hub_world import HubWorld

DOCUMENT = openapi_document("/services/sublet/", "0")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_is_described_with_its_body_answer_and_refusals(route) -> None:
    operation = DOCUMENT["paths"][f"/{route.path}"][route.method.lower()]
    assert (route.body is not None) == ("requestBody" in operation)
    assert {str(route.status), "403", "429", "503"} <= set(operation["responses"])
    content = operation["responses"][str(route.status)].get("content", {})
    assert content.keys() - {"application/json", "text/event-stream"} == set(route.files)
    in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
    assert in_path == re.findall(r"{(\w+)}", route.path)


def test_every_reference_leads_somewhere() -> None:
    referred = set(re.findall(r"#/components/schemas/([\w-]+)", json.dumps(DOCUMENT)))
    assert referred == referred & set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize(
    ("path", "method"), [("/changes", "get"), ("/quota/preview/history", "post")]
)
def test_a_stream_is_described_with_what_it_tells(path: str, method: str) -> None:
    answer = DOCUMENT["paths"][path][method]["responses"]["200"]
    assert list(answer["content"]) == ["text/event-stream"]


def test_operations_have_names_of_their_own() -> None:
    names = [o["operationId"] for path in DOCUMENT["paths"].values() for o in path.values()]
    assert len(names) == len(set(names)) == len(ROUTES) + 2


def test_every_refusal_has_its_status() -> None:
    assert set(STATUS_OF_REFUSAL) == set(RefusalReason)
    assert all(400 <= status < 500 for status in STATUS_OF_REFUSAL.values())


@pytest.mark.asyncio
async def test_the_service_serves_it(world: HubWorld) -> None:
    response = await world.raw("GET", "api/openapi.json")
    assert json.loads(response.body)["openapi"] == "3.1.0"
