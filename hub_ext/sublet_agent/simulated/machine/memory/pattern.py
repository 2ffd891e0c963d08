"""The pattern that ``fill`` writes: bytes that follow from seed and place, so any move shows."""

import hashlib
from typing import Final

BLOCK_BYTES: Final = 1024
_DIGEST_BYTES: Final = 64


def pattern_block(seed: int, index: int) -> bytes:
    """Return the ``index``-th KiB of the pattern of ``seed``."""
    name = seed.to_bytes(8, "little", signed=True) + index.to_bytes(8, "little")
    return hashlib.blake2b(name, digest_size=_DIGEST_BYTES).digest() * (
        BLOCK_BYTES // _DIGEST_BYTES
    )


def pattern(seed: int, offset: int, length: int) -> bytes:
    """Return ``length`` bytes of the pattern of ``seed`` from ``offset`` on."""
    first = offset // BLOCK_BYTES
    last = -(-(offset + length) // BLOCK_BYTES)
    blocks = b"".join(pattern_block(seed, index) for index in range(first, last))
    skipped = offset - first * BLOCK_BYTES
    return blocks[skipped : skipped + length]
