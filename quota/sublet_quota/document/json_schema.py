"""The published JSON Schema of quota documents, for editors and for the manual.

Run as a program it prints the schema: ``python -m sublet_quota.document.json_schema``.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from sublet_quota.document.named_lists import LISTED, MAPPED_ALONE, NAME
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import Section

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ITS_NAME: Final = "The entry's name, by which others speak of it."


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
    for section in LISTED:
        schema["properties"][section] = _mapping_or_list(schema, section)
    _allow_empty_sections(schema)
    return {"$schema": SCHEMA_DIALECT, **schema}


def _mapping_or_list(schema: dict[str, Any], section: str) -> dict[str, Any]:
    """Return the schema of a section that is a mapping by name, or a list of entries with names."""
    mapping = dict(schema["properties"][section])
    about = {key: mapping.pop(key) for key in ("title", "description") if key in mapping}
    if section in MAPPED_ALONE:
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


def _allow_empty_sections(schema: Any) -> None:
    """Let a section be there without content, as the reader does."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            schema["type"] = ["object", "null"]
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
