"""How many notices and reports were given up lately, by way and reason: nothing of receivers."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from sublet_hub.state.collectors.stepped import SteppedCollector

GivenUp = Callable[[], Mapping[tuple[str, str], int]]
"""Returns how many were given up, by way and code of the reason."""


class GivenUpCollector(SteppedCollector):
    """The gauge of notices that reached nobody."""

    def __init__(self, given_up: GivenUp) -> None:
        self._given_up = given_up

    def steps(self) -> Iterator[Metric | None]:
        """Yield the gauge at this moment."""
        found = GaugeMetricFamily(
            "sublet_notices_given_up",
            "Notices and reports that could not be delivered, until they are forgotten",
            labels=("channel", "problem"),
        )
        for labels, count in self._given_up().items():
            found.add_metric(labels, count)
        yield found
