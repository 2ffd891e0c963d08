"""What the metrics are read from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.quota_documents.source import QuotaSource


@dataclass(frozen=True, slots=True)
class MetricSources:
    """The parts of the service whose state Prometheus reads."""

    ledger: Ledger
    fleet: Fleet
    capacity: Capacity
    quota: QuotaSource
    now: Callable[[], datetime]
