"""A part of the quota document that an admin of groups sent: taken over, or refused in words."""

from collections.abc import Collection
from datetime import datetime

from sublet_quota.document.administered.changes import forbidden_changes
from sublet_quota.document.administered.parts import (
    DoesNotFitError,
    NoPartError,
    WithPart,
    with_part,
)
from sublet_quota.document.problems import (
    DocumentProblem,
    KeyPath,
    QuotaDocumentError,
    written_path,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.text.tree import DocumentTree, read_tree
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.forbidden_changes import Forbidden, ForbiddenChange, forbidden_words
from sublet_quota.wire.quota import MOST_DOCUMENT

from sublet_hub.errors import QuotaNotTheirsError, QuotaRefusedError


def changed_part(
    document: QuotaDocument,
    text: str,
    administers: tuple[GroupName, ...],
    sent: str,
    now: datetime,
) -> WithPart:
    """Return the document with a part that its author may put in force.

    ``QuotaRefusedError`` where it is wrong, ``QuotaNotTheirsError`` where it is not theirs to set.
    """
    if not administers:
        message = "you are an admin of no group that there is"
        raise QuotaNotTheirsError(message)
    if len(sent.encode()) > MOST_DOCUMENT:
        raise QuotaRefusedError([f"it is larger than {MOST_DOCUMENT} bytes"])
    try:
        made = with_part(document, text, administers, sent)
    except QuotaDocumentError as error:
        raise QuotaRefusedError([str(problem) for problem in error.problems]) from error
    except DoesNotFitError as error:
        raise QuotaRefusedError([str(error)]) from error
    except NoPartError as error:
        raise QuotaNotTheirsError(forbidden_words(_no_part(error, administers))) from error
    if len(made.text.encode()) > MOST_DOCUMENT:
        raise QuotaRefusedError([f"the whole document would be larger than {MOST_DOCUMENT} bytes"])
    _refuse(forbidden_changes(document, made.document, made.groups, now))
    return made


def problems_of_part(
    document: QuotaDocument,
    text: str,
    administers: tuple[GroupName, ...],
    sent: str,
    now: datetime,
) -> tuple[DocumentProblem, ...]:
    """Return for what a part could not be put in force by its author, with its place in the part.

    What is not theirs to set is placed where the part says it, as far as it does. Whether a new
    name was somebody's before is found out when it is put in force.
    """
    found: tuple[Forbidden, ...]
    try:
        made = with_part(document, text, administers, sent)
    except QuotaDocumentError as error:
        return tuple(error.problems)
    except DoesNotFitError as error:
        return (DocumentProblem(1, (), str(error)),)
    except NoPartError as error:
        found = (_no_part(error, administers),)
    else:
        found = forbidden_changes(document, made.document, made.groups, now)
    tree = read_tree(sent)
    return tuple(_placed(tree, each) for each in found)


def _placed(tree: DocumentTree, found: Forbidden) -> DocumentProblem:
    """Return what is not its author's to set, where the part says the first of its names."""
    paths = [_path_of(tree, name) for name in (*found.names, found.group)]
    path = next((each for each in paths if each), ())
    return tree.placed(DocumentProblem(tree.line_of(path), path, forbidden_words(found)))


def _path_of(tree: DocumentTree, name: str) -> KeyPath:
    """Return where a part has a key of the whole document, or a name; empty: nowhere."""
    keys = {written_path(path): path for path in tree.lines}
    said = [key for key in keys if name == key or name.endswith(f".{key}")]
    if said:
        return keys[max(said, key=len)]
    return next((path for path in tree.lines if path[-1] == name), ())


def _no_part(error: NoPartError, administers: tuple[GroupName, ...]) -> Forbidden:
    named = ", ".join(administers)
    return Forbidden(ForbiddenChange.NOT_A_PART, tuple(map(str, error.args)), named)


def refuse_names_of_before(names: Collection[str]) -> None:
    """Raise ``QuotaNotTheirsError`` where new groups have the names of some of before."""
    if names:
        _refuse((Forbidden(ForbiddenChange.NAME_OF_BEFORE, tuple(sorted(names))),))


def _refuse(found: tuple[Forbidden, ...]) -> None:
    if found:
        raise QuotaNotTheirsError("; ".join(map(forbidden_words, found)))
