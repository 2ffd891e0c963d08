"""By what a part of the document is known: a digest of what its readers are sent of it, no more.

The number of a revision would tell them how often others' parts are changed.
"""

import hashlib
from typing import Final

from sublet_quota.document.administered.parts import part_of, part_text
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName

_DIGITS: Final = 32


def part_digest(text: str) -> str:
    """Return the digest of a part as its readers are sent it, as YAML."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def digest_of_part(document: QuotaDocument, text: str, groups: tuple[GroupName, ...]) -> str:
    """Return the digest of the part of these groups, none below another.

    ``text``: the very text of which the document was read.
    """
    return part_digest(part_text(part_of(document, text, groups)))
