"""What a folder's tests share ends with them: without its `__init__` it is no package to pytest."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SHARED = 'scope="package"'
CONFTESTS = [each for each in TESTS.rglob("conftest.py") if SHARED in each.read_text()]


@pytest.mark.parametrize("conftest", CONFTESTS, ids=lambda each: each.parent.name)
def test_what_is_shared_in_a_folder_does_not_last_to_the_end_of_the_run(conftest: Path) -> None:
    assert conftest.with_name("__init__.py").is_file()


def test_the_dear_ones_are_shared_so() -> None:
    assert {each.parent.name for each in CONFTESTS} >= {"browser", "kube", "pretended"}
