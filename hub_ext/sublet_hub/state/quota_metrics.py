"""What Prometheus reads of the quota document: whether it is in force, and all it guarantees."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault, GuaranteeWarning

from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.gauges import gauge_of
from sublet_hub.state.collectors.stepped import SteppedCollector
from sublet_hub.state.quota_documents.source import QuotaSource


class QuotaCollector(SteppedCollector):
    """The gauges of the quota document, read when Prometheus asks."""

    def __init__(self, quota: QuotaSource, capacity: Capacity) -> None:
        self._quota = quota
        self._capacity = capacity

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges at this moment, with a turn for others between the longer ones."""
        yield GaugeMetricFamily(
            "sublet_quota_valid",
            "1 while the quota document is in force as it is now",
            value=int(self._quota.error is None),
        )
        yield GaugeMetricFamily(
            "sublet_quota_loaded_timestamp_seconds",
            "When the quota document was last read and found right",
            value=self._quota.loaded_at.timestamp(),
        )
        holdings = self._capacity.holdings
        warnings = holdings.warnings()
        yield GaugeMetricFamily(
            "sublet_quota_warnings",
            "What to look at in the quota document: not meant, or not to be had of today's cards",
            value=len(self._capacity.warnings(warnings)),
        )
        yield None
        yield _guarantees(holdings, warnings)


def _guarantees(holdings: Holdings, warnings: Iterable[GuaranteeWarning]) -> Metric:
    types = {*holdings.types(), *holdings.document.gpu_types}
    counts: Counter[tuple[str, ...]] = Counter(
        {(name, fault.value): 0 for name in types for fault in GuaranteeFault}
    )
    counts.update((each.gpu_type, each.fault.value) for each in warnings)
    return gauge_of(
        "sublet_guarantee_faults",
        "What of guarantees is not as the quota document has it, by its kind",
        ("gpu_type", "fault"),
        counts,
    )
