"""The loop that measures one GPU again and again, and acts on what that shows."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.closed_gpus import ClosedGpu
from sublet_quota.residency.cap_watch import CapLevel, CapWatch
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.clock import Clock
from sublet_agent.measurement.sample import Sample, take_sample
from sublet_agent.measurement.update import Consequences, SampleUpdate, request_for
from sublet_agent.measurement.wake_checks import wake_who_may_wait
from sublet_agent.moves.pausing import PausedProcesses, PauseReason
from sublet_agent.moves.plan import MoveTools
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.wanted_limits import keep_limits
from sublet_agent.state_files.cap_watches import CapWatchesFile
from sublet_agent.state_files.event_log import RecordEvent
from sublet_agent.state_files.journal import Target

_ASK_STATES_EVERY_S = 1.0
_HURRY = 3
_GONE_AFTER = 3
"""The number of samples without an answer after which the card is closed."""
_BACK_AFTER = 20
"""The number of samples with an answer after which a card that was gone is there again."""

_TOLD_OF_CAP: Final = {
    CapLevel.WITHIN: EventKind.WITHIN_CAP,
    CapLevel.NEAR: EventKind.NEAR_CAP,
    CapLevel.OVER: EventKind.OVER_CAP,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SamplingTools:
    """The things that the samplers of all GPUs work with."""

    moves: MoveTools
    attribution: Attribution
    calls: Executor
    samples: Executor
    clock: Clock
    record: RecordEvent
    changed: Callable[[], None]
    activity: ActivitySettings
    cap_watches: CapWatchesFile
    period_s: float
    """The time between two samples of a GPU."""


class SamplingLoop:
    """The loop that measures one GPU."""

    def __init__(self, residency: GpuResidency, tools: SamplingTools) -> None:
        self._residency = residency
        self._tools = tools
        self._measurement = SampleUpdate(residency, tools.activity)
        self._asked_states = float("-inf")
        self._failures = self._answers = 0
        self._again = asyncio.Event()
        residency.look_again = self._again.set

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            try:
                await self.sample_once()
            except Exception:
                log.exception("a sample of GPU %s failed", self._residency.gpu.gpu.gpu_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period_s()):
                    await self._again.wait()
            self._again.clear()

    def _period_s(self) -> float:
        """Return how long to wait for the next sample, in seconds.

        A job that must stand still may start processes: they are looked for more often.
        """
        period_s = self._tools.period_s
        held = any(s.is_job and not s.gate_open for s in self._residency.slices.values())
        return period_s / _HURRY if held else period_s

    async def sample_once(self) -> None:
        """Take a sample, act on what it shows, and let the policy look."""
        tools = self._tools
        monotonic = tools.clock.monotonic()
        ask = monotonic - self._asked_states >= _ASK_STATES_EVERY_S
        request = request_for(self._residency, tools.clock.now(), ask_states=ask)
        loop = asyncio.get_running_loop()
        sample = await loop.run_in_executor(
            tools.samples,
            take_sample,
            tools.moves.device,
            tools.moves.table,
            tools.attribution,
            tools.moves.tenant_of,
            request,
        )
        self._note_answer(sample)
        self._note_strangers(sample)
        effects = self._measurement.absorb(sample, tools.clock.now(), tools.clock.monotonic())
        if effects is None:
            return
        if ask:
            self._asked_states = monotonic
        wake_who_may_wait(self._residency, tools.activity.busy_wakes_after, tools.clock.now())
        await self._act(effects)
        if effects.changed:
            tools.changed()
        self._residency.poke()
        await self._residency.keep_shares()
        if await keep_limits(self._residency, tools.calls):
            tools.changed()

    def _note_strangers(self, sample: Sample) -> None:
        # The canary may run as nobody, an account that others on this machine have, too.
        gpu = self._residency.gpu
        for process in sample.processes:
            if process.slice_id is None and not gpu.is_canary(process.identity):
                pid = process.identity.pid
                self._tools.moves.freezer.note_stranger(sample.gpu_id, pid)

    def _note_answer(self, sample: Sample) -> None:
        gpu = self._residency.gpu
        if sample.memory is None:
            self._failures, self._answers = self._failures + 1, 0
            if self._failures == _GONE_AFTER and sample.problem is not None:
                self.close(sample.problem)
            return
        self._failures, self._answers = 0, self._answers + 1
        if self._answers >= _BACK_AFTER and gpu.fault is not None and gpu.fault.may_pass:
            was = gpu.fault.words
            log.warning("GPU %s answers again and is open: it was %s", gpu.gpu.gpu_id, was)
            gpu.reopen()
            self._tell()

    def close(self, reason: ClosedGpu) -> None:
        """Take nothing new on this GPU, for this reason.

        A card that had not answered is closed for good by any other reason.
        """
        gpu = self._residency.gpu
        self._answers = 0
        if gpu.fault is None or (gpu.fault.may_pass and not reason.may_pass):
            gpu.close(reason)
            self._tools.record(EventKind.GPU_CLOSED, gpu.gpu.gpu_id, detail=reason.words)
            self._tell()

    def _tell(self) -> None:
        self._tools.changed()
        self._residency.poke()

    async def _act(self, effects: Consequences) -> None:
        tools, paused_processes = self._tools, self._tools.moves.paused_processes
        for target in effects.found_suspended:
            paused_processes.adopt(target, PauseReason.SUSPENDED)
            tools.moves.host.settle(target.identity, target.image_mib)
        for identity in effects.found_back:
            paused_processes.drop(identity, PauseReason.SUSPENDED)
            tools.moves.host.release(identity)
        for identity in effects.ended:
            tools.moves.host.release(identity)
        for served, level in effects.told_of_cap:
            tools.record(
                _TOLD_OF_CAP[level],
                served.gpu_id,
                served.slice_id,
                bytes_mib=served.cap_use.held_mib,
                detail=f"it may hold {served.cap_mib} MiB",
            )
        if effects.caps_changed:
            tools.cap_watches.keep(self._residency.gpu.gpu.gpu_id, self._cap_watches())
        timeout_ms = tools.moves.settings.pause_timeout_ms
        pauses = (
            (effects.pause_for_policy, PauseReason.POLICY),
            (effects.pause_for_slice, PauseReason.SLICE),
        )
        loop = asyncio.get_running_loop()
        for targets, pause_reason in pauses:
            if targets:
                await loop.run_in_executor(
                    tools.calls, paused_processes.pause, targets, pause_reason, timeout_ms
                )
        if any(self._needlessly_held(effects.found_paused).values()):
            async with self._residency.acting:
                needless = self._needlessly_held(effects.found_paused)
                await loop.run_in_executor(tools.calls, _let_run, paused_processes, needless)
        await loop.run_in_executor(tools.samples, paused_processes.settle)

    def _cap_watches(self) -> dict[SliceId, CapWatch]:
        slices = self._residency.slices.values()
        return {s.slice_id: s.cap_watch for s in slices if s.assignment is not None}

    def _needlessly_held(self, found_paused: list[Target]) -> dict[PauseReason, list[Target]]:
        """Return the paused processes of this GPU that have no reason to stand still any more.

        Sorted by that reason, and checked against what is so now, not against what was when the
        sample was taken.
        """
        paused_processes = self._tools.moves.paused_processes
        gpu, slices = self._residency.gpu, self._residency.slices
        # While those left behind are looked for, one may be on its way back that a driver's call
        # of before brings: nobody may take its room. Who looks lets the others run.
        awaited = any(self._residency.is_being_looked_for(slice_id) for slice_id in slices)
        # Who takes turns was paused a moment ago, and is let run by these.
        turning = self._residency.shares.who
        stray = [
            t
            for t in found_paused
            if not (awaited or t.slice_id in turning or paused_processes.of(t.identity))
        ]
        policy, whole, moved = [], [], []
        if gpu.move is None and gpu.canary is None:
            # A move that broke off unexpectedly may have left whom it held.
            held = paused_processes.held_for(PauseReason.MOVE)
            moved = [target for target in held if target.gpu_id == gpu.gpu.gpu_id]
        for target in paused_processes.held_for(PauseReason.POLICY):
            served = slices.get(target.slice_id)
            if target.gpu_id == gpu.gpu.gpu_id and (served is None or not served.paused):
                policy.append(target)
        for target in paused_processes.held_for(PauseReason.SLICE):
            served = slices.get(target.slice_id)
            back = served is None or not (served.processes.away() or gpu.is_moving(target.slice_id))
            if target.gpu_id == gpu.gpu.gpu_id and back:
                whole.append(target)
        return {
            PauseReason.FOUND: stray,
            PauseReason.POLICY: policy,
            PauseReason.SLICE: whole,
            PauseReason.MOVE: moved,
        }


def _let_run(paused_processes: PausedProcesses, needless: dict[PauseReason, list[Target]]) -> None:
    for target in needless[PauseReason.FOUND]:
        paused_processes.adopt(target, PauseReason.FOUND)
    for pause_reason, targets in needless.items():
        paused_processes.release(targets, pause_reason)
