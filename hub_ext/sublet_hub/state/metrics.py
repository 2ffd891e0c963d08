"""The metrics that Prometheus reads: a registry of the service's own, without owners' names."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.fleet import Fleet

_QUICK_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_GPU_LABELS = ("node", "gpu")


class LedgerCollector(Collector):
    """The gauges of ledger and fleet, read when Prometheus asks."""

    def __init__(self, ledger: Ledger, fleet: Fleet) -> None:
        self._ledger = ledger
        self._fleet = fleet

    def collect(self) -> Iterable[Metric]:
        """Yield all gauges at this moment."""
        yield from self._counts()
        yield from self._cards()
        yield from self._agents()

    def _counts(self) -> Iterator[Metric]:
        slices = GaugeMetricFamily(
            "sublet_slices", "Slices by holder and state", labels=("holder", "state", "active")
        )
        tally: Tally[tuple[str, str, str]] = Tally()
        for record in self._ledger.slices.values():
            report = self._fleet.report(record.slice_id)
            state = "unreported" if report is None else report.state.value
            active = "unknown" if report is None else str(report.active).lower()
            tally[record.holder.value, state, active] += 1
        for labels, count in tally.items():
            slices.add_metric(labels, count)
        yield slices
        lent = GaugeMetricFamily("sublet_lent_slices", "Idle slices that jobs use")
        lent.add_metric((), sum(s.lent_since is not None for s in self._ledger.slices.values()))
        yield lent
        jobs = GaugeMetricFamily("sublet_jobs", "Jobs by state", labels=("state",))
        for state, count in Tally(job.state.value for job in self._ledger.all_job_facts()).items():
            jobs.add_metric((state,), count)
        yield jobs
        unread = CounterMetricFamily(
            "sublet_records_skipped",
            "Records that cannot be read",
            labels=("kind",),
        )
        for kind, count in self._ledger.unread.counts.items():
            unread.add_metric((kind,), count)
        yield unread
        lending = GaugeMetricFamily("sublet_lending", "1 while slices may be lent")
        lending.add_metric((), int(self._ledger.lending))
        yield lending

    def _cards(self) -> Iterator[Metric]:
        families = {
            "memory_mib": GaugeMetricFamily(
                "sublet_gpu_memory_mib", "Memory of the card, MiB", labels=_GPU_LABELS
            ),
            "used_mib": GaugeMetricFamily(
                "sublet_gpu_used_mib", "Memory in use, MiB", labels=_GPU_LABELS
            ),
            "utilisation_percent": GaugeMetricFamily(
                "sublet_gpu_utilisation_percent", "How busy the card is", labels=_GPU_LABELS
            ),
            "lendable_mib": GaugeMetricFamily(
                "sublet_gpu_lendable_mib", "What a job could get, MiB", labels=_GPU_LABELS
            ),
        }
        energy = CounterMetricFamily(
            "sublet_gpu_energy_joules", "What the card's own counter says", labels=_GPU_LABELS
        )
        promised = GaugeMetricFamily(
            "sublet_gpu_promised_mib", "The sum of the notebooks' caps, MiB", labels=_GPU_LABELS
        )
        for gpu_id, gpu in self._ledger.gpus.items():
            labels = (gpu.node, gpu_id)
            promised.add_metric(labels, self._ledger.promised_mib(gpu_id))
            report = self._fleet.gpu_report(gpu_id)
            if report is not None:
                for name, family in families.items():
                    told = getattr(report, name)
                    if told is not None:
                        family.add_metric(labels, told)
                if report.energy_mj is not None:
                    energy.add_metric(labels, report.energy_mj / 1000)
        yield promised
        yield energy
        yield from families.values()

    def _agents(self) -> Iterator[Metric]:
        silent = GaugeMetricFamily(
            "sublet_agent_silent", "1 while the node's agent does not report", labels=("node",)
        )
        age = GaugeMetricFamily(
            "sublet_agent_report_age_seconds", "Age of the last report", labels=("node",)
        )
        now = datetime.now(UTC)
        for node in {gpu.node for gpu in self._ledger.gpus.values()}:
            silent.add_metric((node,), int(self._fleet.is_silent(node)))
            seen_at = self._fleet.seen_at(node)
            if seen_at is not None:
                age.add_metric((node,), (now - seen_at).total_seconds())
        yield silent
        yield age


class ServiceMetrics:
    """Counters that the service's parts count up, and the gauges of the ledger."""

    def __init__(self, ledger: Ledger, fleet: Fleet) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LedgerCollector(ledger, fleet))
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

    def add(self, collector: Collector) -> None:
        """Read these gauges, too, when Prometheus asks."""
        self._registry.register(collector)

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

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
