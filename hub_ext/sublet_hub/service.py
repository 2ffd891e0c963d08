"""The service's parts, put together by the application and used by the API."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sublet_hub.allocation import Allocation
from sublet_hub.capacity import Capacity
from sublet_hub.fleet import Fleet
from sublet_hub.history import Histories
from sublet_hub.job_desk import JobDesk
from sublet_hub.job_queue import JobQueue
from sublet_hub.job_views import JobViews
from sublet_hub.ledger.book import Ledger
from sublet_hub.limits import Guesses, RateLimits
from sublet_hub.metrics import ServiceMetrics
from sublet_hub.owner_accounts import OwnerAccounts
from sublet_hub.owner_wishes import OwnerWishes
from sublet_hub.pods import Pods
from sublet_hub.queue_times import QueueTimes
from sublet_hub.quota_file import QuotaFile
from sublet_hub.resizing import Resizing
from sublet_hub.returning_agents import ReturningAgents
from sublet_hub.shares import Shares
from sublet_hub.views import Views


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How often may be asked."""

    owners: RateLimits
    anonymous: Guesses
    """Requests of an address that failed to identify anybody."""
    anonymous_of_a_peer: Guesses
    """The same of whoever is connected to us, for all addresses that it tells."""


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that a request can need."""

    now: Callable[[], datetime]
    ledger: Ledger
    fleet: Fleet
    quota: QuotaFile
    capacity: Capacity
    accounts: OwnerAccounts
    allocation: Allocation
    returning: ReturningAgents
    pods: Pods
    wishes: OwnerWishes
    resizing: Resizing
    shares: Shares
    histories: Histories
    jobs: JobDesk
    queue: JobQueue
    views: Views
    job_views: JobViews
    times: QueueTimes
    metrics: ServiceMetrics
    limits: RequestLimits
