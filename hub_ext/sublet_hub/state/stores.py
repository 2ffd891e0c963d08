"""The stores of what the service knows, together: most of its parts work on these."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.names.ids import SliceId

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.job_files import JobFiles
from sublet_hub.state.owner_accounts import OwnerAccounts


@dataclass(frozen=True, slots=True)
class Stores:
    """The ledger, what agents report, what may be promised, owners' accounts and jobs' files."""

    ledger: Ledger
    fleet: Fleet
    capacity: Capacity
    accounts: OwnerAccounts
    files: JobFiles
    now: Callable[[], datetime]
    stood: Callable[[SliceId | None], timedelta]
    """For how long a job's slice has stood still by now; none at all where it has none."""
