"""The OpenAPI document, made from the table of routes."""

import json
import re
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from sublet_quota.wire.api import NEXT_PAGE, TOTAL, Problem

from sublet_hub.web.console.changes import CHANGES_ROUTE
from sublet_hub.web.past_preview import PAST_PREVIEW_ROUTE
from sublet_hub.web.routes.pages import MOST_PAGE_BYTES
from sublet_hub.web.routes.route import PATH_PART, Access, Nature, Parameter, Role, Route
from sublet_hub.web.routes.table import ROUTES

_STREAMS = (CHANGES_ROUTE, PAST_PREVIEW_ROUTE)
_DESCRIBED = (*ROUTES, *_STREAMS)
_REFERENCE = "#/components/schemas/{model}"
_MEANINGS = {
    400: "The request cannot be read, or asks for what is not possible",
    401: "No token that the hub knows",
    403: "The token lacks the scope, or the quota does not allow it",
    404: "There is no such thing of the caller's",
    409: "Not possible now; the message says why",
    429: "Too many requests",
    503: "The hub or the ledger does not answer",
}
_PATH_PART: dict[str, Any] = {"type": "string", "pattern": f"^{PATH_PART}$"}
_TEXT: dict[str, Any] = {"type": "string", "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*$"}
_SCHEMAS: dict[Nature, dict[str, Any]] = {
    Nature.TEXT: _TEXT,
    Nature.TEXTS: {"type": "array", "items": _TEXT},
    Nature.NUMBER: {"type": "integer", "minimum": 0},
    Nature.PLACE: {"type": "string", "maxLength": 300},
    Nature.TIME: {"type": "string", "format": "date-time"},
}

_NEXT_HEADER: dict[str, Any] = {
    "description": f"There is more: ?before= takes this. A page has {MOST_PAGE_BYTES} bytes",
    "schema": {"type": "string"},
}
_TOTAL_HEADER: dict[str, Any] = {
    "description": "Of some lists' first pages: how many entries all pages have together",
    "schema": {"type": "integer"},
}


@cache
def openapi_text(prefix: str, version: str) -> str:
    """Return the document for a service below ``prefix`` as JSON: anybody may ask for it."""
    return json.dumps(openapi_document(prefix, version))


def openapi_document(prefix: str, version: str) -> dict[str, Any]:
    """Return the document for a service below ``prefix``."""
    types: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = []
    for route in _DESCRIBED:
        if route.answer is not None:
            types.append(((route.method, route.path), "serialization", TypeAdapter(route.answer)))
        if route.waits is not None:
            types.append((_waits_key(route), "serialization", TypeAdapter(route.waits)))
        if route.body is not None:
            types.append(((route.method, route.path), "validation", TypeAdapter(route.body)))
    types.append(("problem", "serialization", TypeAdapter(Problem)))
    schemas, definitions = TypeAdapter.json_schemas(types, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for route in _DESCRIBED:
        key = (route.method, route.path)
        operation = _operation(route)
        if route.body is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": schemas[key, "validation"]}},
            }
        answer: dict[str, Any] = {"description": route.summary}
        if route.answer is not None:
            schema = schemas[key, "serialization"]
            kind = "text/event-stream" if route in _STREAMS else "application/json"
            answer["content"] = {kind: {"schema": schema}}
        for file in route.files:
            answer["content"][file.value] = {"schema": {"type": "string"}}
        if any(parameter.nature is Nature.PLACE for parameter in route.parameters):
            answer["headers"] = {NEXT_PAGE: _NEXT_HEADER, TOTAL: _TOTAL_HEADER}
        problem = schemas["problem", "serialization"]
        operation["responses"] = {
            str(route.status): answer,
            **_waits(route, schemas),
            **_refusals(route, problem),
        }
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sublet's hub service",
            "version": version,
            "description": "Slices of GPUs, lent to training jobs while their owners are idle.",
        },
        "servers": [{"url": f"{prefix}api"}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"token": []}],
    }


def _waits_key(route: Route) -> tuple[str, str]:
    return f"{route.method} waits", route.path


def _waits(route: Route, schemas: Any) -> dict[str, Any]:
    """Return how it is told that a request waits, where the route has that."""
    if route.waits is None:
        return {}
    schema = schemas[_waits_key(route), "serialization"]
    content = {"application/json": {"schema": schema}}
    return {"202": {"description": "It waits.", "content": content}}


def _operation(route: Route) -> dict[str, Any]:
    path_parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PART}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    words = re.sub(r"[{}]", "", route.path).replace("/", "-")
    return {
        "operationId": f"{route.method.lower()}-{words}",
        "summary": route.summary,
        "tags": [route.access.value],
        "x-roles": _roles(route),
        "parameters": [*path_parameters, *(_query(parameter) for parameter in route.parameters)],
    }


def _roles(route: Route) -> list[str]:
    """Return to which roles a route answers; none: to the hub alone."""
    match route.access:
        case Access.HUB:
            return []
        case Access.USER:
            return [role.value for role in Role]
        case Access.ADMIN:
            return [role.value for role in Role if role is Role.ADMIN or role in route.also]


def _query(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.meaning,
        "schema": _SCHEMAS[parameter.nature],
    }


def _refusals(route: Route, problem: Any) -> dict[str, Any]:
    statuses = {*route.refusals, 403, 429, 503}
    if "{" in route.path:
        # So is answered, too, what can be no id.
        statuses.add(404)
    if route.body is not None or route.parameters:
        statuses.add(400)
    if route.access is not Access.HUB:
        statuses.add(401)
    return {
        str(status): {
            "description": _MEANINGS[status],
            "content": {"application/json": {"schema": problem}},
        }
        for status in sorted(statuses)
    }


if __name__ == "__main__":
    # For who makes a client of it: `python -m sublet_hub.web.openapi`.
    print(openapi_text("/services/sublet/", "0"))  # noqa: T201
