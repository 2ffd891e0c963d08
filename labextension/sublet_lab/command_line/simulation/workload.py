"""What people ask for in a simulation: from a file, drawn, or the sample that comes with Sublet."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Final

import click
from sublet_quota.closed_loop.asks.asked import Asked
from sublet_quota.closed_loop.asks.habit_text import people_of, with_habits
from sublet_quota.closed_loop.asks.published.reading import (
    Taken,
    format_of,
    is_gavel_trace,
    read_published,
)
from sublet_quota.closed_loop.asks.trace_table import read_trace, written_trace
from sublet_quota.closed_loop.people import Habits, days_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.errors import SubletQuotaError

from sublet_lab.command_line.quota_text import decoded
from sublet_lab.command_line.tables import plain

SAMPLE: Final = "sample"
SYNTHETIC: Final = "synthetic"
SAMPLE_FILE: Final = "sample_week.csv"
_DAYS: Final = 7
_MOST_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that say what people ask for."""

    sources: tuple[str, ...]
    """Files, or the words for what is drawn: all of them together."""
    begins: datetime
    days: int | None
    seed: int
    people: str
    habits: tuple[str, ...]
    groups: tuple[str, ...]
    part: Fraction | None
    first_day: int


@dataclass(frozen=True, slots=True)
class Workload:
    """What people ask for, until when, and in words."""

    asked: tuple[Asked, ...]
    ends: datetime
    words: str
    notes: tuple[str, ...] = ()


def workload_of(wanted: Wanted, document: QuotaDocument) -> Workload:
    """Return what people ask for. ``click.ClickException`` where it cannot be read."""
    parts = tuple(_part(wanted, source, document) for source in wanted.sources)
    if len(parts) == 1:
        return parts[0]
    names = Counter(each.name for part in parts for each in part.asked)
    twice = sorted(name for name, number in names.items() if number > 1)
    if twice:
        message = (
            f"{twice[0]!r} is asked for in two workloads: each server and job needs a name of its "
            "own (the column `name`)"
        )
        raise click.ClickException(plain(message))
    return Workload(
        tuple(each for part in parts for each in part.asked),
        max(part.ends for part in parts),
        "; ".join(part.words for part in parts),
        tuple(note for part in parts for note in part.notes),
    )


def _part(wanted: Wanted, source: str, document: QuotaDocument) -> Workload:
    if source == SYNTHETIC:
        return _drawn(wanted, document)
    if source == SAMPLE:
        sample = files("sublet_lab.command_line.simulation") / SAMPLE_FILE
        return _of_table(wanted, "the sample week", sample.read_text("utf-8").splitlines())
    return _of_file(wanted, Path(source))


def save(workload: Workload, begins: datetime, path: Path) -> None:
    """Write what people ask for as a table."""
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in written_trace(workload.asked, begins))
    except OSError as error:
        message = f"{plain(str(path))} cannot be written: {error.strerror}"
        raise click.ClickException(message) from error


def _drawn(wanted: Wanted, document: QuotaDocument) -> Workload:
    ends = wanted.begins + timedelta(days=wanted.days or _DAYS)
    groups = wanted.groups or _leaves(document)
    try:
        habits = with_habits(Habits(cards=None), wanted.habits)
        people = people_of(wanted.people, groups, habits)
    except SubletQuotaError as error:
        raise click.UsageError(str(error)) from error
    said = f", {' '.join(wanted.habits)}" if wanted.habits else ""
    words = f"drawn: people {wanted.people}{said}"
    return Workload(days_of(people, wanted.begins, ends, wanted.seed), ends, words)


def _leaves(document: QuotaDocument) -> tuple[str, ...]:
    """Return a group of the hub for each group without others in it."""
    return tuple(
        group.members[0] if group.members else str(name)
        for name, group in document.all_groups.items()
        if not group.groups
    )


def _of_file(wanted: Wanted, path: Path) -> Workload:
    name = plain(path.name)
    try:
        if path.stat().st_size > _MOST_BYTES:
            message = f"{name} is larger than {_MOST_BYTES // 2**20} MiB: simulate fewer days"
            raise click.ClickException(message)
        text = path.read_bytes()
    except OSError as error:
        message = (
            f"{plain(str(path))} cannot be read: {error.strerror}. Give a file, `{SAMPLE}` or "
            f"`{SYNTHETIC}`."
        )
        raise click.ClickException(message) from error
    lines = decoded(name, text).splitlines()
    heading = lines[0] if lines else ""
    if is_gavel_trace(heading):
        message = (
            f"{name} is a trace in Gavel's form: it says how many steps jobs take, and not how "
            "long. Write them as a table, with the time that each takes."
        )
        raise click.ClickException(message)
    found = format_of(heading)
    if found is None:
        return _of_table(wanted, name, lines)
    days = wanted.days or _DAYS
    taken = Taken(wanted.begins, wanted.groups, wanted.part, wanted.first_day, days)
    try:
        asked = read_published(found, lines, taken)
    except SubletQuotaError as error:
        message = f"{name}: {plain(str(error))}"
        raise click.ClickException(message) from error
    words = f"{name}: {found.what}, from day {wanted.first_day}"
    return _some(name, Workload(asked, wanted.begins + timedelta(days=days), words))


def _of_table(wanted: Wanted, name: str, lines: Iterable[str]) -> Workload:
    try:
        habits = with_habits(Habits(), wanted.habits)
    except SubletQuotaError as error:
        raise click.UsageError(str(error)) from error
    try:
        asked = read_trace(lines, wanted.begins, wanted.seed, habits)
    except SubletQuotaError as error:
        message = f"{name}: {plain(str(error))}"
        raise click.ClickException(message) from error
    last = max((each.at for each in asked), default=wanted.begins)
    days = wanted.days or (last - wanted.begins) // timedelta(days=1) + 1
    ends = wanted.begins + timedelta(days=days)
    within = tuple(each for each in asked if each.at < ends)
    left_out = len(asked) - len(within)
    notes = (f"{left_out} servers and jobs come after the end, and are left out.",)
    return _some(name, Workload(within, ends, name, notes if left_out else ()))


def _some(name: str, workload: Workload) -> Workload:
    if not workload.asked:
        message = f"{name} asks for nothing in the days that are simulated: see --days, --first-day"
        raise click.ClickException(message)
    return workload
