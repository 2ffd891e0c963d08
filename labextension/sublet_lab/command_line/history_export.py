"""``sublet history export``: what happened on the hub, into a file that a simulation reads."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

import click
from sublet_quota.wire.history import HistoryDay

from sublet_lab.command_line.events import refuse_reversed, written
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import plain
from sublet_lab.command_line.typed import TIME

_WEEK: Final = timedelta(days=7)
_PRIVATE: Final = 0o600


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--since", type=TIME, help="Local time. Default: seven days before the end.")
@click.option("--until", type=TIME, help="Local time. Default: now.")
@click.option("--names", is_flag=True, help="Persons by their names, not by others.")
@click.option("--hide-groups", is_flag=True, help="Groups by other names, too.")
@pass_service
def export(  # noqa: PLR0913 (click's signature)
    service: Service,
    *,
    file: Path,
    since: datetime | None,
    until: datetime | None,
    names: bool,
    hide_groups: bool,
) -> None:
    """Write what happened into FILE, for `sublet simulate --history` (admins).

    Servers, their cells, jobs, cards and moves, with times and what was waited for; no code, and
    other names for persons, always the same ones.
    """
    refuse_reversed(since, until)
    days = exported_days(service, since, until, names=names, hide_groups=hide_groups)
    count = 0
    with _written_to(file) as out:
        for day in days:
            out.writelines(f"{line}\n" for line in day.lines)
            count += len(day.lines)
    click.echo(f"{plain(str(file))}: {count} lines.")


def exported_days(
    service: Service,
    since: datetime | None,
    until: datetime | None,
    *,
    names: bool = False,
    hide_groups: bool = False,
) -> Iterator[HistoryDay]:
    """Yield what happened, day by day; on a terminal a bar says how far that is."""
    now = datetime.now(UTC)
    try:
        # Days to come would end later each time that one is asked for.
        ends = now if until is None or until.astimezone() > now else until
        begins = ends - _WEEK if since is None else since
    except (OverflowError, ValueError) as error:
        message = f"{until or now:%Y-%m-%d} is too long ago, or too far away"
        raise click.UsageError(message) from error

    def day(number: int) -> HistoryDay:
        return service.get(
            HistoryDay,
            "history/export",
            since=written(begins),
            until=written(ends),
            day=number,
            names=int(names),
            hide_groups=int(hide_groups),
        )

    first = day(0)
    with click.progressbar(
        length=first.days, file=sys.stderr, label="days", hidden=not sys.stderr.isatty()
    ) as bar:
        bar.update(1)
        yield first
        for number in range(1, first.days):
            found = day(number)
            bar.update(1)
            yield found


@contextmanager
def _written_to(file: Path) -> Iterator[TextIO]:
    """Give a file that only its owner can read, and that takes the place of another as a whole."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as out:  # noqa: PTH123
            yield out
        part.replace(file)
    except OSError as error:
        message = f"{plain(str(file))} cannot be written: {error.strerror}"
        raise click.ClickException(message) from error
    finally:
        part.unlink(missing_ok=True)
