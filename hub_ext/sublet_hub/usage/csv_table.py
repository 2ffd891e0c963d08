"""Rows as comma-separated values: no cell is a formula, whatever somebody is called."""

from collections.abc import Iterable, Sequence

from sublet_quota.closed_loop.asks.spelling import written_cell

Cell = str | int | float | None


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return a line of headings and one for each row; nothing stands for ``None``."""
    lines = (",".join(map(_written, row)) for row in (columns, *rows))
    return "".join(f"{line}\r\n" for line in lines).encode()


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    # A number that is below nothing begins as a formula does, and is none.
    return written_cell(cell) if isinstance(cell, str) else repr(cell)
