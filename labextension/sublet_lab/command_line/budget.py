"""``sublet budget``: what is spent of budgets, what is left, and when there are hours again."""

from typing import Final

import click
from sublet_quota.wire.budget import BudgetInfo, BudgetList

from sublet_lab.command_line.group_option import OF_GROUP
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

_FIELDS: Final = tuple(BudgetInfo.model_fields)
_COLUMNS: Final = ("GROUP", "OF", ">HOURS", ">SPENT", ">CREDITED", ">LEFT", "STANDS", "AGAIN AT")


@click.command()
@click.option("--group", help="Only the budgets of one group.")
@click.option("--owner", help="Another user's (admins).")
@OF_GROUP
@json_option
@csv_option
@pass_service
def budget(service: Service, group: str | None, owner: str | None, of: str | None) -> None:
    """Show what is left of budgets: yours and your groups', or all (admins)."""
    found = service.get(BudgetList, "budgets", owner=owner, group=of)
    shown = [each for each in found.budgets if group in (None, each.group)]
    if wants_json():
        print_json(BudgetList(budgets=tuple(shown)))
    elif wants_csv():
        print_csv(_FIELDS, ([getattr(each, name) for name in _FIELDS] for each in shown))
    elif shown:
        print_table(_COLUMNS, map(_cells, shown))
    else:
        click.echo("There is no budget.")


def _cells(info: BudgetInfo) -> tuple[str, ...]:
    again = "-" if info.renews_at is None else clock(info.renews_at)
    hours = (info.hours, info.spent, info.credited, info.left)
    numbers = (f"{each:.1f}" for each in hours)
    return (info.group, info.owner or "all together", *numbers, _stands(info), again)


def _stands(info: BudgetInfo) -> str:
    if info.is_over:
        return "spent"
    return "ends" if info.spent >= info.warn else "-"
