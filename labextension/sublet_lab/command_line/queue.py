"""``sublet queue``: one's servers that wait in line for a slice; of all, for admins."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import click
from sublet_quota.wire.server_queue import QueueWait

from sublet_lab.command_line.service import RefusedError, Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    is_wide,
    json_option,
    plain,
    print_found,
    print_table,
    short_clock,
    wants_json,
)
from sublet_lab.command_line.whole_help import WholeHelp

_FIELDS: Final = tuple(QueueWait.model_fields)
_NONE: Final = "Nothing waits in line."


@click.group(cls=WholeHelp, invoke_without_command=True)
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
    page = service.counted(QueueWait, "queue", all=asked, owner=owner)
    found, total = page.entries, page.total
    mine_alone = not (everybody or owner or found or wants_json())
    nothing = _nothing_of_mine(service) if mine_alone else _NONE
    print_found(found, _FIELDS, nothing, _print_all if everybody else _print)
    if total is not None and total > len(found) and not wants_json():
        click.echo(f"These are the first {len(found)} of {total} that wait.")


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


def _nothing_of_mine(service: Service) -> str:
    """Return that nothing of one's own waits; to admins, how many others do."""
    try:
        page = service.counted(QueueWait, "queue", all=1)
    except RefusedError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return _NONE
    others = len(page.entries) if page.total is None else page.total
    if not others:
        return _NONE
    wait = "1 notebook of others does" if others == 1 else f"{others} notebooks of others do"
    return f"Nothing of yours waits in line; {wait}: `sublet queue --all` shows them."


def _print_all(found: Sequence[QueueWait]) -> None:
    """Print a line each: why each of many waits is as long again."""
    _print_table(found)
    click.echo("Why one waits, and until when: `sublet queue --owner OWNER`.")


def _print(found: Sequence[QueueWait]) -> None:
    _print_table(found)
    for each in found:
        click.echo(plain(f"{each.owner}/{each.server}: {each.message}"))


def _print_table(found: Sequence[QueueWait]) -> None:
    at = clock if is_wide() else short_clock
    print_table(
        (">PLACE", "!OWNER", "SERVER", "SIZE", "GROUP", "!SINCE", "!EXPECTED"),
        (
            (
                str(each.place),
                each.owner,
                each.server or "(default)",
                each.size or "amounts",
                each.group or "-",
                at(each.since),
                at(each.expected_at),
            )
            for each in found
        ),
    )
