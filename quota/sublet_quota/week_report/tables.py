"""What a week's report says, as titles, lines and tables of words: of it text and HTML are made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sublet_quota.document.value_kinds.reserved_time import read_zone
from sublet_quota.wire.use import CarbonFactors, KindHours
from sublet_quota.wire.week import GroupWeek, WeekNumbers, WeekReport

_HOURS: Final = ("held", "used", "idle", "lent", "suspended", "borrowed", "charged", "credited")
_WH_PER_KWH: Final = 1000
_G_PER_KG: Final = 1000
_NOTHING: Final = "-"
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_SUMS: Final = ("", "week", "before", "change")
_WAITS: Final = ("waits", "how many", "median", "95 %", "before", "median", "95 %")
_REFUSALS: Final = ("refusals", "how often", "users", "before")
_IDLE: Final = ("most idle", "hours idle", "hours held")
_WAITED: Final = {
    "notebook": "notebooks in line",
    "job": "jobs, to begin",
    "cell": "cells, to run",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A heading for each column, and rows of as many cells; the first column is of names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What is said of one group."""

    title: str
    tables: tuple[Table, ...]


def title_of(report: WeekReport) -> str:
    """Return the report's title, which is its subject as a mail."""
    return f"GPUs in week {report.week}, by group"


def opening_of(report: WeekReport) -> tuple[str, ...]:
    """Return the lines that stand above all groups."""
    zone = _zone(report.zone)
    # Up to a midnight means: with the day before.
    first = report.since.astimezone(zone)
    last = (report.until - timedelta(seconds=1)).astimezone(zone)
    span = f"{first:%a %Y-%m-%d} to {last:%a %Y-%m-%d} ({report.zone})"
    lines = [span if report.is_over else f"{span}; the week is not over"]
    if report.carbon is not None:
        lines.append(factors_words(report.carbon))
    if not report.groups:
        lines.append("Nothing was held, waited for or refused.")
    return tuple(lines)


def sections_of(report: WeekReport) -> tuple[Section, ...]:
    """Return what is said of each group."""
    has_carbon = report.carbon is not None
    return tuple(_section(each, has_carbon=has_carbon) for each in report.groups)


def _section(group: GroupWeek, *, has_carbon: bool) -> Section:
    tables = [Table(_SUMS, _sums(group, has_carbon=has_carbon))]
    waits = tuple(_waits(group))
    refusals = tuple(_refusals(group))
    idle = tuple((each.owner, _number(each.idle), _number(each.held)) for each in group.idle)
    for columns, rows in ((_WAITS, waits), (_REFUSALS, refusals), (_IDLE, idle)):
        if rows:
            tables.append(Table(columns, rows))
    title = f"Group {group.group}" if group.group else "No group"
    return Section(title, tuple(tables))


def _sums(group: GroupWeek, *, has_carbon: bool) -> tuple[tuple[str, ...], ...]:
    rows = [
        (f"hours {name}", _of(group.week.hours, name), _of(group.before.hours, name))
        for name in _HOURS
    ]
    rows.append(("kWh", _kwh(group.week), _kwh(group.before)))
    if has_carbon:
        rows.append(("kg CO2", _kg(group.week), _kg(group.before)))
    return tuple(
        (name, _number(week), _number(before), _change(week, before)) for name, week, before in rows
    )


def _waits(group: GroupWeek) -> Iterable[tuple[str, ...]]:
    before = {each.kind: each for each in group.before.waits}
    now = {each.kind: each for each in group.week.waits}
    for kind in dict.fromkeys((*now, *before)):
        cells = []
        for told in (now.get(kind), before.get(kind)):
            if told is None:
                cells += ["0", _NOTHING, _NOTHING]
            else:
                cells += [str(told.count), _wait(told.median_s), _wait(told.p95_s)]
        yield (_WAITED.get(kind, kind), *cells)


def _refusals(group: GroupWeek) -> Iterable[tuple[str, ...]]:
    before = {each.code: each for each in group.before.refusals}
    now = {each.code: each for each in group.week.refusals}
    for code in dict.fromkeys((*now, *before)):
        told, earlier = now.get(code), before.get(code)
        yield (
            code,
            str(told.times if told else 0),
            str(told.owners if told else 0),
            str(earlier.times if earlier else 0),
        )


def _of(hours: KindHours, name: str) -> float | None:
    return float(getattr(hours, name))


def _kwh(numbers: WeekNumbers) -> float | None:
    return None if numbers.energy_wh is None else numbers.energy_wh / _WH_PER_KWH


def _kg(numbers: WeekNumbers) -> float | None:
    return None if numbers.carbon_g is None else numbers.carbon_g / _G_PER_KG


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.1f}"


def _change(week: float | None, before: float | None) -> str:
    """Return by how much a week has more, in percent; of nothing there is none."""
    if week is None or before is None or round(before, 1) == 0:
        return _NOTHING
    percent = round(100 * (week - before) / before)
    # Less than half a percent is neither more nor less.
    return f"{percent:+d} %" if percent else "0 %"


def _wait(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"


def factors_words(carbon: CarbonFactors) -> str:
    """Return by what carbon is reckoned, and who says so, as a sentence."""
    return (
        f"CO2 is the energy x {carbon.pue:g} (the whole house) x {carbon.g_per_kwh:g} g for a kWh, "
        f"by {carbon.source}, {carbon.as_of:%Y-%m-%d}."
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return read_zone(name)
    except ValueError:
        # Of a newer service, which knows more of them.
        return ZoneInfo("UTC")


def widths_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[int]:
    """Return how wide each column is, in characters."""
    return [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
