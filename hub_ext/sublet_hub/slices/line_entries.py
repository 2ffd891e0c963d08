"""The entries of the line of notebook servers: kept in the ledger, read, ended and told of.

What an entry asked for is read under the groups that its owner is known to be in now, which may be
others than when it joined the line.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.shared_clauses import server_clause
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.shares.fair_order import RequestId
from sublet_quota.wire.api import AccountTemplate, SliceRequest
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import event
from sublet_hub.ledger.queued_servers import QueuedServerStore, QueueEntry, ServerName
from sublet_hub.ledger.records import Change
from sublet_hub.slices.allocation import Allocation
from sublet_hub.state.stores import Stores

_LOG = logging.getLogger(__name__)
_NOT_KEPT: Final = {"account"}
_MOST_OPTIONS: Final = 16 * 1024
"""So many letters of a server's options are kept: a user may send any, and many may wait."""
_NO_ACCOUNT: Final = AccountTemplate(uid=0, gid=0, home="/", notebook_dir="/", python="python")
"""Stands where an owner's account is looked up as the slice is handed out."""
_MOST_TOLD: Final = 4000
"""So many letters of why an entry ended are kept."""


@dataclass(slots=True)
class LineChanges:
    """How often something changed that the line hangs on."""

    entries: int = 0
    """Who is in line, and what they ask for."""
    left: int = 0
    """Who is in line no more, or has had their turn."""
    room: int = 0
    """Slices, cards, and the document."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What an entry asked for, as it was read, and from what."""

    request: Mapping[str, Any]
    groups: tuple[str, ...]
    asked: SliceRequest


class LineEntries:
    """All that wait, and those whose turn has come and that were not started yet."""

    def __init__(self, stores: Stores, store: QueuedServerStore, allocation: Allocation) -> None:
        self._stores = stores
        self._store = store
        self._allocation = allocation
        self._read: dict[str, _Read] = {}
        """By the entries' ids: read once."""
        self._of_owner = Counter(owner for owner, _ in store.kept)
        self.changes = LineChanges()
        self._take_up()
        stores.ledger.listen(self._ledger_changed)
        stores.capacity.on_room(self._note_room)

    @property
    def kept(self) -> Mapping[ServerName, QueueEntry]:
        """All entries, by server."""
        return self._store.kept

    def count_of(self, owner: UserName) -> int:
        """Return how many entries an owner has."""
        return self._of_owner[owner]

    def waiting(self) -> Iterator[QueueEntry]:
        """Yield those whose turn has not come."""
        return (each for each in self._store.kept.values() if each.slice_id is None)

    def put(self, entry: QueueEntry) -> None:
        """Keep an entry, in the place of the server's. ``LedgerWriteError``."""
        is_new = entry.name not in self._store.kept
        self._store.keep(entry)
        self._of_owner[entry.owner] += is_new
        self.changes.entries += 1
        self.changes.left += entry.slice_id is not None

    def drop(self, name: ServerName) -> None:
        """Forget a server's entry, if there is one. ``LedgerWriteError``."""
        before = self._store.kept.get(name)
        if before is not None:
            self._store.drop(name)
            self._of_owner[name[0]] -= 1
            if not self._of_owner[name[0]]:
                del self._of_owner[name[0]]
            self._read.pop(before.request_id, None)
            self.changes.entries += 1
            self.changes.left += 1

    def end(self, entry: QueueEntry, kind: EventKind, words: str) -> None:
        """End an entry, and take back what it was given; its owner is told."""
        if entry.slice_id is not None:
            self._allocation.release(entry.slice_id, words)
        self.drop(entry.name)
        self.tell(kind, entry, words)

    def tell(
        self, kind: EventKind, entry: QueueEntry, words: str, waited: timedelta = timedelta()
    ) -> None:
        """Tell what became of an entry, as an event; ``waited``: how long, where its turn came."""
        now = self._stores.now()
        what = f"{server_clause(entry.owner, entry.server)}: {words}"[:_MOST_TOLD]
        told = replace(event(kind, now, what), owner=entry.owner, slice_id=entry.slice_id)
        told = replace(told, took_s=max(0.0, waited.total_seconds()))
        self._stores.ledger.apply(Change(events=(told,)), now)

    def asked(self, entry: QueueEntry) -> SliceRequest | None:
        """Return what an entry asked for, with nobody's account; ``None``: it cannot be read."""
        account = self._stores.accounts.find(entry.owner)
        groups = tuple(entry.request.get("groups", ())) if account is None else account.groups
        known = self._read.get(entry.request_id)
        if known is not None and known.request is entry.request and known.groups == groups:
            return known.asked
        body = {**entry.request, "groups": groups, "account": _NO_ACCOUNT}
        try:
            asked = SliceRequest.model_validate(body)
        except ValidationError as error:
            _LOG.warning("an entry of the line cannot be read: %s", type(error).__name__)
            return None
        self._read[entry.request_id] = _Read(entry.request, groups, asked)
        return asked

    def queued(self, entry: QueueEntry) -> QueuedServer | None:
        """Return an entry as the line's order has it; ``None``: it cannot be read."""
        request = self.asked(entry)
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

    def _ledger_changed(self, change: Change) -> None:
        if change.slices or change.released or change.gpus or change.gone:
            self.changes.room += 1

    def _note_room(self) -> None:
        self.changes.room += 1

    def _take_up(self) -> None:
        """Find the slice of one whose turn had come when the service was killed in between."""
        for entry in tuple(self.waiting()):
            record = self._stores.ledger.slice_of_server(*entry.name)
            if record is not None and record.root_pid is None and record.pod is None:
                since = record.created_at
                # One with a lot of its own was for another wish, which had its place at once.
                if since >= entry.since and record.lot == entry.lot:
                    self.put(replace(entry, slice_id=record.slice_id, turn_at=since))


def kept_of(request: SliceRequest) -> dict[str, Any]:
    """Return what is kept of a request: all but the account, and options without end.

    With options that the hub keeps, too, a server is started where none are kept here.
    """
    kept = request.model_dump(mode="json", exclude=_NOT_KEPT, exclude_none=True)
    if len(json.dumps(kept.get("start_options"))) > _MOST_OPTIONS:
        del kept["start_options"]
    return kept
