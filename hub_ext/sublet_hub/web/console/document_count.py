"""Which of the documents that came in force something was looked at in, without keeping these."""

from sublet_quota.document.quota_document import QuotaDocument


class DocumentCount:
    """Counts the documents that come in force; none but the last is kept: they are large."""

    def __init__(self) -> None:
        self._last: QuotaDocument | None = None
        self.number = 0
        """The number of the last one."""

    def note(self, document: QuotaDocument) -> bool:
        """Take note of the document in force; return whether it is another than the last."""
        is_another = document is not self._last
        if is_another:
            self._last = document
            self.number += 1
        return is_another
