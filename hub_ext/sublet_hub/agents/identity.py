"""How an agent proves which node it serves: by a secret of its node, or by Kubernetes' word."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sublet_quota.names.ids import NodeId


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """Whose agent it is."""

    node: NodeId
    expires_at: datetime | None = None
    """The connection ends then: the agent comes back with a newer proof."""


class IdentityUnknownError(Exception):
    """It cannot be found out now whose the proof is: the agent has to try again."""


class AgentIdentities(Protocol):
    """Whoever knows the agents."""

    async def identify(self, proof: str, address: str) -> AgentIdentity | None:
        """The identity that belongs to what an agent sent, or ``None``.

        ``address`` is where it came from: who sends what is false from there waits, not others
        (``TooManyRequestsError``, or ``IdentityUnknownError`` where somebody else is asked).
        """
        ...
