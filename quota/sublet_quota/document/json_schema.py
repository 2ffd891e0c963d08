"""The published JSON Schema of quota documents, for editors and for the manual.

Run as a program it prints the schema: ``python -m sublet_quota.document.json_schema``.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.section import Section
from sublet_quota.document.text.named_lists import LISTED, NAME
from sublet_quota.document.value_kinds.amount_limit import NO_TYPES, AmountLimit
from sublet_quota.document.value_kinds.cards import CARDS_LIMIT_SCHEMA

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ITS_NAME: Final = "The entry's name, by which others speak of it."
_NOTHING: Final = {"type": "null"}


def quota_schema() -> dict[str, Any]:
    """Return the JSON Schema of a quota document."""
    schema = QuotaDocument.model_json_schema(by_alias=True)
    models: tuple[type[Section], ...] = (QuotaDocument, *_sections())
    for model in models:
        described = schema["$defs"].get(model.__name__, schema)
        usual = model.model_construct().model_dump(mode="json", by_alias=True)
        for key, described_key in described["properties"].items():
            # As a document writes it, not as the model keeps it.
            described_key.pop("default", None)
            if isinstance(usual.get(key), int | float | str) and usual[key] != "":
                described_key["default"] = usual[key]
    limit = schema["$defs"][AmountLimit.__name__]
    limit["additionalProperties"] = CARDS_LIMIT_SCHEMA
    limit["propertyNames"] = {"not": {"enum": sorted(NO_TYPES - limit["properties"].keys())}}
    for name in ("GroupQuota", "ExceptionQuota", "Reservation"):
        guaranteed = schema["$defs"][name]["properties"]["guaranteed"]
        guaranteed["propertyNames"] = {"not": {"enum": sorted(NO_TYPES)}}
    for section in LISTED:
        schema["properties"][section] = _mapping_or_list(schema, section)
    _refuse_empty_keys(schema)
    _allow_empty_sections(schema)
    for section in sorted(QuotaDocument.lists_that_may_be_empty):
        schema["properties"][section]["type"] = ["array", "null"]
    limit["type"] = "object"
    return {"$schema": SCHEMA_DIALECT, **schema}


def _mapping_or_list(schema: dict[str, Any], section: str) -> dict[str, Any]:
    """Return the schema of a section that is a list of entries with names, or one entry by name."""
    mapping = dict(schema["properties"][section])
    about = {key: mapping.pop(key) for key in ("title", "description") if key in mapping}
    mapping["maxProperties"] = 1
    ((pattern, reference),) = mapping["patternProperties"].items()
    entry = schema["$defs"][reference["$ref"].rpartition("/")[2]]
    name = {
        **mapping.get("propertyNames", {}),
        "type": "string",
        "pattern": pattern,
        "description": _ITS_NAME,
    }
    named = {
        **entry,
        "properties": {NAME: name, **entry["properties"]},
        "required": [NAME, *entry.get("required", ())],
    }
    return {**about, "anyOf": [mapping, {"type": "array", "items": named}]}


def _sections() -> Iterator[type[Section]]:
    found = [Section]
    while found:
        model = found.pop()
        found.extend(model.__subclasses__())
        if model not in (Section, QuotaDocument):
            yield model


def _refuse_empty_keys(schema: Any) -> None:
    """Let no key be there without a value, as the reader does."""
    if isinstance(schema, dict):
        several = schema.get("anyOf")
        if isinstance(several, list) and _NOTHING in several:
            several.remove(_NOTHING)
        for value in schema.values():
            _refuse_empty_keys(value)
    elif isinstance(schema, list):
        for value in schema:
            _refuse_empty_keys(value)


def _allow_empty_sections(schema: Any) -> None:
    """Let a section be there without content, as the reader does."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            schema["type"] = ["object", "null"]
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            _allow_empty_sections(value)
    elif isinstance(schema, list):
        for value in schema:
            _allow_empty_sections(value)


def quota_schema_text() -> str:
    """Return the schema as the published file has it."""
    return json.dumps(quota_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(quota_schema_text())
