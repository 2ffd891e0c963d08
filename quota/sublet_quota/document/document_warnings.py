"""What a document may say, and what will likely not be had: warnings, with the lines.

Whether today's cards keep what is guaranteed the holdings tell; this is asked of the text alone.
"""

from collections.abc import Iterator
from fractions import Fraction

from sublet_quota.document.problems import DocumentProblem, KeyPath, written_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.value_kinds.cards import write_cards


def warnings_of(document: QuotaDocument) -> tuple[DocumentProblem, ...]:
    """Return the warnings about a document as it was written, by line."""
    return tuple(sorted(_more_than_expected(document), key=lambda each: each.line))


def _more_than_expected(document: QuotaDocument) -> Iterator[DocumentProblem]:
    """Yield the types of which more cards are guaranteed than there should be."""
    for name, gpu_type in document.gpu_types.items():
        told = {
            group: cards
            for group, quota in document.groups.items()
            if (cards := quota.guaranteed.get(name))
        }
        total = sum(told.values(), Fraction(0))
        if gpu_type.expect is None or total <= gpu_type.expect:
            continue
        paths = [("groups", group, "guaranteed", name) for group in told]
        first = min(paths, key=lambda path: _line(document, path))
        expected = ("gpu_types", name, "expect")
        listed = ", ".join(f"{group} {write_cards(cards)}" for group, cards in told.items())
        yield DocumentProblem(
            _line(document, first),
            first,
            f"{write_cards(total)} cards are guaranteed together ({listed}), more than the "
            f"{gpu_type.expect} that {written_path(expected)} in line "
            f"{_line(document, expected)} says there are: in force are whole cards in proportion",
        )


def _line(document: QuotaDocument, path: KeyPath) -> int:
    return document.line_of(path) or 1
