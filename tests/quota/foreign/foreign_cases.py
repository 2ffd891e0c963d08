"""Cases of other schedulers, from a folder outside the repository, asked of our engine.

``FOREIGN_CASES`` names the folder. Each case agrees with ours, or ``differences.yaml`` says why
not; one that is listed there and agrees is an error, too.
"""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("FOREIGN_CASES", ROOT.parent / "shared" / "data" / "fairness"))
DIFFERENCES = Path(__file__).with_name("differences.yaml")

Case = dict[str, Any]
# The files are long, and every test process reads them.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotSayableError(Exception):
    """The case asks for something that our documents do not say."""


@functools.cache
def reasons() -> Mapping[str, str]:
    """Why ours differs, by case."""
    listed = yaml.load(DIFFERENCES.read_text(), _LOADER)  # noqa: S506 - it is a safe one
    return MappingProxyType({case: each["why"] for each in listed for case in each["cases"]})


def load(name: str) -> dict[str, Any]:
    return yaml.load((FOLDER / name).read_text(), _LOADER)  # noqa: S506 - it is a safe one


def cases_of(name: str, *lists: str) -> list[Any]:
    """The cases of some lists of a file, as parameters; one that is skipped without the folder."""
    if not (FOLDER / name).is_file():
        why = f"no {name} in {FOLDER}: FOREIGN_CASES names the folder of foreign cases"
        return [pytest.param({}, marks=pytest.mark.skip(reason=why), id="no-folder")]
    told = load(name)
    return [pytest.param(case, id=case["id"]) for each in lists for case in told[each]]


def ids_of(name: str) -> Iterator[str]:
    for each in load(name).values():
        if isinstance(each, list):
            yield from (case["id"] for case in each)


def compare(case_id: str, agrees: Callable[[], bool]) -> None:
    """Fail where a case does not agree and no reason is listed, or agrees though one is."""
    why = reasons().get(case_id)
    try:
        found = agrees()
    except NotSayableError:
        found = False
    assert found or why, f"{case_id} does not agree, and differences.yaml does not say why"
    assert not (found and why), f"{case_id} agrees: take it out of differences.yaml ({why})"


def exact(number: float | str) -> Fraction:
    """A number as it is written."""
    return Fraction(str(number))


def row_id(case: Case, row: Case) -> str:
    """The name of one row of a case's result: the case, the account, and the user if any."""
    return ".".join([case["id"], row["account"], *([row["user"]] if row["user"] else [])])


def rows_of(name: str) -> list[Any]:
    """The rows of the first case's result, by number and name, as parameters."""
    (first, *_) = cases_of(name, "cases")
    if not first.values[0]:
        return [pytest.param(0, "", marks=first.marks, id=first.id)]
    case = first.values[0]
    ids = [row_id(case, row) for row in case["expect"]]
    return [pytest.param(number, each, id=each) for number, each in enumerate(ids)]
