"""Rounds along the line of notebook servers: whoever has a place now gets it, in their order.

A round is taken in parts of some milliseconds, between which the service serves others. What is
decided holds at the moment at which it becomes true, as nothing comes in between; a change of
slices, cards or of the line itself begins the walk anew, so that nobody is overtaken by whoever
comes behind. On a hub where something changes all the time the walk goes on after some tries: who
was looked at before the room came has it in the next round.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.jobs.turns.past_uses import PastUse, Payer
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.server_queue import LineEnd, line_end_words
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.payers import Payers
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.turns import Turn, no_waiting_helps
from sublet_quota.server_queue.walk import Step, walk
from sublet_quota.shares.fair_order import RequestId
from sublet_quota.wire.api import SliceRequest
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.slices.allocation import Allocation
from sublet_hub.slices.line_entries import LineEntries, kept_of
from sublet_hub.state.collectors.line import LineMetrics
from sublet_hub.state.stores import Stores

_MOST_TURNS: Final = 100
"""So many turns are taken in one round."""
_MOST_ANEW: Final = 3
"""So often a walk begins anew because of what changed meanwhile."""
_PART_S: Final = 0.01
"""After so long others are served."""
_AT_LEAST_EVERY_S: Final = 10.0
"""So often the line is looked at though nothing is known to have changed: past use wears off."""


class _Anew(Enum):
    ANEW = "anew"


class LineRounds:
    """The rounds, one at a time."""

    def __init__(
        self,
        stores: Stores,
        entries: LineEntries,
        allocation: Allocation,
        past: Callable[[], PastUse],
        metrics: LineMetrics,
    ) -> None:
        """``past``: what everybody used before."""
        self._metrics = metrics
        self._stores = stores
        self._entries = entries
        self._allocation = allocation
        self._past = past
        self._turn = asyncio.Lock()
        self._asked_for = self._done = 0
        self._settled: tuple[int, int] | None = None
        """After which changes a walk found nobody who has a place."""
        self._looked_s = float("-inf")
        self._judged: dict[RequestId, tuple[QuotaDocument, SliceRequest | None]] = {}
        """Under which document, and with which wish, waiting was seen to help somebody."""
        self.asking: frozenset[Payer] = frozenset()
        """Who waits: the group that would pay, and the person; as the last walk found."""

    async def look(self) -> None:
        """Take a round where something changed since nobody had a place, or long ago."""
        is_old = time.monotonic() - self._looked_s >= _AT_LEAST_EVERY_S
        if is_old or self._settled != self._changes():
            await self.take()

    async def take(self) -> None:
        """Take a round that begins from now on; who asks for one meanwhile shares the next."""
        self._asked_for += 1
        mine = self._asked_for
        async with self._turn:
            if self._done >= mine:
                return
            covers = self._asked_for
            await self._round()
            self._done = covers

    async def _round(self) -> None:
        self._looked_s = time.monotonic()
        for _ in range(_MOST_TURNS):
            turn = await self._next()
            if turn is None:
                return
            self._give(turn)

    async def _next(self) -> Turn | None:
        for tries_left in reversed(range(_MOST_ANEW)):
            found = await self._walk(begins_anew=tries_left > 0)
            if found is not _Anew.ANEW:
                return found
        return None

    async def _walk(self, *, begins_anew: bool) -> Turn | _Anew | None:
        holdings, before = self._stores.capacity.holdings, self._changes()
        breath, payers = _Breath(), Payers(holdings)
        line: list[QueuedServer] = []
        for entry in tuple(self._entries.waiting()):
            server = self._entries.queued(entry)
            if server is not None:
                payers.of(server)
                line.append(server)
            await breath.take()
        self.asking = frozenset((payers.of(each).group, each.owner) for each in line)
        self._metrics.wait(payers.of(each).group for each in line)
        if not line:
            self._settled = before
            return None
        ordered = in_order(holdings, line, self._past(), payers)
        for step in walk(holdings, ordered, payers, self._tells_changes()):
            if isinstance(step.answer, Placement):
                return Turn(step.server, step.answer)
            self._judge(step)
            await breath.take()
            if self._stores.capacity.holdings is not holdings:
                return _Anew.ANEW
            if begins_anew and self._changes() != before:
                return _Anew.ANEW
        if self._changes() == before:
            self._settled = before
        return None

    def _give(self, turn: Turn) -> None:
        """Hand out the slice of whose turn it is, unless it left, or asks for something else."""
        entry = self._entries.kept.get((turn.server.owner, turn.server.server))
        if entry is None or entry.slice_id is not None:
            return
        if self._entries.queued(entry) != turn.server:
            return
        asked, account = self._entries.asked(entry), self._stores.accounts.find(entry.owner)
        if asked is None or account is None:
            words = line_end_words(LineEnd.RULES_CHANGED, said="its owner's account is not known")
            self._entries.end(entry, EventKind.QUEUE_GAVE_UP, words)
            return
        request = asked.model_copy(update={"account": account.template})
        record = self._allocation.hand_out(request, turn.placement, entry.lot)
        now = self._stores.now()
        self._metrics.turn(record, now - entry.since)
        given = replace(
            entry,
            slice_id=record.slice_id,
            turn_at=now,
            request={**entry.request, "groups": kept_of(request)["groups"]},
        )
        self._entries.put(given)
        words = "its turn has come: JupyterHub is asked to start it"
        self._entries.tell(EventKind.QUEUE_TURN, given, words, now - entry.since)

    def _judge(self, step: Step) -> None:
        """End the wait of one whom none helps any more, since document or rights changed."""
        entry = self._entries.kept.get((step.server.owner, step.server.server))
        if entry is None or entry.slice_id is not None:
            return
        under = self._stores.capacity.holdings.document, self._entries.asked(entry)
        known = self._judged.get(step.server.request_id)
        if known is not None and known[0] is under[0] and known[1] is under[1]:
            return
        refusal = no_waiting_helps(step)
        if refusal is None:
            self._judged[step.server.request_id] = under
            return
        words = line_end_words(LineEnd.RULES_CHANGED, said=refusal.message)
        self._entries.end(entry, EventKind.QUEUE_GAVE_UP, words)

    def forget_gone(self) -> None:
        """Forget what was found of those who are in line no more."""
        there = {each.request_id for each in self._entries.kept.values()}
        for gone in self._judged.keys() - there:
            del self._judged[gone]

    def _tells_changes(self) -> Callable[[], bool]:
        """Return what tells whether anything has changed since it was asked last."""
        known = self._changes()

        def has_changed() -> bool:
            nonlocal known
            before, known = known, self._changes()
            return known != before

        return has_changed

    def _changes(self) -> tuple[int, int]:
        changes = self._entries.changes
        return changes.entries, changes.room


class _Breath:
    """Lets others have a turn whenever a part of the work is done."""

    def __init__(self) -> None:
        self._began_s = time.perf_counter()

    async def take(self) -> None:
        """Let others have a turn, if this took long enough."""
        if time.perf_counter() - self._began_s >= _PART_S:
            await asyncio.sleep(0)
            self._began_s = time.perf_counter()
