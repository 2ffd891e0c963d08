"""The proof by which an agent shows which node it serves: a node's secret, or Kubernetes' word."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.installation.standings import AgentRefusal


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """The node whose agent it is, and until when the proof of that counts."""

    node: NodeId
    expires_at: datetime | None = None
    """When the connection ends: the agent comes back with a newer proof. ``None``: never."""


class IdentityUnknownError(Exception):
    """An agent's proof cannot be checked now: the agent has to try again."""


class AgentIdentities(Protocol):
    """The means to tell which agent has sent a proof."""

    async def identify(self, proof: str, address: str) -> AgentIdentity | AgentRefusal:
        """Return the identity that belongs to what an agent sent, or why it is not let in.

        ``address`` is where the proof came from: who sends what is false from there waits, not
        others (``TooManyRequestsError``, or ``IdentityUnknownError`` where somebody else is asked).
        """
        ...
