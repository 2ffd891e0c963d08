"""Work on real bytes, a slice at a time, in turns: nothing large ever holds the daemon up."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from sublet_agent.simulated.machine.card import SimulatedProcess
from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.protocol.errors import SimulatedGpuError


@dataclass(frozen=True, slots=True)
class ByteWork:
    """A task over many bytes, which answers its caller when its steps end."""

    steps: Iterator[None]
    owner: SimulatedProcess | None
    reply: Reply | None = None
    by_driver: bool = False
    """Whether it is a move by the driver, which goes on while the process is locked; a program's
    work does not.
    """

    @property
    def runnable(self) -> bool:
        """Whether a slice of the work may be done now."""
        return self.owner is None or self.by_driver or self.owner.submits


class ByteQueue:
    """The queue of all work on bytes, one slice of each in turn; the driver's before programs'."""

    def __init__(self) -> None:
        self._works: deque[ByteWork] = deque()
        self._moves: deque[ByteWork] = deque()

    def add(self, work: ByteWork) -> None:
        """Add work, which begins at the next slice."""
        (self._moves if work.by_driver else self._works).append(work)

    @property
    def has_work(self) -> bool:
        """Whether there is a slice to do now."""
        return bool(self._moves) or any(work.runnable for work in self._works)

    def run_slice(self) -> None:
        """Do one slice of the first work that may run."""
        works = self._moves or self._works
        for _ in range(len(works)):
            work = works.popleft()
            if not work.runnable:
                works.append(work)
                continue
            try:
                next(work.steps)
            except StopIteration:
                return
            except SimulatedGpuError as error:
                if work.reply is not None:
                    work.reply.fail(error)
                return
            works.append(work)
            return

    def drop_moves(self, owner: SimulatedProcess) -> None:
        """Forget what the driver was moving for a process; its program's work waits on."""
        self._moves = deque(work for work in self._moves if work.owner is not owner)

    def drop(self, owner: SimulatedProcess, error: SimulatedGpuError) -> None:
        """Forget all work for a process, and tell who waits for it why."""
        self.drop_moves(owner)
        dropped = [work for work in self._works if work.owner is owner]
        self._works = deque(work for work in self._works if work.owner is not owner)
        for work in dropped:
            if work.reply is not None:
                work.reply.fail(error)
