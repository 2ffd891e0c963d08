"""The answers of the residency policy: actions for the agent, and who waits for whom."""

from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class Pause:
    """Block the slice's CUDA calls; about a millisecond."""

    slice_id: SliceId


@dataclass(frozen=True, slots=True)
class Unpause:
    """Let a paused slice run on; about a millisecond."""

    slice_id: SliceId


@dataclass(frozen=True, slots=True)
class Suspend:
    """Move the slice's bytes to host memory. The slice's gate closes as this begins."""

    slice_id: SliceId
    room_for: SliceId | None
    """The slice that gets the room; ``None``: a reservation that begins soon, or nobody here: the
    slice is a job's that is held back.
    """


@dataclass(frozen=True, slots=True)
class Resume:
    """Bring the slice's bytes back. There was room for them in the snapshot."""

    slice_id: SliceId


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Promise the rest of the cap: waiting cells run, a placed job is started."""

    slice_id: SliceId


@dataclass(frozen=True, slots=True)
class Undo:
    """Turn back a suspend whose bytes have not begun to move: it has become pointless."""

    slice_id: SliceId


@dataclass(frozen=True, slots=True)
class Evict:
    """End a job that is in an owner's way and cannot be suspended; it goes back to the queue.

    Said again until the job is gone.
    """

    slice_id: SliceId
    room_for: SliceId
    reason: str


Action = Pause | Unpause | Suspend | Resume | OpenGate | Undo | Evict


@dataclass(frozen=True, slots=True)
class Wait:
    """An active slice's place among those that wait, and for whom."""

    slice_id: SliceId
    reason: WaitReason
    place: int
    """The place among those that wait; 1 for the next."""
    waits_for: tuple[SliceId, ...] = ()
    need_mib: int = 0
    free_mib: int = 0
    turn_ends: datetime | None = None
    rank: Rank = Rank.BORROWED
    """The rank of the slice that waits."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Actions in the order to take them, and the state of those that must wait."""

    actions: tuple[Action, ...] = ()
    waits: tuple[Wait, ...] = field(default=())
