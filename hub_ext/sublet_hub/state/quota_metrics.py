"""What Prometheus reads of quotas: whether the document is in force, and how slices stand by it."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sublet_hub.state.capacity import Capacity
from sublet_hub.state.quota_documents.source import QuotaSource


class QuotaCollector(Collector):
    """The gauges of the quota document and of slices' ranks, read when Prometheus asks."""

    def __init__(self, quota: QuotaSource, capacity: Capacity) -> None:
        self._quota = quota
        self._capacity = capacity

    def collect(self) -> Iterable[Metric]:
        """Yield all gauges at this moment."""
        yield GaugeMetricFamily(
            "sublet_quota_valid",
            "1 while the quota document is in force as it is now",
            value=int(self._quota.error is None),
        )
        yield GaugeMetricFamily(
            "sublet_quota_warnings",
            "What to look at in the quota document: not meant, or not to be had of today's cards",
            value=len(self._capacity.warnings()),
        )
        ranks = GaugeMetricFamily(
            "sublet_slices_by_rank", "Notebooks' slices, guaranteed or borrowed", labels=("rank",)
        )
        holdings = self._capacity.holdings
        tally = Counter(
            holdings.rank(holding.slice_id).name.lower().replace("_", "-")
            for holding in holdings.slices()
            if holding.is_notebook
        )
        for rank, count in tally.items():
            ranks.add_metric((rank,), count)
        yield ranks
