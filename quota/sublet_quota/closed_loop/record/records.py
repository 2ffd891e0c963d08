"""What happened, as it is noted down: figures are made of nothing else."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from sublet_quota.budgets.charge import HeldKind
from sublet_quota.names.ids import GpuId, GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class Who:
    """Whose a slice is, and who pays for it."""

    owner: UserName
    group: GroupName | None
    is_job: bool


@dataclass(frozen=True, slots=True)
class Ran:
    """A slice computed for a while."""

    slice_id: SliceId
    who: Who
    gpu_type: str
    cards: Fraction
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class HeldSlice:
    """A slice was held on a card, from one moment to another, at one payer's expense."""

    slice_id: SliceId
    who: Who
    gpu_type: str
    cards: Fraction
    began: datetime
    ended: datetime


class HeldKey(NamedTuple):
    """What time on cards is added up by: who paid, what became of it, and of which part."""

    group: GroupName | None
    is_job: bool
    gpu_type: str
    kind: HeldKind
    entitled: bool
    """Whether a guarantee covered it, against everybody or in part."""
    numerator: int
    denominator: int
    """The slice's part of a card: its time is that of whole numbers, and adds up exactly."""


@dataclass(frozen=True, slots=True)
class CellBegan:
    """A cell ran for the first time, so long after it was asked for."""

    slice_id: SliceId
    who: Who
    rank: Rank
    """The worst that the slice had while the cell waited."""
    asked_at: datetime
    waited: timedelta


@dataclass(frozen=True, slots=True)
class Answered:
    """A server was asked for: granted, or refused with a code."""

    name: str
    owner: UserName
    at: datetime
    group: GroupName | None
    rank: Rank | None
    """How it stands; ``None``: refused."""
    refused: str | None = None
    within_guarantee: bool = False
    """Whether it was refused for want of room, though within guarantee and limits: then ``group``
    is whose guarantee.
    """


@dataclass(frozen=True, slots=True)
class LeftLine:
    """A notebook waited in line for its slice, or until it left, or was looked at last."""

    name: str
    owner: UserName
    since: datetime
    until: datetime
    rank: Rank | None
    """How its slice stands; ``None``: it has none."""
    passed: tuple[str, ...] = ()
    """Who came before in the order, and found no place at its turn."""


@dataclass(frozen=True, slots=True)
class JobWaited:
    """A job waited from its submission to its start, or until it was looked at last."""

    name: str
    who: Who
    cards: Fraction
    began: datetime
    ended: datetime
    started: bool


@dataclass(frozen=True, slots=True)
class SentBack:
    """A job went back to the queue, as its card takes it no more: it begins anew."""

    name: str
    at: datetime
    cards: Fraction
    ran: timedelta
    """How long it had computed since it began."""


@dataclass(frozen=True, slots=True)
class IdleWarned:
    """An owner was warned that a server is ended for being idle."""

    slice_id: SliceId
    at: datetime
    idle_since: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class BudgetTurned:
    """A budget was found to be over, or to have hours again."""

    group: GroupName
    owner: UserName | None
    """Whose it is; ``None``: of all together."""
    at: datetime
    is_over: bool


@dataclass(frozen=True, slots=True)
class PlaceChanged:
    """A slice lost its place on its card to an entitled one, or has it again."""

    slice_id: SliceId
    at: datetime
    called_back: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A slice's bytes left the card, or came back."""

    slice_id: SliceId
    gpu_id: GpuId
    at: datetime
    leaves: bool
    memory_mib: int


@dataclass(frozen=True, slots=True)
class CardChanged:
    """A slice is on another card of its node from now on."""

    slice_id: SliceId
    before: GpuId
    after: GpuId
    at: datetime


@dataclass(slots=True)
class CardHours:
    """What became of the cards of a type, in seconds of a card."""

    there: float = 0.0
    held: float = 0.0
    """By servers; what is promised beyond a card does not count."""
    used: float = 0.0
    """By servers at work."""
    lent: float = 0.0
    """Held by idle servers, and used by jobs."""
    jobs: float = 0.0
    """By jobs, on lent and on free room."""
    not_used: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    """What was held and not used, lent or not, by the hour since the beginning."""
    used_in: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    lent_in: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    jobs_in: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    """The same of what was used by servers, lent, and used by jobs."""

    @property
    def idle(self) -> float:
        """What was held, and neither used nor lent."""
        return max(0.0, self.held - self.used - self.lent)


@dataclass(slots=True)
class Record:
    """All that happened."""

    began: datetime
    ended: datetime
    runs: list[Ran] = field(default_factory=list)
    cells: list[CellBegan] = field(default_factory=list)
    cells_waiting: list[CellBegan] = field(default_factory=list)
    """Cells that wait at the end."""
    answers: list[Answered] = field(default_factory=list)
    line: list[LeftLine] = field(default_factory=list)
    job_waits: list[JobWaited] = field(default_factory=list)
    places: list[PlaceChanged] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    card_changes: list[CardChanged] = field(default_factory=list)
    jobs_done: dict[str, datetime] = field(default_factory=dict)
    servers_left: dict[str, datetime] = field(default_factory=dict)
    """When each server was stopped by its owner."""
    ended_idle: dict[str, datetime] = field(default_factory=dict)
    """When servers were ended for being idle: nothing else but their owners ends one."""
    lost_with_cards: dict[str, datetime] = field(default_factory=dict)
    """When servers were ended as their cards failed, or were taken away."""
    replays: dict[str, timedelta] = field(default_factory=dict)
    """For how long each server that was started anew ran cells again first."""
    sent_back: list[SentBack] = field(default_factory=list)
    warned: list[IdleWarned] = field(default_factory=list)
    budgets: list[BudgetTurned] = field(default_factory=list)
    held: Counter[tuple[SliceId, HeldKind]] = field(default_factory=Counter)
    """For how many microseconds each slice was held in which way, while there are budgets."""
    held_slices: list[HeldSlice] = field(default_factory=list)
    held_us: Counter[HeldKey] = field(default_factory=Counter)
    """For how many microseconds slices were held in which way."""
    refused_jobs: Counter[str] = field(default_factory=Counter)
    hours: dict[str, CardHours] = field(default_factory=dict)
    """By GPU type."""
