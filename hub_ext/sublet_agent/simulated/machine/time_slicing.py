"""The driver's time slicing: how much of a card each process has that computes, and what is lost.

As measured (large matrix products, many small kernels, training bound by Python; alone, two, four):
the card goes from one process to the next when a slice of time is over, or when the process has no
kernel to run and waits for the end of one; each change costs a little. A program that keeps the
card busy for a part of the time only has that part, beside others that leave it so much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sublet_agent.simulated.machine.speeds import Speeds


@dataclass(frozen=True, slots=True)
class Demand:
    """One process's wish to compute."""

    part: float
    """The part of the card's time that the program keeps busy when alone: 1 is all of it."""
    burst_s: float
    """The time of kernels that are there to run without the program: then it must launch more."""


@dataclass(frozen=True, slots=True)
class Slicing:
    """What each process has, in the order of the wishes."""

    speeds: tuple[float, ...]
    """The work done in a second, of what the card does in a second for one alone."""
    busy: tuple[float, ...]
    """The part of the time in which the card is the process's, changes counted as its own."""

    @property
    def card_busy(self) -> float:
        """The part of the time in which the card is busy at all."""
        return min(1.0, sum(self.busy))


def slice_time(demands: Sequence[Demand], speeds: Speeds) -> Slicing:
    """Divide a card's time among those who compute at once."""
    parts = tuple(demand.part for demand in demands)
    if len(demands) <= 1:
        return Slicing(parts, parts)
    stretches = [min(demand.burst_s, speeds.time_slice_s) for demand in demands]
    lost = speeds.context_switch_s
    useful = [stretch / (stretch + lost) for stretch in stretches]
    # What each needs of the card's time with its changes; who needs less than its turns has that.
    needs = [part / each for part, each in zip(parts, useful, strict=True)]
    if sum(needs) <= 1.0 or sum(parts) <= min(useful):
        return Slicing(parts, parts)
    had = _fill(needs, [stretch + lost for stretch in stretches])
    return Slicing(tuple(h * each for h, each in zip(had, useful, strict=True)), tuple(had))


def _fill(needs: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Divide one card by weight, nobody more than they need."""
    had = [0.0] * len(needs)
    open_ones = set(range(len(needs)))
    left = 1.0
    while open_ones:
        total = sum(weights[i] for i in open_ones)
        filled = {i for i in open_ones if needs[i] <= left * weights[i] / total}
        if not filled:
            for i in open_ones:
                had[i] = left * weights[i] / total
            break
        for i in filled:
            had[i] = needs[i]
        left -= sum(needs[i] for i in filled)
        open_ones -= filled
    return had
