"""What happened in some days, as it was recorded: what was asked for, and what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, AskedServer
from sublet_quota.names.ids import GroupName


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a wish."""

    got: timedelta | None
    """How long after it was asked for it was had; ``None``: never."""
    payer: GroupName | None = None
    """The group that paid, or would have; ``None``: none."""
    refused: str | None = None
    """The code with which it was refused last, if it was never had."""
    was_there: bool = False
    """Whether it was had before the days began: nothing is known of its wait."""


@dataclass(frozen=True, slots=True)
class PastServer:
    """A notebook server that was asked for, with its cells."""

    asked: AskedServer
    answer: Answer
    waits: tuple[timedelta, ...] = ()
    """How long the gate kept each of its cells waiting, the first ones first."""


@dataclass(frozen=True, slots=True)
class PastJob:
    """A job that was submitted."""

    asked: AskedJob
    answer: Answer


Past = PastServer | PastJob


class CardState(StrEnum):
    """How a card stood."""

    OPEN = "open"
    CLOSED = "closed"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class PastCard:
    """How a card stood from a moment on."""

    gpu_id: str
    at: datetime
    node: str
    index: int
    model: str
    memory_mib: int
    margin_mib: int
    state: CardState


@dataclass(frozen=True, slots=True)
class PastMoves:
    """Moves of memory in one direction, added up."""

    at: datetime
    leaves: bool
    number: int
    memory_mib: int
    lasted: timedelta


@dataclass(frozen=True, slots=True)
class PastHours:
    """For how long cards were held at one payer's expense in one way, added up."""

    payer: GroupName | None
    kind: str
    """``used``, ``idle``, ``lent`` or ``suspended``: by notebooks; ``jobs``: computed by jobs."""
    lasted: timedelta


@dataclass(frozen=True, slots=True)
class History:
    """Some days of a hub."""

    begins: datetime
    ends: datetime
    past: tuple[Past, ...] = ()
    cards: tuple[PastCard, ...] = ()
    moves: tuple[PastMoves, ...] = ()
    hours: tuple[PastHours, ...] = ()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """All that was asked for."""
        return tuple(each.asked for each in self.past)
