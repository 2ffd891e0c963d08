"""Simulated ends of idle servers: their owners are warned, may put the end off, and lose them.

How far one is from its end says ``IdleServer``, and for how long it may be idle ``max_idle_of``;
that it is idle, and since when, its card's agent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sublet_quota.closed_loop.asks.asked import AskedServer
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import IdleWarned
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.document.rights import max_idle_of
from sublet_quota.life_cycles.idle_servers import IdleServer, IdleStage
from sublet_quota.names.ids import SliceId


@dataclass(slots=True)
class _Watched:
    asked: AskedServer
    idle: IdleServer | None = None
    looks: int = 0
    """How many looks were planned: only the last one counts."""


class IdleEnds:
    """The servers that may not be idle for ever."""

    def __init__(self, parts: Parts, end: Callable[[SliceId], None]) -> None:
        """``end``: end a server."""
        self._parts = parts
        self._end = end
        self._watched: dict[SliceId, _Watched] = {}

    def rests(self, slice_id: SliceId, asked: AskedServer) -> None:
        """Watch a server whose owner runs no cell from now on."""
        watched = self._watched.setdefault(slice_id, _Watched(asked))
        idle = self._idle(slice_id, watched)
        if idle is not None:
            self._plan(slice_id, watched, replace(idle, warned_at=None, extended_until=None))

    def works(self, slice_id: SliceId) -> None:
        """Forget what was said of a server's end: its owner runs a cell, or left."""
        self._watched.pop(slice_id, None)

    def _idle(self, slice_id: SliceId, watched: _Watched) -> IdleServer | None:
        asked, document = watched.asked, self._parts.holdings.document
        max_idle = max_idle_of(document, asked.owner, asked.groups).value
        served = self._parts.cards.slice(slice_id)
        if max_idle is None or served.work_left_s > 0:
            return None
        since = served.evidence.gpu_used or served.began
        before = watched.idle
        if before is None or before.idle_since != since:
            return IdleServer(since, max_idle)
        return replace(before, max_idle=max_idle)

    def _plan(self, slice_id: SliceId, watched: _Watched, idle: IdleServer) -> None:
        now = self._parts.clock.now
        warning_at = idle.planned_end - idle.warning_time
        at = warning_at if idle.warned_at is None else _end_of(idle, now)
        watched.idle, watched.looks = idle, watched.looks + 1
        look = watched.looks
        self._parts.clock.at(max(now, at), Phase.ENDS, slice_id, lambda: self._look(slice_id, look))

    def _look(self, slice_id: SliceId, planned: int) -> None:
        watched, now = self._watched.get(slice_id), self._parts.clock.now
        if watched is None or watched.looks != planned:
            return
        idle = self._idle(slice_id, watched)
        if idle is None:
            return
        match idle.stage(now):
            case IdleStage.DUE:
                del self._watched[slice_id]
                self._end(slice_id)
                return
            case IdleStage.TO_WARN if watched.asked.extends:
                self._warned(slice_id, idle)
                idle = replace(idle, extended_until=now + idle.max_idle, warned_at=None)
            case IdleStage.TO_WARN:
                self._warned(slice_id, idle)
                idle = replace(idle, warned_at=now)
            case IdleStage.IDLE | IdleStage.WARNED | IdleStage.SPARED:
                pass
        self._plan(slice_id, watched, idle)

    def _warned(self, slice_id: SliceId, idle: IdleServer) -> None:
        now = self._parts.clock.now
        warned = IdleWarned(slice_id, now, idle.idle_since, _end_of(idle, now))
        self._parts.record.warned.append(warned)


def _end_of(idle: IdleServer, now: datetime) -> datetime:
    """Return when a server is ended: no job here was promoted from one, for which it is spared."""
    return idle.ends_at(now) or idle.planned_end
