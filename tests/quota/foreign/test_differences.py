"""The table of differences names cases that there are, each once, with a reason."""

from collections import Counter

import pytest
import yaml

from tests.quota.foreign.foreign_cases import (
    DIFFERENCES,
    FOLDER,
    ids_of,
    load,
    reasons,
    row_id,
)

LISTED = yaml.safe_load(DIFFERENCES.read_text())


def test_each_case_is_listed_once_with_a_reason() -> None:
    assert all(each["why"].strip().endswith(".") for each in LISTED)
    counted = Counter(case for each in LISTED for case in each["cases"])
    assert [case for case, times in counted.items() if times > 1] == []


def test_the_cases_that_are_listed_are_there() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no {FOLDER}: FOREIGN_CASES names the folder of foreign cases")
    known = {each for file in FOLDER.glob("*.yaml") for each in ids_of(file.name)}
    for case in load("slurm_fair_tree.yaml")["cases"]:
        known.update(row_id(case, row) for row in case["expect"])
    assert set(reasons()) <= known
    print(f"{len(reasons())} of {len(known)} differ")
