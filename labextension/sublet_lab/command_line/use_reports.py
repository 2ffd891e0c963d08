"""``sublet use waits`` and ``sublet use limits``: what was waited for, and limits by past use."""

from datetime import datetime
from typing import Final

import click
from sublet_quota.wire.use import LimitsReport, ProposedLimit, UseKey, WaitedReport, WaitedRow

from sublet_lab.command_line.events import refuse_reversed, written
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    json_option,
    print_csv,
    print_json,
    print_table,
    wants_csv,
    wants_json,
)
from sublet_lab.command_line.typed import WholeNumber
from sublet_lab.command_line.use_options import A_WEEK, by_option, names_of, of_time, of_whom

_WAITED_BY: Final = (UseKey.OWNER, UseKey.GROUP, UseKey.HOUR, UseKey.DAY, UseKey.WEEK)
_WAITED: Final = tuple(name for name in WaitedRow.model_fields if name not in {"kind", "of"})
_LIMIT: Final = tuple(ProposedLimit.model_fields)


@click.command()
@of_time(A_WEEK)
@by_option(_WAITED_BY, "By what waits are told; may be repeated.")
@of_whom
@json_option
@csv_option
@pass_service
def waits(  # noqa: PLR0913, PLR0917 (click's signature)
    service: Service,
    since: datetime | None,
    until: datetime | None,
    by: tuple[str, ...],
    zone: str | None,
    owner: str | None,
    of: str | None,
) -> None:
    """Show how long you waited: for turns in line, for jobs to begin, for cells to run."""
    refuse_reversed(since, until)
    by = tuple(dict.fromkeys(by))
    times = {"since": written(since), "until": written(until)}
    asked = {"zone": zone, "owner": owner, "group": of}
    report = service.get(WaitedReport, "use/waits", **times, by=by, **asked)
    if wants_json():
        print_json(report)
    elif wants_csv():
        rows = (
            (each.kind, *names_of(each, by), *(getattr(each, name) for name in _WAITED))
            for each in report.rows
        )
        print_csv(("kind", *by, *_WAITED), rows)
    elif not report.rows:
        click.echo(f"Nothing was waited for from {clock(report.since)} to {clock(report.until)}.")
    else:
        click.echo(f"From {clock(report.since)} to {clock(report.until)}, in seconds:")
        print_table(
            (
                "!WHAT",
                *(name.upper() for name in by),
                ">COUNT",
                ">AT ONCE",
                ">MEDIAN",
                ">95 %",
                ">LONGEST",
            ),
            ((each.kind, *names_of(each, by), *_numbers(each)) for each in report.rows),
        )


@click.command()
@of_time("thirty days")
@click.option(
    "--percent",
    type=WholeNumber(0),
    default=1,
    show_default=True,
    help="How much of the hours a limit would have refused.",
)
@json_option
@csv_option
@pass_service
def limits(service: Service, since: datetime | None, until: datetime | None, percent: int) -> None:
    """Show limits that would have refused so much of what was held (admins)."""
    refuse_reversed(since, until)
    report = service.get(
        LimitsReport, "use/limits", since=written(since), until=written(until), percent=percent
    )
    if wants_json():
        print_json(report)
    elif wants_csv():
        print_csv(_LIMIT, ([getattr(each, name) for name in _LIMIT] for each in report.limits))
    elif not report.limits:
        click.echo(f"Nothing was held from {clock(report.since)} to {clock(report.until)}.")
    else:
        click.echo(
            f"Limits that would have refused {report.refused_percent} % of the hours on cards from "
            f"{clock(report.since)} to {clock(report.until)}:"
        )
        print_table(
            ("GROUP", "TYPE", "WHOSE", ">LIMIT", ">MOST HELD", ">HOURS"),
            (
                (
                    each.group or "-",
                    each.gpu_type or "all",
                    "of each member" if each.of_each else "together",
                    f"{each.cards:.2f}",
                    f"{each.most:.2f}",
                    f"{each.held_hours:.1f}",
                )
                for each in report.limits
            ),
        )


def _numbers(row: WaitedRow) -> tuple[str, ...]:
    seconds = (row.median_s, row.p95_s, row.longest_s)
    return (str(row.count), str(row.at_once), *(f"{each:.1f}" for each in seconds))
