"""Keep jobs from the GPU while owners compute, and let them go on after."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Final, Protocol

from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.devices.interface import NotSupportedError
from sublet_agent.moves.pausing import PausedProcesses, PauseFailure, PauseReason
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.state_files.journal import Target

_TIMEOUT_MS: Final = 2000
_TRIES: Final = 3
_AGAIN_AFTER: Final = timedelta(seconds=1)


class _RecordOf(Protocol):
    def __call__(self, kind: EventKind, served: ServedSlice, *, detail: str = "") -> None: ...


class JobPauses:
    """The pauses of the jobs of one GPU."""

    def __init__(
        self, paused_processes: PausedProcesses, calls: Executor, record: _RecordOf
    ) -> None:
        self._paused_processes = paused_processes
        self._calls = calls
        self._record = record

    async def pause(self, jobs: Sequence[ServedSlice], now: datetime) -> bool:
        """Pause these jobs; return whether all stand still, or are known as unpausable.

        Their gates close before, so that no cell of theirs is let through meanwhile. A job whose
        pause fails is tried again a second later, and after three failures counts as unpausable.
        """
        wanted: dict[Target, ServedSlice] = {}
        for job in jobs:
            job.pause(now)
            if job.is_pausing_due(now):
                wanted.update(dict.fromkeys(job.targets(job.processes.on_gpu()), job))
        failures = await self.pause_processes(list(wanted)) if wanted else []
        failed = {f.target: f for f in failures if not f.gone}
        for job in jobs:
            own = [failed[t] for t in failed if wanted[t] is job]
            if own:
                self._note_failure(job, own[0], now)
            elif job.is_pausing_due(now):
                job.pausing_works()
                if job.processes.on_gpu():
                    self._record(EventKind.PAUSED, job)
        failures_of = [job.pause_failures for job in jobs]
        return all(f.count == 0 or f.unpausable is not None for f in failures_of)

    async def pause_processes(
        self, targets: Sequence[Target], pause_reason: PauseReason = PauseReason.POLICY
    ) -> list[PauseFailure]:
        """Pause these processes for this reason; return those that run on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._calls, self._paused_processes.pause, targets, pause_reason, _TIMEOUT_MS
        )

    async def unpause(self, jobs: Sequence[ServedSlice]) -> None:
        """Let these jobs go on."""
        targets: list[Target] = []
        for job in jobs:
            job.unpause()
            targets.extend(job.targets(job.processes))
            self._record(EventKind.UNPAUSED, job)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(
            self._calls, self._paused_processes.release, targets, PauseReason.POLICY
        )

    def _note_failure(self, job: ServedSlice, failure: PauseFailure, now: datetime) -> None:
        job.pausing_fails(now + _AGAIN_AFTER)
        failures = job.pause_failures
        if failures.count >= _TRIES or isinstance(failure.error, NotSupportedError):
            if failures.unpausable is None:
                self._record(
                    EventKind.REFUSED_MOVE, job, detail=f"it cannot be paused: {failure.error}"
                )
            job.mark_unpausable(f"process {failure.target.identity.pid}: {failure.error}")
