"""``sublet quota preview``: what would follow if a quota document were in force now."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import click
from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.quota import QuotaInForce
from sublet_quota.wire.quota_preview import (
    ConcernedSlice,
    ExcessInfo,
    JobForecastChange,
    PreviewRequest,
    QuotaPreviewInfo,
    RankForecast,
    RightForecast,
)

from sublet_lab.command_line.history_export import exported_days
from sublet_lab.command_line.quota_text import PATIENCE_S, name_of, sent_text
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    is_wide,
    json_option,
    plain,
    print_json,
    print_table,
    wants_json,
)
from sublet_lab.command_line.typed import PAST_DAYS, WholeNumber


@click.command()
@click.argument("file", type=click.File("rb"), required=False)
@click.option(
    "--history",
    type=PAST_DAYS,
    help="Simulate so many past days, such as 30d, under the document in force and the one in "
    "FILE: how true that is, waits, hours, who gains and loses, which limit refuses 1 %.",
)
@click.option(
    "--minutes",
    type=WholeNumber(1, 24 * 60),
    default=30,
    show_default=True,
    help="How long that may take.",
)
@click.option(
    "--memory",
    type=WholeNumber(256, 2**20),
    default=4096,
    show_default=True,
    help="How much memory it may take, in MiB.",
)
@json_option
@pass_service
def preview(
    service: Service,
    *,
    file: BinaryIO | None,
    history: timedelta | None,
    minutes: int,
    memory: int,
) -> None:
    """Show what would follow if the document in FILE were in force now (admins).

    Who would be over, whose budgets would be spent, whose slices would be borrowed at once or
    after their grace, or called back, which waiting jobs would start, which guarantees could not
    be met, and which rights would be others. It changes nothing. Exits with 1 where the document
    could not be in force.
    """
    if history is not None:
        _show_past(service, file, history, minutes, memory)
        return
    if file is None:
        message = "Which document? Give a FILE; without one there is only --history."
        raise click.UsageError(message)
    asked = PreviewRequest(text=sent_text(file))
    found = service.post(QuotaPreviewInfo, "quota/preview", asked, PATIENCE_S)
    if wants_json():
        print_json(found)
        return
    _print(found)


def _show_past(
    service: Service, file: BinaryIO | None, past: timedelta, minutes: int, memory: int
) -> None:
    # It needs much of what decides: no other preview loads that.
    from sublet_lab.command_line.simulation.past_preview import (  # noqa: PLC0415
        Bounds,
        PastQuestion,
        show_past,
    )

    other = None if file is None else (Path(name_of(file)).name, sent_text(file))
    in_force = service.get(QuotaInForce, "quota").text
    until = datetime.now(UTC)
    days = exported_days(service, until - past, until, names=True)
    lines = tuple(line for day in days for line in day.lines)
    show_past(PastQuestion(lines, in_force, other), Bounds(60.0 * minutes, memory))


def _print(found: QuotaPreviewInfo) -> None:
    compared = "the file" if found.revision is None else f"revision {found.revision}"
    if found.groups is not None:
        compared = "your part"
    click.echo(
        f"Compared with {compared} in force, at {clock(found.at)}; people with slices or jobs now: "
        f"{found.people}."
    )
    parts = (
        _over(found.beyond),
        _budgets(found.budgets),
        _slices(found.ranks),
        _back(found.brought_back),
        _claims(found),
        _jobs(found),
        _listed("Guarantees that could not be met", found.unmet),
        _rights(found.rights),
        _listed("Warnings", found.warnings),
    )
    if not any(parts):
        click.echo("Nothing would follow.")
    _listed("Reserved, now or later", found.reservations)
    if found.left_out:
        click.echo(f"\n{found.left_out} more are left out.")


def _heading(text: str) -> None:
    click.echo(f"\n{text}:")


def _over(found: tuple[ExcessInfo, ...]) -> bool:
    if found:
        _heading("Over what they may have, or are guaranteed")
        print_table(
            ("WHO", "HOLDS", "WOULD HAVE", "BY"),
            (
                (_who(each.group, each.owner), each.held, each.most, each.beyond.replace("-", " "))
                for each in found
            ),
        )
    return bool(found)


def _budgets(found: tuple[BudgetInfo, ...]) -> bool:
    if found:
        _heading("Budgets that would be spent")
        print_table(
            ("WHO", "GROUP", ">SPENT", ">HOURS", "THEN", "AGAIN AT"),
            (
                (
                    each.owner or "all together",
                    each.group,
                    f"{each.spent:.1f}",
                    f"{each.hours:.1f}",
                    "nothing new" if each.at_end == "no-new" else "borrowed",
                    "-" if each.renews_at is None else clock(each.renews_at),
                )
                for each in found
            ),
        )
    return bool(found)


def _who(group: str | None, owner: str | None) -> str:
    return f"group {group}" if owner is None else owner


def _slices(found: tuple[RankForecast, ...]) -> bool:
    if found:
        _heading("Slices")
        wide = is_wide()
        columns = ("OWNER", "PAID BY", "NOW", "THEN", "WHEN")
        print_table(
            (*columns, "!SLICE") if wide else columns,
            (row if wide else row[:-1] for row in map(_slice_row, found)),
        )
    return bool(found)


def _slice_row(each: RankForecast) -> tuple[str, ...]:
    when = "at once" if each.at is None else clock(each.at)
    group = each.group or "no group"
    return each.owner, group, each.before.word, each.after.word, when, each.slice_id


def _back(found: tuple[ConcernedSlice, ...]) -> bool:
    if found:
        _heading("Called back, and in their place again at once")
        click.echo(plain(f"  {_owners(found)}"))
    return bool(found)


def _claims(found: QuotaPreviewInfo) -> bool:
    if found.claims:
        _heading("As soon as a group wants what it is guaranteed")
        print_table(
            ("GROUP", "GPU", "CALLED BACK", "CANNOT LEAVE"),
            (
                (
                    each.group or "another group",
                    f"{each.node} {each.gpu_index} ({each.gpu_type})",
                    _owners(each.calls_back) or "-",
                    _owners(each.in_the_way) or "-",
                )
                for each in found.claims
            ),
        )
    return bool(found.claims)


def _owners(slices: tuple[ConcernedSlice, ...]) -> str:
    """Return whose slices these are: ``ada, bob (2)``."""
    counts: dict[str, int] = {}
    for each in slices:
        counts[each.owner] = counts.get(each.owner, 0) + 1
    return ", ".join(f"{who} ({n})" if n > 1 else who for who, n in counts.items())


def _jobs(found: QuotaPreviewInfo) -> bool:
    if not found.jobs_are_planned:
        click.echo("Which jobs would start is not foreseen: another queue decides that.")
    if found.jobs:
        _heading("Jobs that wait")
        for each in found.jobs:
            click.echo(plain(f"  {_job(each)}"))
    return bool(found.jobs)


def _job(each: JobForecastChange) -> str:
    job = f"{each.job_id} of {each.owner}"
    if each.after is None:
        return f"{job} would start (now: {each.before})"
    now = "it would start" if each.before is None else each.before
    return f"{job} would wait: {each.after} (now: {now})"


def _rights(found: tuple[RightForecast, ...]) -> bool:
    if found:
        _heading("Rights of the people who are here")
        print_table(
            ("PAID BY", "RIGHT", "BEFORE", "AFTER", ">PEOPLE"),
            (
                (
                    each.group or "whoever",
                    each.right,
                    each.before or "-",
                    each.after or "-",
                    str(each.people),
                )
                for each in found
            ),
        )
    return bool(found)


def _listed(heading: str, lines: Iterable[str]) -> bool:
    told = tuple(lines)
    if told:
        _heading(heading)
        for line in told:
            click.echo(plain(f"  {line}"))
    return bool(told)
