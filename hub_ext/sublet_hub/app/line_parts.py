"""The parts of the line of notebook servers, wired, and the steps of its loops."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.server_queue.expected import Ends

from sublet_hub.app.loops import Loop, Wakeup
from sublet_hub.jobs.queue import JobQueue
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.queued_servers import QueuedServerStore
from sublet_hub.slices.allocation import Allocation
from sublet_hub.slices.evictions import Evictions
from sublet_hub.slices.hub_users import HubUsers
from sublet_hub.slices.idle_servers import IdleServers
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_hub.slices.line_rights import LineRights
from sublet_hub.slices.line_standings import LineFacts
from sublet_hub.slices.server_queue import ServerQueue
from sublet_hub.slices.server_starts import ServerStarts
from sublet_hub.state.collectors.line import LineMetrics
from sublet_hub.state.stores import Stores
from sublet_hub.usage.held_lengths import HeldLengths

_ROUND_S = 1.0
_MINUTE_S = 60.0
_LENGTHS_S = 600.0


@dataclass(frozen=True, slots=True)
class LineNeeds:
    """What the line works with."""

    stores: Stores
    database: Database
    hub: HubClient
    users: HubUsers
    allocation: Allocation
    jobs: JobQueue
    evictions: Evictions
    idle_servers: IdleServers
    metrics: LineMetrics
    start_within: timedelta
    """How long a server has to start, once it could."""


class LineParts:
    """The line, what starts its servers, and what its times and rights follow from."""

    def __init__(self, needs: LineNeeds) -> None:
        stores = needs.stores
        self._stores = stores
        self._evictions = needs.evictions
        self._idle_servers = needs.idle_servers
        self._lengths = HeldLengths(stores.ledger, stores.now)
        facts = LineFacts(needs.jobs.past_use, self._ends)
        store = QueuedServerStore(needs.database)
        self.line = ServerQueue(stores, store, needs.allocation, facts, needs.metrics)
        needs.jobs.others_ask(self.line.asking)
        self.starts = ServerStarts(self.line, needs.hub, needs.start_within, self._now)
        self.rights = LineRights(self.line, needs.users, stores.accounts)
        self._bell, self._starts_bell = Wakeup(), Wakeup()
        stores.capacity.on_room(self._bell.ring)

    def loops(self) -> tuple[tuple[Loop, Wakeup], ...]:
        """Return the loops that the line needs."""
        quiet = Wakeup()
        return (
            (Loop("line", _ROUND_S, self._look), self._bell),
            # Turns come while the hub has not answered yet who has a server started.
            (Loop("line starts", _ROUND_S, self.starts.start_due), self._starts_bell),
            (Loop("line rights", _MINUTE_S, self.rights.look), quiet),
            (Loop("lengths", _LENGTHS_S, self._lengths.look, _MINUTE_S), quiet),
        )

    async def _look(self) -> None:
        await self.line.look()
        if self.starts.are_due:
            self._starts_bell.ring()

    def _ends(self) -> Ends:
        """Return when slices end: by admins, for being idle, and as others lasted before."""
        known = {
            each.slice_id: each.due_at
            for each in self._evictions.all()
            if each.slice_id is not None and each.job_id is None
        }
        document = self._stores.capacity.holdings.document
        return Ends(
            now=self._now(),
            of_slices=known,
            of_idle=self._idle_servers.announced_ends(),
            held=self._lengths.by_type(document),
        )

    def _now(self) -> datetime:
        return self._stores.now()
