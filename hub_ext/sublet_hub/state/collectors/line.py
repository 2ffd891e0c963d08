"""How many notebooks wait in line for a slice, and how long those waited whose turn came."""

from collections import Counter as Tally
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram
from sublet_quota.names.ids import GroupName

from sublet_hub.ledger.records import SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.group_labels import GROUP, UNKNOWN, CountsByGroup, payer_labels

_BUCKETS: Final = (1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)


class LineMetrics:
    """The gauge and the histogram of the line."""

    def __init__(self, capacity: Capacity, registry: CollectorRegistry) -> None:
        self._capacity = capacity
        self._counts = CountsByGroup(capacity)
        self._waiting = Gauge(
            "sublet_notebooks_waiting",
            "Notebooks that wait in line for a slice",
            GROUP,
            registry=registry,
        )
        self._waited = Histogram(
            "sublet_notebook_wait_seconds",
            "From when a notebook joined the line until its turn came",
            ("group", "pool", "gpu_type"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def wait(self, payers: Iterable[GroupName | None]) -> None:
        """Note who waits now: the group that would pay, once for each notebook."""
        holdings = self._capacity.holdings
        sums = Tally[tuple[str, str]]()
        for group, count in Tally(payers).items():
            for labels in payer_labels(holdings, group):
                sums[labels] += count
        self._waiting.clear()
        for labels, count in sums.items():
            self._waiting.labels(*labels).set(count)

    def turn(self, record: SliceRecord, waited: timedelta) -> None:
        """Note that one has its slice after so long."""
        gpu_type = self._capacity.holdings.type_of(record.gpu.gpu_id) or UNKNOWN
        group, waited_s = self._counts.label(record.group), max(0.0, waited.total_seconds())
        self._counts.observe(self._waited, waited_s, group, record.pool, gpu_type)

    def forget_gone(self) -> None:
        """Forget what was counted of groups that the document has no more."""
        self._counts.forget_gone()
