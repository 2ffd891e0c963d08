"""``sublet share``, ``sublet keep`` and ``sublet wake``: one's own slices."""

from typing import Final

import click
from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import KeepRequest, Share, SliceInfo
from sublet_quota.wire.share import GroupShare, QuotaShare, WeekUse

from sublet_lab.command_line.ahead import print_ahead
from sublet_lab.command_line.service import Service, id_in_path, pass_service
from sublet_lab.command_line.slices import (
    advice_on,
    held_by,
    held_on_gpu,
    in_host,
    kept_on,
    place_of,
    purpose_of,
    remarks_on,
    size_of,
    state_of,
)
from sublet_lab.command_line.tables import (
    clock,
    is_wide,
    json_option,
    plain,
    print_facts,
    print_json,
    print_table,
    wants_json,
)
from sublet_lab.command_line.typed import WholeNumber
from sublet_lab.share.quota_words import quota_rows
from sublet_lab.share.words import in_line_in_words, jobs_in_words

_GROUPS_UNKNOWN: Final = (
    "not known until they start a server: JupyterHub does not tell of their groups"
)
_QUOTA_COLUMNS: Final = ("QUOTA", "OF", ">HELD", ">GUARANTEED", ">BORROWED", ">JOBS", ">LIMIT")
_WHERE_SAID: Final = frozenset({">GUARANTEED", ">BORROWED", ">JOBS"})
"""Columns that are left out where no row says anything in them."""
SLICE = click.option(
    "--slice",
    "slice_id",
    envvar="SUBLET_SLICE_ID",
    help="Which slice, when you have several. Default: this server's own.",
)


@click.command()
@click.option("--owner", help="Another user's share (admins).")
@json_option
@pass_service
def share(service: Service, owner: str | None) -> None:
    """Show your share: slices, what they hold, what is lent, and quotas."""
    found = service.get(Share, "share", owner=owner)
    if wants_json():
        print_json(found)
        return
    quota = found.quota
    print_facts(
        [
            ("Owner", found.owner),
            ("In use", "" if quota is None else _in_use(quota, groups_known=found.groups_known)),
            ("Groups", "" if found.groups_known else _GROUPS_UNKNOWN),
            ("Seven days", _week(found.week)),
            ("Jobs", jobs_in_words(found)),
            ("In line", in_line_in_words(found)),
            ("Lending", "on" if found.lending else "off, by an admin"),
            ("No word from", ", ".join(found.agents_silent)),
        ]
    )
    ahead = {each.notice_id for each in found.ahead}
    for each in found.announcements:
        if each.announcement_id in ahead:
            # It stands below, with what puts it off.
            continue
        teller = "an admin" if each.from_admin else "Sublet"
        click.echo(f"From {teller}, {clock(each.made_at)}: {plain(each.text)}")
    if found.slices:
        click.echo()
        print_slices(found.slices)
    else:
        click.echo("No slices: start a notebook server with one from the hub's page.")
    print_ahead(found.ahead)
    if quota is not None:
        _print_quota(quota)


def _in_use(quota: QuotaShare, *, groups_known: bool) -> str:
    own = quota.own
    limit = "no limit" if own.limit_mib is None else f"limit {format_memory(own.limit_mib)}"
    if own.limit_mib is None and not groups_known:
        limit = "no limit but for what groups say"
    elif own.limit_mib is None and _is_limited(own):
        return f"{format_memory(own.held_mib)}, {format_cards(own.held_cards)} (limits: below)"
    return f"{format_memory(own.held_mib)} ({limit})"


def _is_limited(own: GroupShare) -> bool:
    """Whether anything but memory is: cards, or how many slices."""
    in_all = own.limit_cards, own.most_slices
    return any(limit is not None for limit in (*in_all, *(each.limit for each in own.types)))


