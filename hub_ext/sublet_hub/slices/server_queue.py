"""Notebook servers that wait in line for a slice, where the quota document lets them.

Decides nothing: the order, the turns and the times are ``sublet_quota.server_queue``'s. Who waits
is in the ledger, so it outlives the service. A new request never overtakes who waits: it joins the
line, and a round is taken at once; what is within a guarantee has its place before that. A server
whose turn has come has its slice like any other; that it is started then is ``server_starts``'
matter.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sublet_quota.document.sections import NotebookRules
from sublet_quota.document.values import WhenFull
from sublet_quota.jobs.turns.past_uses import Payer
from sublet_quota.names.ids import PoolName, SliceId, UserName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.server_queue import LineEnd, line_end_words
from sublet_quota.reasons.shared_clauses import server_clause
from sublet_quota.server_queue.queued_server import may_wait
from sublet_quota.server_queue.walk import is_due
from sublet_quota.wire.api import SliceRequest
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import NotFoundError
from sublet_hub.ledger.queued_servers import QueuedServerStore, QueueEntry, ServerName
from sublet_hub.ledger.records import SliceRecord
from sublet_hub.slices.allocation import LOTS, Allocation
from sublet_hub.slices.line_entries import LineEntries, kept_of
from sublet_hub.slices.line_rounds import LineRounds
from sublet_hub.slices.line_standings import LineFacts, LineStandings
from sublet_hub.state.collectors.line import LineMetrics
from sublet_hub.state.stores import Stores

MOST_OF_AN_OWNER: Final = 20
MOST_OF_ALL: Final = 10_000
_LOG = logging.getLogger(__name__)


class ServerQueue:
    """The line of notebook servers."""

    def __init__(
        self,
        stores: Stores,
        store: QueuedServerStore,
        allocation: Allocation,
        facts: LineFacts,
        metrics: LineMetrics,
    ) -> None:
        self._stores = stores
        self._allocation = allocation
        self._entries = LineEntries(stores, store, allocation)
        self._rounds = LineRounds(stores, self._entries, allocation, facts.past, metrics)
        self.standings = LineStandings(stores, self._entries, facts)
        """How those in line stand."""

    @property
    def rules(self) -> NotebookRules:
        """What the document in force says of notebooks without room."""
        return self._stores.capacity.holdings.document.notebooks

    @property
    def entries(self) -> Mapping[ServerName, QueueEntry]:
        """All that wait, and those whose turn has come and that were not started yet."""
        return self._entries.kept

    @property
    def default_pool(self) -> PoolName:
        """The pool of sizes that name none."""
        return self._stores.capacity.holdings.document.default_pool

    def title_of(self, size: str | None) -> str:
        """Return a size as people know it: its title, else its name; empty for none."""
        known = self._stores.capacity.holdings.document.sizes.get(size or "")
        return (None if known is None else known.title) or size or ""

    def asking(self) -> Iterable[Payer]:
        """Return who waits: the group that would pay, and the person."""
        return self._rounds.asking

    @property
    def changed(self) -> int:
        """How often somebody joined the line or left it."""
        return self._entries.changes.entries

    def count_of(self, owner: UserName) -> int:
        """Return how many servers of an owner's are in line."""
        return self._entries.count_of(owner)

    def waits_with(self, slice_id: SliceId) -> bool:
        """Whether a slice is of a server whose turn has come, and that is to be started."""
        return any(each.slice_id == slice_id for each in self.entries.values())

    def holds_slice(self, entry: QueueEntry) -> bool:
        """Whether the slice that was handed out to an entry is still its own."""
        return entry.slice_id is not None and entry.slice_id in self._stores.ledger.slices

    async def request(self, request: SliceRequest) -> SliceRecord | Refusal | QueueEntry:
        """Hand out a slice to a notebook server, refuse it, or let it wait in line."""
        answer = self._taken_in(request)
        if not isinstance(answer, QueueEntry):
            return answer
        await self._rounds.take()
        after = self.entries.get(answer.name)
        if after is None:
            # Somebody else took it out, or the rules changed, in this very moment.
            found = self._allocation.decide(request, answer.lot)
            return found if isinstance(found, Refusal) else refuse(RoomRefusal.KEPT_FOR_OTHERS)
        record = None if after.slice_id is None else self._stores.ledger.slices.get(after.slice_id)
        if record is None or after.request != answer.request:
            # The last one's that was asked for: this one was given up, or its groups are others.
            return after
        self._entries.drop(after.name)
        return record

    def leave(self, name: ServerName, by: str) -> None:
        """Take a server out of the line. ``NotFoundError`` where it is not in line."""
        entry = self.entries.get(name)
        if entry is None:
            message = f"there is no server '{name[0]}/{name[1]}' in line"
            raise NotFoundError(message)
        own = by == entry.owner
        end = LineEnd.LEFT if own else LineEnd.TAKEN_OUT
        if not own:
            # Its owner, who reads the event, is told no admin's name.
            _LOG.info("%s took %s out of the line", by, server_clause(*entry.name))
        self.end(entry, EventKind.QUEUE_LEFT, line_end_words(end))

    def end(self, entry: QueueEntry, kind: EventKind, words: str) -> None:
        """End an entry, and take back what it was given; its owner is told."""
        self._entries.end(entry, kind, words)

    def rights_changed(self) -> None:
        """Look at the line anew, as somebody who waits is in other groups now."""
        self._entries.changes.entries += 1

    async def look(self) -> None:
        """Let those whose turn has come have their slices, and end what has waited too long."""
        self._end_old()
        self._rounds.forget_gone()
        await self._rounds.look()

    def until(self, since: datetime) -> datetime:
        """Return when one leaves the line that is in it since then."""
        return since + self.rules.wait_most

    def _taken_in(self, request: SliceRequest) -> SliceRecord | Refusal | QueueEntry:
        name = (UserName(request.owner), request.server)
        known = self.entries.get(name)
        record = None if known is None else self._given(known, request)
        if record is not None:
            self._allocation.remember(request)
            self._entries.drop(name)
            return record
        if self.rules.when_full is WhenFull.REFUSE:
            return self._ended(name, self._allocation.request(request))
        if any(each.name != name for each in self._entries.waiting()):
            answer = self._if_due(request)
        else:
            answer = self._allocation.request(request)
        if isinstance(answer, SliceRecord) or (answer is not None and not may_wait(answer)):
            return self._ended(name, answer)
        if self._is_full(name):
            return answer or refuse(RoomRefusal.KEPT_FOR_OTHERS)
        return self._join(request, known)

    def _if_due(self, request: SliceRequest) -> SliceRecord | Refusal | None:
        """Hand out what is due whoever waits; ``None``: it would be borrowed, and others wait."""
        lot = secrets.randbelow(LOTS)
        answer = self._allocation.decide(request, lot)
        if isinstance(answer, Refusal):
            return answer
        if is_due(answer):
            return self._allocation.hand_out(request, answer, lot)
        return None

    def _ended(self, name: ServerName, answer: SliceRecord | Refusal) -> SliceRecord | Refusal:
        """End the entry of a server that has its answer, and tell where that is a refusal."""
        entry = self.entries.get(name)
        if entry is not None and isinstance(answer, Refusal):
            words = line_end_words(LineEnd.RULES_CHANGED, said=answer.message)
            self.end(entry, EventKind.QUEUE_GAVE_UP, words)
        elif entry is not None:
            self._entries.drop(name)
        return answer

    def _join(self, request: SliceRequest, known: QueueEntry | None) -> QueueEntry:
        """Put a request in line, at the age that the server has there."""
        now = self._stores.now()
        if known is not None and known.slice_id is not None:
            self._allocation.release(known.slice_id, "its server asks for something else")
        self._allocation.remember(request)
        entry = QueueEntry(
            request_id=secrets.token_hex(16) if known is None else known.request_id,
            owner=UserName(request.owner),
            server=request.server,
            request=kept_of(request),
            lot=secrets.randbelow(LOTS) if known is None else known.lot,
            since=now if known is None else known.since,
        )
        self._entries.put(entry)
        if known is None:
            self._entries.tell(EventKind.QUEUED, entry, "no room now: it waits in line")
        return entry

    def _given(self, entry: QueueEntry, request: SliceRequest) -> SliceRecord | None:
        """Return the slice that was handed out for this very request."""
        if entry.slice_id is None or entry.request != kept_of(request):
            return None
        return self._stores.ledger.slices.get(entry.slice_id)

    def _end_old(self) -> None:
        now, rules = self._stores.now(), self.rules
        for entry in tuple(self._entries.waiting()):
            if rules.when_full is WhenFull.REFUSE:
                self.end(entry, EventKind.QUEUE_GAVE_UP, line_end_words(LineEnd.NO_LINE))
            elif now - entry.since >= rules.wait_most:
                words = line_end_words(LineEnd.WAITED_LONG, waited=_length(rules.wait_most))
                self.end(entry, EventKind.QUEUE_GAVE_UP, words)

    def _is_full(self, name: ServerName) -> bool:
        kept = self.entries
        own = self.count_of(name[0])
        return name not in kept and (own >= MOST_OF_AN_OWNER or len(kept) >= MOST_OF_ALL)


def _length(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    if not seconds:
        return f"{minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def started_with(entry: QueueEntry) -> Mapping[str, Any] | None:
    """Return the options with which an entry's server is to be started."""
    options = entry.request.get("start_options")
    return options if isinstance(options, dict) else None
