"""The quota document that was in force last, kept for the next start of the service.

What a document makes less counts as before for a while, also where it was changed while the service
was down: that takes the document of before. It is kept in a private file of the state folder,
wherever the document itself is kept.
"""

import logging
from pathlib import Path

from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota import MOST_DOCUMENT

from sublet_hub.host.private_files import write_private

_LOG = logging.getLogger(__name__)


class LastInForce:
    """The text of the document in force, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def before(self, text: str) -> QuotaDocument | None:
        """Return the document that was in force before ``text``.

        ``None``: the same was, or none is known that this version can read.
        """
        try:
            with self._path.open("rb") as file:
                kept = file.read(MOST_DOCUMENT + 1)
            return None if kept == text.encode() else read_quota_document(kept)
        except FileNotFoundError:
            return None
        except (OSError, QuotaDocumentError) as error:
            kind = type(error).__name__
            _LOG.warning("the quota document of before cannot be read (%s): %s", kind, self._path)
            return None

    def keep(self, text: str) -> None:
        """Keep the document that is in force now."""
        try:
            write_private(self._path, text.encode())
        except OSError as error:
            _LOG.warning("the quota document in force cannot be kept for the next start: %s", error)
