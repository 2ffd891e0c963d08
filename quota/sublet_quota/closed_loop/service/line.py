"""Simulated notebooks that wait in line, where the quota document says ``when_full: queue``.

The order, the turns and the cards that are kept are ``server_queue``'s; whose turn has come has
their slice at that moment, as their server starts at once. Nobody waits beyond ``wait_most``, nor
beyond their patience. The line is looked at when something has changed, and now and then.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.closed_loop.asks.asked import AskedServer
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import LeftLine
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.document.values import WhenFull
from sublet_quota.jobs.turns.past_uses import UsedBy
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.payers import Payers
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.turns import Turn, no_waiting_helps
from sublet_quota.server_queue.walk import walk
from sublet_quota.shares.fair_order import RequestId


@dataclass(frozen=True, slots=True)
class _Waiting:
    asked: AskedServer
    server: QueuedServer
    until: datetime


class Line:
    """The line of a simulated hub."""

    def __init__(self, parts: Parts, give: Callable[[AskedServer, Placement], None]) -> None:
        """``give``: hand out the slice of whose turn it is."""
        self._parts = parts
        self._give = give
        self._waiting: dict[RequestId, _Waiting] = {}
        self._planned: datetime | None = None
        self._passed: tuple[str, ...] = ()
        """Who was before the last whose turn came, and found no place then."""
        parts.asking["line"] = self.asking

    @property
    def is_open(self) -> bool:
        """Whether the document lets notebooks wait."""
        return self._parts.holdings.document.notebooks.when_full is WhenFull.QUEUE

    @property
    def waits(self) -> bool:
        """Whether anybody is in line."""
        return bool(self._waiting)

    def join(self, asked: AskedServer, wish: RequestedSlice) -> None:
        """Let a notebook wait; the line is looked at in this very moment."""
        now, owner = self._parts.clock.now, UserName(asked.owner)
        name = RequestId(asked.name)
        server = QueuedServer(name, owner, asked.name, wish, now, wish.lot)
        rules = self._parts.holdings.document.notebooks
        until = now + min(rules.wait_most, asked.patience)
        self._waiting[name] = _Waiting(asked, server, until)
        self._parts.clock.at(until, Phase.ROUND, asked.name, lambda: self._give_up(name, until))
        self.look_again()

    def asking(self) -> Iterator[UsedBy]:
        """Yield who waits: the leaf of the group that would pay, and the person."""
        holdings = self._parts.holdings
        payers = Payers(holdings)
        for each in self._waiting.values():
            group = payers.of(each.server).group
            yield holdings.leaf_for(group, each.server.owner), each.server.owner

    def ordered(self) -> tuple[QueuedServer, ...]:
        """Return those in line in their order."""
        servers = [each.server for each in self._waiting.values()]
        if not servers:
            return ()
        return in_order(self._parts.holdings, servers, self._parts.past())

    def look_again(self) -> None:
        """Look at the line once all of this moment has happened."""
        now = self._parts.clock.now
        if self._waiting and (self._planned is None or self._planned > now):
            self._plan(now)

    def finish(self) -> None:
        """Note who is in line at the end."""
        for each in self._waiting.values():
            self._note(each)

    def _plan(self, at: datetime) -> None:
        self._planned = at
        self._parts.clock.at(at, Phase.ROUND, "line", lambda: self._look(at))

    def _look(self, planned: datetime) -> None:
        if planned != self._planned:
            return
        self._planned = planned
        while (turn := self._next()) is not None:
            waiting = self._waiting.pop(turn.server.request_id)
            self._note(waiting, turn.placement, self._passed)
            self._give(waiting.asked, turn.placement)
        self._planned = None
        if self._waiting:
            self._plan(self._parts.clock.now + self._parts.manner.line_every)

    def _next(self) -> Turn | None:
        """Return whose turn it is; whom no waiting helps any more leaves the line."""
        if not self._waiting:
            return None
        passed: list[str] = []
        for step in walk(self._parts.holdings, self.ordered()):
            if isinstance(step.answer, Placement):
                self._passed = tuple(passed)
                return Turn(step.server, step.answer)
            if no_waiting_helps(step) is not None:
                self._note(self._waiting.pop(step.server.request_id))
            else:
                passed.append(step.server.server)
        return None

    def _give_up(self, name: RequestId, until: datetime) -> None:
        waiting = self._waiting.get(name)
        if waiting is not None and waiting.until == until:
            self._note(self._waiting.pop(name))
            self.look_again()

    def _note(
        self,
        waiting: _Waiting,
        placement: Placement | None = None,
        passed: tuple[str, ...] = (),
    ) -> None:
        server, now = waiting.server, self._parts.clock.now
        rank = None if placement is None else placement.rank
        left = LeftLine(waiting.asked.name, server.owner, server.since, now, rank, passed)
        self._parts.record.line.append(left)
