"""Each node's own secret, by which its agent proves which node it serves.

A folder holds one file per node, named as the node, with mode 0600. Files are read again for
each connection, so that nodes can be added and secrets changed while the service runs.
"""

import hmac
import re
from pathlib import Path

from sublet_quota.ids import NodeId

from sublet_hub.errors import ConfigurationError
from sublet_hub.link.identity import AgentIdentity
from sublet_hub.private_files import read_secret

_NODE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$")
_LEAST_LENGTH = 16


class NodeSecrets:
    """The folder of the nodes' secrets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self) -> None:
        """Raise ``ConfigurationError`` where a file of the folder cannot be used."""
        if not self._folder.is_dir():
            message = f"the folder of the nodes' secrets, {self._folder}, does not exist"
            raise ConfigurationError(message)
        for path in self._folder.iterdir():
            if _NODE_NAME.match(path.name) and len(read_secret(path)) < _LEAST_LENGTH:
                message = f"the secret in {path} is shorter than {_LEAST_LENGTH} characters"
                raise ConfigurationError(message)

    async def identify(self, proof: str, address: str) -> AgentIdentity | None:
        """The agent of the node whose secret this is, or ``None``."""
        del address  # Nobody else is asked, and secrets are too long to be guessed.
        node = self.node_of(proof)
        return None if node is None else AgentIdentity(node)

    def node_of(self, secret: str) -> NodeId | None:
        """The node whose secret this is, or ``None``. Compares all, in constant time each."""
        found = None
        for path in sorted(self._folder.iterdir()):
            if _NODE_NAME.match(path.name) is None:
                continue
            try:
                known = read_secret(path)
            except ConfigurationError:
                continue
            if len(known) >= _LEAST_LENGTH and hmac.compare_digest(known.encode(), secret.encode()):
                found = NodeId(path.name)
        return found
