"""Lots: what decides exact ties, so that no order of names does.

A request's lot is drawn with it, and kept. A slice's is that of its id, which is drawn when the
slice is handed out. That of a group is made of its name and of a number that is drawn once for all
groups, and kept: whoever chooses a name knows nothing of its lot.
"""

import hashlib
from functools import lru_cache
from typing import Final

_BYTES: Final = 7


@lru_cache(maxsize=1 << 14)
def lot_of(name: str, drawn: int = 0) -> int:
    """Return the lot of a name: always the same one, and in no order that the name has.

    ``drawn``: the number with which the lots of all names are drawn, not negative.
    """
    salt = drawn.to_bytes(hashlib.blake2b.SALT_SIZE, "big")
    digest = hashlib.blake2b(name.encode(), digest_size=_BYTES, salt=salt).digest()
    return int.from_bytes(digest, "big")
