"""``sublet waits``: who waits, why and for whom, and who has whose room; of all, for admins."""

from collections.abc import Sequence
from typing import Final

import click
from sublet_quota.wire.waits import Loan, WaitForOwner, Waiting, WaitsReport

from sublet_lab.command_line.group_option import OF_GROUP
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    is_wide,
    json_option,
    plain,
    print_csv,
    print_json,
    print_table,
    short_clock,
    wants_csv,
    wants_json,
)

_FIELDS: Final = (
    "kind",
    "owner",
    "server",
    "job_id",
    "slice_id",
    "group",
    "gpu_type",
    "node",
    "gpu_index",
    "since",
    "code",
    "reason",
    "place",
    "waits_for",
    "expected_at",
    "expected_why",
    "helps",
)
_LOAN_FIELDS: Final = (
    "kind",
    "borrower",
    "lender",
    "gpu_type",
    "node",
    "gpu_index",
    "cards",
    "memory_mib",
    "since",
    "held_since",
)


@click.command()
@click.option("--all", "everybody", is_flag=True, help="All who wait (admins).")
@click.option("--owner", help="Only another user's (admins).")
@OF_GROUP
@click.option("--loans", is_flag=True, help="With --csv: who has whose room, not who waits.")
@json_option
@csv_option
@pass_service
def waits(
    service: Service, owner: str | None, of: str | None, *, everybody: bool, loans: bool
) -> None:
    """Show what of yours waits, why and for whom, and what you borrow and lend."""
    if loans and not wants_csv():
        message = "--loans goes with --csv: otherwise both are shown"
        raise click.UsageError(message)
    if sum(map(bool, (everybody, owner, of))) > 1:
        message = "give one of --all, --owner and --of"
        raise click.UsageError(message)
    asked = 1 if everybody else None
    found = service.get(WaitsReport, "waits", all=asked, owner=owner, group=of)
    if wants_json():
        print_json(found)
    elif wants_csv() and loans:
        print_csv(_LOAN_FIELDS, map(_loan_values, found.loans))
    elif wants_csv():
        print_csv(_FIELDS, map(_values, found.waiting))
    else:
        _print(found, everybody=everybody)


def _print(found: WaitsReport, *, everybody: bool) -> None:
    if found.waiting:
        _print_waiting(found.waiting)
        if not everybody:
            _print_reasons(found.waiting)
        elif found.total_waiting > len(found.waiting):
            click.echo(f"These are the first {len(found.waiting)} of {found.total_waiting}.")
        if everybody:
            click.echo("Why one waits, and what would help: `sublet waits --owner OWNER`.")
    else:
        click.echo("Nobody waits." if everybody else "Nothing waits.")
    if found.for_owner:
        click.echo("Who waits for these slices:")
        _print_for_owner(found.for_owner)
    if found.loans:
        click.echo("Who has whose room:")
        _print_loans(found.loans)


def _print_waiting(found: Sequence[Waiting]) -> None:
    at = clock if is_wide() else short_clock
    print_table(
        ("!WHAT", "OWNER", "!WHY", ">PLACE", "!SINCE", "!EXPECTED", "WAITS FOR"),
        (
            (
                each.kind,
                each.owner,
                each.code,
                "-" if each.place is None else str(each.place),
                at(each.since),
                at(each.expected_at),
                ", ".join(each.waits_for) or "-",
            )
            for each in found
        ),
    )


def _print_reasons(found: Sequence[Waiting]) -> None:
    for each in found:
        click.echo(plain(f"{_name(each)}: {each.reason}"))
        if each.helps:
            click.echo(plain(f"  What helps: {'; '.join(one.words for one in each.helps)}"))


def _name(waiting: Waiting) -> str:
    if waiting.job_id is not None:
        return f"job {waiting.job_id}"
    return f"{waiting.kind} of {waiting.owner}/{waiting.server}"


def _print_for_owner(found: Sequence[WaitForOwner]) -> None:
    at = clock if is_wide() else short_clock
    print_table(
        ("!WHO", "!WHAT", "!SINCE", "FOR", "GPU"),
        (
            (
                each.who,
                each.kind,
                at(each.since),
                each.slice_id if each.job_id is None else f"job {each.job_id}",
                f"{each.node}:{each.gpu_index}",
            )
            for each in found
        ),
    )


def _print_loans(found: Sequence[Loan]) -> None:
    at = clock if is_wide() else short_clock
    print_table(
        ("!WHO", "FROM WHOM", "!WHAT", ">CARDS", "TYPE", "GPU", "!SINCE"),
        (
            (
                each.borrower.words,
                each.lender.words,
                each.kind,
                f"{each.cards:.2f}",
                each.gpu_type,
                f"{each.node}:{each.gpu_index}",
                at(each.since),
            )
            for each in found
        ),
    )


def _values(waiting: Waiting) -> list[object]:
    values: dict[str, object] = {name: getattr(waiting, name) for name in _FIELDS}
    values["waits_for"] = ", ".join(waiting.waits_for)
    values["helps"] = "; ".join(each.words for each in waiting.helps)
    return [values[name] for name in _FIELDS]


def _loan_values(loan: Loan) -> list[object]:
    values: dict[str, object] = {name: getattr(loan, name) for name in _LOAN_FIELDS}
    values["borrower"], values["lender"] = loan.borrower.words, loan.lender.words
    return [values[name] for name in _LOAN_FIELDS]
