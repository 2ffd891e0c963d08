"""The lines of the quota document, as decisions tell them."""

from sublet_quota.document.problems import written_path
from sublet_quota.document.right_values import Source
from sublet_quota.reasons.derivation import DocumentLine


def told_line(source: Source) -> DocumentLine:
    """Return where a right is said."""
    return DocumentLine(written_path(source.path) or "when nobody says", source.line)
