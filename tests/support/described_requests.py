"""Requests made up from the API's document by schemathesis, and what of the answers conforms to it.

The document says of an id or a name that it is a text; a text by lot is hardly ever one that there
is. So the document that requests are made from names, beside it, what there is.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as conforming

_CHECKS: Final = [
    not_a_server_error,
    conforming.status_code_conformance,
    conforming.content_type_conformance,
    conforming.response_headers_conformance,
    conforming.response_schema_conformance,
    conforming.ignored_auth,
    conforming.negative_data_rejection,
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
    """Asks a service at ``base`` what its document describes.

    ``there``: what there is, by the names of parameters and fields.
    """

    base: str
    there: Mapping[str, Sequence[Any]]
    each: int
    """How often each operation is asked for what there is, and half as often for what else the
    document allows, and does not allow."""
    asked: list[Asked] = field(default_factory=list)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    """What is a failure of the service's, or not as described: the first of its kind of each
    operation, with how to ask again."""
    session: requests.Session = field(default_factory=requests.Session)
    cases: list[Case] = field(default_factory=list)

    def make_up(self) -> set[str]:
        """Make up what is to be asked; return the operations that there are."""
        document = requests.get(f"{self.base}api/openapi.json", timeout=_ANSWER_WITHIN_S).json()
        any_, there = map(schemathesis.openapi.from_dict, (document, _of(document, self.there)))
        operations = _operations_of(document)
        for path, method in operations:
            by_lot = any_[path][method]
            self._make_up(there[path][method], GenerationMode.POSITIVE, self.each)
            self._make_up(by_lot, GenerationMode.POSITIVE, self.each // 2)
            if by_lot.query or by_lot.path_parameters or by_lot.body:
                self._make_up(by_lot, GenerationMode.NEGATIVE, self.each // 2)
        return {f"{method} {path}" for path, method in operations}

    def _make_up(self, operation: APIOperation, mode: GenerationMode, most: int) -> None:
        @settings(
            max_examples=most,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def keep(case: Case) -> None:
            self.cases.append(case)

        keep()

    def ask_all(self, token: str) -> list[Asked]:
        """Ask all that was made up; return what was asked and answered."""
        began = len(self.asked)
        for case in self.cases:
            self._ask(token, case)
        return self.asked[began:]

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
        try:
            case.validate_response(answer, checks=_CHECKS, headers=headers)
        except FailureGroup as group:
            for failure in group.exceptions:
                kind = case.operation.label, type(failure).__name__
                self.failures.setdefault(kind, f"{failure}\n{group}")


def _of(document: dict[str, Any], there: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the document where parameters and fields are of what there is."""
    narrow: dict[str, Any] = copy.deepcopy(document)
    for operations in narrow["paths"].values():
        for operation in operations.values():
            for each in operation["parameters"]:
                each["schema"] = _one_of(each["schema"], there.get(each["name"], ()))
    # What is answered has fields of these names, too, and other values.
    for name in _models_of_bodies(narrow):
        fields = narrow["components"]["schemas"][name].get("properties", {})
        for field_name, schema in fields.items():
            fields[field_name] = _one_of(schema, there.get(field_name, ()))
    return narrow


def _models_of_bodies(document: dict[str, Any]) -> set[str]:
    return {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    }


def _one_of(schema: dict[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    if not values:
        return schema
    if schema.get("type") == "array":
        return {**schema, "items": _one_of(schema["items"], values), "maxItems": 1}
    return {"enum": list(values)}


def _operations_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and method of what is asked and answered: a stream has no end.

    Who takes away comes last.
    """
    found = [
        (path, method.upper())
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "text/event-stream" not in str(operation["responses"])
    ]
    return sorted(found, key=lambda each: (each[1] != "GET", each[0]))
