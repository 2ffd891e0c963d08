"""The list of mutants is true: each still has its place, its tests are there, no rule is left out.

Whether the tests notice is what `make mutants` finds out: it takes an hour.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.listed import MUTANTS, WITHOUT
from tests.security.mutant import ROOT, RULES, Mutant

mutants = pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda mutant: f"{mutant.rule}: {mutant.what}"
)


@mutants
def test_a_mutant_has_its_place_and_is_a_program(mutant: Mutant) -> None:
    before = (ROOT / mutant.file).read_text(encoding="utf-8")
    after = mutant.apply(before)
    assert after != before
    if mutant.file.endswith(".py"):
        ast.parse(after)


@mutants
def test_the_tests_that_must_notice_a_mutant_are_there(mutant: Mutant) -> None:
    assert mutant.tests
    for named in mutant.tests:
        path, _, test = named.partition("::")
        assert test in set(_tests_in(ROOT / path)), f"there is no test {named}"


def test_every_rule_has_mutants_or_says_why_not() -> None:
    with_mutants = {mutant.rule for mutant in MUTANTS}
    assert with_mutants.isdisjoint(WITHOUT)
    assert with_mutants | set(WITHOUT) == set(RULES)


def test_no_mutant_is_listed_twice() -> None:
    listed = Counter((mutant.rule, mutant.what) for mutant in MUTANTS)
    assert [each for each, count in listed.items() if count > 1] == []


def _tests_in(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
