"""The ledger's table of idle servers, of which something is to be remembered. A few rows.

Of a server that is idle, and whose end is not near, there is none: since when it is idle its agent
says again after any restart.
"""

from dataclasses import dataclass
from datetime import datetime

from sublet_quota.names.ids import SliceId, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ending_tables import IDLE_SERVERS
from sublet_hub.ledger.kept_records import KeptRecords


@dataclass(frozen=True, slots=True)
class IdleNote:
    """What is remembered of an idle server."""

    slice_id: SliceId
    owner: UserName
    server: str
    """The server's name; empty for the default one."""
    idle_since: datetime
    """Since when it was idle as this was noted."""
    max_idle_s: float
    """For how long it could be so."""
    warned_at: datetime | None = None
    """When its owner was warned that its end is near; ``None``: not, or the end was put off."""
    extended_until: datetime | None = None
    """Until when its owner has put the end off."""
    ended_at: datetime | None = None
    """When JupyterHub was asked to stop it, and did not refuse."""


class IdleNotes(KeptRecords[SliceId, IdleNote]):
    """The notes, by their slices."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, IDLE_SERVERS, IdleNote, ("slice_id",))
