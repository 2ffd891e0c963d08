"""``sublet quota apply``, ``history`` and ``rollback``: the document in the service's database."""

from collections.abc import Callable
from typing import Any, BinaryIO, Final, TypeVar

import click
from sublet_quota.wire.quota import QuotaInForce
from sublet_quota.wire.quota_revisions import (
    Applied,
    ApplyRequest,
    RevisionInfo,
    RevisionText,
    RollbackRequest,
)

from sublet_lab.command_line.asked import asked_for
from sublet_lab.command_line.quota_text import (
    FILE,
    PATIENCE_S,
    key_differences,
    line_differences,
    print_differences,
    sent_text,
    told_differences,
)
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    json_option,
    plain,
    print_facts,
    print_json,
    print_table,
    wants_json,
)
from sublet_lab.command_line.typed import REVISION_NAME, WholeNumber, is_number

F = TypeVar("F", bound=Callable[..., Any])
_NO_REVISIONS: Final = 1
"""Expected of a service without revisions, which then says where its document is."""
_REVISION: Final = click.argument("revision", type=WholeNumber(1))
_NAMED: Final = click.argument("revision", type=REVISION_NAME, required=False)
_REASON: Final = click.option(
    "--reason",
    "--why",
    "reason",
    required=True,
    metavar="TEXT",
    help="Why: one line, which the history keeps.",
)
_EXPECT: Final = click.option(
    "--expect",
    type=WholeNumber(1),
    metavar="REVISION",
    help="The revision that it was made from: refused where another is in force by now. Default: "
    "the one that is in force as the command begins.",
)
_EXPECT_OR_PART: Final = click.option(
    "--expect",
    type=REVISION_NAME,
    metavar="REVISION",
    help="The revision that it was made from, or of a part what `sublet quota show` says it is "
    "known by: refused where that is another by now. Default: what is in force as the command "
    "begins.",
)


@click.command()
@FILE
@_REASON
@_EXPECT_OR_PART
@json_option
@pass_service
def apply(service: Service, file: BinaryIO, reason: str, expect: str | None) -> None:
    """Put the document in FILE in force, as a new revision (admins).

    An admin of groups applies their part, as `sublet quota show` shows it: what is below their
    groups may be another, within what these have.

    Refused, with who changed what, where somebody else has put another one in force since; a part
    where that part is another. See `sublet quota preview` for what would follow.
    """
    made_from = _expected(service) if expect is None else _named(expect)
    asked = asked_for(ApplyRequest, text=sent_text(file), reason=reason, **made_from)
    _tell(service.post(Applied, "quota/revisions", asked, PATIENCE_S))


@click.command()
@_REVISION
@_REASON
@_EXPECT
@json_option
@pass_service
def rollback(service: Service, revision: int, reason: str, expect: int | None) -> None:
    """Put in force what REVISION says, as a new revision (admins)."""
    asked = asked_for(
        RollbackRequest,
        revision=revision,
        reason=reason,
        expect=_in_force(service) if expect is None else expect,
    )
    _tell(service.post(Applied, "quota/rollback", asked, PATIENCE_S))


@click.command()
@_NAMED
@json_option
@pass_service
def history(service: Service, revision: str | None) -> None:
    """List who changed the quota document when and why, or what REVISION changed (admins).

    To admins of groups: what was changed within theirs, each by a name in the place of a number.
    """
    if revision is not None:
        _print_changes(service.get(RevisionText, f"quota/revisions/{revision}"))
        return
    found = service.get(tuple[RevisionInfo, ...], "quota/revisions")
    if wants_json():
        print_json(found)
        return
    print_table(
        (">REVISION", "BY", "AT", ">KEYS", "REASON"),
        (
            (
                f"{'in force ' if each.in_force else ''}{_name(each)}",
                _author(each),
                clock(each.made_at),
                str(each.keys_changed),
                each.reason,
            )
            for each in found
        ),
    )


def print_revision(found: RevisionText) -> None:
    """Print a revision with the document, as it was written."""
    if wants_json():
        print_json(found)
        return
    _print_facts(found.about)
    click.echo()
    for line in found.text.splitlines():
        click.echo(plain(line))


def _in_force(service: Service) -> int:
    return service.get(QuotaInForce, "quota").revision or _NO_REVISIONS


def _expected(service: Service) -> dict[str, Any]:
    """Return what is in force as a request names it: the number, or the digest of a part."""
    found = service.get(QuotaInForce, "quota")
    if found.groups is not None and found.part is not None:
        return {"expect_part": found.part}
    return {"expect": found.revision or _NO_REVISIONS}


def _named(expect: str) -> dict[str, Any]:
    return {"expect": int(expect)} if is_number(expect) else {"expect_part": expect}


def _name(about: RevisionInfo) -> str:
    """Return by what a revision is asked for."""
    return str(about.change if about.revision is None else about.revision)


def _tell(done: Applied) -> None:
    if wants_json():
        print_json(done)
        return
    about = done.about
    if about is None:
        click.echo("Nothing was changed: your part in force says the same.")
    elif done.is_new:
        what = "Your part" if about.revision is None else f"Revision {about.revision}"
        keys = "1 key says" if about.keys_changed == 1 else f"{about.keys_changed} keys say"
        click.echo(f"{what} is in force: {keys} something else.")
    else:
        click.echo(f"Nothing was changed: revision {about.revision}, in force, is the same text.")
    for warning in done.warnings:
        click.echo(f"Warning: {plain(warning)}")


def _print_facts(about: RevisionInfo) -> None:
    standing = " (in force)" if about.in_force else ""
    print_facts(
        [
            ("Revision", f"{_name(about)}{standing}"),
            ("By", _author(about)),
            ("At", clock(about.made_at)),
            ("Reason", about.reason),
        ]
    )


def _author(about: RevisionInfo) -> str:
    """Return who made a revision, and as what where that is not an admin of all."""
    return f"{about.author}, admin of {', '.join(about.groups)}" if about.groups else about.author


def _print_changes(found: RevisionText) -> None:
    before = found.text_before or ""
    keys = key_differences(before, found.text)
    if wants_json():
        lines = list(line_differences(before, found.text))
        told = None if keys is None else told_differences(keys)
        print_json({"about": found.about.model_dump(mode="json"), "keys": told, "lines": lines})
        return
    _print_facts(found.about)
    if found.text_before is None:
        click.echo("None before it is kept: compared with what holds when nobody says.")
    click.echo()
    if keys:
        print_differences("KEY", keys)
    elif keys is not None:
        click.echo("No key says something else.")
    else:
        # One of them is of a version that spelled it otherwise.
        for line in line_differences(before, found.text):
            click.echo(plain(line))
