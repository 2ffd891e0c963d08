"""``sublet events``: all that is kept of what happened, page by page, and what happens now."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import click
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.wire.api import EventInfo

from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    is_wide,
    json_option,
    plain,
    print_found,
    print_json_line,
    print_table,
    wants_csv,
    wants_json,
    width_left,
)
from sublet_lab.command_line.typed import TIME, WholeNumber

_ASK_AGAIN_S: Final = 2.0
_TOLD_LATE: Final = timedelta(minutes=2)
"""How much later than it happened an agent may tell of something that is followed."""
_MOST_SEEN: Final = 100_000
_WIDE_COLUMNS: Final = (
    *("!AT", "!WHAT", "~OWNER", "~NODE", "!SLICE", ">MOVED", ">TOOK", "!DETAIL"),
)
_NARROW_COLUMNS: Final = ("!AT", "!WHAT", "~OWNER", "~NODE", "!DETAIL")
_SHORT: Final = 20
"""As many letters as say how much was moved, and how long that took."""
_FIELDS: Final = (
    "at",
    "kind",
    "owner",
    "node",
    "gpu_id",
    "slice_id",
    "for_slice_id",
    "bytes_mib",
    "took_s",
    "detail",
)


@click.command()
@click.option("--since", type=TIME, help="Only later ones; local time.")
@click.option("--until", type=TIME, help="Only earlier ones; local time.")
@click.option("--owner", help="Only another user's (admins).")
@click.option(
    "--limit", type=WholeNumber(1), default=50, show_default=True, help="The newest so many."
)
@click.option("--all", "everything", is_flag=True, help="All that are kept, however many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, a line each.")
@json_option
@csv_option
@pass_service
def events(  # noqa: PLR0913 (click's signature)
    service: Service,
    *,
    since: datetime | None,
    until: datetime | None,
    owner: str | None,
    limit: int,
    everything: bool,
    follow: bool,
) -> None:
    """Show what happened to your slices and jobs, the oldest first; admins: to everybody's."""
    if follow and (until is not None or wants_csv()):
        message = "--follow goes on without an end, and not with --until or --csv"
        raise click.UsageError(message)
    refuse_reversed(since, until)
    found = events_between(service, owner, since, until, None if everything else limit)
    if follow:
        _follow(service, owner, found)
    else:
        print_found(found, _FIELDS, "No events.", _print)


def events_between(
    service: Service,
    owner: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
) -> list[EventInfo]:
    """Return the newest events between two times, the oldest first; with no limit all of them."""
    pages = list(
        service.pages(
            EventInfo, "events", limit, since=written(since), until=written(until), owner=owner
        )
    )
    return [event for page in reversed(pages) for event in page.entries]


def refuse_reversed(since: datetime | None, until: datetime | None) -> None:
    """Raise ``click.UsageError`` for an end that is not after the begin."""
    if since is not None and until is not None and until <= since:
        message = f"--until {until:%Y-%m-%d %H:%M} is not after --since {since:%Y-%m-%d %H:%M}"
        raise click.UsageError(message)


def written(at: datetime | None) -> str | None:
    """Return a local time as the service takes it; ``click.UsageError`` if it is out of reach."""
    if at is None:
        return None
    try:
        return at.astimezone().isoformat()
    except (OverflowError, ValueError) as error:
        message = f"{at:%Y-%m-%d} is too long ago, or too far away"
        raise click.UsageError(message) from error


def _print(found: Sequence[EventInfo]) -> None:
    cells = [_cells(event) for event in found]
    room = _room_beside(_WIDE_COLUMNS, cells) if is_wide() else 0
    if room >= _SHORT:
        _print_details(_WIDE_COLUMNS, cells, room)
        return
    # The ids of slices are left out, and what was moved where there are words: a line each.
    rows = [
        (
            f"{event.at.astimezone():%m-%d %H:%M:%S}",
            event.kind,
            event.owner or "",
            event.node or "",
            event.detail or " in ".join(filter(None, (_moved(event), _took(event)))),
        )
        for event in found
    ]
    _print_details(_NARROW_COLUMNS, rows, max(_SHORT, _room_beside(_NARROW_COLUMNS, rows)))


def _room_beside(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many letters the last cells have room for beside the others."""
    return width_left((*columns[:-1], ""), [(*row[:-1], "") for row in rows])


def _print_details(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> None:
    """Print rows whose last cell is a detail: beside the others where it fits, or below them."""
    others = [row[:-1] for row in rows]
    details = [row[-1] for row in rows]
    beside = [detail if len(detail) <= room else "" for detail in details]
    below = [detail if len(detail) > room else "" for detail in details]
    print_table(
        columns, [(*row, detail) for row, detail in zip(others, beside, strict=True)], below
    )


def _moved(event: EventInfo) -> str:
    return format_memory(event.bytes_mib) if event.bytes_mib else ""


def _took(event: EventInfo) -> str:
    return f"{event.took_s:.3f} s" if event.took_s else ""


def _cells(event: EventInfo) -> tuple[str, ...]:
    return (
        clock(event.at),
        event.kind,
        event.owner or "",
        event.node or "",
        event.slice_id or "",
        _moved(event),
        _took(event),
        event.detail,
    )


def _follow(service: Service, owner: str | None, found: list[EventInfo]) -> None:
    """Print events, and then each new one when the service has heard of it."""
    for event in _each_once(service, owner, found):
        if wants_json():
            print_json_line(event)
        else:
            click.echo("  ".join(plain(cell) for cell in _cells(event) if cell))


def _each_once(service: Service, owner: str | None, found: list[EventInfo]) -> Iterator[EventInfo]:
    def lately() -> list[EventInfo]:
        # Agents tell some things later than they happened: those come after newer ones.
        since = None if newest is None else newest - _TOLD_LATE
        return events_between(service, owner, since, None, None)

    yield from found
    newest = found[-1].at if found else None
    seen = OrderedDict.fromkeys(event.event_id for event in found)
    if newest is not None:
        # What is older than those that were asked for is none of the new ones.
        seen.update((event.event_id, None) for event in lately() if event.at <= newest)
    while True:
        time.sleep(_ASK_AGAIN_S)
        for event in lately():
            newest = event.at if newest is None else max(newest, event.at)
            if event.event_id not in seen:
                seen[event.event_id] = None
                yield event
        while len(seen) > _MOST_SEEN:
            seen.popitem(last=False)
