"""The hash that names an owner exactly in a cluster, where a label writes a name only nearly."""

import hashlib
from typing import Final

_DIGITS: Final = 32
SHARDS: Final = "0123456789abcdef"
"""The parts in which owners are recorded: one object of a cluster holds some 2,500 servers."""


def hash_of_name(name: str) -> str:
    """Return the hash of an owner's name, or of a server's, as Kubernetes takes it for a label."""
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]


def shard_of(owner_hash: str) -> str:
    """Return the part in which an owner of this hash is recorded, one of ``SHARDS``."""
    return owner_hash[0]
