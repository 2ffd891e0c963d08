"""The speeds of the simulated driver, and what the card draws: the figures of GPU_FACTS.md."""

import math
from dataclasses import dataclass, replace
from typing import Final, Self

EPSILON_S: Final = 1e-7
"""The distance below which two times are the same moment."""
KERNEL_S: Final = 1e-3
"""The length of the kernels that a computation is made of, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Times in seconds, rates in MiB of simulated memory a second, power in watts."""

    lock_s: float = 0.001
    unlock_s: float = 0.001
    least_move_s: float = 0.035
    """The time of a checkpoint or restore of next to nothing."""
    failed_restore_s: float = 0.010
    time_slice_s: float = 0.002
    """The longest that the card stays with one of several processes that compute at once."""
    context_switch_s: float = 0.00009
    """What is lost whenever the card goes from one process to the next: between the measured
    0.06 ms of long kernels and 0.1 ms of short ones.
    """
    out_mib_s: float = 3.0 * 1024
    """The rate of one process that leaves alone; together they share ``out_total_mib_s``."""
    out_total_mib_s: float = 3.5 * 1024
    back_mib_s: float = 6.4 * 1024
    back_total_mib_s: float = 10.4 * 1024
    quiet_w: float = 76.0
    """The power with no process, or only such as have not computed yet."""
    ready_w: float = 131.0
    """The power with a process on the card that has computed, whether paused or free to run."""
    busy_w: float = 350.0
    """The power while computing. Not measured: a figure between the idle card's and its limit."""
    cold_c: float = 25.0
    """The temperature of a card that draws nothing, in degrees Celsius. Neither it nor how a card
    warms was measured: figures of a cooled room.
    """
    warmth_c_per_w: float = 0.1
    """By how much a card gets warmer in the end for each watt that it draws."""
    warming_s: float = 20.0
    """The time in which a card comes nearer by 63 % to the temperature that its power leads to."""

    def led_to_c(self, power_w: float) -> float:
        """Return the temperature that a card comes to in the end by this power."""
        return self.cold_c + self.warmth_c_per_w * power_w

    def warmed_c(self, temperature_c: float, power_w: float, seconds: float) -> float:
        """Return the temperature of a card that has drawn this power for so long."""
        led_to_c = self.led_to_c(power_w)
        return led_to_c + (temperature_c - led_to_c) * math.exp(-seconds / self.warming_s)

    def faster(self, factor: float) -> Self:
        """Return the same driver, moving and locking ``factor`` times as fast."""
        if not (math.isfinite(factor) and factor > 0):
            message = f"the speed is {factor}: give a number above zero (1.0 is a real card's)"
            raise ValueError(message)
        return replace(
            self,
            lock_s=self.lock_s / factor,
            unlock_s=self.unlock_s / factor,
            least_move_s=self.least_move_s / factor,
            failed_restore_s=self.failed_restore_s / factor,
            out_mib_s=self.out_mib_s * factor,
            out_total_mib_s=self.out_total_mib_s * factor,
            back_mib_s=self.back_mib_s * factor,
            back_total_mib_s=self.back_total_mib_s * factor,
        )


INSTANT: Final = Speeds(
    lock_s=0.0,
    unlock_s=0.0,
    least_move_s=0.0,
    failed_restore_s=0.0,
    context_switch_s=0.0,
    out_mib_s=math.inf,
    out_total_mib_s=math.inf,
    back_mib_s=math.inf,
    back_total_mib_s=math.inf,
)
"""Speeds at which locks and moves take no time at all; kernels still take what they take."""
