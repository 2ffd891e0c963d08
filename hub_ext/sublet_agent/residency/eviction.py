"""End a job that is in an owner's way and cannot be moved: SIGTERM, a grace period, SIGKILL."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from sublet_agent.moves.pausing import PausedProcesses, PauseReason
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.state_files.journal import Target

_LOOK_AGAIN_S = 0.2

log = logging.getLogger(__name__)


class Eviction:
    """Ends the processes of one job slice after another."""

    def __init__(
        self,
        table: ProcessTable,
        paused_processes: PausedProcesses,
        calls: Executor,
        grace_s: float,
    ) -> None:
        self._table = table
        self._paused_processes = paused_processes
        self._calls = calls
        self._grace_s = grace_s

    async def end(self, current: Callable[[], Sequence[Target]]) -> None:
        """End all processes that ``current`` names, those born meanwhile too.

        A paused process cannot run its own SIGTERM handler inside a GPU call, so it is let run
        to save what it has.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_s
        told: set[ProcessIdentity] = set()
        while targets := [t for t in current() if self._table.is_alive(t.identity)]:
            late = loop.time() >= deadline
            for target in targets:
                if late:
                    self._table.send_signal(target.identity, signal.SIGKILL)
                elif target.identity not in told:
                    log.info("asking process %s to end", target.identity.pid)
                    self._table.send_signal(target.identity, signal.SIGTERM)
            fresh = [t for t in targets if t.identity not in told]
            told.update(t.identity for t in fresh)
            await loop.run_in_executor(
                self._calls, self._paused_processes.release, fresh, PauseReason.POLICY
            )
            await asyncio.sleep(_LOOK_AGAIN_S)
