"""The published JSON Schema is up to date, and agrees with the reader."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.document.json_schema import quota_schema, quota_schema_text
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.text.tree import read_tree

from tests.quota.document.test_old_keys import CASES as OLD
from tests.quota.document.test_problems import CASES
from tests.support.quota_documents import EXAMPLE

PUBLISHED = Path(__file__).parents[3] / "quota" / "quota.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(quota_schema())
BEYOND_A_SCHEMA = (
    "anchor",
    "alias",
    "tag",
    "twice",
    "beyond all sense",
    "larger than a GPU",
    "more memory than any card",
    "two entries",
    "finer than it is counted",
    "control character",
    "documents",
    "no YAML",
    "a tab",
    "too long",
    "key that is a list",
    "deep",
    "of a part that says nothing",
    "open bracket",
    "longer than a year",
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


@pytest.mark.parametrize(
    "text", ["{}", EXAMPLE, "pools: {interactive: }\nsizes:\nexceptions:\neveryone: {jobs: }\n"]
)
def test_the_schema_allows_what_the_reader_reads(text: str) -> None:
    VALIDATOR.validate(read_tree(text).value)
    written = read_quota_document(text).model_dump(mode="json", by_alias=True)
    VALIDATOR.validate(written)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (text, _) in {**CASES, **OLD}.items()
        if isinstance(text, str) and not any(words in name for words in BEYOND_A_SCHEMA)
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    text = {**CASES, **OLD}[name][0]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(read_tree(text).value)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container, with each of its keys or places."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2000),
    st.floats(0, 3, width=16),
    st.sampled_from(
        (
            *("1/4", "1/3", "25%", "0.5", "40 GiB", "10m", "90", "250m", "unlimited", "yes", ""),
            *("2026-12-14", "2026-12-14 18:00Z", "small", "H100", "science", "interactive"),
        )
    ),
    st.sampled_from([[], {}, ["small"], ["L4"], {"H100": 1}, {"cards": "1/2"}, [3]]),
)


@settings(max_examples=100)
@given(st.data())
def test_what_the_reader_reads_the_schema_allows(data: st.DataObject) -> None:
    value = deepcopy(read_tree(EXAMPLE).value)
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(list(places(value))))
        holder[key] = data.draw(VALUES)
    with suppress(QuotaDocumentError):
        read_quota_document(yaml.safe_dump(value, sort_keys=False))
        VALIDATOR.validate(value)
