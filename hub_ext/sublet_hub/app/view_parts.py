"""What callers are shown of slices, jobs and waits, wired."""

from collections.abc import Callable
from dataclasses import dataclass

from sublet_quota.reasons.jobs_off import JobsOff

from sublet_hub.jobs.queue import WaitingReasons
from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.idle_servers import IdleServers
from sublet_hub.slices.reserved_rooms import ReservedRooms
from sublet_hub.slices.server_queue import ServerQueue
from sublet_hub.state.moved_slices import MovedSlices
from sublet_hub.state.stores import Stores
from sublet_hub.web.views.jobs import JobTimes, JobViews
from sublet_hub.web.views.slices import OverTime, Views
from sublet_hub.web.views.waits.report import WaitsNow
from sublet_hub.web.views.waits.waiting import WaitParts


@dataclass(frozen=True, slots=True)
class ViewNeeds:
    """What is shown, and what that hangs on."""

    stores: Stores
    idle_servers: IdleServers
    reserved: ReservedRooms
    waiting: WaitingReasons
    times: JobTimes
    line: ServerQueue
    why_untouched: Callable[[JobRecord], JobsOff | None]
    """Of a live job, why nobody here does anything for it."""


class ViewParts:
    """The views, each made once."""

    def __init__(self, needs: ViewNeeds) -> None:
        stores = needs.stores
        over_time = OverTime(
            needs.idle_servers.end_of,
            needs.idle_servers.spared_for,
            needs.reserved.reserved_from,
            MovedSlices(stores.ledger, stores.now).came_at,
        )
        self.views = Views(stores.ledger, stores.fleet, stores.capacity, over_time)
        self.jobs = JobViews(stores, needs.waiting, needs.times, self.views, needs.why_untouched)
        self.waits = WaitsNow(WaitParts(stores, self.views, self.jobs, needs.times, needs.line))
