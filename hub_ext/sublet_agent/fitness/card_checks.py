"""The watch over a card's fitness: how it is set up, again and again, and a trial with a canary.

The trial runs beside the agent's start, and until it is over nothing is moved on its card. It
also runs where owners are on the card already: a driver that harms whom it restores, or their
neighbours, would do so with the first notebook as well; with the canary, at most neighbours stand
still for a moment. What has passed since the boot is not tried again, so that an agent that begins
anew serves at once. On a card that is known not to be fit nothing is tried at all, and neither
beside processes of no slice: they could not be kept from taking the canary's room.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from signal import SIGKILL
from typing import Final

from sublet_quota.reasons.fitness import Unfit, UnfitReason, unfit_clause

from sublet_agent.clock import Clock
from sublet_agent.fitness.setup_checks import check_card
from sublet_agent.fitness.trial import Trial, TrialLimits, try_card
from sublet_agent.moves.plan import MoveTools
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.state_files.canary_verdicts import CanaryVerdicts

_LOOK_EVERY_S: Final = 10.0
_AGAIN_S: Final = 0.25
_FIRST_PAUSE_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 3600.0
_FOR_GOOD: Final = frozenset({Unfit.CANARY_LOST, Unfit.CANARY_CHANGED, Unfit.MEMORY_LEFT})
"""The failures after which a card is not tried again until the boot, or under another driver."""
_END_WITHIN_S: Final = 20.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FitnessTools:
    """The things that the watches over all cards work with."""

    moves: MoveTools
    table: ProcessTable
    samples: Executor
    clock: Clock
    changed: Callable[[], None]
    verdicts: CanaryVerdicts
    limits: TrialLimits | None
    """How long a trial may take; ``None``: no card is tried."""


class CardCheck:
    """The watch over one card's fitness."""

    def __init__(self, residency: GpuResidency, tools: FitnessTools) -> None:
        self._residency = residency
        self._gpu = residency.gpu
        self._tools = tools
        self._driver: str | None = None
        self._setup: tuple[UnfitReason, ...] = ()
        self._failure: UnfitReason | None = None
        """How the last trial failed."""
        self._failures = 0
        self._look_at = self._again_at = float("-inf")
        self._over = threading.Event()
        """Set while no trial is under way."""
        self._over.set()
        self._give_up = threading.Event()
        """Ends the trial that is under way, or was last."""

    async def run(self) -> None:
        """Look, and try, until cancelled."""
        while True:
            try:
                if self._tools.clock.monotonic() >= self._look_at:
                    await self.look()
                if self._may_try():
                    await self._try()
                else:
                    self._note()
            except Exception:
                log.exception("checking GPU %s failed", self._gpu.gpu.gpu_id)
            await asyncio.sleep(_AGAIN_S)

    async def look(self) -> None:
        """Look how the card is set up, and note what follows."""
        device, gpu_id = self._tools.moves.device, self._gpu.gpu.gpu_id
        loop = asyncio.get_running_loop()
        setup = await loop.run_in_executor(self._tools.samples, device.setup, gpu_id)
        checks = await loop.run_in_executor(self._tools.samples, check_card, device, gpu_id)
        self._look_at = self._tools.clock.monotonic() + _LOOK_EVERY_S
        self._driver = setup.driver
        self._setup = tuple(check.reason for check in checks if check.reason is not None)
        self._note()

    async def stop(self) -> None:
        """End a trial that is under way: whoever stands still for it goes on."""
        # First: where one canary has ended, the trial goes on to the next.
        self._give_up.set()
        canary = self._gpu.canary
        if canary is not None:
            self._tools.table.send_signal(canary, SIGKILL)
        await asyncio.to_thread(self._over.wait, _END_WITHIN_S)

    def _has_passed(self) -> bool:
        verdicts, gpu_id = self._tools.verdicts, self._gpu.gpu.gpu_id
        return self._tools.limits is None or verdicts.passed(gpu_id, self._driver)

    def _reasons(self) -> tuple[UnfitReason, ...]:
        if self._setup or self._has_passed():
            return self._setup
        failed = self._tools.verdicts.failed(self._gpu.gpu.gpu_id, self._driver)
        if failed is not None:
            return (failed,)
        if self._failure is not None:
            return (self._failure,)
        waits = "it waits until processes of no slice have ended" if self._is_occupied() else ""
        return (UnfitReason(Unfit.BEING_CHECKED, waits),)

    def _is_occupied(self) -> bool:
        return bool(self._gpu.reading.foreign)

    def _is_due(self) -> bool:
        """Whether the card is to be tried as soon as that is possible."""
        if self._setup or self._has_passed():
            return False
        failed = self._tools.verdicts.failed(self._gpu.gpu.gpu_id, self._driver)
        return failed is None and self._tools.clock.monotonic() >= self._again_at

    def _may_try(self) -> bool:
        known = self._gpu.measured and self._gpu.fault is None
        return self._is_due() and known and self._over.is_set() and not self._is_occupied()

    def _note(self) -> None:
        reasons = self._reasons()
        if not self._gpu.note_unfit(reasons):
            return
        gpu = self._gpu.gpu
        if reasons:
            only_checked = all(each.why is Unfit.BEING_CHECKED for each in reasons)
            level = logging.INFO if only_checked else logging.WARNING
            clause = unfit_clause(reasons)
            log.log(level, "GPU %s (%s) is not lent yet: %s", gpu.index, gpu.gpu_id, clause)
        else:
            log.info("GPU %s (%s) is fit to be lent", gpu.index, gpu.gpu_id)
        self._tools.changed()
        self._residency.poke()

    async def _try(self) -> None:
        limits = self._tools.limits
        if limits is None:
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[UnfitReason | None] = loop.create_future()
        trial = Trial(self._tools.moves, self._gpu.gpu.gpu_id, limits, self._tell_of(loop))
        self._give_up = trial.give_up
        self._over.clear()
        # A thread of its own: a driver that never answers must not keep the agent from ending.
        threading.Thread(
            target=self._try_in_thread, args=(trial, loop, ended), name="canary", daemon=True
        ).start()
        try:
            failure = await asyncio.wait_for(asyncio.shield(ended), limits.most_s)
        except TimeoutError:
            failure = limits.no_answer
        self._gpu.note_canary(None)
        self._judge(failure)

    def _judge(self, failure: UnfitReason | None) -> None:
        gpu_id, verdicts = self._gpu.gpu.gpu_id, self._tools.verdicts
        self._failure = failure
        if failure is None or failure.why in _FOR_GOOD:
            verdicts.keep(gpu_id, self._driver, failure)
        else:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._failures)
            self._failures += 1
            self._again_at = self._tools.clock.monotonic() + pause_s
        self._note()

    def _try_in_thread(
        self,
        trial: Trial,
        loop: asyncio.AbstractEventLoop,
        ended: "asyncio.Future[UnfitReason | None]",
    ) -> None:
        try:
            failure = try_card(trial)
        except Exception as error:
            log.exception("the trial of GPU %s failed unexpectedly", trial.gpu_id)
            failure = UnfitReason(Unfit.CANARY_NOT_MOVED, repr(error))
        finally:
            self._over.set()
        _in_loop(loop, lambda: None if ended.done() else ended.set_result(failure))

    def _tell_of(self, loop: asyncio.AbstractEventLoop) -> Callable[[ProcessIdentity], None]:
        """Return how the thread tells of the canary: before it is on the card, or it is foreign."""

        def tell(canary: ProcessIdentity) -> None:
            noted = threading.Event()

            def note() -> None:
                self._gpu.note_canary(canary)
                noted.set()

            _in_loop(loop, note)
            noted.wait(_END_WITHIN_S)

        return tell


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        # The agent ends, and nobody waits any more.
        return
