"""Processes that an agent before this one left suspended, and that nothing is written of any more.

Where the state folder is lost nobody knows which slices are here until the hub service says so. Its
first word is when their processes are looked for: what is suspended is taken over, and comes back
when its owner runs a cell, as ever. Who stands still and names a slice that nobody serves is told:
what is locked runs on; what is suspended keeps its bytes, as nobody knows how much room it needs on
which card, until its slice is assigned here, or it ends.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
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
    find_nobodys,
    find_unwritten,
    take_over_suspended,
)
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.state_files.event_log import RecordEvent
from sublet_agent.state_files.journal import Target

_NOBODYS: Final = "it names a slice that the hub service does not know"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeftBehindTools:
    """The things with which processes are looked for."""

    moves: MoveTools
    attribution: Attribution
    looks: Executor
    """The threads in which processes and device are asked."""
    clock: Clock
    record: RecordEvent
    found: Callable[[Recovered], None]
    """Called with those that were taken over."""


class LeftBehind:
    """The search for such processes."""

    def __init__(self, registry: SliceRegistry, tools: LeftBehindTools) -> None:
        self._registry = registry
        self._tools = tools
        self._looked_for: set[SliceId] = set()
        self._is_told = False
        self._nobodys: set[ProcessIdentity] = set()
        self._looking = asyncio.Lock()
        self._unlooked: frozenset[SliceId] = frozenset()
        """Those whose processes are being looked for now."""

    def is_being_looked_for(self, slice_id: SliceId) -> bool:
        """Whether it is not known yet who of a slice is suspended: its cells wait for that."""
        return slice_id in self._unlooked

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
            async with self._looking:
                try:
                    await self._take_over(unlooked)
                except Exception:
                    log.exception("processes that an agent before left could not be looked for")
                finally:
                    self._unlooked -= names
                    for residency in self._registry.residencies.values():
                        residency.poke()
                if is_first and self._registry.residencies:
                    await self._tell_of_nobodys({SliceId(s.slice_id) for s in assignments.slices})

        return look

    async def _take_over(self, slices: Sequence[SliceAssignment]) -> None:
        tools, loop = self._tools, asyncio.get_running_loop()
        found = await loop.run_in_executor(
            tools.looks,
            find_unwritten,
            tools.moves,
            tools.attribution,
            self._registry.where_they_are(slices),
            self._known(),
        )
        # Meanwhile each may have been seen on its card, and its slice have gone.
        known = self._tracked()
        taken = Recovered(
            suspended=[t for t in found.suspended if self._is_to_take(t, known)],
            lost=[t for t in found.lost if self._is_to_take(t, known)],
        )
        for target in taken.suspended:
            take_over_suspended(tools.moves, target)
        self._registry.adopt(taken, tools.clock.now())
        self._nobodys -= {target.identity for target in (*taken.suspended, *taken.lost)}
        if taken.suspended or taken.lost:
            tools.found(taken)

    async def _tell_of_nobodys(self, served: set[SliceId]) -> None:
        tools, loop = self._tools, asyncio.get_running_loop()
        gpu_id = next(iter(self._registry.residencies))
        found = await loop.run_in_executor(
            tools.looks, find_nobodys, tools.moves, gpu_id, self._known(), served
        )
        for target in found.unpaused:
            tools.moves.paused_processes.adopt(target, PauseReason.POLICY)
        await loop.run_in_executor(
            tools.looks, tools.moves.paused_processes.release, found.unpaused, PauseReason.POLICY
        )
        self._nobodys = {target.identity for target in found.suspended}
        for what, targets in (
            ("suspended, and keeps its memory until that is assigned here", found.suspended),
            ("unpaused", found.unpaused),
            ("lost", found.lost),
        ):
            for target in targets:
                self._tell(gpu_id, target, what)

    def _tell(self, gpu_id: GpuId, target: Target, what: str) -> None:
        pid = target.identity.pid
        detail = f"process {pid} was found; {_NOBODYS}; now {what}"
        log.warning("%s", detail)
        self._tools.record(EventKind.RECOVERED, gpu_id, detail=detail)

    def _known(self) -> frozenset[ProcessIdentity]:
        written = (entry.target.identity for entry in self._tools.moves.journal.entries())
        return self._tracked().union(written)

    def _tracked(self) -> frozenset[ProcessIdentity]:
        slices = (s for r in self._registry.residencies.values() for s in r.slices.values())
        return frozenset(p.identity for s in slices for p in s.processes)

    def _is_to_take(self, target: Target, known: frozenset[ProcessIdentity]) -> bool:
        residency = self._registry.residencies.get(target.gpu_id)
        is_served = residency is not None and target.slice_id in residency.slices
        return is_served and target.identity not in known
