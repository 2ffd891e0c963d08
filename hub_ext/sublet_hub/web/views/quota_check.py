"""What is wrong with a quota document that somebody is writing, with its place."""

from datetime import datetime

from sublet_quota.document.administered.bounds import PartAuthor
from sublet_quota.document.consistency.warnings import document_warnings, warnings_of_times
from sublet_quota.document.problems import DocumentProblem, QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota_check import PlacedProblem, QuotaCheck
from sublet_quota.wire.quota_preview import MOST_TOLD

from sublet_hub.state.quota_documents.parts import problems_of_part
from sublet_hub.web.views.quota_previews import placed_warning


def check_text(text: str, now: datetime) -> QuotaCheck:
    """Return whether a text could be in force; of a large one that takes seconds."""
    try:
        document = read_quota_document(text)
    except QuotaDocumentError as error:
        return QuotaCheck(problems=tuple(map(_problem, error.problems)))
    found = (*document_warnings(document.at(now)), *warnings_of_times(document, now))
    return QuotaCheck(
        problems=(),
        warnings=tuple(map(placed_warning, found[:MOST_TOLD])),
        left_out=max(0, len(found) - MOST_TOLD),
    )


def check_part(
    document: QuotaDocument,
    text: str,
    author: PartAuthor,
    sent: str,
    now: datetime,
) -> QuotaCheck:
    """Return whether a part of the document in force may be put there by an admin of groups.

    Warnings are of the whole document, and so not told.
    """
    found = problems_of_part(document, text, author, sent, now)
    return QuotaCheck(problems=tuple(map(_problem, found)))


def _problem(problem: DocumentProblem) -> PlacedProblem:
    return PlacedProblem(
        line=problem.line, column=problem.column, key=problem.key, message=problem.message
    )
