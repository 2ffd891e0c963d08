"""How those in line stand: reckoned beside the loop on a copy, and kept until something changes.

One reckoning at a time, after which it rests as long as it took. Who joined or left the line is
always in what is told; of slices and cards an answer may be as old as that.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.names.ids import UserName
from sublet_quota.preview.present_state import PresentState, present_state
from sublet_quota.server_queue.expected import Ends
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.waits import QueueWait, Standings
from sublet_quota.shares.fair_order import RequestId

from sublet_hub.ledger.queued_servers import QueueEntry
from sublet_hub.slices.line_entries import LineEntries
from sublet_hub.state.stores import Stores

MOST_TOLD: Final = 500
"""Of a longer line so many are told at once, the first."""
_TOLD_AT_ONCE: Final = 20
"""The words of so many are made before somebody else is told."""
_KEPT_S: Final = 30.0
"""So long a reckoning is told where nothing changed: times hang on what time it is."""


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What the order and the times of the line hang on beside the holdings."""

    past: Callable[[], PastUse]
    """What everybody used before."""
    ends: Callable[[], Ends]
    """What is known of when slices end."""


@dataclass(frozen=True, slots=True)
class _Reckoned:
    """A reckoning, and of what."""

    standings: Standings
    entries: int
    room: int
    at_s: float
    took_s: float


class LineStandings:
    """How those in line stand."""

    def __init__(self, stores: Stores, entries: LineEntries, facts: LineFacts) -> None:
        self._stores = stores
        self._entries = entries
        self._facts = facts
        self._turn = asyncio.Lock()
        self._known: _Reckoned | None = None

    async def of(self, owner: UserName | None = None) -> tuple[QueueWait, ...]:
        """Return how those stand who wait, of one owner or of all, in their order."""
        waiting = self._entries.waiting()
        return await self._told(each for each in waiting if owner is None or each.owner == owner)

    async def one(self, entry: QueueEntry) -> QueueWait | None:
        """Return how one stands that waits; ``None`` where it waits no more."""
        if entry.slice_id is not None:
            return None
        return next(iter(await self._told((entry,))), None)

    async def _told(self, entries: Iterable[QueueEntry]) -> tuple[QueueWait, ...]:
        asked = {RequestId(each.request_id) for each in entries}
        if not asked:
            return ()
        async with self._turn:
            standings = await self._standings()
        ordered = [each for each in standings if each in asked][:MOST_TOLD]
        found: list[QueueWait] = []
        for first in range(0, len(ordered), _TOLD_AT_ONCE):
            part = ordered[first : first + _TOLD_AT_ONCE]
            async with self._turn:
                found += await asyncio.to_thread(_words_of, standings, part)
        return tuple(found)

    async def _standings(self) -> Standings:
        known, changes = self._known, self._entries.changes
        if known is not None:
            age_s = time.monotonic() - known.at_s
            rests = age_s < known.took_s
            if known.entries == changes.entries and (
                rests or (known.room == changes.room and age_s < _KEPT_S)
            ):
                return known.standings
            if rests:
                await asyncio.sleep(known.took_s - age_s)
        entries, room, began_s = changes.entries, changes.room, time.monotonic()
        found = (self._entries.queued(each) for each in self._entries.waiting())
        line = [each for each in found if each is not None]
        state, past, ends = (
            present_state(self._stores.capacity.holdings),
            self._facts.past(),
            self._facts.ends(),
        )
        standings = await asyncio.to_thread(_reckon, state, line, past, ends)
        at_s = time.monotonic()
        self._known = _Reckoned(standings, entries, room, at_s, at_s - began_s)
        return standings


def _reckon(
    state: PresentState, line: Sequence[QueuedServer], past: PastUse, ends: Ends
) -> Standings:
    holdings = state.holdings()
    return Standings(holdings, in_order(holdings, line, past), ends)


def _words_of(standings: Standings, names: Iterable[RequestId]) -> list[QueueWait]:
    return [standings.of(each) for each in names]
