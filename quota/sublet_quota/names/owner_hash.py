"""The hash that names an owner exactly in a cluster, where a label writes a name only nearly."""

import hashlib
from typing import Final

_DIGITS: Final = 32


def hash_of_name(name: str) -> str:
    """Return the hash of an owner's name, or of a server's, as Kubernetes takes it for a label."""
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
