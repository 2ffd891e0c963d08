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
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
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
        named = ", ".join(administers)
        found = Forbidden(ForbiddenChange.NOT_A_PART, tuple(map(str, error.args)), named)
        raise QuotaNotTheirsError(forbidden_words(found)) from error
    if len(made.text.encode()) > MOST_DOCUMENT:
        raise QuotaRefusedError([f"the whole document would be larger than {MOST_DOCUMENT} bytes"])
    _refuse(forbidden_changes(document, made.document, made.groups, now))
    return made


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
