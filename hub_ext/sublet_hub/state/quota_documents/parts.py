"""A part of the quota document that an admin of groups sent: taken over, or refused in words."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from sublet_quota.document.administered.bounds import PartAuthor, beyond_bounds
from sublet_quota.document.administered.changes import forbidden_changes
from sublet_quota.document.administered.part_digests import digest_of_part
from sublet_quota.document.administered.parts import (
    DoesNotFitError,
    NoPartError,
    WithPart,
    groups_sent,
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

from sublet_hub.errors import ConflictError, QuotaNotTheirsError, QuotaRefusedError

_MOST_PLACED: Final = 100
"""So much of what is not theirs is told with its place: a part may have thousands of groups."""


def changed_part(
    document: QuotaDocument,
    text: str,
    author: PartAuthor,
    sent: str,
    now: datetime,
) -> WithPart:
    """Return the document with a part that its author may put in force.

    ``QuotaRefusedError`` where it is wrong, ``QuotaNotTheirsError`` where it is not theirs to set.
    """
    if not author.groups:
        message = "you are an admin of no group that there is"
        raise QuotaNotTheirsError(message)
    # Of a long one the reading alone takes seconds: what can be no part is not read.
    _refuse(tuple(_too_long(text, author, sent)))
    if len(sent.encode()) > MOST_DOCUMENT:
        raise QuotaRefusedError([f"it is larger than {MOST_DOCUMENT} bytes"])
    try:
        made = with_part(document, text, author.groups, sent)
    except QuotaDocumentError as error:
        raise QuotaRefusedError([str(problem) for problem in error.problems]) from error
    except DoesNotFitError as error:
        raise QuotaRefusedError([str(error)]) from error
    except NoPartError as error:
        raise QuotaNotTheirsError(forbidden_words(_no_part(error, author.groups))) from error
    if len(made.text.encode()) > MOST_DOCUMENT:
        raise QuotaRefusedError([f"the whole document would be larger than {MOST_DOCUMENT} bytes"])
    _refuse(tuple(beyond_bounds(document, made, author)))
    _refuse(forbidden_changes(document, made.document, made.groups, now))
    return made


def refuse_if_another(
    document: QuotaDocument, text: str, author: PartAuthor, sent: str, expect: str
) -> None:
    """Raise ``ConflictError`` where the part that was sent was made from another than is in force.

    ``expect``: by what that part is known. It may be of the groups that are sent, or of all that
    their author administers; of what is not theirs, or cannot be read, nothing is said here.
    """
    if not author.groups:
        return
    # Of a long one the reading alone takes seconds: what can be no part is not read.
    _refuse(tuple(_too_long(text, author, sent)))
    if digest_of_part(document, text, author.groups) == expect:
        return
    try:
        groups = groups_sent(document, author.groups, sent)
    except NoPartError:
        # What it was made from may have had other groups: then that is what is wrong.
        groups = author.groups
    if not groups or digest_of_part(document, text, groups) == expect:
        return
    # By whom, and why, it is another may be others' business.
    message = (
        "what the quota document says of your groups is another by now than what this was made "
        "from. Nothing was changed: see `sublet quota show` and `sublet quota history`, and make "
        "it anew"
    )
    raise ConflictError(message)


def problems_of_part(
    document: QuotaDocument,
    text: str,
    author: PartAuthor,
    sent: str,
    now: datetime,
) -> tuple[DocumentProblem, ...]:
    """Return for what a part could not be put in force by its author, with its place in the part.

    What is not theirs to set is placed where the part says it, as far as it does. Whether a new
    name was somebody's before is found out when it is put in force.
    """
    found = tuple(_too_long(text, author, sent))
    if found:
        return tuple(DocumentProblem(1, (), forbidden_words(each)) for each in found)
    try:
        made = with_part(document, text, author.groups, sent)
    except QuotaDocumentError as error:
        return tuple(error.problems)
    except DoesNotFitError as error:
        return (DocumentProblem(1, (), str(error)),)
    except NoPartError as error:
        found = (_no_part(error, author.groups),)
    else:
        found = tuple(beyond_bounds(document, made, author))
        found = found or forbidden_changes(document, made.document, made.groups, now)
    tree = read_tree(sent)
    places = _places(tree)
    return tuple(_placed(tree, places, each) for each in found[:_MOST_PLACED])


def _too_long(text: str, author: PartAuthor, sent: str) -> Iterator[Forbidden]:
    most = author.most.most_sent(len(author.groups), text)
    if len(sent) > most:
        told = (f"{len(sent)} characters as it was sent, of at most {most} (quota_part_kib)",)
        yield Forbidden(ForbiddenChange.PART_TOO_LARGE, told, ", ".join(author.groups))


def _places(tree: DocumentTree) -> dict[str, KeyPath]:
    """Return where a part has each key as people write it, and each name where it stands first."""
    places = {written_path(path): path for path in tree.lines}
    for path in tree.lines:
        places.setdefault(str(path[-1]), path)
    return places


def _placed(tree: DocumentTree, places: dict[str, KeyPath], found: Forbidden) -> DocumentProblem:
    """Return what is not its author's to set, where the part says the first of its names."""
    named = (*found.names[:_MOST_PLACED], found.group)
    path = next((places[key] for name in named for key in _ends(name) if key in places), ())
    return tree.placed(DocumentProblem(tree.line_of(path), path, forbidden_words(found)))


def _ends(name: str) -> Iterator[str]:
    """Go through a key of the whole document from above: a part begins further below."""
    while name:
        yield name
        _, _, name = name.partition(".")


def _no_part(error: NoPartError, administers: tuple[GroupName, ...]) -> Forbidden:
    named = ", ".join(administers)
    return Forbidden(ForbiddenChange.NOT_A_PART, tuple(map(str, error.args)), named)


def refuse_names_of_before(names: Collection[str]) -> None:
    """Raise ``QuotaNotTheirsError`` where new groups have the names of some of before."""
    if names:
        _refuse((Forbidden(ForbiddenChange.NAME_OF_BEFORE, tuple(sorted(names))),))


def refuse_charged_to_go(names: Collection[str]) -> None:
    """Raise ``QuotaNotTheirsError`` where groups would go, and with them what they have spent."""
    if names:
        _refuse((Forbidden(ForbiddenChange.CHARGED_GOES, tuple(sorted(names))),))


def _refuse(found: tuple[Forbidden, ...]) -> None:
    if found:
        raise QuotaNotTheirsError("; ".join(map(forbidden_words, found)))
