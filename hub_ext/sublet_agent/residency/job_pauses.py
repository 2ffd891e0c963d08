"""Keep jobs from the GPU while owners compute, and let them go on after."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Final, Protocol

from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.devices.interface import NotSupportedError
from sublet_agent.moves.pausing import PausedProcesses, PauseFailure, PauseReason
from sublet_agent.residency.state import ServedSlice
from sublet_agent.state_files.journal import Target

_TIMEOUT_MS: Final = 2000
_TRIES: Final = 3
_AGAIN_AFTER: Final = timedelta(seconds=1)


class _RecordOf(Protocol):
    def __call__(self, kind: EventKind, served: ServedSlice, *, detail: str = "") -> None: ...


class JobPauses:
    """Pauses and unpauses the jobs of one GPU."""

    def __init__(self, holds: PausedProcesses, calls: Executor, record: _RecordOf) -> None:
        self._holds = holds
        self._calls = calls
        self._record = record

    async def pause(self, jobs: Sequence[ServedSlice], now: datetime) -> bool:
        """Pause these jobs; whether all stand still, or are known not to and counted so.

        Their gates close before, so that nothing of theirs is let through meanwhile.
        """
        wanted: dict[Target, ServedSlice] = {}
        for job in jobs:
            job.gate_open, job.turn_since, job.paused = False, None, True
            if job.pause_again_at is None or now >= job.pause_again_at:
                wanted.update(dict.fromkeys(job.targets(job.on_gpu()), job))
        failures = await self.hold(list(wanted)) if wanted else []
        failed = {f.target: f for f in failures if not f.gone}
        for job in jobs:
            own = [failed[t] for t in failed if wanted[t] is job]
            if own:
                self._note_failure(job, own[0], now)
            elif job.pause_again_at is None or now >= job.pause_again_at:
                job.failed_pauses, job.pause_again_at, job.unpausable = 0, None, None
                if job.on_gpu():
                    self._record(EventKind.PAUSED, job)
        return all(j.failed_pauses == 0 or j.unpausable is not None for j in jobs)

    async def hold(
        self, targets: Sequence[Target], hold: PauseReason = PauseReason.POLICY
    ) -> list[PauseFailure]:
        """Pause these processes; returns those that run on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._calls, self._holds.pause, targets, hold, _TIMEOUT_MS
        )

    async def unpause(self, jobs: Sequence[ServedSlice]) -> None:
        """Let these jobs go on."""
        targets: list[Target] = []
        for job in jobs:
            job.paused = False
            targets.extend(job.targets(job.processes.values()))
            self._record(EventKind.UNPAUSED, job)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._calls, self._holds.release, targets, PauseReason.POLICY)

    def _note_failure(self, job: ServedSlice, failure: PauseFailure, now: datetime) -> None:
        job.failed_pauses += 1
        job.paused = False
        job.pause_again_at = now + _AGAIN_AFTER
        if job.failed_pauses >= _TRIES or isinstance(failure.error, NotSupportedError):
            if job.unpausable is None:
                self._record(
                    EventKind.REFUSED_MOVE, job, detail=f"it cannot be paused: {failure.error}"
                )
            job.unpausable = f"process {failure.target.identity.pid}: {failure.error}"
