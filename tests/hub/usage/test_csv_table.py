"""Tables of what others are called: each cell is what it was, and none is a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.usage.csv_table import csv_table
from sublet_quota.closed_loop.asks.spelling import read_cell
from sublet_quota.names.formulas import FORMULAS

FORMULA = "=HYPERLINK(0)"
BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
TEXTS = st.one_of(
    st.text(),
    st.builds(
        lambda start, rest: start + rest,
        st.sampled_from(BEGINNINGS),
        st.text(alphabet=st.sampled_from("=+-@'\"\t\r\n,; a1("), max_size=8),
    ),
)


def read(table: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode(), newline=""), delimiter=delimiter))


@given(st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=5))
def test_each_cell_reads_as_it_was_and_none_begins_as_a_formula(rows: list[list[str]]) -> None:
    cells = read(csv_table(("a", "b", "c"), rows))[1:]
    assert [[read_cell(cell) for cell in row] for row in cells] == rows
    assert not [cell for row in cells for cell in row if cell.startswith(FORMULAS)]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_what_begins_as_a_formula_has_an_apostrophe_before_it(beginning: str) -> None:
    (cell,) = read(csv_table(("owner",), [(f"{beginning}1",)]))[1]
    assert cell == f"'{beginning}1"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_first_cell_is_one_for_a_spreadsheet_that_parts_cells_otherwise(delimiter: str) -> None:
    (cell,) = read(csv_table(("owner",), [(f"ada{delimiter}{FORMULA}",)]), delimiter)[1]
    assert cell == f"ada{delimiter}{FORMULA}"


def test_a_number_below_nothing_stays_a_number_and_what_is_not_there_is_empty() -> None:
    assert csv_table(("a", "b", "c"), [(-1, -0.5, None)]) == b"a,b,c\r\n-1,-0.5,\r\n"
