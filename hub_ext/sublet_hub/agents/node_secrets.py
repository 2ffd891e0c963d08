"""Each node's own secret, by which its agent proves which node it serves.

A folder holds one file per node, named as the node, with mode 0600. Files are read again for
each connection, so that nodes can be added and secrets changed while the service runs. Where
false ones come from, the files are read only so often; a secret that was right when they were
read last need not wait for that, and the first false one after a start has them read.
"""

import hashlib
import hmac
import re
from pathlib import Path

from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.installation.standings import AgentRefusal

from sublet_hub.agents.identity import AgentIdentity
from sublet_hub.errors import ConfigurationError
from sublet_hub.host.private_files import read_secret
from sublet_hub.security.rate_limits import Guesses, Rate

_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_LEAST_LENGTH = 16
_FALSE_ONES = Rate(burst=60, per_s=2)
"""The rate of false secrets from one address, which can be a proxy's or a whole cluster's."""


class NodeSecrets:
    """The folder of all nodes' secrets."""

    def __init__(self, folder: Path, false_ones: Rate = _FALSE_ONES) -> None:
        self._folder = folder
        self._guesses = Guesses(false_ones)
        self._read_last: frozenset[bytes] = frozenset()

    def check(self) -> None:
        """Raise ``ConfigurationError`` where a file of the folder cannot be used."""
        if not self._folder.is_dir():
            message = f"the folder of the nodes' secrets, {self._folder}, does not exist"
            raise ConfigurationError(message)
        for path in self._folder.iterdir():
            if _NODE_NAME.fullmatch(path.name) and len(read_secret(path)) < _LEAST_LENGTH:
                message = f"the secret in {path} is shorter than {_LEAST_LENGTH} characters"
                raise ConfigurationError(message)

    async def identify(self, proof: str, address: str) -> AgentIdentity | AgentRefusal:
        """Return the agent of the node with this secret. ``TooManyRequestsError``."""
        self._guesses.refuse(address, known=_digest(proof) in self._read_last)
        node = self.node_of(proof)
        if node is None:
            self._guesses.count(address)
            return AgentRefusal.UNKNOWN
        return AgentIdentity(node)

    def node_of(self, secret: str) -> NodeId | None:
        """Return the node with this secret, or ``None``. Compares all, in constant time each."""
        found, read = None, set()
        for path in sorted(self._folder.iterdir()):
            if _NODE_NAME.fullmatch(path.name) is None:
                continue
            try:
                known = read_secret(path)
            except ConfigurationError:
                continue
            if len(known) < _LEAST_LENGTH:
                continue
            read.add(_digest(known))
            if hmac.compare_digest(known.encode(), secret.encode()):
                found = NodeId(path.name)
        self._read_last = frozenset(read)
        return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
