"""Requests made up from the API's document by schemathesis, and what of the answers conforms to it.

The document says of an id or a name that it is a text; a text by lot is hardly ever one that there
is. So the document that requests are made from names, beside it, what there is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as conforming

_CHECKS: Final = [
    not_a_server_error,
    conforming.status_code_conformance,
    conforming.content_type_conformance,
    conforming.response_headers_conformance,
    conforming.response_schema_conformance,
    conforming.ignored_auth,
]
_ANSWER_WITHIN_S: Final = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was made up, and its answer."""

    operation: str
    """Its method and path, as the document names them."""
    sent: str
    """Address and body."""
    status: int
    answer: str
    """Headers and body."""


@dataclass
class Asking:
    """Asks a service at ``base`` what its document describes."""

    base: str
    document: dict[str, Any]
    asked: list[Asked] = field(default_factory=list)
    session: requests.Session = field(default_factory=requests.Session)

    def ask_all(self, token: str, each: int) -> None:
        """Ask each operation so often, half of it as the document says, half as it does not.

        Raises where an answer is a failure of the service's, or not as described.
        """
        schema = schemathesis.openapi.from_dict(self.document)
        for method, path in operations_of(self.document):
            operation = schema[path][method]
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if mode is GenerationMode.POSITIVE or _can_be_broken(operation):
                    self._asker(token, operation, mode, each // 2)()

    def _asker(
        self, token: str, operation: APIOperation, mode: GenerationMode, each: int
    ) -> Callable[[], None]:
        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            self._ask(token, case)

        return ask

    def _ask(self, token: str, case: Case) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        answer = case.call(
            f"{self.base}api", session=self.session, headers=headers, timeout=_ANSWER_WITHIN_S
        )
        sent = answer.request
        self.asked.append(
            Asked(
                case.operation.label,
                f"{sent.url} {sent.body!r}",
                answer.status_code,
                f"{answer.headers} {answer.text}",
            )
        )
        case.validate_response(answer, checks=_CHECKS, headers=headers)


def _can_be_broken(operation: APIOperation) -> bool:
    return bool(operation.query or operation.path_parameters or operation.body)


def document_of(base: str, there: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the document of the service at ``base``; of parameters and fields, what there is."""
    document: dict[str, Any] = requests.get(
        f"{base}api/openapi.json", timeout=_ANSWER_WITHIN_S
    ).json()
    for operations in document["paths"].values():
        for operation in operations.values():
            for each in operation["parameters"]:
                each["schema"] = _or_one_of(each["schema"], there.get(each["name"], ()))
    for model in document["components"]["schemas"].values():
        for name, schema in model.get("properties", {}).items():
            model["properties"][name] = _or_one_of(schema, there.get(name, ()))
    return document


def _or_one_of(schema: dict[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    if not values:
        return schema
    if schema.get("type") == "array":
        return {**schema, "items": _or_one_of(schema["items"], values)}
    return {"anyOf": [{"enum": list(values)}, schema]}


def operations_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return method and path of what is asked and answered: a stream has no end."""
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "text/event-stream" not in str(operation["responses"])
    ]
