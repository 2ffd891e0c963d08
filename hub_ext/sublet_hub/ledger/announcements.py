"""The ledger's table of announcements: what admins tell owners, until it ends. A few rows."""

from dataclasses import dataclass
from datetime import datetime

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.kept_records import KeptRecords
from sublet_hub.ledger.tables import ANNOUNCEMENTS


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an admin tells owners."""

    announcement_id: str
    audience: str
    """A value of ``Audience``, unless another version of the service has written it."""
    name: str | None
    """Which owner, group or node, or a card's id; ``None`` for all."""
    text: str
    made_by: str
    made_at: datetime
    until: datetime


class AnnouncementStore(KeptRecords[str, Announcement]):
    """The announcements, also those whose end has come, by id."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, ANNOUNCEMENTS, Announcement, ("announcement_id",))
