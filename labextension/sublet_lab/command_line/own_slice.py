"""``sublet give-up``, ``extend``, ``resize`` and ``history``: what an owner does with a slice."""

from typing import Final

import click
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.reasons.standings import SliceFacts, standing_of, standing_word
from sublet_quota.wire.api import SliceInfo
from sublet_quota.wire.share import HistoryPoint, ResizeRequest, SliceHistory

from sublet_lab.command_line.asked import asked_for, compute_of, memory_mib_of
from sublet_lab.command_line.history_export import export
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.share import SLICE, which_slice
from sublet_lab.command_line.slices import size_of
from sublet_lab.command_line.tables import (
    clock,
    json_option,
    plain,
    print_json,
    print_table,
    wants_json,
)
from sublet_lab.command_line.whole_help import WholeHelp

_POINTS_A_LINE: Final = 6
"""The number of points that make a line: one line a minute."""


@click.command("give-up")
@SLICE
@json_option
@pass_service
def give_up(service: Service, slice_id: str | None) -> None:
    """Give my slice up for now: others may use its room at once.

    Nothing is lost: the next cell brings it back. Not while a cell runs.
    """
    given = service.post(SliceInfo, f"slices/{which_slice(service, slice_id)}/give-up")
    if wants_json():
        print_json(given)
    else:
        click.echo(
            f"Slice {plain(given.lease.slice_id)} may be lent at once; the next cell brings it"
            " back."
        )


@click.command()
@SLICE
@json_option
@pass_service
def extend(service: Service, slice_id: str | None) -> None:
    """Put off that my idle server is ended: the time begins anew, as by a cell."""
    extended = service.post(SliceInfo, f"slices/{which_slice(service, slice_id)}/extend")
    if wants_json():
        print_json(extended)
    elif extended.idle_end is None:
        click.echo(f"The server of slice {plain(extended.lease.slice_id)} is not idle.")
    else:
        click.echo(
            f"The server of slice {plain(extended.lease.slice_id)} may be idle until"
            f" {clock(extended.idle_end.ends_at)}."
        )


@click.command()
@click.argument("size", required=False)
@click.option("--memory", help="GPU memory, such as '20 GiB'.")
@click.option("--compute", help="GPUs: 0.5, or 500m.")
@SLICE
@json_option
@pass_service
def resize(
    service: Service,
    size: str | None,
    memory: str | None,
    compute: str | None,
    slice_id: str | None,
) -> None:
    """Give my slice another SIZE, or other amounts, where it is.

    Running processes keep the limits they were started with; those started later see the new.
    """
    request = asked_for(
        ResizeRequest,
        {"size": "SIZE", "memory_mib": "--memory"},
        size=size,
        memory_mib=None if memory is None else memory_mib_of(memory),
        compute_milli=None if compute is None else compute_of(compute),
    )
    if request == ResizeRequest():
        message = "Say which size: its name, or --memory, or --compute."
        raise click.UsageError(message)
    resized = service.post(SliceInfo, f"slices/{which_slice(service, slice_id)}/resize", request)
    if wants_json():
        print_json(resized)
    else:
        click.echo(
            f"Slice {plain(resized.lease.slice_id)} is {size_of(resized)} now. Processes that run"
            " keep the limits they were started with: restart a kernel to use more."
        )


@click.group(cls=WholeHelp, invoke_without_command=True)
@SLICE
@json_option
@pass_service
@click.pass_context
def history(context: click.Context, service: Service, slice_id: str | None) -> None:
    """Show the last hour of my slice, a line a minute; admins: export what happened."""
    if context.invoked_subcommand is not None:
        return
    found = service.get(SliceHistory, f"slices/{which_slice(service, slice_id)}/history")
    if wants_json():
        print_json(found)
        return
    if not found.points:
        click.echo("Nothing is known of the last hour yet.")
        return
    points = found.points
    minutes = [points[i : i + _POINTS_A_LINE] for i in range(0, len(points), _POINTS_A_LINE)]
    print_table(
        ("AT", ">HOLDS", ">IN HOST", ">UTIL", "STATE", "REMARKS"),
        (_line(minute) for minute in minutes),
    )


history.add_command(export)


def _line(minute: tuple[HistoryPoint, ...]) -> tuple[str, ...]:
    first, last = minute[0], minute[-1]
    # That it was lent has a column of its own.
    facts = SliceFacts(state=last.state, active=any(point.active for point in minute), lent=False)
    busy = round(sum(point.utilisation_percent for point in minute) / len(minute))
    return (
        f"{first.at.astimezone():%H:%M}",
        format_memory(max(point.memory_mib for point in minute)),
        format_memory(max(point.host_mib for point in minute)),
        f"{busy} %",
        standing_word(standing_of(facts)),
        "lent" if any(point.lent for point in minute) else "",
    )
