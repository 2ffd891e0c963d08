"""``sublet quota``: the quota document, what is wrong with one, and who may have what by it.

How one is put in force is in ``quota_revisions``, what would follow of one in ``quota_preview``.

``validate`` and ``schema`` ask nobody unless told to: they work on a machine without a hub.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import BinaryIO, Final

import click
from sublet_quota.document.consistency.warnings import (
    DocumentWarning,
    document_warnings,
    warnings_of_times,
)
from sublet_quota.document.differences import right_differences, written_differences
from sublet_quota.document.json_schema import quota_schema_text
from sublet_quota.document.problems import (
    DocumentProblem,
    KeyPath,
    QuotaDocumentError,
    written_path,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota import KeptIn, QuotaInForce, QuotaRights
from sublet_quota.wire.quota_preview import PreviewRequest, QuotaPreviewInfo
from sublet_quota.wire.quota_revisions import RevisionText

from sublet_lab.command_line.quota_preview import preview
from sublet_lab.command_line.quota_revisions import apply, history, print_revision, rollback
from sublet_lab.command_line.quota_text import (
    FILE,
    PATIENCE_S,
    decoded,
    name_of,
    print_differences,
    print_part_differences,
    read_text,
    told_differences,
)
from sublet_lab.command_line.service import REFUSED, Service, pass_service
from sublet_lab.command_line.tables import (
    clock,
    csv_option,
    json_option,
    plain,
    print_csv,
    print_facts,
    print_json,
    print_table,
    wants_csv,
    wants_json,
)
from sublet_lab.command_line.typed import REVISION_NAME
from sublet_lab.command_line.whole_help import WholeHelp
from sublet_lab.share.quota_words import source_of

_RIGHT_FIELDS: Final = ("group", "right", "value", "source", "line")
_WITHOUT_FILE: Final = "none: what holds when nobody says"


@click.group(cls=WholeHelp)
def quota() -> None:
    """See, check and change the quota document, and who may have what by it."""


@quota.command()
@FILE
@click.option(
    "--hub",
    "asks_hub",
    is_flag=True,
    help="Ask the service, too, which groups, users and GPUs it names that are not there (admins).",
)
@json_option
@pass_service
def validate(service: Service, file: BinaryIO, *, asks_hub: bool) -> None:
    """Say all that is wrong with a quota document in FILE (- for standard input).

    Asks no service without --hub. Exits with 1 where the document could not be in force.
    """
    text = read_text(file)
    try:
        document = read_quota_document(text)
    except QuotaDocumentError as error:
        _tell_problems(name_of(file), error.problems, ())
        click.get_current_context().exit(REFUSED)
    if asks_hub:
        asked = PreviewRequest(text=decoded(name_of(file), text))
        found = service.post(QuotaPreviewInfo, "quota/preview", asked, PATIENCE_S)
        _tell_what_is_not_there(name_of(file), found)
        if not wants_json():
            click.echo(plain(f"{name_of(file)} is valid: {_contents(document)}"))
        return
    warnings = (*document_warnings(document), *warnings_of_times(document, datetime.now(UTC)))
    if wants_json() or warnings:
        _tell_problems(name_of(file), (), warnings)
    if not wants_json():
        click.echo(plain(f"{name_of(file)} is valid: {_contents(document)}"))


@quota.command()
def schema() -> None:
    """Print the JSON Schema of quota documents, for editors."""
    click.echo(quota_schema_text(), nl=False)


@quota.command()
@click.option(
    "--revision", type=REVISION_NAME, help="An earlier one, as `sublet quota history` calls it."
)
@json_option
@pass_service
def show(service: Service, revision: str | None) -> None:
    """Show the quota document in force, where it came from and when it was read (admins).

    An admin of groups is shown their part of it, to be changed and applied.
    """
    if revision is not None:
        print_revision(service.get(RevisionText, f"quota/revisions/{revision}"))
        return
    found = service.get(QuotaInForce, "quota")
    if wants_json():
        print_json(found)
        return
    own = [] if found.groups is None else [("Your part", ", ".join(found.groups))]
    read = [] if found.loaded_at is None else [("Read", clock(found.loaded_at))]
    print_facts([_place(found), *own, *read])
    for error in found.errors:
        click.echo(f"Wrong in the file now, and not in force: {plain(error)}")
    for warning in found.warnings:
        click.echo(f"Warning: {plain(warning)}")
    click.echo()
    for line in found.text.splitlines():
        click.echo(plain(line))


@quota.command()
@click.argument("user", required=False)
@json_option
@csv_option
@pass_service
def rights(service: Service, user: str | None) -> None:
    """Show what you may have, or USER (admins), and which line of the document says so."""
    found = service.get(QuotaRights, "quota/rights", owner=user)
    if wants_json():
        print_json(found)
        return
    if wants_csv():
        print_csv(
            _RIGHT_FIELDS,
            ([getattr(line, name) for name in _RIGHT_FIELDS] for line in found.rights),
        )
        return
    groups = ", ".join(found.groups) or "none that the quota document knows"
    if not found.groups_known:
        groups = "not known: JupyterHub does not tell of them"
    print_facts([("Owner", found.owner), ("Groups", groups)])
    click.echo()
    print_table(
        ("PAID BY", "RIGHT", "VALUE", "SAID BY"),
        (
            (line.group or "whoever", line.right, line.value, source_of(line))
            for line in found.rights
        ),
    )


@quota.command()
@FILE
@json_option
@pass_service
def diff(service: Service, file: BinaryIO) -> None:
    """Show what a quota document in FILE would change of the one in force (admins).

    By key as it is written, and by the rights that follow for members of each group. An admin of
    groups compares their part.
    """
    text = read_text(file)
    found = service.get(QuotaInForce, "quota")
    if found.groups is not None:
        print_part_differences(found, decoded(name_of(file), text))
        return
    try:
        after = read_quota_document(text)
    except QuotaDocumentError as error:
        _tell_problems(name_of(file), error.problems, ())
        click.get_current_context().exit(REFUSED)
    before = read_quota_document(found.text)
    keys = written_differences(before, after)
    rights_ = right_differences(before, after, datetime.now(UTC))
    if wants_json():
        told = {"keys": told_differences(keys), "rights": told_differences(rights_)}
        print_json({"revision": found.revision, **told})
        return
    if found.revision is not None:
        click.echo(f"Compared with revision {found.revision}, which is in force.")
    if not keys and not rights_:
        click.echo("Nothing would change.")
        return
    print_differences("KEY", keys)
    if rights_:
        click.echo()
        print_differences("RIGHT", rights_)


def _place(found: QuotaInForce) -> tuple[str, str]:
    if found.groups is not None and found.revision is None:
        if found.kept_in == KeptIn.DATABASE:
            return "Known by", f"{found.part}, in the service's database"
        return "File", "one that an admin changes"
    if found.kept_in == KeptIn.DATABASE:
        return "Revision", f"{found.revision}, in the service's database"
    return "File", found.path or _WITHOUT_FILE


def _contents(document: QuotaDocument) -> str:
    counts = (
        _counted(len(document.all_groups), "group"),
        _counted(len(document.pools), "pool"),
        _counted(len(document.sizes), "size"),
    )
    return ", ".join(counts)


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _tell_problems(
    name: str, problems: Iterable[DocumentProblem], warnings: Iterable[DocumentWarning]
) -> None:
    if wants_json():
        told = [_entry(each.line, each.path, each.message) for each in problems]
        doubtful = [_entry(each.line, each.path, each.words) for each in warnings]
        print_json({"problems": told, "warnings": doubtful})
        return
    for problem in problems:
        click.echo(plain(f"{name}: {problem}"))
    for warning in warnings:
        click.echo(plain(f"{name}: warning: {warning}"))


def _tell_what_is_not_there(name: str, found: QuotaPreviewInfo) -> None:
    """Print the service's warnings, in its own words; one of before tells no lines apart."""
    told = (*found.warnings, *found.unmet)
    if wants_json():
        placed = [each.model_dump(mode="json") for each in found.placed]
        print_json(
            {"problems": [], "warnings": placed or [_entry(None, (), each) for each in told]}
        )
        return
    for each in told:
        click.echo(plain(f"{name}: warning: {each}"))


def _entry(line: int | None, path: KeyPath, message: str) -> dict[str, object]:
    return {"line": line, "key": written_path(path), "message": message}


for command in (preview, apply, history, rollback):
    quota.add_command(command)
