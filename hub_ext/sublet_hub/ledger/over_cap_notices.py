"""The ledger's table of what owners were told of ends over their memory caps. A few rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.caps import CapUse

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ending_tables import OVER_CAP_NOTICES
from sublet_hub.ledger.kept_records import KeptRecords


@dataclass(frozen=True, slots=True)
class OverCapNotice:
    """That an owner was told of an end, and what has come of it."""

    slice_id: SliceId
    owner: UserName
    server: str
    job: str | None
    """The job's name; ``None``: a server's slice."""
    since: datetime
    """Which time over the cap it is, by the agent's clock."""
    held_mib: int
    cap_mib: int
    max_over_cap_s: float
    told_at: datetime
    ended_at: datetime | None = None

    @property
    def use(self) -> CapUse:
        """What the slice had as an agent told it last, and its cap then."""
        return CapUse(self.held_mib, self.cap_mib)

    @property
    def max_over_cap(self) -> timedelta:
        """For how long the slice might be over its cap as its owner was told."""
        return timedelta(seconds=self.max_over_cap_s)

    @property
    def ends_at(self) -> datetime:
        """When the slice is ended, unless it is back within its cap before."""
        return self.told_at + self.max_over_cap


class OverCapNotices(KeptRecords[SliceId, OverCapNotice]):
    """The notices, by their slices."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, OVER_CAP_NOTICES, OverCapNotice, ("slice_id",))

    def keep_only(self, *notices: OverCapNotice) -> None:
        """Keep these and no others. ``LedgerWriteError``: then all is as before."""
        wanted = {each.slice_id for each in notices}
        gone = self.kept.keys() - wanted
        changed = [each for each in notices if self.kept.get(each.slice_id) != each]
        if changed:
            self.add(*changed, instead_of=gone | {each.slice_id for each in changed})
        else:
            self.drop(*gone)
