"""The cards: what each one reports, how many are open, and why the others are not."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sublet_quota.wire.agent_link import GpuReport

from sublet_hub.ledger.records import GpuRecord
from sublet_hub.state.collectors.closed_cards import CardClosed, why_closed
from sublet_hub.state.collectors.group_labels import UNKNOWN
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.collectors.stepped import SteppedCollector, in_parts

CARD_LABELS: Final = ("node", "gpu", "pool", "gpu_type")
_GAUGES: Final[Mapping[str, str]] = {
    "memory_mib": "Memory of the card, MiB",
    "used_mib": "Memory in use, MiB",
    "utilisation_percent": "How busy the card is",
    "lendable_mib": "What a job could get, MiB",
    "promised_mib": "The sum of the notebooks' caps, MiB",
}


class CardCollector(SteppedCollector):
    """The gauges of cards."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges, after a step for some cards each."""
        gauges = {
            name: GaugeMetricFamily(f"sublet_gpu_{name}", words, labels=CARD_LABELS)
            for name, words in _GAUGES.items()
        }
        energy = CounterMetricFamily(
            "sublet_gpu_energy_joules", "What the card's own counter says", labels=CARD_LABELS
        )
        states: Counter[tuple[str, str, str]] = Counter()
        closed: Counter[tuple[str, str, str]] = Counter()
        for part in in_parts(self._sources.ledger.gpus.values()):
            self._read(part, gauges, energy)
            self._count(part, states, closed)
            yield None
        yield from (*gauges.values(), energy)
        yield _counted("sublet_cards", "Cards by state", "state", states)
        yield _counted("sublet_closed_cards", "Cards that take nothing new", "reason", closed)

    def _read(
        self,
        gpus: Sequence[GpuRecord],
        gauges: Mapping[str, GaugeMetricFamily],
        energy: CounterMetricFamily,
    ) -> None:
        ledger, fleet = self._sources.ledger, self._sources.fleet
        for gpu in gpus:
            labels = (gpu.node, gpu.gpu_id, *self._pool_and_type(gpu))
            report = fleet.gpu_report(gpu.gpu_id)
            for name, told in _told(report, ledger.promised_mib(gpu.gpu_id)):
                gauges[name].add_metric(labels, told)
            if report is not None and report.energy_mj is not None:
                energy.add_metric(labels, report.energy_mj / 1000)

    def _count(
        self,
        gpus: Sequence[GpuRecord],
        states: Counter[tuple[str, str, str]],
        closed: Counter[tuple[str, str, str]],
    ) -> None:
        sources, holdings = self._sources, self._sources.capacity.holdings
        for gpu in gpus:
            pool, gpu_type = self._pool_and_type(gpu)
            why = why_closed(sources.ledger, sources.fleet, holdings, gpu)
            for reason in CardClosed:
                closed[pool, gpu_type, reason.value] += reason is why
            facts = holdings.gpu(gpu.gpu_id)
            pause_only = facts is not None and facts.pause_only
            state = "closed" if why is not None else "pause-only" if pause_only else "open"
            states[pool, gpu_type, state] += 1

    def _pool_and_type(self, gpu: GpuRecord) -> tuple[str, str]:
        holdings = self._sources.capacity.holdings
        pool = holdings.pool_of(gpu.gpu_id)
        return pool or UNKNOWN, holdings.type_of(gpu.gpu_id) or UNKNOWN


def _told(report: GpuReport | None, promised_mib: int) -> Iterator[tuple[str, float]]:
    yield "promised_mib", promised_mib
    if report is None:
        return
    yield "memory_mib", report.memory_mib
    yield "lendable_mib", report.lendable_mib
    yield "used_mib", report.used_mib
    if report.utilisation_percent is not None:
        yield "utilisation_percent", report.utilisation_percent


def _counted(
    name: str, words: str, label: str, counts: Mapping[tuple[str, str, str], int]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=("pool", "gpu_type", label))
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family
