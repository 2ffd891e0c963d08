"""What has an order in a document is a list; on the order of keys nothing depends."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.rights import group_limits, rights_of
from sublet_quota.document.text.tree import read_tree

from tests.support.quota_documents import EXAMPLE, document

VALUE = read_tree(EXAMPLE).value
HUB_GROUPS = ("science", "hub-nlp", "course-ml-101", "hub-bio")


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(draw, value[key]) for key in draw(st.permutations(list(value)))}
    return [shuffled(draw, each) for each in value] if isinstance(value, list) else value


@st.composite
def documents(draw: st.DrawFn) -> QuotaDocument:
    value = shuffled(draw, VALUE)
    value["pools"] = draw(st.permutations(value["pools"]))
    return read(value)


def read(value: Any, *, sort_keys: bool = False) -> QuotaDocument:
    return read_quota_document(yaml.safe_dump(value, sort_keys=sort_keys))


def described(read: QuotaDocument) -> tuple[Any, ...]:
    """All of it that has an order, and what follows from it."""
    rights = rights_of(read, "user-17", HUB_GROUPS)
    without_lines = [payer.sizes.value for payer in rights.payers], rights.limit.limit
    groups = [(name, group_limits(read, name)) for name in read.all_groups]
    return list(read.sizes), read.default_pool, read.groups_of(HUB_GROUPS), without_lines, groups


@given(documents())
def test_whoever_sorts_the_keys_changes_nothing(mixed: QuotaDocument) -> None:
    as_written = document(EXAMPLE)
    assert mixed == as_written
    assert described(mixed) == described(as_written)


def test_a_document_whose_keys_helm_has_sorted_is_the_same() -> None:
    as_written = document(EXAMPLE)
    assert read(VALUE, sort_keys=True) == as_written
    assert described(read(VALUE, sort_keys=True)) == described(as_written)


def test_sizes_have_the_order_of_their_list() -> None:
    entries = [{"name": name, "memory": "1/2", "compute": 1} for name in "zab"]
    assert list(read_quota_document(yaml.safe_dump({"sizes": entries})).sizes) == ["z", "a", "b"]


def test_one_entry_has_no_order_and_may_be_a_mapping() -> None:
    one = document("pools: {p: {lend: false}}\nsizes: {s: {memory: 1/2, compute: 1}}")
    assert one == document(
        "pools: [{name: p, lend: false}]\nsizes: [{name: s, memory: 1/2, compute: 1}]"
    )
