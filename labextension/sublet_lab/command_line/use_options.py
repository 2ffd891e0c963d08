"""What the commands about past use have in common: of which time, in whose zone, of whom."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click
from sublet_quota.wire.use import UseKey, UseRow, WaitedRow

from sublet_lab.command_line.group_option import OF_GROUP
from sublet_lab.command_line.typed import TIME, zone_option

F = TypeVar("F", bound=Callable[..., Any])
A_WEEK: Final = "seven days"


def of_time(usual: str) -> Callable[[F], F]:
    """Return a command with ``--since`` and ``--until``; ``usual``: how long it is if left out."""

    def with_options(command: F) -> F:
        command = click.option("--until", type=TIME, help="Local time. Default: now.")(command)
        since = f"Local time. Default: {usual} before the end."
        return click.option("--since", type=TIME, help=since)(command)

    return with_options


def by_option(keys: Iterable[UseKey], help_text: str, **more: Any) -> Callable[[F], F]:
    """Return a command with ``--by``, which may be repeated."""
    choice = click.Choice([key.value for key in keys])
    return click.option("--by", type=choice, multiple=True, help=help_text, **more)


def of_whom(command: F) -> F:
    """Return a command with ``--zone``, ``--owner`` and ``--of``."""
    command = OF_GROUP(command)
    command = click.option("--owner", help="Only another user's (admins).")(command)
    return zone_option(command)


def names_of(row: UseRow | WaitedRow, by: Iterable[str]) -> tuple[str, ...]:
    """Return what a row is of."""
    return tuple(row.of.get(name, "") for name in by)
