"""``sublet refusals``: which requests for slices and jobs were refused, to whom, and why."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import click
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.wire.refusals import RefusalInfo, RefusalSum

from sublet_lab.command_line.events import refuse_reversed, written
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    is_wide,
    json_option,
    plain,
    print_csv,
    print_found,
    print_json,
    print_table,
    short_clock,
    wants_csv,
    wants_json,
)
from sublet_lab.command_line.typed import TIME, WholeNumber

_FIELDS: Final = (
    "last_at",
    "first_at",
    "times",
    "owner",
    "holder",
    "groups",
    "size",
    "memory_mib",
    "compute_milli",
    "gpus",
    "gpu_type",
    "pool",
    "code",
    "numbers",
    "message",
)
_SUMS: Final = ("code", "times", "owners", "last_at")
_NONE: Final = "Nothing was refused."


@click.command()
@click.option("--owner", help="Only another user's (admins).")
@click.option("--code", help="Only with this code, such as no-room.")
@click.option("--since", type=TIME, help="Only what was refused later; local time.")
@click.option("--until", type=TIME, help="Only what was refused earlier; local time.")
@click.option(
    "--limit", type=WholeNumber(1), default=50, show_default=True, help="The newest so many."
)
@click.option("--all", "everything", is_flag=True, help="All that are kept, however many.")
@click.option("--summary", is_flag=True, help="How often each code was told, and to how many.")
@click.option(
    "--of",
    metavar="GROUP",
    help="With --summary: what was told to members of a group of the quota document, and of all "
    "below it (its admins, and admins).",
)
@json_option
@csv_option
@pass_service
def refusals(  # noqa: PLR0913 (click's signature)
    service: Service,
    *,
    owner: str | None,
    code: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    everything: bool,
    summary: bool,
    of: str | None,
) -> None:
    """Show which of your requests were refused, the newest first; admins: everybody's."""
    refuse_reversed(since, until)
    if of is not None and not summary:
        message = "--of goes with --summary alone: one by one refusals are known by their users"
        raise click.UsageError(message)
    if summary:
        sums = service.get(
            tuple[RefusalSum, ...],
            "refusals/sums",
            owner=owner,
            code=code,
            since=written(since),
            until=written(until),
            group=of,
        )
        print_found(sums, _SUMS, _NONE, _print_sums)
        return
    pages = service.pages(
        RefusalInfo,
        "refusals",
        None if everything else limit,
        owner=owner,
        code=code,
        since=written(since),
        until=written(until),
    )
    found = [each for page in pages for each in page.entries]
    if wants_json():
        print_json(found)
    elif wants_csv():
        print_csv(_FIELDS, map(_values, found))
    elif not found:
        click.echo(_NONE)
    else:
        _print(found)


def _print_sums(found: Sequence[RefusalSum]) -> None:
    rows = ((each.code, str(each.times), str(each.owners), clock(each.last_at)) for each in found)
    print_table(("!CODE", ">TIMES", ">OWNERS", "LAST"), rows)


def _print(found: Sequence[RefusalInfo]) -> None:
    if is_wide():
        print_table(
            ("LAST", ">TIMES", "OWNER", "FOR", "ASKED", "!CODE", "WHY"),
            (
                (
                    clock(each.last_at),
                    str(each.times),
                    each.owner,
                    each.holder,
                    _asked(each),
                    each.code,
                    each.message,
                )
                for each in found
            ),
        )
        return
    print_table(
        ("!LAST", ">TIMES", "OWNER", "ASKED", "!CODE"),
        (
            (
                short_clock(each.last_at),
                str(each.times),
                each.owner,
                f"{each.holder}: {_asked(each)}",
                each.code,
            )
            for each in found
        ),
    )
    for words in dict.fromkeys(f"{each.code}: {each.message}" for each in found):
        click.echo(plain(words))


def _asked(refusal: RefusalInfo) -> str:
    """Return what was asked for: a size or amounts, how many GPUs, their type, the pool."""
    if refusal.size is not None:
        what = refusal.size
    elif refusal.memory_mib is not None:
        what = format_memory(refusal.memory_mib) if refusal.memory_mib >= 0 else "less than none"
    else:
        what = "a whole GPU" if refusal.holder == "job" else "any size"
    compute = refusal.compute_milli
    parts = (
        what,
        "" if compute in {None, 1000} else f"{(compute or 0) / 10:g} %",
        f"{refusal.gpus} GPUs" if (refusal.gpus or 0) > 1 else "",
        refusal.gpu_type or "",
        f"pool {refusal.pool}" if refusal.pool else "",
    )
    return ", ".join(filter(None, parts))


def _values(refusal: RefusalInfo) -> list[object]:
    values = {name: getattr(refusal, name) for name in _FIELDS}
    values["groups"] = ", ".join(refusal.groups)
    values["numbers"] = json.dumps(refusal.numbers, sort_keys=True)
    return [values[name] for name in _FIELDS]
