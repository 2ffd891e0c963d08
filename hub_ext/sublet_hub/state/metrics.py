"""The metrics that Prometheus reads: a registry of the service's own, without owners' names."""

import asyncio
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder

from sublet_hub.state.collectors.cards import CardCollector
from sublet_hub.state.collectors.group_labels import GROUP, UNKNOWN, CountsByGroup, payer_labels
from sublet_hub.state.collectors.groups import GroupCollector
from sublet_hub.state.collectors.jobs import JobCollector
from sublet_hub.state.collectors.line import LineMetrics
from sublet_hub.state.collectors.service import ServiceCollector
from sublet_hub.state.collectors.slices import SliceCollector
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.collectors.stepped import SteppedCollector
from sublet_hub.state.collectors.waits import WaitCollector
from sublet_hub.state.quota_metrics import QuotaCollector

_QUICK_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})


def _collectors(sources: MetricSources) -> tuple[SteppedCollector, ...]:
    return (
        ServiceCollector(sources),
        SliceCollector(sources),
        JobCollector(sources.ledger, sources.capacity),
        CardCollector(sources),
        GroupCollector(sources.capacity),
        QuotaCollector(sources.quota, sources.capacity),
        WaitCollector(sources.ledger, sources.capacity),
    )


class ServiceMetrics:
    """Counters that the service's parts count up, and the gauges of what it knows."""

    def __init__(self, sources: MetricSources) -> None:
        self._capacity = sources.capacity
        self._counts = CountsByGroup(sources.capacity)
        self._collectors = list(_collectors(sources))
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sublet_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._took = Histogram(
            "sublet_request_seconds",
            "How long requests took",
            ("route",),
            buckets=_QUICK_BUCKETS,
            registry=self._registry,
        )
        self._decisions = Histogram(
            "sublet_decision_seconds",
            "How long decisions took",
            ("decision",),
            buckets=_QUICK_BUCKETS,
            registry=self._registry,
        )
        self._messages = Counter(
            "sublet_agent_messages", "Messages of agents", ("type",), registry=self._registry
        )
        self._messages_of: dict[str, Counter] = {}
        """Each kind's own counter: to look one up takes longer than to count."""
        self._failures = Counter(
            "sublet_loop_failures",
            "Rounds of a loop that failed",
            ("loop",),
            registry=self._registry,
        )
        self._refusals = Counter(
            "sublet_refusals",
            "Requests that were refused",
            ("group", "reason", "holder"),
            registry=self._registry,
        )
        self.line = LineMetrics(sources.capacity, self._registry)
        """Of notebooks that wait in line."""
        self._entitled_waiting = Gauge(
            "sublet_entitled_jobs_waiting",
            "Jobs within their group's guarantee that wait nonetheless",
            GROUP,
            registry=self._registry,
        )

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count an answered request: a method that somebody made up becomes no label."""
        told = method if method in _METHODS else "other"
        self._requests.labels(told, route, str(status)).inc()
        self._took.labels(route).observe(took_s)

    def decision(self, name: str, took_s: float) -> None:
        """Note how long a decision took."""
        self._decisions.labels(name).observe(took_s)

    def agent_message(self, kind: str) -> None:
        """Count an agent's message."""
        counter = self._messages_of.get(kind)
        if counter is None:
            counter = self._messages_of[kind] = self._messages.labels(kind)
        counter.inc()

    def loop_failed(self, loop: str) -> None:
        """Count a failed round of a loop."""
        self._failures.labels(loop).inc()

    def refused(self, refusal: Refusal, holder: Holder, hub_groups: Sequence[str]) -> None:
        """Count a refusal for who would have paid; of several groups, none that decided: nobody.

        ``hub_groups`` are those of whoever asked.
        """
        group = self._payer(refusal, hub_groups)
        self._counts.count(self._refusals, group, refusal.reason.value, holder.value)

    def jobs_wait(self, entitled: Mapping[GroupName | None, int]) -> None:
        """Note how many jobs wait that are within their group's guarantee, by who pays."""
        holdings = self._capacity.holdings
        sums = Tally[tuple[str, str]]()
        for group, count in entitled.items():
            for labels in payer_labels(holdings, group):
                sums[labels] += count
        self._entitled_waiting.clear()
        for labels, count in sums.items():
            self._entitled_waiting.labels(*labels).set(count)

    def families(self) -> Iterator[Metric | None]:
        """Yield all metrics of this moment, and ``None`` wherever others may have a turn."""
        self._counts.forget_gone()
        self.line.forget_gone()
        yield from self._registry.collect()
        for collector in self._collectors:
            yield from collector.steps()

    def read_too(self, collector: SteppedCollector) -> None:
        """Show what one more collector reads."""
        self._collectors.append(collector)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(_Read(self.families()))

    async def page(self) -> bytes:
        """Return the same; meanwhile others have a turn after each step, and while it is written.

        With many groups and cards both would hold the loop for longer than cells may wait.
        """
        read: list[Metric] = []
        for metric in self.families():
            if metric is not None:
                read.append(metric)
            await asyncio.sleep(0)
        return await asyncio.to_thread(generate_latest, _Read(read))

    def _payer(self, refusal: Refusal, hub_groups: Sequence[str]) -> str:
        if refusal.why is not None and refusal.why.group is not None:
            return self._counts.label(refusal.why.group)
        groups = self._capacity.holdings.document.groups_of(hub_groups)
        return UNKNOWN if len(groups) > 1 else self._counts.label(next(iter(groups), None))


class _Read(Collector):
    """Metrics that were read already."""

    def __init__(self, metrics: Iterable[Metric | None]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return (metric for metric in self._metrics if metric is not None)
