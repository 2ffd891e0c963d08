"""Processes that an agent before this one left standing still, and of which nothing is written.

Where the state folder is lost nobody knows which slices are here until the hub service says so. Its
first word is when their processes are looked for: what is suspended is taken over, and comes back
when its owner runs a cell, as ever; what is locked runs on before any cell does, but for jobs, of
which the policy says whether they may; who was frozen for somebody's return is thawed once that is
over. Who says nothing yet, as it is stopped, is asked again. Who stands still and names a slice
that nobody serves is told: what is locked runs on; what is suspended keeps its bytes, as nobody
knows how much room it needs on which card, until its slice is assigned here, or it ends.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.agent_link import Assignments, SliceAssignment
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.clock import Clock
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveTools
from sublet_agent.moves.recovery import (
    Recovered,
    ask_unwritten,
    find_nobodys,
    find_unwritten,
    keep_paused,
    take_over_suspended,
)
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.slice_processes import TrackedProcess
from sublet_agent.state_files.event_log import RecordEvent
from sublet_agent.state_files.journal import Target

_ASKED_AGAIN_AFTER_S: Final = 1.0
_NOBODYS: Final = "it names a slice that the hub service does not know"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeftBehindTools:
    """The things with which processes are looked for."""

    moves: MoveTools
    attribution: Attribution
    looks: Executor
    """The threads in which processes and device are asked."""
    calls: Executor
    """Those in which processes are let run: nobody else decides meanwhile."""
    clock: Clock
    record: RecordEvent
    found: Callable[[Recovered], None]
    """Called with those that were taken over."""
    thaw: Callable[[], Sequence[str]] = tuple
    """Thaws the groups that are frozen for nobody any more, and returns which those were."""


class LeftBehind:
    """The search for such processes."""

    def __init__(self, registry: SliceRegistry, tools: LeftBehindTools) -> None:
        self._registry = registry
        self._tools = tools
        self._looked_for: set[SliceId] = set()
        self._is_told = False
        self._is_thawed = False
        self._nobodys: set[ProcessIdentity] = set()
        self._looking = asyncio.Lock()
        self._unlooked: frozenset[SliceId] = frozenset()
        """Those whose processes are being looked for now."""
        self._untold: frozenset[SliceId] = frozenset()
        """Those with processes that do not tell yet how they stand."""

    def is_being_looked_for(self, slice_id: SliceId) -> bool:
        """Whether it is not known yet who of a slice is suspended: its cells wait for that."""
        return slice_id in self._unlooked

    def is_unclear(self, slice_id: SliceId) -> bool:
        """Whether processes of a slice may be suspended of which nothing is known yet.

        They are taken for processes of the card that their slice is on: it stays there.
        """
        return slice_id in self._unlooked or slice_id in self._untold

    def begin(self, assigned: Sequence[SliceAssignment]) -> None:
        """Begin as an agent that had these slices written down, and has looked for theirs."""
        self._looked_for = {SliceId(s.slice_id) for s in assigned}

    def assigned(self, assignments: Assignments) -> Callable[[], Awaitable[None]] | None:
        """Return what looks for who was left behind, now that the hub service has said this.

        ``None``: there is nobody to look for. It takes over who is suspended for the slices that
        are new, and tells of who is nobody's.
        """
        is_first, self._is_told = not self._is_told, True
        if not is_first and not self._nobodys:
            return None
        unlooked = [s for s in assignments.slices if s.slice_id not in self._looked_for]
        if not is_first and not unlooked:
            return None
        names = frozenset(SliceId(s.slice_id) for s in unlooked)
        self._looked_for |= names
        self._unlooked |= names

        async def look() -> None:
            try:
                async with self._looking:
                    untold = await self._take_over(unlooked)
                    # Whoever comes back is there by now: it answers only then.
                    thawed = await self._thaw()
                    if thawed:
                        untold = await self._ask_again(untold, unlooked)
                    self._note_untold(names, untold)
            finally:
                # Whatever went wrong: no cell waits for what nobody looks for any more.
                self._unlooked -= names
                for residency in self._registry.residencies.values():
                    residency.poke()
            served = {SliceId(s.slice_id) for s in assignments.slices}
            is_all_told = not (is_first and self._registry.residencies)
            while True:
                if not is_all_told:
                    async with self._looking:
                        is_all_told = await self._tell_of_nobodys(served)
                if thawed is not None and is_all_told and untold is not None and not untold:
                    return
                await asyncio.sleep(_ASKED_AGAIN_AFTER_S)
                async with self._looking:
                    if thawed is None:
                        thawed = await self._thaw()
                    untold = await self._ask_again(untold, unlooked)
                    self._note_untold(names, untold)

        return look

    def _note_untold(self, looked_for: frozenset[SliceId], untold: Sequence[Target] | None) -> None:
        """Note which of these slices have processes that do not tell; ``None``: any of them may."""
        found = looked_for if untold is None else frozenset(t.slice_id for t in untold)
        self._untold = (self._untold - looked_for) | found

    async def _take_over(self, slices: Sequence[SliceAssignment]) -> Sequence[Target] | None:
        """Look for processes of these slices; return those of whom nobody knows how they stand.

        ``None``: they could not be looked for, so that nobody knows who they are either.
        """
        attribution, here = self._tools.attribution, self._registry.where_they_are(slices)
        try:
            return await self._take(
                partial(find_unwritten, self._tools.moves, attribution, here, self._known())
            )
        except Exception:
            log.exception("processes that an agent before left could not be looked for")
            return None

    async def thaw_without_word(self) -> None:
        """Thaw whom an agent before this one left frozen, as nobody has said yet who is here.

        For when the hub service is silent for longer than any move in the driver may keep somebody.
        """
        # Nobody waits for a search to learn that nothing is left to be done.
        if self._is_told or self._is_thawed:
            return
        async with self._looking:
            self._is_thawed = await self._thaw() is not None

    async def _thaw(self) -> bool | None:
        """Thaw whom an agent before this one left frozen; return whether there was anybody.

        ``None``: it is not known, and to be tried again.
        """
        loop = asyncio.get_running_loop()
        try:
            thawed = await loop.run_in_executor(self._tools.looks, self._tools.thaw)
        except Exception:
            log.exception("whoever is left frozen could not be thawed")
            return None
        if thawed:
            log.warning("groups that were left frozen are thawed: %s", ", ".join(thawed))
        return bool(thawed)

    async def _ask_again(
        self, untold: Sequence[Target] | None, slices: Sequence[SliceAssignment]
    ) -> Sequence[Target] | None:
        if untold is None:
            return await self._take_over(slices)
        here = self._registry.where_they_are(slices)
        found = (self._registry.find(SliceId(s.slice_id)) for s in slices)
        counted = {s.slice_id: s.processes.image_mib() for _, s in filter(None, found)}
        try:
            return await self._take(
                partial(ask_unwritten, self._tools.moves, untold, here, counted)
            )
        except Exception:
            log.exception("processes that an agent before left could not be asked about")
            return untold

    async def _take(self, look: Callable[[], Recovered]) -> Sequence[Target]:
        """Take over whoever is found; return those of whom nobody knows yet how they stand."""
        tools, loop = self._tools, asyncio.get_running_loop()
        found = await loop.run_in_executor(tools.looks, look)
        # Meanwhile each may have been seen on its card, and its slice have gone.
        known = self._tracked()
        taken = Recovered(
            suspended=[t for t in found.suspended if self._is_to_take(t, known)],
            paused_jobs=[t for t in found.paused_jobs if self._is_to_take(t, known)],
            lost=[t for t in found.lost if self._is_to_take(t, known)],
        )
        for target in taken.suspended:
            take_over_suspended(tools.moves, target)
        for target in taken.paused_jobs:
            tools.moves.paused_processes.adopt(target, PauseReason.POLICY)
        self._registry.adopt(taken, tools.clock.now())
        taken.unpaused = await self._let_run(found.unpaused)
        await loop.run_in_executor(tools.looks, keep_paused, tools.moves, taken.paused_jobs)
        told = (*taken.suspended, *taken.paused_jobs, *taken.unpaused, *taken.lost)
        self._nobodys -= {target.identity for target in told}
        if told:
            tools.found(taken)
        # Its slice was brought to another card meanwhile: it is asked anew as one of that.
        every = (*found.suspended, *found.paused_jobs, *found.unpaused, *found.lost)
        known = self._tracked()
        moved = [t for t in every if self._is_elsewhere(t) and t.identity not in known]
        return [*moved, *(t for t in found.untold if self._is_to_take(t, known))]

    async def _let_run(self, targets: Sequence[Target]) -> list[Target]:
        """Let locked processes run that nobody holds; return which these were.

        Each waits for the rest of its slice where that is suspended.
        """
        tools, loop, let_run = self._tools, asyncio.get_running_loop(), list[Target]()
        paused = tools.moves.paused_processes
        for target in targets:
            residency = self._registry.residencies.get(target.gpu_id)
            served = None if residency is None else residency.slices.get(target.slice_id)
            if residency is None or served is None:
                continue
            async with residency.acting:
                if paused.of(target.identity) or residency.gpu.is_moving(target.slice_id):
                    # Who moves it lets it run.
                    continue
                if served.processes.away():
                    paused.adopt(target, PauseReason.SLICE)
                    await loop.run_in_executor(tools.calls, keep_paused, tools.moves, [target])
                    continue
                paused.adopt(target, PauseReason.FOUND)
                await loop.run_in_executor(tools.calls, paused.release, [target], PauseReason.FOUND)
                let_run.append(target)
        return let_run

    async def _tell_of_nobodys(self, served: set[SliceId]) -> bool:
        """Look for those of slices that nobody serves; return whether that could be."""
        try:
            gpu_id = next(iter(self._registry.residencies))
            found = await self._let_nobodys_run(gpu_id, served)
        except Exception:
            log.exception("processes of slices that nobody serves could not be looked for")
            return False
        self._nobodys = {target.identity for target in (*found.suspended, *found.untold)}
        for what, targets in (
            ("suspended, and keeps its memory until that is assigned here", found.suspended),
            ("unpaused", found.unpaused),
            ("lost", found.lost),
        ):
            for target in targets:
                self._tell(gpu_id, target, what)
        return True

    async def _let_nobodys_run(self, gpu_id: GpuId, served: set[SliceId]) -> Recovered:
        """Let those run that are locked for slices that nobody serves; return all of them."""
        tools, loop = self._tools, asyncio.get_running_loop()
        paused = tools.moves.paused_processes
        known = self._known() | self._tracked()
        found = await loop.run_in_executor(
            tools.looks, find_nobodys, tools.moves, gpu_id, known, served
        )
        for target in found.unpaused:
            paused.adopt(target, PauseReason.POLICY)
        await loop.run_in_executor(tools.looks, paused.release, found.unpaused, PauseReason.POLICY)
        return found

    def _tell(self, gpu_id: GpuId, target: Target, what: str) -> None:
        pid = target.identity.pid
        detail = f"process {pid} was found; {_NOBODYS}; now {what}"
        log.warning("%s", detail)
        self._tools.record(EventKind.RECOVERED, gpu_id, detail=detail)

    def _known(self) -> frozenset[ProcessIdentity]:
        """Return those of whom all is known; who is seen on a card may be locked there."""
        written = (entry.target.identity for entry in self._tools.moves.journal.entries())
        away = (p.identity for p in self._processes() if p.suspended)
        return frozenset((*away, *written))

    def _tracked(self) -> frozenset[ProcessIdentity]:
        return frozenset(p.identity for p in self._processes())

    def _processes(self) -> Iterator[TrackedProcess]:
        for residency in self._registry.residencies.values():
            for served in residency.slices.values():
                yield from served.processes

    def _is_elsewhere(self, target: Target) -> bool:
        found = self._registry.find(target.slice_id)
        return (
            found is not None
            and found[1].assignment is not None
            and found[1].gpu_id != target.gpu_id
        )

    def _is_to_take(self, target: Target, known: frozenset[ProcessIdentity]) -> bool:
        residency = self._registry.residencies.get(target.gpu_id)
        is_served = residency is not None and target.slice_id in residency.slices
        return is_served and target.identity not in known
