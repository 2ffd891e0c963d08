"""The published JSON Schema is up to date, and agrees with the reader."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from sublet_quota.document.json_schema import quota_schema, quota_schema_text
from sublet_quota.document.reading import read_quota_document

from tests.quota.document.test_problems import CASES
from tests.quota.document.test_quota_document import FULL

PUBLISHED = Path(__file__).parents[3] / "quota" / "quota.schema.json"
BEYOND_A_SCHEMA = (
    "pool that is not",
    "size that is not",
    "default that is not",
    "guarantee",
    "idle at once",
    "duration",
    "part by nothing",
    "larger than a GPU",
    "two entries",
)


def test_the_published_schema_is_what_the_models_say() -> None:
    assert PUBLISHED.read_text() == quota_schema_text(), "run: make schema"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(quota_schema())


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            yield f"{path}.{key}", value
        for key, value in schema.items():
            yield from properties(value, f"{path}.{key}")


def test_every_key_is_described_for_the_manual() -> None:
    for path, described in properties(json.loads(PUBLISHED.read_text())):
        assert len(described.get("description", "")) > 20, path


@pytest.mark.parametrize("text", ["{}", FULL, "pools: {interactive: }\nsizes:\n"])
def test_the_schema_allows_what_the_reader_reads(text: str) -> None:
    read_quota_document(text)
    # Through JSON, where every key is text.
    jsonschema.validate(json.loads(json.dumps(yaml.safe_load(text))), quota_schema())


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (text, expected) in CASES.items()
        if expected.partition(": ")[2].startswith(("pools.", "sizes.", "users.", "groups."))
        and isinstance(text, str)
        and "&" not in text
        and "!" not in text
        and not any(words in name for words in BEYOND_A_SCHEMA)
        and "twice" not in name
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(CASES[name][0]), quota_schema())
