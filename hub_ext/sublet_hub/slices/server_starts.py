"""Has JupyterHub start the servers whose turn in line has come.

Only ever a server that its owner asked for, with the options that they chose. One that is not
started within the service's ``start_within_s`` loses its slice to others, and its owner is told.
A hub that does not answer is asked again, and no time is counted meanwhile; nor while the server
is being started, which the hub bounds. A start that fails is asked for a few times only: a hub may
end itself after some failed starts in a row, whoever's they are. JupyterHub says of a start that
takes longer than its ``slow_spawn_timeout`` (none at all with zero-to-jupyterhub) that it began,
and later nothing: what began, and has no slice, no server and no start under way, has failed. Where
that is longer than the service waits for any answer, nobody knows what came of asking: it is looked
at, and is neither a failure nor a start unless something is seen of it.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sublet_quota.names.ids import UserName
from sublet_quota.reasons.server_queue import LineEnd, line_end_words
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import HubUnreachableError
from sublet_hub.ledger.queued_servers import QueueEntry
from sublet_hub.slices.jupyterhub_client import ServerStanding, StartAnswer
from sublet_hub.slices.server_queue import ServerQueue, started_with

ASKED_AGAIN_S: Final = 15.0
"""How long the hub has until it is asked again to start a server."""
MOST_FAILURES: Final = 3
"""So often a start may fail; zero-to-jupyterhub's hub ends itself after five in a row."""
_STARTED_AT_ONCE: Final = 20
_NOT_ALLOWED: Final = (
    "a server in line is not started: HTTP 403: its owner has to log in anew, or the service's "
    "role lacks the scope servers"
)
_LOG = logging.getLogger(__name__)


class StartsServers(Protocol):
    """What is asked of JupyterHub."""

    async def start_server(
        self, owner: UserName, server: str, options: Mapping[str, Any] | None
    ) -> StartAnswer:
        """Have a server started. ``HubUnreachableError``."""
        ...

    async def standing_of(self, owner: UserName, server: str) -> ServerStanding:
        """Return how a server stands. ``HubUnreachableError``."""
        ...


@dataclass(slots=True)
class _Asked:
    """What came of asking for a server so far."""

    at_s: float = -math.inf
    counted_from: datetime | None = None
    """Since when it could have been started."""
    has_begun: bool = False
    """Whether the hub was last heard to start it."""
    failures: int = 0
    """How many of its starts have failed."""


class ServerStarts:
    """The servers that are to be started."""

    def __init__(
        self,
        queue: ServerQueue,
        hub: StartsServers,
        start_within: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._hub = hub
        self._start_within = start_within
        self._now = now
        self._asked: dict[str, _Asked] = {}
        """By the entries' ids."""
        self._said = ""

    @property
    def are_due(self) -> bool:
        """Whether there is a server whose turn has come, and that was not asked for yet."""
        return any(each.request_id not in self._asked for each in self._due())

    def _due(self) -> Iterator[QueueEntry]:
        return (each for each in self._queue.entries.values() if each.slice_id is not None)

    async def start_due(self) -> None:
        """Ask for each server whose turn has come, and give up those that did not start."""
        due = list(self._due())
        for gone in self._asked.keys() - {each.request_id for each in due}:
            del self._asked[gone]
        now_s = time.monotonic()
        again = [each for each in due if now_s - self._of(each).at_s >= ASKED_AGAIN_S]
        again.sort(key=lambda each: (each.turn_at or each.since, each.lot))
        await asyncio.gather(*(self._start(each, now_s) for each in again[:_STARTED_AT_ONCE]))

    async def _start(self, entry: QueueEntry, now_s: float) -> None:
        if not self._queue.holds_slice(entry):
            self._give_up(entry, line_end_words(LineEnd.NOT_STARTED))
            return
        asked = self._of(entry)
        asked.at_s = now_s
        try:
            answer, standing = await self._ask(entry, asked)
        except HubUnreachableError as error:
            # Asked again and again: what is no news is not said again.
            if self._said != str(error):
                self._said = str(error)
                _LOG.warning("a server in line is not started yet: %s", error)
            return
        self._said = ""
        if answer is StartAnswer.NOT_ALLOWED and asked.counted_from is None:
            _LOG.warning(_NOT_ALLOWED)
        asked.failures += answer is StartAnswer.FAILED
        match answer:
            case StartAnswer.RUNS_ALREADY if standing is ServerStanding.RUNS:
                self._give_up(entry, line_end_words(LineEnd.RUNS_OTHERWISE))
            case StartAnswer.RUNS_ALREADY if standing is ServerStanding.CHANGES:
                # The start that was asked for, or its owner's own: it asks for its slice yet.
                asked.counted_from = self._now()
            case StartAnswer.NOT_KNOWN:
                # No time is counted either: the hub may be as slow to begin.
                pass
            case StartAnswer.FAILED if asked.failures >= MOST_FAILURES:
                self._give_up(entry, line_end_words(LineEnd.HUB_REFUSES, said="its start fails"))
            case StartAnswer.REFUSED:
                words = line_end_words(LineEnd.HUB_REFUSES, said="it knows no such server or user")
                self._give_up(entry, words)
            case _:
                self._give_up_late(entry, asked)

    async def _ask(self, entry: QueueEntry, asked: _Asked) -> tuple[StartAnswer, ServerStanding]:
        """Have a server started, or look at the start that began; return what the hub says.

        ``HubUnreachableError``.
        """
        owner, server = entry.owner, entry.server
        if asked.has_begun:
            standing = await self._hub.standing_of(owner, server)
            asked.has_begun = standing is not ServerStanding.NOT_THERE
            answer = StartAnswer.RUNS_ALREADY if asked.has_begun else StartAnswer.FAILED
            return answer, standing
        answer = await self._hub.start_server(owner, server, started_with(entry))
        asked.has_begun = answer is StartAnswer.STARTS
        standing = ServerStanding.NOT_THERE
        if answer in {StartAnswer.RUNS_ALREADY, StartAnswer.NOT_KNOWN}:
            standing = await self._hub.standing_of(owner, server)
        if answer is StartAnswer.NOT_KNOWN and standing is not ServerStanding.NOT_THERE:
            asked.has_begun, answer = True, StartAnswer.RUNS_ALREADY
        return answer, standing

    def _of(self, entry: QueueEntry) -> _Asked:
        return self._asked.setdefault(entry.request_id, _Asked())

    def _give_up_late(self, entry: QueueEntry, asked: _Asked) -> None:
        """Give one up whose server did not ask for its slice in time, though the hub answers."""
        now = self._now()
        asked.counted_from = asked.counted_from or now
        if now - asked.counted_from >= self._start_within:
            self._give_up(entry, line_end_words(LineEnd.NOT_STARTED))

    def _give_up(self, entry: QueueEntry, words: str) -> None:
        """End an entry, unless it is another by now: its server may have asked meanwhile."""
        if self._queue.entries.get(entry.name) == entry:
            self._queue.end(entry, EventKind.QUEUE_GAVE_UP, words)
