"""What the ledger and the agents say of the whole service."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.collectors.stepped import SteppedCollector


class ServiceCollector(SteppedCollector):
    """The gauges of lending, of unreadable records and of agents."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges at this moment."""
        ledger = self._sources.ledger
        unread = CounterMetricFamily(
            "sublet_records_skipped", "Records that cannot be read", labels=("kind",)
        )
        for kind, count in ledger.unread.counts.items():
            unread.add_metric((kind,), count)
        yield unread
        yield GaugeMetricFamily(
            "sublet_lending", "1 while slices may be lent", value=int(ledger.lending)
        )
        yield from self._agents()

    def _agents(self) -> Iterator[Metric]:
        silent = GaugeMetricFamily(
            "sublet_agent_silent", "1 while the node's agent does not report", labels=("node",)
        )
        age = GaugeMetricFamily(
            "sublet_agent_report_age_seconds", "Age of the last report", labels=("node",)
        )
        fleet, now = self._sources.fleet, self._sources.now()
        for node in {gpu.node for gpu in self._sources.ledger.gpus.values()}:
            silent.add_metric((node,), int(fleet.is_silent(node)))
            seen_at = fleet.seen_at(node)
            if seen_at is not None:
                age.add_metric((node,), (now - seen_at).total_seconds())
        yield silent
        yield age
