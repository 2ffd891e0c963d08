"""Slices that are to be on another card of the node: they leave, and come back there.

What is suspended has nothing on any card, so changing cards is only saying where it comes back:
that is written into the journal of each of its processes, and only then is it so. From then on it
is served there as anywhere: the other card's policy sees the slice, makes its room, brings it back.
So nobody's return waits for a move. A slice with work changes cards only where coming back is its
next step on the other card; one without work is suspended for it as for anybody's room, and that is
turned back as soon as its owner runs a cell.

What cannot come back there (the driver refuses, the card fails, somebody of no slice is on it)
comes back where it was, and says why. Who does not see every card is never tried. A card is changed
only while no move of the slice is in flight, and the driver says that all of it is suspended.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.staying import Staying, Stays
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.clock import Clock
from sublet_agent.devices.interface import DeviceError, ProcessState
from sublet_agent.errors import JournalError
from sublet_agent.moves.one_process import why_not_there
from sublet_agent.moves.plan import MoveTools
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.state_files.event_log import RecordEvent
from sublet_agent.state_files.journal import Step, Target

_LOOK_EVERY_S: Final = 0.5
_MOST: Final = 1000
"""The most characters of an event's detail."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CardChangeTools:
    """The things that changes of cards work with."""

    moves: MoveTools
    looks: Executor
    """The threads in which the device is asked."""
    clock: Clock
    record: RecordEvent
    may_begin: Callable[[], bool]
    """Whether the hub service's word is fresh enough to begin what only it asks for."""
    changed: Callable[[], None]
    """Called after a slice is on another card, or stays: the hub service should see that."""
    is_unclear: Callable[[SliceId], bool] = lambda _: False
    """Whether processes of a slice may be suspended of which nothing is known yet: where they were
    is only told by where their slice is.
    """


def is_lastingly_unfit(gpu: ServedGpu) -> bool:
    """Whether memory cannot be moved on a card, for longer than its check takes."""
    return any(reason.why is not Unfit.BEING_CHECKED for reason in gpu.unfit)


