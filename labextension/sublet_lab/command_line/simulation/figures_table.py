"""A simulation's report as a table: a row a figure, a column a run, 80 characters wide.

Of waits three figures stand beside each other: half, 95 and 99 of a hundred waited no longer.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import click
from sublet_quota.closed_loop.outcome.report import (
    Comparison,
    GroupWaits,
    Outcome,
    Report,
    UnmetGuarantee,
    WaitsInfo,
)

from sublet_lab.command_line.simulation.truth_table import limit_lines, truth_lines
from sublet_lab.command_line.tables import plain

_NAME: Final = 20
_CELL: Final = 15
_WIDTH: Final = 80
_NO_GROUP: Final = "no group"
_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))
_TENTHS_BELOW: Final = 10
_MOST_LIKE_THAT: Final = 10_000
_MOST_PERSONS: Final = 5

Row = tuple[str, Sequence[str]]


def print_report(report: Report) -> None:
    """Print a report for people."""
    for line in report_lines(report):
        click.echo(plain(line).rstrip())


def report_lines(report: Report) -> Iterator[str]:
    """Yield the lines of a report."""
    days = "1 day" if report.days == 1 else f"{report.days:g} days"
    yield (
        f"{days} from {report.begins:%Y-%m-%d}, {report.cards}, {report.people} people, "
        f"seed {report.seed}"
    )
    yield f"What they ask for: {report.workload}"
    for note in report.notes:
        yield f"Note: {note}"
    if report.truth is not None:
        yield from truth_lines(report.truth)
    yield ""
    yield _line("", [_cut(each.name) for each in report.outcomes])
    for title, rows in _parts(report.outcomes):
        yield f"{title}"
        for name, cells in rows:
            yield _line(f"  {name}", cells)
    unmet = [line for outcome in report.outcomes for line in _unmet_lines(outcome)]
    yield from ("", *unmet) if unmet else ()
    if report.comparison is not None:
        first, second = (each.name for each in report.outcomes[:2])
        yield from _comparison_lines(report.comparison, first, second)
    if report.limits:
        yield from limit_lines(report.limits)
    about = [line for each in report.outcomes if each.about for line in _about_lines(each)]
    yield from ("", *about) if about else ()


def _parts(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[Row]]]:
    def row(name: str, cell: Callable[[Outcome], str]) -> Row:
        return name, [cell(each) for each in outcomes]

    yield (
        "Servers",
        [
            row("asked for", lambda each: f"{each.servers}"),
            row("granted", lambda each: f"{each.servers_granted}"),
            *_refusal_rows(outcomes, "server"),
        ],
    )
    yield (
        "Jobs",
        [
            row("submitted", lambda each: f"{each.jobs}"),
            row("done", lambda each: f"{each.jobs_done}"),
            row("not begun", lambda each: f"{each.jobs_not_begun}"),
            *_refusal_rows(outcomes, "job"),
        ],
    )
    for title, waits_of in _WAITS:
        rows = _waits_rows(outcomes, waits_of)
        if rows:
            yield f"{title}: half / 95 % / 99 % no longer than", rows
    yield (
        "Hours on cards, notebooks",
        [
            row("held", lambda each: _hours(each.hours.held_h)),
            row("  used", lambda each: _hours(each.hours.used_h)),
            row("  lent", lambda each: _hours(each.hours.lent_h)),
            row("  idle", lambda each: _hours(each.hours.idle_h)),
            row("  suspended", lambda each: _hours(each.hours.suspended_h)),
            row("of them borrowed", lambda each: _hours(each.hours.borrowed_h)),
        ],
    )
    yield (
        "Hours on cards, jobs",
        [
            row("computed", lambda each: _hours(each.hours.jobs_h)),
            row("on lent room", lambda each: _hours(each.lent_h)),
            row("  by foresight", lambda each: f"<= {_hours(each.lent_at_most_h)}"),
        ],
    )
    yield "Cards", [*_card_rows(outcomes)]
    yield (
        "Moves of memory",
        [
            row("moves", lambda each: f"{each.moves.count}"),
            row("a card and hour", lambda each: f"{each.moves.of_a_card_an_hour:.2f}"),
            row("GiB", lambda each: f"{each.moves.memory_gib:.0f}"),
            row("called back", lambda each: f"{each.moves.called_back}"),
            row("to another card", lambda each: f"{each.moves.card_changes}"),
        ],
    )
    yield "Notebooks ended", [*_ended_rows(outcomes)]
    yield (
        "Guarantees",
        [
            row("not met", lambda each: f"{each.unmet}" if _has_guarantees(each) else "-"),
            row("cells wait", lambda each: _wait(each.guaranteed_cells)),
        ],
    )


def _ended_rows(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    def row(name: str, cell: Callable[[Outcome], str]) -> Row:
        return name, [cell(each) for each in outcomes]

    yield row("idle: states lost", lambda each: f"{each.lost.notebooks}")
    if any(each.lost.with_cards for each in outcomes):
        yield row("with their cards", lambda each: f"{each.lost.with_cards}")
    yield row("  wanted again", lambda each: f"{each.lost.in_use_again}")
    yield row("  hours to rerun", lambda each: _hours(each.lost.run_again_h))
    if any(each.lost.replayed_h for each in outcomes):
        yield row("  hours rerun", lambda each: _hours(each.lost.replayed_h))
    if any(each.sent_back.jobs for each in outcomes):
        yield row("jobs sent back", lambda each: f"{each.sent_back.jobs}")
        yield row("  hours to rerun", lambda each: _hours(each.sent_back.run_again_h))


def _about_lines(outcome: Outcome) -> Sequence[str]:
    return _folded(f"{outcome.name}: {outcome.about}.")


def _has_guarantees(outcome: Outcome) -> bool:
    return outcome.name == outcome.document


_WAITS: Final[tuple[tuple[str, Callable[[GroupWaits], WaitsInfo]], ...]] = (
    ("Servers wait", lambda each: each.servers),
    ("Cells wait", lambda each: each.cells),
    ("Jobs wait", lambda each: each.jobs),
)


def _waits_rows(
    outcomes: Sequence[Outcome], waits_of: Callable[[GroupWaits], WaitsInfo]
) -> list[Row]:
    by_group = [{each.group: waits_of(each) for each in outcome.waits} for outcome in outcomes]
    groups = sorted({name for found in by_group for name in found}, key=lambda g: (not g, g or ""))
    rows = [
        (_cut(group or _NO_GROUP, _NAME - 3), [_wait(found.get(group)) for found in by_group])
        for group in groups
    ]
    return [(name, cells) for name, cells in rows if set(cells) != {"-"}]


def _refusal_rows(outcomes: Sequence[Outcome], what: str) -> Iterator[Row]:
    """Yield how many had nothing in the end, by the last reason; of who had it later none."""
    never = [
        {each.reason: each.never for each in outcome.refusals if each.what == what}
        for outcome in outcomes
    ]
    for reason in sorted({reason for found in never for reason in found}):
        cells = [f"{found.get(reason, 0)}" for found in never]
        if any(each != "0" for each in cells):
            yield _cut(f"never: {reason}", _NAME - 3), cells


def _card_rows(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    for place, each in enumerate(outcomes[0].by_type):
        cells = []
        for outcome in outcomes:
            # Of a document that names types otherwise, the card at the same place is another.
            found = outcome.by_type[place] if place < len(outcome.by_type) else None
            busy = 0.0 if found is None or not found.there_h else found.computed_h / found.there_h
            cells.append("-" if found is None else f"{busy:.1%} in use")
        yield _cut(f"{each.cards} {each.gpu_type}", _NAME - 3), cells
    energy = [
        [each.energy_kwh for each in outcome.by_type if each.energy_kwh is not None]
        for outcome in outcomes
    ]
    if any(energy):
        yield "kWh", [f"{sum(found):.1f}" for found in energy]


def _unmet_lines(outcome: Outcome) -> Iterator[str]:
    if outcome.first_unmet is not None:
        yield from _folded(
            f"{outcome.name}: the first guarantee that was not met: {_unmet(outcome.first_unmet)}"
        )


def _unmet(unmet: UnmetGuarantee) -> str:
    who = f"{unmet.owner} ({unmet.group or _NO_GROUP})" if unmet.owner else unmet.group
    if unmet.what == "cards":
        return unmet.why
    what = f"was refused ({unmet.why})" if unmet.what == "refused" else f"waited {unmet.why}"
    return f"{unmet.at:%Y-%m-%d %H:%M}, {who} {what}"


def _comparison_lines(found: Comparison, first: str, second: str) -> Iterator[str]:
    yield ""
    yield from _folded(f"Who gains and who loses, from {first} to {second}:")
    yield _line("", ("computed h", "", "waited h", "", "gain / lose"), 12)
    for each in found.groups:
        cells = (*_two(each.computed_h), *_two(each.waited_h), f"{each.gain} / {each.lose}")
        yield _line(f"  {_cut(each.group or _NO_GROUP, _NAME - 3)}", cells, 12)
    for title, persons in (("Most gain", found.gain_most), ("Most lose", found.lose_most)):
        for place, person in enumerate(persons[:_MOST_PERSONS]):
            if not place:
                yield title
            cells = (*_two(person.computed_h), *_two(person.waited_h), "")
            yield _line(f"  {_cut(person.owner, _NAME - 3)}", cells, 12)


def _two(hours: tuple[float, float]) -> tuple[str, str]:
    return _hours(hours[0]), f"> {_hours(hours[1])}"


def _line(name: str, cells: Iterable[str], width: int = _CELL) -> str:
    return f"{name:<{_NAME}}" + "".join(f"{each:>{width}}" for each in cells)


def _cut(name: str, width: int = _CELL - 1) -> str:
    name = plain(name)
    return name if len(name) <= width else f"{name[: width - 1]}~"


def _folded(text: str) -> Sequence[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wait(waits: WaitsInfo | None) -> str:
    if waits is None or not waits.count:
        return "-"
    return "/".join(map(_short, (waits.half_s, waits.of_95_s, waits.of_99_s)))


def _short(seconds: float) -> str:
    """Return a time in its largest unit, in three characters or four: ``0s``, ``1.5h``."""
    if seconds < 1:
        return "0s" if not seconds else "<1s"
    unit_s, unit = next(each for each in _UNITS if seconds >= each[0])
    number = seconds / unit_s
    tells_tenths = number < _TENTHS_BELOW and unit != "s"
    return f"{number:.{1 if tells_tenths else 0}f}{unit}"


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours < _MOST_LIKE_THAT else f"{hours:.0f}"
