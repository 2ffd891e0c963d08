"""The manual page of the quota document: its examples are read, and no key is left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_quota.document.consistency.warnings import document_warnings
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.section import Section
from sublet_quota.document.value_kinds.amount_limit import AmountLimit

PAGE = (Path(__file__).parents[3] / "quota" / "docs" / "quotas.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def sections() -> Iterator[type[Section]]:
    found = [Section]
    while found:
        model = found.pop()
        found.extend(model.__subclasses__())
        if model is not Section:
            yield model


def set_in(value: object) -> Iterator[tuple[type[Section], str]]:
    """Every key that is written below a value, with the section that has it."""
    if isinstance(value, Section):
        for name in value.model_fields_set & type(value).model_fields.keys():
            for model in type(value).__mro__:
                if issubclass(model, Section) and name in model.model_fields:
                    yield model, name
            yield from set_in(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from set_in(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from set_in(each)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split(":")[0])
def test_an_example_is_a_valid_document_without_a_warning(example: str) -> None:
    assert document_warnings(read_quota_document(example)) == ()


def test_the_examples_have_every_key() -> None:
    shown = {each for example in EXAMPLES for each in set_in(read_quota_document(example))}
    keys = {(model, name) for model in sections() for name in model.model_fields}
    assert sorted(f"{model.__name__}.{name}" for model, name in keys - shown) == []


def test_the_page_has_a_limit_of_a_type() -> None:
    groups = (read_quota_document(example).all_groups for example in EXAMPLES)
    limits = [group.limit for each in groups for group in each.values()]
    assert any(isinstance(limit, AmountLimit) and limit.types for limit in limits)
