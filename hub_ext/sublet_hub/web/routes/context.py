"""The service's parts, put together by the application and used by the API."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sublet_hub.agents.startup_grace import StartupGrace
from sublet_hub.delivery.outbox import Outbox
from sublet_hub.jobs.cancellation import JobCancellation
from sublet_hub.jobs.queue import JobQueue
from sublet_hub.jobs.submission import JobSubmission
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.security.byte_room import RoomsByKind
from sublet_hub.security.list_turns import ListTurns
from sublet_hub.security.rate_limits import RateLimits
from sublet_hub.slices.allocation import Allocation
from sublet_hub.slices.announcements import Announcements
from sublet_hub.slices.card_changes import CardChanges
from sublet_hub.slices.closings import Closings
from sublet_hub.slices.evictions import Evictions
from sublet_hub.slices.hub_names import HubNames
from sublet_hub.slices.hub_users import HubUsers
from sublet_hub.slices.idle_servers import IdleServers
from sublet_hub.slices.keep_and_wake import KeepAndWake
from sublet_hub.slices.offers import OffersNow
from sublet_hub.slices.over_caps import OverCaps
from sublet_hub.slices.places import Places
from sublet_hub.slices.pods import Pods
from sublet_hub.slices.reconciliation import Reconciliation
from sublet_hub.slices.resizing import Resizing
from sublet_hub.slices.server_queue import ServerQueue
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.state.quota_documents.part_history import PartHistories
from sublet_hub.state.quota_documents.source import QuotaSource
from sublet_hub.usage.budgets.standings import Budgets
from sublet_hub.usage.proposed_limits import ProposedLimits
from sublet_hub.usage.queue_waits import QueueTimes
from sublet_hub.usage.recorded.history_export import HistoryExports
from sublet_hub.usage.recorded.recorder import Recorder
from sublet_hub.usage.refusals import Refusals
from sublet_hub.usage.reports import UseReports
from sublet_hub.usage.slice_history import Histories
from sublet_hub.usage.waited import WaitedReports
from sublet_hub.web.views.jobs import JobViews
from sublet_hub.web.views.quota_in_force import QuotaViews
from sublet_hub.web.views.quota_previews import QuotaPreviews
from sublet_hub.web.views.share import Shares
from sublet_hub.web.views.slices import Views
from sublet_hub.web.views.waits.report import WaitsNow


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The rates at which callers may ask."""

    owners: RateLimits
    bodies: RoomsByKind
    lists: ListTurns


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The parts of the service that a request can need."""

    now: Callable[[], datetime]
    ledger: Ledger
    fleet: Fleet
    quota: QuotaSource
    part_histories: PartHistories
    previews: QuotaPreviews
    quota_views: QuotaViews
    capacity: Capacity
    accounts: OwnerAccounts
    users: HubUsers
    hub_names: HubNames
    allocation: Allocation
    offers: OffersNow
    reconciliation: Reconciliation
    startup_grace: StartupGrace
    pods: Pods
    card_changes: CardChanges
    keep_and_wake: KeepAndWake
    closings: Closings
    announcements: Announcements
    outbox: Outbox
    evictions: Evictions
    line: ServerQueue
    idle_servers: IdleServers
    over_caps: OverCaps
    places: Places
    resizing: Resizing
    shares: Shares
    histories: Histories
    use: UseReports
    waited: WaitedReports
    proposed_limits: ProposedLimits
    budgets: Budgets
    refusals: Refusals
    recorder: Recorder
    history_exports: HistoryExports
    jobs: JobSubmission
    cancellation: JobCancellation
    queue: JobQueue
    views: Views
    job_views: JobViews
    waits: WaitsNow
    times: QueueTimes
    metrics: ServiceMetrics
    limits: RequestLimits
