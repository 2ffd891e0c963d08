"""A quota document as the commands take it, and as they send and compare it."""

import difflib
from collections.abc import Iterable, Sequence
from typing import BinaryIO, Final

import click
from sublet_quota.document.differences import Difference, written_differences
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota import MOST_DOCUMENT, QuotaInForce

from sublet_lab.command_line.tables import plain, print_json, print_table, wants_json

FILE: Final = click.argument("file", type=click.File("rb"))
PATIENCE_S: Final = 120.0
"""How long the service may reckon, of very many slices."""


def name_of(file: BinaryIO) -> str:
    """Return the name of a file, as it was given."""
    return str(getattr(file, "name", "<stdin>"))


def read_text(file: BinaryIO) -> bytes:
    """Return what is in a file. ``click.ClickException`` where no service would read it."""
    text = file.read(MOST_DOCUMENT + 1)
    if len(text) > MOST_DOCUMENT:
        message = (
            f"{plain(name_of(file))} is larger than {MOST_DOCUMENT} bytes, which no service reads"
        )
        raise click.ClickException(message)
    return text


def sent_text(file: BinaryIO) -> str:
    """Return what is in a file, to be sent: the service says what is wrong with it.

    Only what no message holds is refused here.
    """
    return decoded(name_of(file), read_text(file))


def decoded(name: str, text: bytes) -> str:
    """Return the text of the file of that name. ``click.ClickException`` where it is none."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        message = f"{plain(name)} is no text in UTF-8: byte {error.start} is wrong"
        raise click.ClickException(message) from error


def _read_or_none(text: str) -> QuotaDocument | None:
    """Return a document of before; ``None`` where this version could not have it in force."""
    try:
        return read_quota_document(text)
    except QuotaDocumentError:
        return None


def told_differences(differences: Iterable[Difference]) -> list[dict[str, str | None]]:
    """Return differences as JSON has them."""
    return [{"what": d.what, "before": d.before, "after": d.after} for d in differences]


def print_differences(heading: str, differences: Iterable[Difference]) -> None:
    """Print what is other, before and after."""
    print_table(
        (heading, "BEFORE", "AFTER"),
        ((each.what, each.before or "-", each.after or "-") for each in differences),
    )


def key_differences(before: str, after: str) -> tuple[Difference, ...] | None:
    """Return the keys that say something else; ``None`` where one of the two cannot be read."""
    one, other = _read_or_none(before), _read_or_none(after)
    return None if one is None or other is None else written_differences(one, other)


def print_part_differences(found: QuotaInForce, text: str) -> None:
    """Print what a part of a document would change of the part that is in force.

    By key where both can be read alone, which name no size or pool then; else by line.
    """
    keys = key_differences(found.text, text)
    lines = line_differences(found.text, text)
    if wants_json():
        told = None if keys is None else told_differences(keys)
        print_json(
            {"part": found.part, "revision": found.revision, "keys": told, "lines": list(lines)}
        )
    elif not (lines if keys is None else keys):
        click.echo("Nothing would change.")
    elif keys is not None:
        print_differences("KEY", keys)
    else:
        for line in lines:
            click.echo(plain(line))


def line_differences(before: str, after: str) -> Sequence[str]:
    """Return the lines that are others, as ``diff -u`` has them."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return list(lines)[2:]
