"""What simulated memory must hold after a ``fill``, reckoned apart from the daemon."""

import hashlib

from sublet_agent.simulated.machine.memory.pattern import BLOCK_BYTES, pattern


def pattern_sha256(seed: int, length: int) -> str:
    """Return the hash that a buffer of ``length`` real bytes filled with ``seed`` must have."""
    digest = hashlib.sha256()
    step = 1024 * BLOCK_BYTES
    for offset in range(0, length, step):
        digest.update(pattern(seed, offset, min(step, length - offset)))
    return digest.hexdigest()
