"""One slice on a simulated card: where its bytes are, what it works on, since when it waits."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.activity import ActivityEvidence
from sublet_quota.residency.snapshot import Holder, Rank, SliceView


@dataclass(slots=True)
class SliceOnCard:
    """A slice as it is on its card; an owner's cell, or a job, is its work."""

    slice_id: SliceId
    holder: Holder
    amount: GpuAmount
    fills_mib: int
    """How much it fills once its gate is open."""
    began: datetime
    rank: Rank = Rank.BORROWED
    entitlement: int = 0
    held_back: bool = False
    unsuspendable: str | None = None
    work_left_s: float = 0.0
    """What is left of its work, in seconds at its full speed."""
    asked_at: datetime | None = None
    """Since when its present cell waits to run for the first time."""
    held_mib: int = 0
    image_mib: int = 0
    state: SliceState = SliceState.RESIDENT
    active: bool = False
    since: datetime = field(init=False)
    state_since: datetime = field(init=False)
    evidence: ActivityEvidence = field(init=False)
    gate_open: bool = False
    waiting_since: datetime | None = None
    turn_since: datetime | None = None
    runs_since: datetime | None = None
    """Since when it runs without a break; ``None`` while it does not."""
    off_since: datetime | None = None
    """Since when it is not charged: a job that stands still, an idle slice that is lent."""

    together: tuple["SliceOnCard", ...] = field(default=(), repr=False, compare=False)
    """All slices of a job on several cards: none of them computes while another cannot."""
    told_ready: bool = False
    """Whether the others know that this one could compute."""

    def __post_init__(self) -> None:
        """Begin idle, or for a job at work, with nothing on the card."""
        self.since = self.state_since = self.began
        self.evidence = ActivityEvidence(self.began)
        if self.is_job:
            self.active, self.waiting_since = True, self.began

    @property
    def is_job(self) -> bool:
        """Whether it belongs to a training job."""
        return self.holder is Holder.JOB

    @property
    def could_run(self) -> bool:
        """Whether it has work, its promise, and its bytes on the card, as all beside it have."""
        if self.work_left_s <= 0 or not self.is_ready:
            return False
        return not self.together or all(each.is_ready for each in self.together)

    @property
    def is_ready(self) -> bool:
        """Whether nothing here is in its way: its work is done, or its room is there."""
        is_there = self.gate_open and self.state is SliceState.RESIDENT
        return is_there or (self.is_job and self.work_left_s <= 0)

    @property
    def rests_since(self) -> datetime | None:
        """Since when an owner does nothing, though the slice counts as active."""
        rests = self.active and not self.is_job and self.work_left_s <= 0
        return self.evidence.gpu_used if rests else None

    def open_gate(self, now: datetime) -> None:
        """Promise the whole cap: it fills what it will at once."""
        self.gate_open, self.turn_since, self.waiting_since = True, now, None
        self.held_mib = max(self.held_mib, self.fills_mib)

    def close_gate(self, now: datetime) -> None:
        """Take the promise back."""
        if self.gate_open and self.active:
            self.waiting_since = now
        self.gate_open, self.turn_since = False, None

    def become(self, state: SliceState, now: datetime) -> None:
        """Note where its bytes are from now on."""
        self.state, self.state_since = state, now

    def view(self, *, leaves: bool, in_reserve: bool = False) -> SliceView:
        """Return the slice as the residency policy sees it.

        ``leaves``: it is being suspended; ``in_reserve``: its room is of what is reserved.
        """
        return SliceView(
            slice_id=self.slice_id,
            holder=self.holder,
            cap_mib=self.amount.memory_mib,
            state=SliceState.PAUSED if leaves else self.state,
            held_mib=self.held_mib,
            image_mib=self.image_mib,
            active=self.active,
            since=self.since,
            gate_open=self.gate_open,
            state_since=self.state_since,
            waiting_since=self.waiting_since,
            turn_since=self.turn_since,
            rank=self.rank,
            entitlement=self.entitlement,
            held_back=self.held_back,
            unsuspendable=self.unsuspendable,
            rests_since=self.rests_since,
            in_reserve=in_reserve,
        )

    def view_elsewhere(self, now: datetime) -> SliceView:
        """Return the slice as another card's policy would see it if its owner wanted it there."""
        bytes_mib = self.held_mib + self.image_mib
        return replace(
            self.view(leaves=False),
            state=SliceState.SUSPENDED if bytes_mib else SliceState.RESIDENT,
            cap_mib=max(self.amount.memory_mib, bytes_mib),
            held_mib=0,
            image_mib=bytes_mib,
            active=True,
            gate_open=False,
            waiting_since=now,
            turn_since=None,
            rests_since=None,
        )
