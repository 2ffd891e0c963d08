"""``sublet close``, ``drain``, ``open`` and ``closings``: cards and nodes that take nothing new."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import click
from sublet_quota.wire.closings import ClosingInfo, ClosingRequest, OpeningRequest

from sublet_lab.command_line.asked import asked_for
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    is_wide,
    json_option,
    plain,
    print_found,
    print_json,
    print_table,
    short_clock,
    wants_json,
)

_FIELDS: Final = tuple(ClosingInfo.model_fields)
_LENGTH: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME_OF_DAY: Final = re.compile("[0-9]{1,2}:[0-9]{2}")
_TYPED_AS: Final = {"where": "GPU-OR-NODE", "reason": "--why"}
_WHERE: Final = click.argument("where", metavar=_TYPED_AS["where"])
_WHY: Final = click.option(
    "--why", "--reason", "why", required=True, help="Whoever is refused for it reads this."
)


def end_of(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Return when a time ends that was given as a length, a day (which it includes) or a time."""
    if text is None:
        return None
    length = _LENGTH.fullmatch(text)
    try:
        if length is not None:
            return datetime.now(UTC) + int(length[1]) * _UNITS[length[2]]
        at = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            at += timedelta(days=1)
        at = at.astimezone()
    except (ValueError, OverflowError) as error:
        message = f"{plain(text)!r} is no time: write 4h, 2d, 2026-12-02 or '2026-12-02 18:00'"
        raise click.BadParameter(message) from error
    if at <= datetime.now(UTC):
        message = f"{plain(text)!r} is over: give a later end, such as 4h or 2d"
        raise click.BadParameter(message)
    return at


def begin_of(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Return when a time begins that was given as a length, a time of the day, or a time."""
    if text is None:
        return None
    if _DAY.fullmatch(text):
        return end_of(context, parameter, f"{text} 00:00")
    if _TIME_OF_DAY.fullmatch(text) is None:
        return end_of(context, parameter, text)
    now = datetime.now(UTC).astimezone()
    try:
        clock_time = time.fromisoformat(text.rjust(5, "0"))
    except ValueError as error:
        message = f"{plain(text)!r} is no time of the day: write 18:00"
        raise click.BadParameter(message) from error
    # The next such time: with the zone's rules of that day.
    days = (now.date(), now.date() + timedelta(days=1))
    found = (datetime.combine(day, clock_time).astimezone() for day in days)
    return next((at for at in found if at > now), None)


_UNTIL: Final = click.option(
    "--until",
    callback=end_of,
    help="When it opens by itself: 4h, 2d, a day (which it includes), or a local time.",
)


@click.command()
@_WHERE
@_WHY
@_UNTIL
@json_option
@pass_service
def close(service: Service, where: str, why: str, until: datetime | None) -> None:
    """Close a node, a card (NODE:INDEX, or its id), to new slices and jobs (admins).

    What is there goes on. To close it again changes why, and until when.
    """
    _close(service, where=where, reason=why, until=until)


@click.command()
@_WHERE
@_WHY
@_UNTIL
@click.option(
    "--at",
    "begins_at",
    callback=begin_of,
    help="When it begins: 18:00, 2h (from now), a day, or a local time. Owners are told at once.",
)
@json_option
@pass_service
def drain(
    service: Service, where: str, why: str, until: datetime | None, begins_at: datetime | None
) -> None:
    """Close a node or a card, and send its jobs back to the queue (admins).

    Owners' slices go on until their servers end, guaranteed ones on other cards of the node where
    these have room; nothing there is lent. With --at the place is open until then; `sublet open`
    takes it back.
    """
    # What is not said is not sent.
    later = {} if begins_at is None else {"begins_at": begins_at}
    _close(service, where=where, reason=why, until=until, drain=True, **later)


@click.command("open")
@_WHERE
@click.option("--why", "--reason", "why", default="", help="For the record.")
@json_option
@pass_service
def open_again(service: Service, where: str, why: str) -> None:
    """Open a card, or a node with all of its cards, that an admin has closed (admins)."""
    asked = asked_for(OpeningRequest, _TYPED_AS, where=where, reason=why)
    undone = service.post(tuple[ClosingInfo, ...], "closings/open", asked)
    if wants_json():
        print_json(undone)
        return
    for each in undone:
        click.echo(f"{_as_subject(each)} is open.")


@click.command()
@json_option
@csv_option
@pass_service
def closings(service: Service) -> None:
    """List the cards and nodes that admins have closed, and what is still there (admins)."""
    found = service.get(tuple[ClosingInfo, ...], "closings")
    print_found(found, _FIELDS, "Nothing is closed by an admin.", _print)


def _close(service: Service, **how: Any) -> None:
    asked = asked_for(ClosingRequest, _TYPED_AS, **how)
    made = service.post(ClosingInfo, "closings", asked)
    if wants_json():
        print_json(made)
        return
    end = "until it is opened" if made.until is None else f"until {clock(made.until)}"
    is_closed = (
        "is closed" if made.begins_at is None else f"will be closed at {clock(made.begins_at)}"
    )
    click.echo(f"{_as_subject(made)} {is_closed} to new slices and jobs {end}.")
    click.echo(f"Still there: {_still_there(made) or 'nothing'}.")


def _still_there(made: ClosingInfo) -> str:
    """Return what is left there, and what becomes of it; empty for nothing."""
    where = " back to the queue" if made.drains else " on"
    parts = (
        _counted(made.notebooks, "slice of an owner, which goes on", "owners' slices, which go on"),
        _counted(made.jobs, f"job, which goes{where}", f"jobs, which go{where}"),
    )
    return "; ".join(filter(None, parts))


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}" if number else ""


def _print(found: Sequence[ClosingInfo]) -> None:
    if is_wide():
        _print_wide(found)
        return
    print_table(
        ("!WHAT", "HOW", "!UNTIL", ">SLICES", ">JOBS"),
        (
            (
                _what(each),
                _how(each),
                short_clock(each.until),
                str(each.notebooks),
                str(each.jobs),
            )
            for each in found
        ),
    )
    for each in found:
        since = short_clock(each.closed_at)
        click.echo(f"{plain(_what(each))}: {plain(each.reason)} ({plain(each.closed_by)}, {since})")


def _print_wide(found: Sequence[ClosingInfo]) -> None:
    print_table(
        ("!WHAT", "HOW", "UNTIL", "BY", "SINCE", ">SLICES", ">JOBS", "WHY"),
        (
            (
                _what(each),
                _how(each),
                clock(each.until),
                each.closed_by,
                clock(each.closed_at),
                str(each.notebooks),
                str(each.jobs),
                each.reason,
            )
            for each in found
        ),
    )


def _how(closing: ClosingInfo) -> str:
    how = "drained" if closing.drains else "closed"
    return how if closing.begins_at is None else f"{how} at {short_clock(closing.begins_at)}"


def _as_subject(closing: ClosingInfo) -> str:
    """Return what is closed, as the first words of a sentence."""
    words = plain(_what(closing))
    return f"{words[:1].upper()}{words[1:]}"


def _what(closing: ClosingInfo) -> str:
    if closing.gpu_id is None:
        return f"node {closing.node}"
    index = closing.gpu_id if closing.gpu_index is None else closing.gpu_index
    return f"GPU {index} of {closing.node}"
