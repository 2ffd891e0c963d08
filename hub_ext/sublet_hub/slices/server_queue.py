"""Notebook servers that wait in line for a slice, where the quota document lets them.

Decides nothing: the order, the turns and the times are ``sublet_quota.server_queue``'s. Who waits
is in the ledger, so it outlives the service. A new request never overtakes who waits: it joins the
line, and the turns are taken at once; what is within a guarantee has its place before that. A
server whose turn has come has its slice like any other; that it is started then is
``server_starts``' matter.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sublet_quota.document.sections import NotebookRules
from sublet_quota.document.values import WhenFull
from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.names.ids import PoolName, SliceId, UserName
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.server_queue import LineEnd, line_end_words
from sublet_quota.server_queue.expected import Ends
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.queued_server import QueuedServer, may_wait
from sublet_quota.server_queue.turns import Turn, next_placed
from sublet_quota.server_queue.waits import QueueWait, waits
from sublet_quota.shares.fair_order import RequestId
from sublet_quota.wire.api import AccountTemplate, SliceRequest
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import NotFoundError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.queued_servers import QueuedServerStore, QueueEntry, ServerName
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.slices.allocation import LOTS, Allocation
from sublet_hub.state.stores import Stores

MOST_OF_AN_OWNER: Final = 20
MOST_OF_ALL: Final = 10_000
_MOST_TURNS: Final = 100
"""So many turns are taken at once; then others are served before the next."""
_LOG = logging.getLogger(__name__)
_DUE: Final = frozenset({Rule.GUARANTEE, Rule.AS_BEFORE})
_NOT_KEPT: Final = {"account"}
_NO_ACCOUNT: Final = AccountTemplate(uid=0, gid=0, home="/", notebook_dir="/", python="python")
"""Stands where an owner's account is looked up as the slice is handed out."""


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What the order and the times of the line hang on beside the holdings."""

    past: Callable[[], PastUse]
    """What everybody used before."""
    ends: Callable[[], Ends]
    """What is known of when slices end."""


class ServerQueue:
    """The line of notebook servers."""

    def __init__(
        self, stores: Stores, store: QueuedServerStore, allocation: Allocation, facts: LineFacts
    ) -> None:
        self._stores = stores
        self._store = store
        self._allocation = allocation
        self._facts = facts
        self._read: dict[str, tuple[Mapping[str, Any], SliceRequest]] = {}
        """What entries asked for, by their ids: read once."""
        self._take_up()

    @property
    def rules(self) -> NotebookRules:
        """What the document in force says of notebooks without room."""
        return self._stores.capacity.holdings.document.notebooks

    @property
    def entries(self) -> Mapping[ServerName, QueueEntry]:
        """All that wait, and those whose turn has come and that were not started yet."""
        return self._store.kept

    @property
    def default_pool(self) -> PoolName:
        """The pool of sizes that name none."""
        return self._stores.capacity.holdings.document.default_pool

    def waits_with(self, slice_id: SliceId) -> bool:
        """Whether a slice is of a server whose turn has come, and that is to be started."""
        return any(each.slice_id == slice_id for each in self._store.kept.values())

    def holds_slice(self, entry: QueueEntry) -> bool:
        """Whether the slice that was handed out to an entry is still its own."""
        return entry.slice_id is not None and entry.slice_id in self._stores.ledger.slices

    def request(self, request: SliceRequest) -> SliceRecord | Refusal | QueueEntry:
        """Hand out a slice to a notebook server, refuse it, or let it wait in line."""
        name = (UserName(request.owner), request.server)
        known = self._store.kept.get(name)
        record = None if known is None else self._given(known, request)
        if record is not None:
            self._allocation.remember(request)
            self._store.drop(name)
            return record
        if self.rules.when_full is WhenFull.REFUSE:
            return self._at_once(request)
        if any(each.name != name for each in self._waiting()):
            answer = self._if_due(request)
        else:
            answer = self._allocation.request(request)
        if isinstance(answer, SliceRecord) or (answer is not None and not may_wait(answer)):
            self._forget(name)
            return answer
        if self._is_full(name):
            return answer or refuse(RoomRefusal.KEPT_FOR_OTHERS)
        return self._join(request, known)

    def leave(self, name: ServerName, by: str) -> None:
        """Take a server out of the line. ``NotFoundError`` where it is not in line."""
        entry = self._store.kept.get(name)
        if entry is None:
            message = f"there is no server '{name[0]}/{name[1]}' in line"
            raise NotFoundError(message)
        own = by == entry.owner
        end = LineEnd.LEFT if own else LineEnd.TAKEN_OUT
        self.end(entry, EventKind.QUEUE_LEFT, line_end_words(end, by=by))

    def end(self, entry: QueueEntry, kind: EventKind, words: str) -> None:
        """End an entry, and take back what it was given; its owner is told."""
        if entry.slice_id is not None:
            self._allocation.release(entry.slice_id, words)
        self._store.drop(entry.name)
        self._tell(kind, entry, words)

    def look(self) -> None:
        """Let those whose turn has come have their slices, and end what has waited too long."""
        self._end_old()
        self.take_turns()

    def take_turns(self) -> None:
        """Hand out slices to all of the line who have a place now, one after another."""
        for _ in range(_MOST_TURNS):
            turn = next_placed(self._stores.capacity.holdings, self._ordered())
            if turn is None:
                return
            self._give(turn)

    def waits_of(self, owner: UserName | None = None) -> tuple[QueueWait, ...]:
        """Return how those stand who wait, of one owner or of all, in their order."""
        of = {
            RequestId(each.request_id)
            for each in self._waiting()
            if owner is None or each.owner == owner
        }
        if not of:
            return ()
        holdings = self._stores.capacity.holdings
        return waits(holdings, self._ordered(), self._facts.ends(), of)

    def wait_of(self, entry: QueueEntry) -> QueueWait | None:
        """Return how one stands that waits; ``None`` where it waits no more."""
        found = (
            each
            for each in self.waits_of(entry.owner)
            if each.server.request_id == entry.request_id
        )
        return next(found, None)

    def until(self, since: datetime) -> datetime:
        """Return when one leaves the line that is in it since then."""
        return since + self.rules.wait_most

    def _at_once(self, request: SliceRequest) -> SliceRecord | Refusal:
        answer = self._allocation.request(request)
        self._forget((UserName(request.owner), request.server))
        return answer

    def _if_due(self, request: SliceRequest) -> SliceRecord | Refusal | None:
        """Hand out what is due whoever waits; ``None``: it would be borrowed, and others wait."""
        lot = secrets.randbelow(LOTS)
        answer = self._allocation.decide(request, lot)
        if isinstance(answer, Refusal):
            return answer
        if answer.why.rule in _DUE:
            return self._allocation.hand_out(request, answer, lot)
        return None

    def _join(self, request: SliceRequest, known: QueueEntry | None) -> SliceRecord | QueueEntry:
        """Put a request in line, at the age that the server has there, and take the turns."""
        now = self._stores.now()
        if known is not None and known.slice_id is not None:
            self._allocation.release(known.slice_id, "its server asks for something else")
        self._allocation.remember(request)
        entry = QueueEntry(
            request_id=secrets.token_hex(16) if known is None else known.request_id,
            owner=UserName(request.owner),
            server=request.server,
            request=request.model_dump(mode="json", exclude=_NOT_KEPT, exclude_none=True),
            lot=secrets.randbelow(LOTS) if known is None else known.lot,
            since=now if known is None else known.since,
        )
        self._store.put(entry)
        if known is None:
            self._tell(EventKind.QUEUED, entry, "no room now: it waits in line")
        self.take_turns()
        after = self._store.kept[entry.name]
        record = None if after.slice_id is None else self._stores.ledger.slices.get(after.slice_id)
        if record is None:
            return after
        self._store.drop(entry.name)
        return record

    def _give(self, turn: Turn) -> None:
        """Hand out the slice of whose turn it is, unless its account is not there any more."""
        entry = self._store.kept[turn.server.owner, turn.server.server]
        asked, account = self._asked(entry), self._stores.accounts.find(entry.owner)
        if asked is None or account is None:
            words = line_end_words(LineEnd.RULES_CHANGED, by="its owner's account is not known")
            self.end(entry, EventKind.QUEUE_GAVE_UP, words)
            return
        request = asked.model_copy(update={"account": account.template})
        record = self._allocation.hand_out(request, turn.placement, entry.lot)
        given = replace(entry, slice_id=record.slice_id, turn_at=self._stores.now())
        self._store.put(given)
        self._tell(
            EventKind.QUEUE_TURN, given, "its turn has come: JupyterHub is asked to start it"
        )

    def _given(self, entry: QueueEntry, request: SliceRequest) -> SliceRecord | None:
        """Return the slice that was handed out for this very request; else take it back."""
        if entry.slice_id is None:
            return None
        record = self._stores.ledger.slices.get(entry.slice_id)
        same = entry.request == request.model_dump(
            mode="json", exclude=_NOT_KEPT, exclude_none=True
        )
        return record if same else None

    def _waiting(self) -> Iterator[QueueEntry]:
        return (each for each in self._store.kept.values() if each.slice_id is None)

    def _ordered(self) -> tuple[QueuedServer, ...]:
        found = (self._queued(each) for each in self._waiting())
        line = [each for each in found if each is not None]
        if not line:
            return ()
        return in_order(self._stores.capacity.holdings, line, self._facts.past())

    def _queued(self, entry: QueueEntry) -> QueuedServer | None:
        request = self._asked(entry)
        if request is None:
            return None
        return QueuedServer(
            request_id=RequestId(entry.request_id),
            owner=entry.owner,
            server=entry.server,
            wish=replace(self._allocation.wish(request), lot=entry.lot),
            since=entry.since,
            lot=entry.lot,
        )

    def _asked(self, entry: QueueEntry) -> SliceRequest | None:
        """Return what an entry asked for, with nobody's account; ``None``: it cannot be read."""
        known = self._read.get(entry.request_id)
        if known is not None and known[0] is entry.request:
            return known[1]
        try:
            asked = SliceRequest.model_validate({**entry.request, "account": _NO_ACCOUNT})
        except ValidationError as error:
            _LOG.warning("an entry of the line cannot be read: %s", type(error).__name__)
            return None
        self._read[entry.request_id] = entry.request, asked
        return asked

    def _end_old(self) -> None:
        now, rules = self._stores.now(), self.rules
        for gone in self._read.keys() - {each.request_id for each in self._store.kept.values()}:
            del self._read[gone]
        for entry in tuple(self._waiting()):
            if rules.when_full is WhenFull.REFUSE:
                self.end(entry, EventKind.QUEUE_GAVE_UP, line_end_words(LineEnd.NO_LINE))
            elif now - entry.since >= rules.wait_most:
                words = line_end_words(LineEnd.WAITED_LONG, waited=_length(rules.wait_most))
                self.end(entry, EventKind.QUEUE_GAVE_UP, words)

    def _is_full(self, name: ServerName) -> bool:
        kept = self._store.kept
        own = sum(each.owner == name[0] for each in kept.values())
        return name not in kept and (own >= MOST_OF_AN_OWNER or len(kept) >= MOST_OF_ALL)

    def _forget(self, name: ServerName) -> None:
        if name in self._store.kept:
            self._store.drop(name)

    def _take_up(self) -> None:
        """Find the slice of one whose turn had come when the service was killed in between."""
        for entry in tuple(self._waiting()):
            record = self._stores.ledger.slice_of_server(*entry.name)
            if record is not None and record.root_pid is None and record.pod is None:
                since = record.created_at
                if since >= entry.since:
                    self._store.put(replace(entry, slice_id=record.slice_id, turn_at=since))

    def _tell(self, kind: EventKind, entry: QueueEntry, words: str) -> None:
        now = self._stores.now()
        what = f"server {entry.owner}/{entry.server}: {words}"
        told = replace(event(kind, now, what), owner=entry.owner, slice_id=entry.slice_id)
        self._stores.ledger.apply(Change(events=(told,)), now)


def _length(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    return (
        f"{minutes} min"
        if not seconds
        else f"{minutes} min {seconds} s"
        if minutes
        else (f"{seconds} s")
    )


def started_with(entry: QueueEntry) -> Mapping[str, Any] | None:
    """Return the options with which an entry's server is to be started."""
    options = entry.request.get("start_options")
    return options if isinstance(options, dict) else None
