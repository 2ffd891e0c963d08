"""What a simulated card is told to have free for a reservation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.names.ids import SliceId


@dataclass(frozen=True, slots=True)
class ReservedOnCard:
    """How much is to be free on a card, and until when."""

    memory_mib: int
    until: datetime
    is_own: Callable[[SliceId], bool] = field(compare=False)
    """Whether the room of a slice is of this."""
