"""What a way out is asked for: to send some deliveries, and to say what became of each."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from sublet_quota.reasons.undelivered import Undelivered

from sublet_hub.ledger.deliveries import Delivery

SENT: Final = None


class Channel(StrEnum):
    """The ways out: in the ledger and on the wire by their values."""

    MAIL = "mail"
    WEBHOOK = "webhook"


Outcomes = Mapping[str, Undelivered | None]
"""By the deliveries' ids: why it was not taken; ``SENT``. What is not there was not tried."""


class Sender(Protocol):
    """One way out."""

    async def send(self, deliveries: Sequence[Delivery]) -> Outcomes:
        """Try to send each once, and say what came of it; a failure of a receiver is no error."""

    def close(self) -> None:
        """Begin nothing new."""
