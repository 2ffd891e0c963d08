"""The ledger's table of announcements: what admins tell owners, until it ends. A few rows."""

from dataclasses import dataclass
from datetime import datetime

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.kept_records import KeptRecords
from sublet_hub.ledger.tables import ANNOUNCEMENTS


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an admin tells owners, or an admin of groups those in these."""

    announcement_id: str
    audience: str
    """A value of ``Audience``, unless another version of the service has written it."""
    name: str | None
    """Which owner, group or node, or a card's id; ``None`` for all."""
    text: str
    made_by: str
    made_at: datetime
    until: datetime
    within: tuple[str, ...] = ()
    """The groups whose admin tells it, to nobody outside them; none: an admin of all does."""

    def __post_init__(self) -> None:
        """Take the groups as the table has them."""
        object.__setattr__(self, "within", tuple(self.within or ()))

    @property
    def told(self) -> str:
        """The text as owners are told it: of an admin of groups with who says it."""
        if not self.within:
            return self.text
        return f"{self.made_by}, admin of {', '.join(self.within)}: {self.text}"


class AnnouncementStore(KeptRecords[str, Announcement]):
    """The announcements, also those whose end has come, by id."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, ANNOUNCEMENTS, Announcement, ("announcement_id",))
