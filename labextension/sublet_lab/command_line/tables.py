"""The output of the command line: tables for people, JSON for programs.

Names and messages come from other people. Their control characters, which a terminal would obey,
are shown instead; rich's markup is never read.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from pydantic import BaseModel, TypeAdapter
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from sublet_quota.names.formulas import FORMULAS
from sublet_quota.wire.schema import CONTROLS

_WIDTH_OF_FILES = 200
_WIDE = 120
_INDENT = 4
_MARKS = ">!~"
_ENDLESS = 100_000
_JSON = "sublet.json"
_CSV = "sublet.csv"
_LOG_CONTROLS = re.compile(
    "(?![\n\t\r])[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOURS = re.compile("\x1b\\[[0-9;]*m")

F = TypeVar("F", bound=Callable[..., Any])
Found = TypeVar("Found", bound=BaseModel)


def plain(text: str) -> str:
    """Return the text with control characters shown, not obeyed."""
    return CONTROLS.sub(_shown, text)


def plain_log(text: str) -> str:
    """Return a log without colours; its lines, tabs and progress bars stay."""
    return _LOG_CONTROLS.sub(_shown, _COLOURS.sub("", text))


def _shown(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape", "surrogatepass").decode()


def json_option(command: F) -> F:
    """Return a command with ``--json``; ``wants_json`` tells whether it was used."""
    return _flag(command, "--json", _JSON, "Print JSON, as the service sends it.")


def wants_json() -> bool:
    """Whether the running command was given ``--json``."""
    return _is_set(_JSON)


def csv_option(command: F) -> F:
    """Return a command with ``--csv``; ``wants_csv`` tells whether it was used."""
    words = "Print comma-separated values with a line of headings; times in UTC, units as named."
    return _flag(command, "--csv", _CSV, words)


def wants_csv() -> bool:
    """Whether the running command was given ``--csv``."""
    return _is_set(_CSV)


def _flag(command: F, option: str, key: str, words: str) -> F:
    """Return a command with a flag that its context keeps, and those of the commands in it."""

    def remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click's signature)
        context.meta[key] = value or context.meta.get(key, False)

    add = click.option(
        option, is_flag=True, expose_value=False, callback=remember, is_eager=True, help=words
    )
    return add(command)


def _is_set(key: str) -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(key))


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as comma-separated values below their headings."""
    _print_csv_line(columns)
    for row in rows:
        _print_csv_line(row)


def _print_csv_line(cells: Sequence[object]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_csv_cell(cell) for cell in cells])
    click.echo(line.getvalue())


def _csv_cell(cell: object) -> object:
    """Return a cell such that no spreadsheet takes somebody's text for a formula."""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat()
    if not isinstance(cell, str):
        return cell
    return f"'{plain(cell)}" if cell.startswith(FORMULAS) else plain(cell)


def print_json(value: Any) -> None:
    """Print models, or lists of them, as JSON in ASCII."""
    if isinstance(value, BaseModel | tuple | list):
        value = TypeAdapter(Any).dump_python(value, mode="json")
    click.echo(json.dumps(value, indent=2))


def print_json_line(value: BaseModel) -> None:
    """Print a model as JSON on one line, in ASCII: no terminal obeys anything in it."""
    click.echo(json.dumps(value.model_dump(mode="json"), separators=(",", ":")))


def print_found(
    found: Sequence[Found],
    fields: Sequence[str],
    nothing: str,
    show: Callable[[Sequence[Found]], None],
) -> None:
    """Print a list as JSON, or its ``fields`` as CSV, where asked for; else for people.

    People are shown it by ``show``, or read ``nothing``, the sentence for an empty one.
    """
    if wants_json():
        print_json(found)
    elif wants_csv():
        print_csv(fields, ([getattr(each, name) for name in fields] for each in found))
    elif not found:
        click.echo(nothing)
    else:
        show(found)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], below: Sequence[str] = ()
) -> None:
    """Print rows below their headings.

    A column that is named ``>NAME`` is set to the right, and one that is named ``!NAME`` holds ids:
    it is as wide as they are, though a terminal be too narrow for its lines then. What is too long
    in one named ``~NAME`` is cut, and not folded. ``below`` has words for each row, which stand on
    lines of their own below it; then no column may be one that is folded.
    """
    rows = list(rows)
    console, table = _console(), _table(columns, rows)
    foldable = (index for index, name in enumerate(columns) if not _is_kept_whole(name))
    least = _whole_width(table) - sum(_width_of(columns, rows, index) - 1 for index in foldable)
    console.width = max(console.width, least)
    if not any(below):
        console.print(table)
        return
    with console.capture() as shown:
        console.print(table)
    lines = shown.get().splitlines()
    first = len(lines) - len(rows) - (0 if table.box is None else 1)
    for number, line in enumerate(lines):
        click.echo(line)
        words = below[number - first] if first <= number < first + len(rows) else ""
        if words:
            console.print(Padding(Text(plain(words)), (0, 0, 0, _INDENT)))


def width_left(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how much of a line a table leaves; below zero, where it is too wide for the lines."""
    return _console().width - _whole_width(_table(columns, rows))


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table has room for all that is in it, with nothing folded or cut."""
    return width_left(columns, rows) >= 0


def _is_kept_whole(column: str) -> bool:
    return column.startswith(("!", ">"))


def _whole_width(table: Table) -> int:
    """Return how wide a table would be where there is room for all that is in it."""
    wide = Console(width=_ENDLESS)
    return wide.measure(table).maximum


def _width_of(columns: Sequence[str], rows: Sequence[Sequence[str]], index: int) -> int:
    """Return how wide the longest cell of a column is, or its name."""
    return max(
        cell_len(plain(cell)) for cell in (columns[index].lstrip(_MARKS), *_nth(rows, index))
    )


def _nth(rows: Iterable[Sequence[str]], index: int) -> Iterable[str]:
    return (row[index] for row in rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    for name in columns:
        right = name.startswith(">")
        table.add_column(
            Text(name.lstrip(_MARKS)),
            justify="right" if right else "left",
            no_wrap=_is_kept_whole(name),
            overflow="fold",
        )
    for row in rows:
        cells = (_cell(name, cell) for name, cell in zip(columns, row, strict=True))
        table.add_row(*cells)
    return table


def _cell(column: str, cell: str) -> Text:
    # Of the column itself that would take the room from all others, ids and numbers too.
    if column.startswith("~"):
        return Text(plain(cell), no_wrap=True, overflow="ellipsis")
    return Text(plain(cell))


def is_wide() -> bool:
    """Whether lines have room for more than what matters most."""
    return _console().width >= _WIDE


def _console() -> Console:
    """Return where tables go: as wide as the terminal, or wide enough for a file."""
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line, the values below each other."""
    shown = [(name, plain(value)) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {value}")


def ago(at: datetime | None) -> str:
    """Return how long ago that was: ``3 min ago``; a dash for never."""
    return "-" if at is None else f"{duration(datetime.now(UTC) - at)} ago"


def duration(length: timedelta) -> str:
    """Return a time in the two or fewer units that matter."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:  # noqa: PLR2004 (a minute)
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:  # noqa: PLR2004 (an hour)
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:  # noqa: PLR2004 (a day)
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def clock(at: datetime | None) -> str:
    """Return local date and time, to the second; a dash for none."""
    return "-" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_clock(at: datetime | None) -> str:
    """Return local month, day and time, to the minute; a dash for none."""
    return "-" if at is None else at.astimezone().strftime("%m-%d %H:%M")
