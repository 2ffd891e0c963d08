"""The ledger's table of servers and jobs that admins end, or have ended lately. A few rows."""

from dataclasses import dataclass
from datetime import datetime

from sublet_quota.names.ids import JobId, SliceId, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ending_tables import EVICTIONS
from sublet_hub.ledger.kept_records import KeptRecords


@dataclass(frozen=True, slots=True)
class Eviction:
    """That an admin ends an owner's server, or takes a job off its GPU."""

    eviction_id: str
    owner: UserName
    server: str
    """The server's name; empty for the default one, and for jobs."""
    slice_id: SliceId | None
    """``None``: of a job that had none."""
    job_id: JobId | None
    cancels: bool
    reason: str
    evicted_by: str
    asked_at: datetime
    due_at: datetime


class EvictionStore(KeptRecords[str, Eviction]):
    """The evictions, by id."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, EVICTIONS, Eviction, ("eviction_id",))
