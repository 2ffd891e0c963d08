"""Lots: what decides exact ties, so that no order of names or of arrival does."""

import hashlib
from typing import Final

_BYTES: Final = 7


def lot_of(name: str) -> int:
    """Return the lot of a name: always the same one, and in no order that the name has."""
    digest = hashlib.blake2b(name.encode(), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big")
