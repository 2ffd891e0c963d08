"""``sublet queue``: one's servers that wait in line for a slice; of all, for admins."""

from collections.abc import Sequence
from typing import Final

import click
from sublet_quota.wire.server_queue import QueueWait

from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    json_option,
    plain,
    print_found,
    print_table,
)

_FIELDS: Final = tuple(QueueWait.model_fields)
_NONE: Final = "Nothing waits in line."


@click.group(invoke_without_command=True)
@click.option("--all", "everybody", is_flag=True, help="All who wait, in their order (admins).")
@click.option("--owner", help="Only another user's (admins).")
@json_option
@pass_service
@click.pass_context
def queue(context: click.Context, service: Service, owner: str | None, *, everybody: bool) -> None:
    """Show which of your notebooks wait in line for a slice, where, and until when."""
    if context.invoked_subcommand is not None:
        return
    asked = 1 if everybody else None
    found = service.get(tuple[QueueWait, ...], "queue", all=asked, owner=owner)
    print_found(found, _FIELDS, _NONE, _print)


@queue.command()
@click.argument("server", default="")
@click.option("--owner", help="Another user's server (admins).")
@pass_service
def leave(service: Service, server: str, owner: str | None) -> None:
    """Take SERVER out of the line; your default one if no name is given."""
    service.delete("queue", owner=owner, server=server or None)
    what = f"The server {server}" if server else "The default server"
    whose = "" if owner is None else f" of {owner}"
    click.echo(plain(f"{what}{whose} is in line no more."))


def _print(found: Sequence[QueueWait]) -> None:
    print_table(
        (">PLACE", "OWNER", "SERVER", "SIZE", "GROUP", "!SINCE", "EXPECTED"),
        (
            (
                str(each.place),
                each.owner,
                each.server or "(default)",
                each.size or "amounts",
                each.group or "-",
                clock(each.since),
                clock(each.expected_at),
            )
            for each in found
        ),
    )
    for each in found:
        click.echo(plain(f"{each.place}: {each.message}"))
