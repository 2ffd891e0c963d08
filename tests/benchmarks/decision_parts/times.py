"""Many timings of one thing."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of many calls, told in milliseconds."""

    seconds: list[float]

    @property
    def median_ms(self) -> float:
        """Half of the calls took less."""
        return statistics.median(self.seconds) * 1000

    @property
    def p99_ms(self) -> float:
        """One in a hundred took longer."""
        return sorted(self.seconds)[int((len(self.seconds) - 1) * 0.99)] * 1000

    @property
    def worst_ms(self) -> float:
        """The longest."""
        return max(self.seconds) * 1000
