"""``sublet use``: how long what was held and used, by owner, group, type, day and kind."""

from datetime import datetime
from typing import Final

import click
from sublet_quota.wire.use import KindHours, UseKey, UseReport, UseRow

from sublet_lab.command_line.events import TIME, refuse_reversed, written
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

_SUMS: Final = tuple(name for name in UseRow.model_fields if name not in {"of", "kinds"})
_KINDS: Final = tuple(KindHours.model_fields)
_COLUMNS: Final = (">SLICES", ">CARDS", ">GIB", ">BUSY", ">LENT", ">KWH")


@click.command()
@click.option("--since", type=TIME, help="Local time. Default: seven days before the end.")
@click.option("--until", type=TIME, help="Local time. Default: now.")
@click.option(
    "--by",
    type=click.Choice([key.value for key in UseKey]),
    multiple=True,
    default=(UseKey.OWNER.value,),
    show_default=True,
    help="By what hours are added up; may be repeated. `kind` shows what became of them.",
)
@json_option
@csv_option
@pass_service
def use(
    service: Service, since: datetime | None, until: datetime | None, by: tuple[str, ...]
) -> None:
    """Show how long slices were held, used and lent (admins)."""
    refuse_reversed(since, until)
    by = tuple(dict.fromkeys(str(each) for each in by))
    report = service.get(UseReport, "use", since=written(since), until=written(until), by=by)
    if wants_json():
        print_json(report)
        return
    keys = tuple(name for name in by if name != UseKey.KIND)
    of_kinds = keys != by
    if wants_csv():
        rows = ((*_of(row, keys), *_numbers(row, of_kinds=of_kinds)) for row in report.rows)
        print_csv((*keys, *(_KINDS if of_kinds else _SUMS)), rows)
        return
    if not report.rows:
        click.echo(f"Nothing was held from {clock(report.since)} to {clock(report.until)}.")
        return
    what = "in hours on cards" if of_kinds else "in hours"
    click.echo(f"From {clock(report.since)} to {clock(report.until)}, {what}:")
    columns = tuple(f">{name.upper()}" for name in _KINDS) if of_kinds else _COLUMNS
    cells = _kind_cells if of_kinds else _cells
    print_table(
        (*(name.upper() for name in keys), *columns),
        ((*_of(row, keys), *cells(row)) for row in report.rows),
    )


def _of(row: UseRow, by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(row.of.get(name, "") for name in by)


def _cells(row: UseRow) -> tuple[str, ...]:
    energy = None if row.energy_wh is None else row.energy_wh / 1000
    sums = (row.slice_hours, row.card_hours, row.memory_gib_hours, row.busy_hours, row.lent_hours)
    return _shown((*sums, energy))


def _numbers(row: UseRow, *, of_kinds: bool) -> tuple[float | None, ...]:
    if not of_kinds:
        return tuple(getattr(row, name) for name in _SUMS)
    return tuple(None if row.kinds is None else getattr(row.kinds, name) for name in _KINDS)


def _kind_cells(row: UseRow) -> tuple[str, ...]:
    return _shown(_numbers(row, of_kinds=True))


def _shown(hours: tuple[float | None, ...]) -> tuple[str, ...]:
    return tuple("-" if each is None else f"{each:.1f}" for each in hours)