class CardChanges:
    """The changes of the cards of a node's slices, one after another."""

    def __init__(self, registry: SliceRegistry, tools: CardChangeTools) -> None:
        self._registry = registry
        self._tools = tools
        self._again = asyncio.Event()

    def look_again(self) -> None:
        """Look at all slices soon: one is wanted on another card."""
        self._again.set()

    def move_ended(self) -> None:
        """Keep for the next agent who is where by now, before anybody moves again, and look."""
        self._registry.keep_cards()
        self._again.set()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("slices could not change their cards; it is tried again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._again.wait()
            self._again.clear()

    async def look(self) -> None:
        """Take the next step of every slice that is not where it is to be."""
        self._registry.keep_cards()
        for residency in self._registry.residencies.values():
            for served in tuple(residency.slices.values()):
                gpu_id = self._where_to(residency, served)
                if gpu_id is not None:
                    await self._step(residency, served, gpu_id)

    def _where_to(self, residency: GpuResidency, served: ServedSlice) -> GpuId | None:
        """Return the card that a slice is to be on next; ``None``: it stays."""
        back = self._where_back(residency, served)
        if back is not None:
            return back
        wanted = served.wanted_on
        if wanted == served.gpu_id or served.stays is not None or not self._tools.may_begin():
            return None
        return wanted

    def _where_back(self, residency: GpuResidency, served: ServedSlice) -> GpuId | None:
        """Return the card that a slice has to go back to; ``None``: to none."""
        if not served.processes:
            return self._where_its_programs_are(served)
        left = {p.left_gpu_id for p in served.processes.away() if p.left_gpu_id is not None}
        before = left.pop() if len(left) == 1 else None
        if before is None or self._registry.is_closed(before):
            return None
        is_split = any(p.left_gpu_id is None for p in served.processes)
        if is_split and served.is_refused_on(before):
            return None
        gpu, assignment = residency.gpu, served.assignment
        is_barred = gpu.closed is not None or bool(gpu.reading.foreign) or is_lastingly_unfit(gpu)
        is_called_off = (
            assignment is not None and assignment.move_to is None and assignment.gpu_id == before
        )
        is_refused = served.is_refused_on(gpu.gpu.gpu_id)
        return before if is_barred or is_called_off or is_refused else None

    def _where_its_programs_are(self, served: ServedSlice) -> GpuId | None:
        """Return the card that programs of a slice with nothing on its own are on.

        That is one that it came from, where older ones may be, or that the hub service wants it on,
        or wanted it on: an agent before this one may have brought it there, and no word of that be
        left.
        """
        for gpu_id in served.perhaps_on:
            residency = self._registry.residencies.get(gpu_id)
            if residency is not None and served.slice_id in residency.gpu.reading.strays:
                return gpu_id
        return None

    async def _step(self, before: GpuResidency, served: ServedSlice, gpu_id: GpuId) -> None:
        after = self._registry.residencies.get(gpu_id)
        if after is None:
            self._stays(served, gpu_id, Stays(Staying.NO_SUCH_CARD))
        elif after.gpu.gpu.type != before.gpu.gpu.type:
            self._stays(served, gpu_id, Stays(Staying.OTHER_TYPE))
        elif self._may_begin(before, after, served):
            targets = served.targets(served.processes)
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._tools.looks, self._look_at, targets, gpu_id)
            if isinstance(found, Stays):
                self._stays(served, gpu_id, found)
            elif found is not None:
                await self._act(before, after, served, found)

    def _may_begin(self, before: GpuResidency, after: GpuResidency, served: ServedSlice) -> bool:
        """Whether the next step may be taken, as far as is known without asking the device."""
        now = self._tools.clock.now()
        if before.gpu.is_moving(served.slice_id) or before.gpu.is_outdated:
            return False
        if self._tools.is_unclear(served.slice_id):
            return False
        if self._where_back(before, served) is not None:
            return True
        if served.processes.on_gpu() and not before.may_let_leave(served, now):
            obstacle = served.unsuspendable()
            if obstacle is not None and not served.active:
                stays = Stays(Staying.CANNOT_LEAVE, obstacle.detail)
                self._stays(served, after.gpu.gpu.gpu_id, stays)
            return False
        may_leave = bool(served.processes.on_gpu()) or served.may_change_card(now)
        return may_leave and after.takes_in(served, now)

    def _look_at(
        self, targets: Sequence[Target], gpu_id: GpuId
    ) -> Stays | Mapping[Target, ProcessState | None] | None:
        """Return why one of these must stay, else all their states; ``None``: not known now.

        The state of who is being moved is told when that is over.
        """
        moves = self._tools.moves
        try:
            for target in targets:
                stays = why_not_there(moves, target.at_home(gpu_id))
                if stays is not None:
                    return stays
            return {target: moves.device.state(target.identity.pid) for target in targets}
        except DeviceError as error:
            log.info("whether a slice may change its card is not known now: %s", error)
            return None

    async def _act(
        self,
        before: GpuResidency,
        after: GpuResidency,
        served: ServedSlice,
        states: Mapping[Target, ProcessState | None],
    ) -> None:
        """Take the next step, if everything is still as it was when the device was asked."""
        first, second = sorted((before, after), key=lambda r: r.gpu.gpu.gpu_id)
        async with first.acting, second.acting:
            now = self._tools.clock.now()
            gpu_id = after.gpu.gpu.gpu_id
            targets = served.targets(served.processes)
            is_there = before.slices.get(served.slice_id) is served
            if not is_there or set(targets) != set(states):
                return
            # The hub service may have said something else meanwhile, and a card have failed.
            if self._where_to(before, served) != gpu_id or not self._may_begin(
                before, after, served
            ):
                return
            is_back = self._where_back(before, served) == gpu_id
            if served.processes.on_gpu():
                if before.may_let_leave(served, now):
                    before.begin_leaving(served, now)
                return
            away = all(state is ProcessState.SUSPENDED for state in states.values())
            if away and (served.may_change_card(now) or is_back):
                self._change(served, gpu_id, targets)

    def _change(self, served: ServedSlice, gpu_id: GpuId, targets: Sequence[Target]) -> None:
        came_from, journal = served.gpu_id, self._tools.moves.journal
        try:
            journal.write(Step.SUSPENDED, [target.at_home(gpu_id) for target in targets])
        except JournalError:
            log.exception("slice %s stays on GPU %s", served.slice_id, came_from)
            # Half of it may have been written, and is not so.
            with contextlib.suppress(JournalError):
                journal.write(Step.SUSPENDED, targets)
            return
        self._registry.change_card(served, gpu_id)
        log.info("slice %s leaves GPU %s for %s", served.slice_id, came_from, gpu_id)
        if not targets:
            self._tools.record(
                EventKind.CARD_CHANGED, gpu_id, served.slice_id, detail=f"it was on {came_from}"
            )
        self._tools.changed()

    def _stays(self, served: ServedSlice, gpu_id: GpuId, stays: Stays) -> None:
        served.note_stays(gpu_id, stays)
        log.info("slice %s stays on GPU %s: %s", served.slice_id, served.gpu_id, stays.clause)
        self._tools.record(
            EventKind.REFUSED_MOVE,
            served.gpu_id,
            served.slice_id,
            detail=f"it stays on this GPU: {stays.clause}"[:_MOST],
        )
        self._tools.changed()
