"""The ledger's table of notices that go out by mail or webhook, until they are over."""

from dataclasses import dataclass
from datetime import datetime

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.kept_records import KeptRecords
from sublet_hub.ledger.tables import DELIVERIES


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice to one receiver."""

    delivery_id: str
    """The same for the same notice to the same receiver: it goes out once."""
    channel: str
    notice_id: str
    audience: str
    """A value of ``Audience``; of mails always one owner."""
    name: str | None
    text: str
    from_admin: bool
    made_at: datetime
    until: datetime
    attempts: int
    next_at: datetime
    """When it is tried, or tried again."""
    done_at: datetime | None = None
    """When it was sent, or given up; ``None``: it is still to be sent."""
    problem: str | None = None
    """A value of ``Undelivered``, of the last attempt; ``None``: it was sent, or not tried yet."""
    report: str = ""
    """A ``WeekReport`` as JSON that goes out with it, until it was sent or given up."""

    @property
    def waits(self) -> bool:
        """Whether it is still to be sent."""
        return self.done_at is None

    @property
    def was_sent(self) -> bool:
        """Whether the receiver has taken it."""
        return self.done_at is not None and self.problem is None


class DeliveryStore(KeptRecords[str, Delivery]):
    """All deliveries by id, also those that were sent and are not over."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, DELIVERIES, Delivery, ("delivery_id",))
