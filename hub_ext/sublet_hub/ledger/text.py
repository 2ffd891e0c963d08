"""Text from outside, as every database takes it."""

import re
from collections.abc import Mapping
from typing import Any, Final

_CUT: Final = "…".encode()
_NOT_STORED: Final = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Return the text without what PostgreSQL refuses: NUL, and halves of characters."""
    return _NOT_STORED.sub("\ufffd", text)


def storable_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with every text in its columns storable; what is in lists is left."""
    return {name: storable(v) if isinstance(v, str) else v for name, v in row.items()}


def within_bytes(text: str, most: int) -> str:
    """Return the text, or as much of it as fits into ``most`` bytes of UTF-8, with an ellipsis."""
    written = text.encode("utf-8", "replace")
    if len(written) <= most:
        return text
    return written[: most - len(_CUT)].decode("utf-8", "ignore") + _CUT.decode()