def _print_quota(quota: QuotaShare) -> None:
    rows = quota_rows(quota)
    if not rows:
        return
    click.echo()
    shown = [
        (heading, cells)
        for heading, cells in zip(_QUOTA_COLUMNS, zip(*rows, strict=True), strict=True)
        if heading not in _WHERE_SAID or set(cells) != {"-"}
    ]
    print_table([heading for heading, _ in shown], zip(*(cells for _, cells in shown), strict=True))


def _week(week: WeekUse | None) -> str:
    if week is None:
        return ""
    energy = "" if week.energy_wh is None else f", {week.energy_wh / 1000:.2f} kWh"
    return f"{week.gpu_hours:.1f} GPU hours{energy}; lent for {week.lent_hours:.1f} h"


def print_slices(slices: tuple[SliceInfo, ...]) -> None:
    """Print a table of slices of one owner, and below it what they can do about its remarks."""
    if is_wide():
        _print_wide(slices)
    else:
        _print_narrow(slices)
    for info in slices:
        for line in advice_on(info):
            click.echo(plain(line))


def _print_narrow(slices: tuple[SliceInfo, ...]) -> None:
    """Print a line a slice, with its id as it is typed; where it is, and remarks, stand below."""
    print_table(
        ("!SLICE", "~FOR", "STATE", ">HOLDS"),
        (
            (info.lease.slice_id, purpose_of(info), state_of(info), held_on_gpu(info))
            for info in slices
        ),
    )
    for info in slices:
        place = f"{size_of(info)} of {place_of(info.lease)}"
        told = "; ".join(filter(None, (in_host(info), remarks_on(info))))
        click.echo(plain(f"{purpose_of(info)}: {place}{f'; {told}' if told else ''}"))
        if kept := kept_on(info):
            click.echo(plain(f"{purpose_of(info)}: {kept}"))


def _print_wide(slices: tuple[SliceInfo, ...]) -> None:
    print_table(
        ("SLICE", "FOR", "GPU", "SIZE", "STATE", "HOLDS", "REMARKS"),
        (
            (
                info.lease.slice_id,
                purpose_of(info),
                place_of(info.lease),
                size_of(info),
                state_of(info),
                held_by(info),
                "; ".join(filter(None, (remarks_on(info), kept_on(info)))),
            )
            for info in slices
        ),
    )


@click.command()
@click.argument("minutes", type=WholeNumber(1, 24 * 60), default=60)
@click.option("--off", is_flag=True, help="Let it be lent again.")
@SLICE
@json_option
@pass_service
def keep(service: Service, minutes: int, off: bool, slice_id: str | None) -> None:  # noqa: FBT001 (click's signature)
    """Do not lend my slice for so many MINUTES (60)."""
    kept = service.post(
        SliceInfo,
        f"slices/{which_slice(service, slice_id)}/keep",
        KeepRequest(minutes=0 if off else minutes),
    )
    if wants_json():
        print_json(kept)
    elif kept.kept_until is None or off:
        click.echo(f"Slice {plain(kept.lease.slice_id)} may be lent while it is idle.")
    else:
        click.echo(
            f"Slice {plain(kept.lease.slice_id)} is not lent until {clock(kept.kept_until)}."
        )


@click.command()
@SLICE
@json_option
@pass_service
def wake(service: Service, slice_id: str | None) -> None:
    """Bring my slice back to the GPU, as if a cell had started."""
    woken = service.post(SliceInfo, f"slices/{which_slice(service, slice_id)}/wake")
    if wants_json():
        print_json(woken)
    else:
        print_slices((woken,))


def which_slice(service: Service, slice_id: str | None) -> str:
    """Return the slice that was named, or the only one of the caller's notebooks."""
    if slice_id is not None:
        return id_in_path(slice_id)
    slices = service.get(tuple[SliceInfo, ...], "slices")
    own = [info.lease.slice_id for info in slices if info.lease.holder is Holder.NOTEBOOK]
    if len(own) == 1:
        return id_in_path(own[0])
    several = f"You have several slices: give --slice with one of {', '.join(own)}."
    raise click.UsageError(plain(several) if own else "You have no slice.")
