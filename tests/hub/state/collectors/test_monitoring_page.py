"""The page of metrics names each that the service has, with its labels, and no other."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.metric_world import exposed

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "hub_ext" / "docs" / "monitoring.md").read_text()
ROWS = {
    name: frozenset(re.findall(r"`(\w+)`", labels))
    for name, labels in re.findall(r"^\| `(sublet_\w+)` \|([^|]*)\|", PAGE, re.MULTILINE)
}
PART_OF_ANOTHER = re.compile(r"_(bucket|sum|count|created)$")
NONE_IN_TESTS = "sublet_records_skipped_total"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    return exposed(tmp_path_factory.mktemp("metrics"))


def test_each_metric_is_on_the_page_and_no_other(found: Mapping[str, set[str]]) -> None:
    assert set(ROWS) == {name for name in found if not PART_OF_ANOTHER.search(name)}


def test_the_page_has_each_metric_s_labels(found: Mapping[str, set[str]]) -> None:
    for name, labels in ROWS.items():
        if name != NONE_IN_TESTS:
            has = found[name] or found.get(f"{name}_bucket", set()) - {"le"}
            assert labels == has, name
