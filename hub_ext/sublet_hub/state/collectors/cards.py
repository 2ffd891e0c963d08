"""The cards: what each one reports, how many are open, and why the others are not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sublet_quota.wire.agent_link import GpuReport

from sublet_hub.ledger.records import GpuRecord
from sublet_hub.state.collectors.closed_cards import CardClosed, why_closed
from sublet_hub.state.collectors.gauges import POOL_AND_TYPE, gauge_of
from sublet_hub.state.collectors.group_labels import UNKNOWN
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.collectors.stepped import SteppedCollector, in_parts

CARD_LABELS: Final = ("node", "gpu", "pool", "gpu_type")
_GAUGES: Final[Mapping[str, str]] = {
    "memory_mib": "Memory of the card, MiB",
    "used_mib": "Memory in use, MiB",
    "utilisation_percent": "How busy the card is",
    "temperature_celsius": "How warm the card's GPU is",
    "lendable_mib": "What a job could get, MiB",
    "promised_mib": "The sum of the notebooks' caps, MiB",
}


class CardCollector(SteppedCollector):
    """The gauges of cards."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges, after a step for some cards each."""
        walk = _Walk(self._sources)
        for part in in_parts(self._sources.ledger.gpus.values()):
            for gpu in part:
                walk.read(gpu)
            yield None
        yield from walk.families()


class _Walk:
    """What one walk has read."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources
        self._gauges = {
            name: GaugeMetricFamily(f"sublet_gpu_{name}", words, labels=CARD_LABELS)
            for name, words in _GAUGES.items()
        }
        self._energy = CounterMetricFamily(
            "sublet_gpu_energy_joules", "What the card's own counter says", labels=CARD_LABELS
        )
        self._states: Counter[tuple[str, ...]] = Counter()
        self._closed: Counter[tuple[str, ...]] = Counter()

    def read(self, gpu: GpuRecord) -> None:
        """Take a card's numbers over, and count the card."""
        holdings = self._sources.capacity.holdings
        pool = holdings.pool_of(gpu.gpu_id) or UNKNOWN
        gpu_type = holdings.type_of(gpu.gpu_id) or UNKNOWN
        self._take(gpu, (gpu.node, gpu.gpu_id, pool, gpu_type))
        self._count(gpu, pool, gpu_type)

    def families(self) -> Iterator[Metric]:
        """Yield the gauges."""
        yield from (*self._gauges.values(), self._energy)
        yield gauge_of("sublet_cards", "Cards by state", (*POOL_AND_TYPE, "state"), self._states)
        yield gauge_of(
            "sublet_closed_cards",
            "Cards that take nothing new",
            (*POOL_AND_TYPE, "reason"),
            self._closed,
        )

    def _take(self, gpu: GpuRecord, labels: tuple[str, ...]) -> None:
        report = self._sources.fleet.gpu_report(gpu.gpu_id)
        for name, told in _told(report, self._sources.ledger.promised_mib(gpu.gpu_id)):
            self._gauges[name].add_metric(labels, told)
        if report is not None and report.energy_mj is not None:
            self._energy.add_metric(labels, report.energy_mj / 1000)

    def _count(self, gpu: GpuRecord, pool: str, gpu_type: str) -> None:
        sources, holdings = self._sources, self._sources.capacity.holdings
        why = why_closed(sources.ledger, sources.fleet, holdings, gpu)
        for reason in CardClosed:
            self._closed[pool, gpu_type, reason.value] += reason is why
        facts = holdings.gpu(gpu.gpu_id)
        pause_only = facts is not None and facts.pause_only
        state = "closed" if why is not None else "pause-only" if pause_only else "open"
        self._states[pool, gpu_type, state] += 1


def _told(report: GpuReport | None, promised_mib: int) -> Iterator[tuple[str, float]]:
    yield "promised_mib", promised_mib
    if report is None:
        return
    yield "memory_mib", report.memory_mib
    yield "lendable_mib", report.lendable_mib
    yield "used_mib", report.used_mib
    if report.utilisation_percent is not None:
        yield "utilisation_percent", report.utilisation_percent
    if report.temperature_c is not None:
        yield "temperature_celsius", report.temperature_c
