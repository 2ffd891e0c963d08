"""Text from outside, as every database takes it."""

import re
from typing import Final

_NOT_STORED: Final = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Return the text without what PostgreSQL refuses: NUL, and halves of characters."""
    return _NOT_STORED.sub("\ufffd", text)
