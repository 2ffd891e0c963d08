"""One slice on a simulated card: where its bytes are, what it works on, since when it waits."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.activity import ActivityEvidence
from sublet_quota.residency.snapshot import Holder, Rank, SliceView, TurnKind
from sublet_quota.residency.turns import PastTurns


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
    past_turns: PastTurns = field(default_factory=PastTurns)
    runs_since: datetime | None = None
    """Since when it runs without a break; ``None`` while it does not."""
    off_since: datetime | None = None
    """Since when it is not charged: a job that stands still, an idle slice that is lent."""

    together: tuple["SliceOnCard", ...] = field(default=(), repr=False, compare=False)
    """All slices of a job on several cards: none of them computes while another cannot."""
    told_ready: bool = False
    """Whether the others know that this one could compute."""
    _shown: tuple[tuple[object, ...], SliceView] | None = field(
        default=None, init=False, repr=False, compare=False
    )
    """What was shown to the policy last, behind all that it hangs on."""

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
    def has_bytes(self) -> bool:
        """Whether it holds anything, on its card or in host memory."""
        return self.held_mib + self.image_mib > 0

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
        if self.turn_since is not None:
            self.past_turns = self.past_turns.ends(self.turn_since, now, self.rests_since)
        self.gate_open, self.turn_since = False, None

    def turns_at_its_end(self, now: datetime) -> PastTurns:
        """Return the turns that it has had if it ends now, the present one with them."""
        if self.turn_since is None:
            return self.past_turns
        return self.past_turns.broken_off(now, self.rests_since)

    def wants_to_run(self, now: datetime) -> None:
        """Wait from now on, unless it may run at once."""
        if not self.gate_open:
            self.waiting_since, self.past_turns = now, self.past_turns.comes(now)

    def become(self, state: SliceState, now: datetime) -> None:
        """Note where its bytes are from now on."""
        self.state, self.state_since = state, now

    def view(self, *, leaves: bool, turn: timedelta, in_reserve: bool = False) -> SliceView:
        """Return the slice as the residency policy sees it.

        ``leaves``: it is being suspended; ``in_reserve``: its room is of what is reserved;
        ``turn``: the pool's.
        """
        seen = (
            leaves,
            turn,
            in_reserve,
            self.amount,
            self.state,
            self.held_mib,
            self.image_mib,
            self.active,
            self.since,
            self.gate_open,
            self.state_since,
            self.waiting_since,
            self.turn_since,
            self.past_turns,
            self.rank,
            self.entitlement,
            self.held_back,
            self.unsuspendable,
            self.evidence,
            self.work_left_s <= 0,
        )
        if self._shown is None or self._shown[0] != seen:
            self._shown = seen, self._view(leaves=leaves, turn=turn, in_reserve=in_reserve)
        return self._shown[1]

    def _view(self, *, leaves: bool, turn: timedelta, in_reserve: bool) -> SliceView:
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
            turn_kind=self.past_turns.next_kind(turn),
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
            self.view(leaves=False, turn=timedelta(0)),
            state=SliceState.SUSPENDED if bytes_mib else SliceState.RESIDENT,
            cap_mib=max(self.amount.memory_mib, bytes_mib),
            held_mib=0,
            image_mib=bytes_mib,
            active=True,
            gate_open=False,
            waiting_since=now,
            turn_since=None,
            turn_kind=TurnKind.USUAL,
            rests_since=None,
        )
