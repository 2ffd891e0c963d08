"""A trace as a table: one row for each server or job that was asked for, as CSV or JSON Lines.

    arrival,owner,group,duration,size,kind,gpu_type
    0,ada,vision,7200,1/2,notebook,
    60.5,bob,nlp,3600,1,job,H100

``arrival`` is in seconds from the beginning, ``duration`` in seconds of computing for a job, and
from start to stop for a notebook, whose cells are drawn. ``size`` is a part of a card (``1/2``,
``0.5``), a number of cards, or for a notebook the name of a size of the document, or empty: the
usual one. ``group`` may be empty, or several with blanks between.

May be left out: ``kind`` (``job``, where empty) and ``gpu_type``; ``name``, different for each;
``cells`` of a notebook, in place of its duration, as pairs of seconds with blanks between
(``60+12.5 600+30``: how long its owner thinks, and then how long the cell takes); ``stays``: how
long it is left running after the last; ``fills``: which part of its slice it fills; ``patience``:
for how long it is asked for again; ``priority`` and ``max_run`` of a job.

As JSON Lines each line is an object with these keys; ``group`` may be a list, ``cells`` a list of
pairs. A job of several cards has them on one node; a notebook's row of several
becomes as many notebooks of one.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import chain
from typing import Final

from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, AskedServer, Cell
from sublet_quota.closed_loop.asks.spelling import written_cell, written_groups
from sublet_quota.closed_loop.asks.trace_row import (
    JOB,
    KNOWN,
    NEEDED,
    NOTEBOOK,
    OPTIONAL,
    RECORDED_KINDS,
    Drawing,
    TraceError,
    TraceRow,
)
from sublet_quota.closed_loop.people import Habits

COLUMNS: Final = (*NEEDED, *OPTIONAL)
_PAIR: Final = 2
_MOST_CELL: Final = 2**24
"""Characters of one cell of a table: a server that is never stopped has very many cells of work."""
_MOST: Final = 2_000_000
"""Of servers, cells and jobs' cards in all: a short row may ask for many."""


def read_trace(
    lines: Iterable[str], begins: datetime, seed: int = 0, habits: Habits | None = None
) -> tuple[Asked, ...]:
    """Return what a table's rows ask for, from ``begins`` on.

    ``seed`` and ``habits`` are for the cells of notebooks. Raises ``TraceError``.
    """
    drawing = Drawing(begins, seed, habits or Habits())
    asked: list[Asked] = []
    names: dict[str, int] = {}
    count = 0
    for line, row in table_rows(lines):
        if (row.get("kind") or "") in RECORDED_KINDS:
            continue
        for each in TraceRow(row, line).asked(drawing):
            count += math.ceil(each.cards) if isinstance(each, AskedJob) else 1 + len(each.cells)
            if count > _MOST:
                message = f"line {line}: these are more than {_MOST} servers, cells and jobs' cards"
                raise TraceError(message)
            if each.name in names:
                where = names[each.name]
                message = f"line {line}, name: {each.name!r} is that of line {where}, too"
                raise TraceError(message)
            names[each.name] = line
            asked.append(each)
    return tuple(asked)


def written_trace(asked: Iterable[Asked], begins: datetime) -> Iterator[str]:
    """Yield the lines of a table (CSV) that asks for these, without their ends."""
    yield ",".join(COLUMNS)
    for each in asked:
        yield written_row(row_of(each, begins), COLUMNS)


def row_of(each: Asked, begins: datetime) -> dict[str, str]:
    """Return what is asked for as a row, by column."""
    row = _job_row(each) if isinstance(each, AskedJob) else _server_row(each)
    return row | {
        "arrival": written_seconds(each.at - begins),
        "owner": each.owner,
        "group": written_groups(each.groups),
        "name": each.name,
        "gpu_type": each.gpu_type or "",
        "named": each.group or "",
    }


def written_row(row: Mapping[str, str], columns: Iterable[str]) -> str:
    """Return a row as a line, without its end."""
    return ",".join(written_cell(row.get(column, "")) for column in columns).rstrip(",")


def _job_row(job: AskedJob) -> dict[str, str]:
    return {
        "kind": JOB,
        "duration": written_seconds(job.works),
        "size": str(job.cards),
        "priority": str(job.priority or ""),
        "max_run": "" if job.max_run is None else written_seconds(job.max_run),
    }


def _server_row(server: AskedServer) -> dict[str, str]:
    return {
        "kind": NOTEBOOK,
        # No cells are told as a time in which there are none.
        "duration": "" if server.cells else "0",
        "size": server.size or ("" if server.cards is None else str(server.cards)),
        "cells": " ".join(map(_written_cell_of_work, server.cells)),
        "stays": written_seconds(server.stays),
        "fills": str(server.fills),
        "patience": written_seconds(server.patience),
    }


def _written_cell_of_work(cell: Cell) -> str:
    return f"{written_seconds(cell.thinks)}+{written_seconds(cell.works)}"


def written_seconds(length: timedelta) -> str:
    """Return a time as seconds, to the microsecond."""
    return f"{length.total_seconds():.6f}".rstrip("0").rstrip(".")


def table_rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    """Yield a table's rows by column, each with the number of its line. ``TraceError``."""
    rest = iter(lines)
    first = next(rest, "")
    if first.lstrip("\ufeff \t").startswith("{"):
        return _json_rows(chain([first.lstrip("\ufeff")], rest))
    return _csv_rows(chain([first.lstrip("\ufeff")], rest))


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    # Of the whole process: what is there by itself is less than a month of one server.
    csv.field_size_limit(max(_MOST_CELL, csv.field_size_limit()))
    rows = csv.DictReader(lines)
    columns = rows.fieldnames or ()
    missing = [name for name in NEEDED if name not in columns]
    unknown = sorted(set(columns) - KNOWN)
    if missing or unknown:
        message = (
            f"line 1: columns missing: {missing}, unknown: {unknown}; known are {sorted(KNOWN)}"
        )
        raise TraceError(message)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            message = f"line {rows.line_num}: {error}"
            raise TraceError(message) from error
        if row is None:
            return
        if None in row:
            message = f"line {rows.line_num}: more cells than there are columns"
            raise TraceError(message)
        yield rows.line_num, row


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            message = f"line {line}: no JSON: {error}"
            raise TraceError(message) from error
        if not isinstance(row, dict):
            message = f"line {line}: {text.strip()[:40]!r} is no object"
            raise TraceError(message)
        unknown = sorted(set(row) - KNOWN)
        if unknown:
            message = f"line {line}: keys unknown: {unknown}; known are {sorted(KNOWN)}"
            raise TraceError(message)
        yield line, {key: _as_text(line, key, value) for key, value in row.items()}


def _as_text(line: int, key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _size(value) if key == "size" else repr(value)
    if key == "group" and isinstance(value, list) and all(isinstance(e, str) for e in value):
        return " ".join(value)
    if key == "cells" and isinstance(value, list):
        return " ".join(_pair(line, each) for each in value)
    message = f"line {line}, {key}: {value!r} is neither text nor a number"
    raise TraceError(message)


def _size(value: float) -> str:
    """Return a number without the exponent that a small one has."""
    return str(Fraction(str(value))) if math.isfinite(value) else repr(value)


def _pair(line: int, cell: object) -> str:
    pair = cell if isinstance(cell, list) else []
    if len(pair) != _PAIR or not all(type(each) in {int, float} for each in pair):
        message = f"line {line}, cells: {cell!r} is no pair of seconds, such as [60, 12.5]"
        raise TraceError(message)
    thinks, works = pair
    return f"{thinks!r}+{works!r}"
