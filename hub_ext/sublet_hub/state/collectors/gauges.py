"""Sums by their labels, as the gauge that Prometheus reads."""

from collections.abc import Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily

POOL_AND_TYPE: Final = ("pool", "gpu_type")


def gauge_of(
    name: str, words: str, labels: tuple[str, ...], sums: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    """Return a gauge of these sums, in their order; their keys are the values of ``labels``."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, amount in sums.items():
        family.add_metric(values, amount)
    return family
