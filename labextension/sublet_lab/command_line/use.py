"""``sublet use``: how long what was held and used, by owner, group, type, time and kind."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import click
from sublet_quota.week_report.tables import factors_words
from sublet_quota.wire.use import KindHours, UseKey, UseReport, UseRow

from sublet_lab.command_line.events import refuse_reversed, written
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    is_wide,
    json_option,
    plain,
    print_csv,
    print_json,
    print_table,
    wants_csv,
    wants_json,
)
from sublet_lab.command_line.use_options import A_WEEK, by_option, names_of, of_time, of_whom
from sublet_lab.command_line.use_reports import limits, waits
from sublet_lab.command_line.week_report import report
from sublet_lab.command_line.whole_help import WholeHelp

_SUMS: Final = tuple(name for name in UseRow.model_fields if name not in {"of", "kinds"})
_KINDS: Final = tuple(KindHours.model_fields)
_KINDS_OF_NARROW: Final = (
    ("held", "used", "idle", "lent", "suspended"),
    ("held", "borrowed", "charged", "credited"),
)
"""In two tables, where lines have no room for all beside the names: what the hours were, what they
cost."""
_COLUMNS: Final = (">SLICES", ">CARDS", ">GIB", ">BUSY", ">LENT", ">KWH")
_CARBON: Final = ">KG CO2"


@click.group(cls=WholeHelp, invoke_without_command=True)
@of_time(A_WEEK)
@by_option(
    UseKey,
    "By what hours are added up; may be repeated. `kind` shows what became of them.",
    default=(UseKey.OWNER.value,),
    show_default=True,
)
@of_whom
@json_option
@csv_option
@pass_service
@click.pass_context
def use(  # noqa: PLR0913, PLR0917 (click's signature)
    context: click.Context,
    service: Service,
    since: datetime | None,
    until: datetime | None,
    by: tuple[str, ...],
    zone: str | None,
    owner: str | None,
    of: str | None,
) -> None:
    """Show how long your slices were held, used and lent; admins: everybody's."""
    if context.invoked_subcommand is not None:
        return
    refuse_reversed(since, until)
    by = tuple(dict.fromkeys(str(each) for each in by))
    times = {"since": written(since), "until": written(until)}
    found = service.get(UseReport, "use", **times, by=by, zone=zone, owner=owner, group=of)
    if wants_json():
        print_json(found)
        return
    keys = tuple(name for name in by if name != UseKey.KIND)
    of_kinds = keys != by
    if wants_csv():
        rows = ((*names_of(row, keys), *_numbers(row, of_kinds=of_kinds)) for row in found.rows)
        print_csv((*keys, *(_KINDS if of_kinds else _SUMS)), rows)
        return
    if not found.rows:
        click.echo(f"Nothing was held from {clock(found.since)} to {clock(found.until)}.")
        return
    what = "in hours on cards" if of_kinds else "in hours"
    click.echo(f"From {clock(found.since)} to {clock(found.until)}, {what}:")
    if of_kinds:
        for kinds in (_KINDS,) if is_wide() else _KINDS_OF_NARROW:
            _print(found, keys, tuple(f">{name.upper()}" for name in kinds), _cells_of(kinds))
    else:
        columns = _COLUMNS if found.carbon is None else (*_COLUMNS, _CARBON)
        _print(found, keys, columns, _cells if found.carbon is None else _cells_with_carbon)
        if found.carbon is not None:
            click.echo(plain(factors_words(found.carbon)))


def _print(
    report: UseReport,
    keys: tuple[str, ...],
    columns: tuple[str, ...],
    cells: Callable[[UseRow], tuple[str, ...]],
) -> None:
    print_table(
        (*(name.upper() for name in keys), *columns),
        ((*names_of(row, keys), *cells(row)) for row in report.rows),
    )


def _cells(row: UseRow) -> tuple[str, ...]:
    energy = None if row.energy_wh is None else row.energy_wh / 1000
    sums = (row.slice_hours, row.card_hours, row.memory_gib_hours, row.busy_hours, row.lent_hours)
    return _shown((*sums, energy))


def _cells_with_carbon(row: UseRow) -> tuple[str, ...]:
    carbon = None if row.carbon_g is None else row.carbon_g / 1000
    return (*_cells(row), *_shown((carbon,)))


def _numbers(row: UseRow, *, of_kinds: bool) -> tuple[float | None, ...]:
    if not of_kinds:
        return tuple(getattr(row, name) for name in _SUMS)
    return _numbers_of(row, _KINDS)


def _numbers_of(row: UseRow, kinds: tuple[str, ...]) -> tuple[float | None, ...]:
    return tuple(None if row.kinds is None else getattr(row.kinds, name) for name in kinds)


def _cells_of(kinds: tuple[str, ...]) -> Callable[[UseRow], tuple[str, ...]]:
    return lambda row: _shown(_numbers_of(row, kinds))


def _shown(hours: tuple[float | None, ...]) -> tuple[str, ...]:
    return tuple("-" if each is None else f"{each:.1f}" for each in hours)


for command in (waits, limits, report):
    use.add_command(command)
