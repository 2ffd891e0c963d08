"""What people ask for: servers with their cells, and jobs; all of it known beforehand.

Nothing here is drawn: a person's days are made once (``people``, ``trace_table``), and the same
whatever comes of them, so two documents are compared on the same days.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.shares.cards import WHOLE_CARD

AGAIN: Final = "+"
"""What a server's name has at its end for each time that it was ended and its owner came back."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of work on the GPU: one cell, or several that follow each other closely."""

    thinks: timedelta
    """How long the owner thinks before, from the start of the server or the end of the last."""
    works: timedelta
    """How long it takes where nothing is in its way."""


@dataclass(frozen=True, slots=True)
class AskedServer:
    """Somebody starts a notebook server, runs cells, and stops it a while after the last one.

    A size by name, or a part of a card (``own_amounts`` is then needed, as for anybody).
    """

    name: str
    """Different for each; ``lot_of`` it is the request's lot."""
    at: datetime
    owner: str
    groups: tuple[str, ...] = ()
    size: str | None = None
    cards: Fraction | None = None
    gpu_type: str | None = None
    group: str | None = None
    """Who is to pay, where the owner names a group."""
    cells: tuple[Cell, ...] = ()
    stays: timedelta = timedelta()
    """How long the server is left running after its last cell."""
    fills: Fraction = WHOLE_CARD
    """Which part of its cap its processes fill."""
    never_suspended: bool = False
    asks_again: timedelta = timedelta(minutes=10)
    patience: timedelta = timedelta()
    """For how long it is asked again after a refusal, or waits in line; not at all with zero."""
    extends: bool = False
    """Whether its owner puts the end off, when warned that the server is idle."""


@dataclass(frozen=True, slots=True)
class AskedJob:
    """Somebody submits a training job of a part of one card, or of whole ones of one node."""

    name: str
    at: datetime
    owner: str
    groups: tuple[str, ...] = ()
    works: timedelta = timedelta(hours=1)
    """How long it runs where nothing is in its way."""
    cards: Fraction = WHOLE_CARD
    gpu_type: str | None = None
    group: str | None = None
    priority: int = 0
    max_run: timedelta | None = None

    @property
    def gpus(self) -> int:
        """On how many cards it runs, all of one node."""
        return max(1, int(self.cards))


Asked = AskedServer | AskedJob


@dataclass(frozen=True, slots=True)
class NewDocument:
    """An admin saves another quota document."""

    at: datetime
    document: QuotaDocument


class CardVerb(StrEnum):
    """What becomes of cards during a simulation."""

    ADD = "add"
    CLOSE = "close"
    """They take nothing new."""
    DRAIN = "drain"
    """They take nothing new, and jobs there go back to the queue."""
    OPEN = "open"
    """They are closed no longer."""
    FAIL = "fail"
    """What lies there is lost; what is suspended comes back on another card of the node."""
    TAKE = "take"
    """They are gone, with all that is there and on its way there."""


@dataclass(frozen=True, slots=True)
class CardChange:
    """Cards are added, closed, opened or taken away, or they fail."""

    at: datetime
    verb: CardVerb
    cards: tuple[GpuFacts, ...]
    words: str = ""
    """How it is told in a report."""

    @property
    def loses(self) -> bool:
        """Whether what lies on the cards is lost."""
        return self.verb in {CardVerb.FAIL, CardVerb.TAKE}

    @property
    def sends_back(self) -> bool:
        """Whether jobs on the cards go back to the queue."""
        return self.loses or self.verb is CardVerb.DRAIN

    @property
    def closes(self) -> bool:
        """Whether the cards take nothing new from then on."""
        return self.verb not in {CardVerb.ADD, CardVerb.OPEN}


@dataclass(frozen=True, slots=True)
class CardSpeeds:
    """How long memory takes to move, and how much of it the host takes."""

    suspend_mib_per_s: int = 6000
    resume_mib_per_s: int = 8000
    locking: timedelta = timedelta(milliseconds=300)
    """How long each move takes beside its bytes; for so long a suspend can be undone."""
    host_mib_a_card: int = 2**20
    """The host memory of a node, for each of its cards."""

    def out_s(self, memory_mib: int) -> float:
        """Return how many seconds it takes to suspend so much."""
        return self.locking.total_seconds() + memory_mib / self.suspend_mib_per_s

    def back_s(self, memory_mib: int) -> float:
        """Return how many seconds it takes to resume so much."""
        return self.locking.total_seconds() + memory_mib / self.resume_mib_per_s


@dataclass(frozen=True, slots=True)
class Manner:
    """How the simulated service and its agents go about it."""

    speeds: CardSpeeds = field(default_factory=CardSpeeds)
    round: timedelta = timedelta(minutes=1)
    """How soon the queue of jobs is looked at after a change."""
    line_every: timedelta = timedelta(minutes=10)
    """How often the line of notebooks is looked at though nothing changes: past use wears off."""
    budgets_every: timedelta = timedelta(minutes=5)
    """How often it is looked at how budgets stand."""
    lending: bool = True
