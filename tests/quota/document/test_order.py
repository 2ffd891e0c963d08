"""What has an order in a document is a list; on the order of keys nothing depends."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.rights import rights_of

from tests.quota.document.test_quota_document import FULL
from tests.support.quota_cases import document

SIZES = {
    "whole": {"memory": "1/1", "compute": 1},
    "small": {"memory": "1/8", "compute": "1/8"},
    "slow": {"memory": "1/8", "compute": "1/16"},
    "two": {"memory": "2 GiB", "compute": 0.1},
    "one": {"memory": "1 GiB", "compute": 0.2},
}
GROUPS = {"vision": {"weight": 2}, "language": {}, "audio": {}}


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(draw, value[key]) for key in draw(st.permutations(list(value)))}
    return [shuffled(draw, each) for each in value] if isinstance(value, list) else value


@st.composite
def documents(draw: st.DrawFn, value: Any) -> QuotaDocument:
    return read_quota_document(yaml.safe_dump(shuffled(draw, value), sort_keys=False))


def described(read: QuotaDocument) -> tuple[Any, ...]:
    """All of it that has an order, and all that it says."""
    rights = rights_of(read, "ada", ("vision", "audio", "language"))
    return list(read.pools), list(read.sizes), read.first_pool, rights, read.model_dump()


@pytest.mark.parametrize(
    "value", [yaml.safe_load(FULL), {"sizes": SIZES, "groups": GROUPS}], ids=["full", "mappings"]
)
@given(st.data())
def test_whoever_sorts_the_keys_changes_nothing(value: dict[str, Any], data: st.DataObject) -> None:
    as_written = read_quota_document(yaml.safe_dump(value, sort_keys=False))
    assert described(data.draw(documents(value))) == described(as_written)


def test_sizes_of_a_mapping_have_the_smallest_first_and_those_of_a_list_its_order() -> None:
    read = read_quota_document(yaml.safe_dump({"sizes": SIZES}))
    assert list(read.sizes) == ["one", "two", "slow", "small", "whole"]
    listed = [{"name": name, **size} for name, size in SIZES.items()]
    assert list(read_quota_document(yaml.safe_dump({"sizes": listed})).sizes) == list(SIZES)


def test_pools_of_a_list_have_its_order() -> None:
    assert list(document("pools: [{name: z}, {name: a, lend: false}]").pools) == ["z", "a"]
