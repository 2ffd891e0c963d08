"""The life of an idle notebook server: its owner is warned, may put its end off, and it is ended.

That it is idle, and since when, is its agent's word. A cell ends the idleness, and all of this with
it. Nobody is ended who was not warned for ``warning_time`` before, however late the warning came;
and none while a job goes on that was handed over from it, from its first start until it has ended:
from then on its time begins anew. One that waits for its first turn, or has stood still for as long
as a server may be idle, spares nobody: it may do so for ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

_LONGEST_WARNING: Final = timedelta(minutes=30)


class IdleStage(StrEnum):
    """How far an idle server is from its end."""

    IDLE = "idle"
    """Its end is not near yet."""
    TO_WARN = "to-warn"
    """Its end is near, and its owner is to be warned now."""
    WARNED = "warned"
    DUE = "due"
    """It is to be ended now."""
    SPARED = "spared"
    """It is not ended: a job that was handed over from it has begun."""


@dataclass(frozen=True, slots=True)
class IdleServer:
    """A server that is idle, and may not be so for ever."""

    idle_since: datetime
    max_idle: timedelta
    """Above zero."""
    extended_until: datetime | None = None
    """Until when its owner has put the end off."""
    kept_until: datetime | None = None
    """Until when its owner keeps its slice."""
    warned_at: datetime | None = None
    job_ended_at: datetime | None = None
    """When the last job ended that was handed over from it, and had begun."""
    has_job: bool = False
    """Whether a job that was handed over from it has begun, and not ended."""

    @property
    def counts_from(self) -> datetime:
        """Since when its time counts: since it is idle, and no job of it is left."""
        return max(self.idle_since, self.job_ended_at or self.idle_since)

    @property
    def warning_time(self) -> timedelta:
        """How long before its end its owner is warned."""
        return min(_LONGEST_WARNING, self.max_idle / 4)

    @property
    def planned_end(self) -> datetime:
        """When it would be ended, were its owner warned in time."""
        ends = (self.counts_from + self.max_idle, self.extended_until, self.kept_until)
        return max(end for end in ends if end is not None)

    def ends_at(self, now: datetime) -> datetime | None:
        """Return when it is ended unless a cell runs: also of one whose owner is warned late.

        ``None``: it is spared, for as long as a job of it goes on.
        """
        match self.stage(now):
            case IdleStage.SPARED:
                return None
            case IdleStage.IDLE:
                return self.planned_end
            case IdleStage.TO_WARN:
                return max(self.planned_end, now + self.warning_time)
            case IdleStage.WARNED | IdleStage.DUE:
                warned_at = now if self.warned_at is None else self.warned_at
                return max(self.planned_end, warned_at + self.warning_time)

    def stage(self, now: datetime) -> IdleStage:
        """Return how far it is from its end.

        A warning of before its end was put off is none: who is warned again is warned in time.
        """
        if self.has_job:
            return IdleStage.SPARED
        if now < self.planned_end - self.warning_time:
            return IdleStage.IDLE
        if self.warned_at is None:
            return IdleStage.TO_WARN
        if now < max(self.planned_end, self.warned_at + self.warning_time):
            return IdleStage.WARNED
        return IdleStage.DUE
