"""Kernels of one process: a queue worked off in order, at the speed the card has left for it."""

import math
from collections import deque
from dataclasses import dataclass, field

from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.machine.speeds import EPSILON_S
from sublet_agent.simulated.protocol.errors import SimulatedGpuError


@dataclass(slots=True, eq=False)
class Work:
    """A computation of ``total_s`` alone on the card, made of kernels of ``kernel_s`` each.

    A lock lets the kernel that runs end, and takes effect before the next: a computation of many
    short kernels is interrupted between two, one endless kernel never. ``kernel_s`` of infinity
    means that it is all one kernel, submitted as a whole.
    """

    total_s: float
    kernel_s: float
    replies: list[Reply] = field(default_factory=list)
    done_s: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether nothing of the computation is left."""
        return self.total_s - self.done_s <= EPSILON_S

    def left_s(self, *, draining: bool) -> float:
        """Return the seconds still to run: to the end, or to that of the kernel that runs."""
        if not draining or math.isinf(self.kernel_s):
            return self.total_s - self.done_s
        kernels = math.ceil((self.done_s - EPSILON_S) / self.kernel_s)
        return min(self.total_s, kernels * self.kernel_s) - self.done_s


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
