"""A published trace as what is asked for: which one it is says its heading.

Known are the bursts of notebooks that NotebookOS published (ASPLOS'26: ``session_id``,
``start_min``, ``duration_min``), and the pods of Alibaba's openb (2023: ``name``, ``gpu_milli``,
``creation_time``, ``deletion_time``). Neither says whose group somebody is in, nor openb who
submitted what: names are put into groups, and pods among people, by the lot of a name, so always
alike.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI
from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, AskedServer, Cell
from sublet_quota.closed_loop.asks.trace_row import TraceError
from sublet_quota.shares.cards import WHOLE_CARD
from sublet_quota.shares.lots import lot_of

_DAY_MIN: Final = 1440.0
_DAY_S: Final = 86_400.0
_STAYS: Final = timedelta(minutes=30)
_PATIENCE: Final = timedelta(hours=12)
_SUBMITTERS: Final = 40
_MOST_CARDS: Final = 1024
_MOST: Final = 2_000_000
"""Of jobs, or bursts, in all."""
_LARGEST: Final = 1e10
"""Of all numbers: seconds since 1970 are fewer for three centuries."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken of a trace, and as what."""

    begins: datetime
    groups: tuple[str, ...] = ()
    """The groups that people are put into; none: nobody is in any."""
    part: Fraction | None = None
    """The part of a card that each notebook asks for; ``None``: the document's usual size."""
    first_day: int = 0
    """The day of the trace that is the first one taken."""
    days: int = 1

    def group_of(self, name: str) -> tuple[str, ...]:
        """Return the group that somebody is put into: always the same one."""
        return (self.groups[lot_of(name) % len(self.groups)],) if self.groups else ()


@dataclass(frozen=True, slots=True)
class Format:
    """A form in which somebody published a trace."""

    what: str
    columns: tuple[str, ...]
    """Those that are read; a heading with all of them is of this form."""
    read: Callable[[Iterable[tuple[int, Mapping[str, str]]], Taken], tuple[Asked, ...]]


def is_gavel_trace(heading: str) -> bool:
    """Whether jobs are told in Gavel's form: it has steps, and not how long anything took."""
    return heading.count("\t") >= len(("type", "command", "argument", "-", "steps", "arrival"))


def format_of(heading: str) -> Format | None:
    """Return the published form that a first line is the heading of; ``None``: of none."""
    try:
        columns = set(next(csv.reader([heading.lstrip("\ufeff")]), []))
    except csv.Error:
        return None
    return next((each for each in FORMATS if columns >= set(each.columns)), None)


def read_published(found: Format, lines: Iterable[str], taken: Taken) -> tuple[Asked, ...]:
    """Return what a published trace asks for in the days that are taken. ``TraceError``."""
    return found.read(_rows(lines), taken)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    rows = csv.DictReader(lines)
    try:
        for number, row in enumerate(rows):
            _refuse_many(rows.line_num, number)
            yield rows.line_num, {key: value or "" for key, value in row.items() if key}
    except csv.Error as error:
        message = f"line {rows.line_num}: {error}"
        raise TraceError(message) from error


def _sessions(
    rows: Iterable[tuple[int, Mapping[str, str]]], taken: Taken
) -> tuple[AskedServer, ...]:
    """Notebooks' sessions with their bursts: each on one card, be it on several in the trace."""
    first = taken.first_day * _DAY_MIN
    last = first + taken.days * _DAY_MIN
    bursts: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line, row in rows:
        at = _number(row, "start_min", line)
        lasted = _number(row, "duration_min", line)
        if first <= at and at + lasted <= last:
            bursts[row["session_id"]].append((at, lasted))
    zero = taken.begins - timedelta(minutes=first)
    return tuple(
        _session(f"session-{name}", sorted(found), zero, taken) for name, found in bursts.items()
    )


def _session(
    name: str, bursts: list[tuple[float, float]], zero: datetime, taken: Taken
) -> AskedServer:
    gaps = [0.0, *(max(0.0, after[0] - sum(before)) for before, after in pairwise(bursts))]
    return AskedServer(
        name=name,
        at=zero + timedelta(minutes=bursts[0][0]),
        owner=name,
        groups=taken.group_of(name),
        cards=taken.part,
        cells=tuple(
            Cell(timedelta(minutes=gap), timedelta(minutes=lasted))
            for gap, (_, lasted) in zip(gaps, bursts, strict=True)
        ),
        stays=_STAYS,
        patience=_PATIENCE,
    )


def _pods(rows: Iterable[tuple[int, Mapping[str, str]]], taken: Taken) -> tuple[AskedJob, ...]:
    """Pods with GPUs as jobs, each on cards of one node."""
    first = taken.first_day * _DAY_S
    last = first + taken.days * _DAY_S
    jobs: list[AskedJob] = []
    count = 0
    for line, row in rows:
        at, cards = _number(row, "creation_time", line), int(_number(row, "num_gpu", line))
        if not (0 < cards <= _MOST_CARDS and first <= at < last) or not row["deletion_time"]:
            continue
        lasted = _number(row, "deletion_time", line) - at
        if lasted <= 0:
            continue
        owner = f"user-{lot_of(row['name']) % _SUBMITTERS}"
        milli = int(_number(row, "gpu_milli", line)) or WHOLE_GPU_MILLI
        part = min(Fraction(milli, WHOLE_GPU_MILLI), WHOLE_CARD) if cards == 1 else Fraction(cards)
        jobs.append(
            AskedJob(
                name=f"{row['name']}/0",
                at=taken.begins + timedelta(seconds=at - first),
                owner=owner,
                groups=taken.group_of(owner),
                works=timedelta(seconds=lasted),
                cards=part,
            )
        )
        count += cards
        _refuse_many(line, count)
    return tuple(jobs)


def _refuse_many(line: int, number: int) -> None:
    if number > _MOST:
        message = f"line {line}: these are more than {_MOST} bursts, or cards of jobs"
        raise TraceError(message)


def _number(row: Mapping[str, str], column: str, line: int) -> float:
    try:
        found = float(row[column] or 0)
    except (KeyError, ValueError, OverflowError):
        found = -1.0
    if not 0 <= found <= _LARGEST:
        message = f"line {line}, {column}: {row.get(column, '')!r} is no number from 0 to 10^10"
        raise TraceError(message)
    return found


FORMATS: Final = (
    Format(
        "bursts of notebooks (NotebookOS)", ("session_id", "start_min", "duration_min"), _sessions
    ),
    Format(
        "pods (openb)",
        ("name", "num_gpu", "gpu_milli", "creation_time", "deletion_time"),
        _pods,
    ),
)
