"""Kernels of one process: a queue worked off in order, at the speed the card has left for it."""

import math
from collections import deque
from dataclasses import dataclass, field

from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.machine.speeds import EPSILON_S, KERNEL_S
from sublet_agent.simulated.machine.time_slicing import Demand
from sublet_agent.simulated.protocol.errors import SimulatedGpuError


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels that a computation is made of, and how its program launches them."""

    kernel_s: float = KERNEL_S
    """The length of each; infinity: the computation is one kernel, submitted as a whole."""
    launch_s: float = 0.0
    """The time that the program takes to launch one kernel: where that is longer than the kernel,
    the card waits for the program.
    """
    waits_for_each: bool = False
    """Whether the program waits for the end of each kernel before it launches the next."""

    @property
    def part(self) -> float:
        """The part of the card's time that the program keeps busy when alone."""
        return self.kernel_s / self.launch_s if self.launch_s > self.kernel_s else 1.0


@dataclass(slots=True, eq=False)
class Work:
    """A computation of ``total_s`` alone on the card.

    A lock lets the kernel that runs end, and takes effect before the next: a computation of many
    short kernels is interrupted between two, one endless kernel never.
    """

    total_s: float
    kernels: Kernels
    replies: list[Reply] = field(default_factory=list)
    done_s: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether nothing of the computation is left."""
        return self.total_s - self.done_s <= EPSILON_S

    @property
    def burst_s(self) -> float:
        """The time of the kernels that are there to run at once."""
        one_kernel = self.kernels.waits_for_each
        return min(self.total_s, self.kernels.kernel_s) if one_kernel else self.total_s

    def left_s(self, *, draining: bool) -> float:
        """Return the seconds still to run: to the end, or to that of the kernel that runs."""
        kernel_s = self.kernels.kernel_s
        if not draining or math.isinf(kernel_s):
            return self.total_s - self.done_s
        begun = math.ceil((self.done_s - EPSILON_S) / kernel_s)
        return min(self.total_s, begun * kernel_s) - self.done_s


class WorkQueue:
    """The computations that one process has submitted, in order."""

    def __init__(self) -> None:
        self._queue: deque[Work] = deque()

    def __len__(self) -> int:
        """Return the number of computations not finished."""
        return len(self._queue)

    @property
    def last(self) -> Work | None:
        """The computation submitted last."""
        return self._queue[-1] if self._queue else None

    def submit(self, work: Work) -> None:
        """Put a computation behind the others."""
        self._queue.append(work)

    def left_s(self, *, draining: bool) -> float | None:
        """Return the first computation's time alone on the card; ``None``: nothing must run."""
        if not self._queue:
            return None
        left = self._queue[0].left_s(draining=draining)
        return None if draining and left <= EPSILON_S else left

    def demand(self, *, draining: bool) -> Demand:
        """Return how much of the card the computations want; a kernel that runs wants all."""
        if not self._queue:
            return Demand(1.0, math.inf)
        part = 1.0 if draining else self._queue[0].kernels.part
        return Demand(part, sum(work.burst_s for work in self._queue))

    def progress(self, seconds: float) -> None:
        """Let the first computation have had so much of the whole card."""
        if self._queue:
            self._queue[0].done_s += seconds

    def finish_due(self) -> bool:
        """Take what is finished off the queue and tell who waits; return whether there was any."""
        found = False
        while self._queue and self._queue[0].finished:
            found = True
            for reply in self._queue.popleft().replies:
                reply.succeed({})
        return found

    def give_up(self, error: SimulatedGpuError) -> None:
        """Drop everything and tell who waits why."""
        while self._queue:
            for reply in self._queue.popleft().replies:
                reply.fail(error)
