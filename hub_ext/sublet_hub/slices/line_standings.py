"""How those in line stand: reckoned beside the loop on a copy, and kept until something changes.

One reckoning at a time, after which it rests as long as it took. Who left the line, and who is
asked about, is always in what is told; of slices and cards an answer may be as old as that, and of
who else joined where it takes long: so of many who join one after another nobody waits for the
reckonings of all the rest.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.names.ids import UserName
from sublet_quota.preview.present_state import PresentState, present_state
from sublet_quota.server_queue.expected import Ends
from sublet_quota.server_queue.kept_times import kept_times
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.rights_ends import rights_ends
from sublet_quota.server_queue.waits import QueueWait, Standings
from sublet_quota.shares.fair_order import RequestId

from sublet_hub.ledger.queued_servers import QueueEntry
from sublet_hub.slices.line_entries import LineChanges, LineEntries
from sublet_hub.state.stores import Stores

MOST_TOLD: Final = 500
"""Of a longer line so many are told at once, the first."""
_TOLD_AT_ONCE: Final = 20
"""The words of so many are made before somebody else is told."""
_LONG_S: Final = 0.25
"""A reckoning that takes so long is not made anew for each who joins."""
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
    line: Mapping[RequestId, QueueEntry]
    """Who was in line."""
    entries: int
    left: int
    room: int
    at_s: float
    took_s: float

    def tells_of(self, asked: Mapping[RequestId, QueueEntry], changes: LineChanges) -> bool:
        """Whether what was reckoned before these changes is told while it rests."""
        if self.entries == changes.entries:
            return True
        joined_only = self.left == changes.left and self.took_s >= _LONG_S
        return joined_only and all(self.line.get(name) is each for name, each in asked.items())


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
        asked = {RequestId(each.request_id): each for each in entries}
        if not asked:
            return ()
        async with self._turn:
            standings = await self._standings(asked)
        ordered = [each for each in standings if each in asked][:MOST_TOLD]
        found: list[QueueWait] = []
        for first in range(0, len(ordered), _TOLD_AT_ONCE):
            part = ordered[first : first + _TOLD_AT_ONCE]
            async with self._turn:
                found += await asyncio.to_thread(_words_of, standings, part)
        return tuple(found)

    async def _standings(self, asked: Mapping[RequestId, QueueEntry]) -> Standings:
        known, changes = self._known, self._entries.changes
        if known is not None:
            age_s = time.monotonic() - known.at_s
            rests = age_s < known.took_s
            if rests and known.tells_of(asked, changes):
                return known.standings
            is_same = (known.entries, known.room) == (changes.entries, changes.room)
            if is_same and age_s < _KEPT_S:
                return known.standings
            if rests:
                await asyncio.sleep(known.took_s - age_s)
        before, began_s = replace(changes), time.monotonic()
        waiting = {RequestId(each.request_id): each for each in self._entries.waiting()}
        found = (self._entries.queued(each) for each in waiting.values())
        line = [each for each in found if each is not None]
        state, past, ends = (
            present_state(self._stores.capacity.holdings),
            self._facts.past(),
            self._facts.ends(),
        )
        standings = await asyncio.to_thread(_reckon, state, line, past, ends)
        at_s = time.monotonic()
        counts = before.entries, before.left, before.room
        self._known = _Reckoned(standings, waiting, *counts, at_s, at_s - began_s)
        return standings


def _reckon(
    state: PresentState, line: Sequence[QueuedServer], past: PastUse, ends: Ends
) -> Standings:
    holdings = state.holdings()
    found = rights_ends(holdings, line, past, ends.now)
    known = replace(ends, of_rights=found, kept=kept_times(holdings, ends.now))
    return Standings(holdings, in_order(holdings, line, past), known)


def _words_of(standings: Standings, names: Iterable[RequestId]) -> list[QueueWait]:
    return [standings.of(each) for each in names]
