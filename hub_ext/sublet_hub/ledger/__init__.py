"""The ledger: who holds which slice, which jobs there are, and what has happened."""

from sublet_hub.ledger.book import Ledger
from sublet_hub.ledger.records import (
    Change,
    EventRecord,
    GpuRecord,
    JobRecord,
    LendingRecord,
    PodIdentity,
    ProcessIdentity,
    SliceRecord,
)

__all__ = [
    "Change",
    "EventRecord",
    "GpuRecord",
    "JobRecord",
    "Ledger",
    "LendingRecord",
    "PodIdentity",
    "ProcessIdentity",
    "SliceRecord",
]
