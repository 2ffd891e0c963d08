"""The seats of who is at work on the GPU: all that fit, else by rank, and among equals in turns.

A seat is the promise of a slice's whole cap. The plan says who should have one; how to get there,
one safe move at a time, is the policy's business. Owners keep their seat while nobody else needs
it. Those of a lower rank are seated first, and never wait for a turn of a higher one: who
of those is in the way loses its seat at once, as few as must. Beside owners at work, jobs within
their groups' guarantees take turns with the slices that are borrowed.

Who has more than its cap has no rank: it comes behind all at work who keep to theirs, takes turns
with its like in what these leave, and loses its seat at once where theirs would not fit beside it.

An owner who is known to do nothing, though its slice still counts as active, keeps nobody at work
from running for longer than a turn: where turns end it goes first, after a turn at rest it comes
behind everybody with work, of whatever rank, and nobody's turn ends for it until it runs a cell.

Where those of one rank do not fit together the one who waited longest comes next, newcomers sooner
(``turns``), as soon as the turns of enough others are over. Who comes later may take room meanwhile
only where that does not put off the one in front: so it is never passed over, and the wait of each
is one turn (and the moves) for each owner of its rank who waited longer, and the first turns of
those who come new, in the room that lower ranks leave.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.candidates import RoomMaking, SuspendCandidate
from sublet_quota.residency.left_room import ComingTurn, LeftRoom
from sublet_quota.residency.reserve import reserve_of
from sublet_quota.residency.room import BEHIND_RESERVE, Room, kept_from_jobs, line_of
from sublet_quota.residency.snapshot import Rank, SliceView
from sublet_quota.residency.turns import order_of_coming


@dataclass(frozen=True, slots=True)
class Waiting:
    """A slice that gets no seat now."""

    view: SliceView
    reason: WaitReason
    waits_for: tuple[SliceView, ...] = ()
    ending: tuple[SliceView, ...] = ()
    """Whose turns' end is enough, of those; empty where it takes all, or more."""


@dataclass(slots=True)
class SeatPlan:
    """The slices that should have a seat, and those that must wait, each in order."""

    seated: list[SliceView] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def seated_ids(self) -> frozenset[SliceId]:
        """The ids of the slices with a seat."""
        return frozenset(s.slice_id for s in self.seated)


def seat_owners(
    room: Room, candidates: Sequence[SuspendCandidate], jobs: Sequence[SliceView] = ()
) -> SeatPlan:
    """Return which active owners should be on the GPU, and which of these entitled ``jobs``."""
    owners = [s for s in room.views if s.active and not s.is_job]
    immovable = tuple(s for s in owners if s.gate_open and _is_immovable(room, s))
    kept = kept_from_jobs(room, entitled=True) if jobs else ()
    at_work = [*owners, *jobs]
    lines = {s.slice_id: line_of(room.snapshot, s) for s in at_work}
    last = max(lines.values(), default=0)
    left = LeftRoom(RoomMaking(room, candidates), immovable, kept=kept)
    reserve = reserve_of(room)
    plan = SeatPlan()
    for line in sorted(set(lines.values())):
        if reserve is not None:
            left = replace(left, reserve=reserve if line in BEHIND_RESERVE else None)
        of_line = _OfOneRank(room, left)
        of_rank = of_line.plan([s for s in at_work if lines[s.slice_id] == line])
        plan.seated.extend(of_rank.seated)
        plan.waiting.extend(of_rank.waiting)
        if line < last:
            left = of_line.left_to_the_next_rank()
    return plan


class _OfOneRank:
    """The plan of one rank while it is made: who has a seat, who must go, and who is in front."""

    def __init__(self, room: Room, left: LeftRoom) -> None:
        self._room = room
        self._turns = room.turns
        self._left = left
        """What the lower ranks leave to this one."""
        self._seated: list[SliceView] = []
        self._turn_over: list[Waiting] = []
        self._waiting: list[Waiting] = []
        self._front: SliceView | None = None
        self._beside_front: list[SliceView] = []
        """The slices of the rank that will still be there when the one in front gets its seat, that
        one included.
        """

    def plan(self, at_work: Sequence[SliceView]) -> SeatPlan:
        """Return who of the rank should be on the GPU."""
        self._keep_seats(s for s in at_work if s.gate_open)
        if not self._left.is_all:
            self._call_back()
        if any(s.turn_rank >= Rank.BORROWED or _is_away_at_rest(s) for s in at_work):
            # Nobody of those is worth the end of an entitled job.
            self._left = replace(self._left, making=self._left.making.for_who_borrows())
        coming = partial(order_of_coming, self._room.snapshot)
        for view in sorted((s for s in at_work if not s.gate_open), key=coming):
            self._seat(view)
        return SeatPlan(self._seated, [*self._waiting, *self._turn_over])

    def left_to_the_next_rank(self) -> LeftRoom:
        """Return what those of this rank, and of lower ones, leave."""
        front = self._front
        turn = None if front is None else ComingTurn(front, tuple(self._beside_front))
        return self._left.after(self._seated, [w.view for w in self._waiting], turn)

    def _keep_seats(self, views: Iterable[SliceView]) -> None:
        """Keep the seats there are. Should they not fit any more, the latest lose theirs."""
        in_order = sorted(views, key=lambda s: (not self._is_immovable(s), _turn_since(s)))
        for view in in_order:
            if self._is_immovable(view) or self._left.fits_among_equals(*self._seated, view):
                self._seated.append(view)
            else:
                self._turn_over.append(Waiting(view, WaitReason.TURN, tuple(self._seated)))
        self._seated.sort(key=_turn_since)

    def _call_back(self) -> None:
        """Take the seats that are in the way of lower ranks, and note whose will be."""
        left = self._left
        gone = self._who_makes_way(left.fits_now)
        self._turn_over.extend(
            Waiting(s, _why_after(s, left.seated), left.seated)
            for s in self._seated
            if s.slice_id in gone
        )
        self._seated = [s for s in self._seated if s.slice_id not in gone]
        leaving = {
            turn.front.slice_id: self._who_makes_way(partial(left.fits_in, turn))
            for turn in left.coming
        }
        self._left = replace(left, leaving=leaving)

    def _who_makes_way(self, fits: Callable[..., bool]) -> frozenset[SliceId]:
        """Return whose seats of this rank have to go until the others fit, or all that can."""
        if fits(*self._seated):
            return frozenset()
        # A job that cannot be suspended can still be paused: lower ranks get its seat at once.
        movable = [s for s in self._seated if s.is_job or not self._is_immovable(s)]
        return frozenset(s.slice_id for s in self._fewest_of(movable, fits) or movable)

    def _seat(self, view: SliceView) -> None:
        if (stuck := self._why_stuck(view) or self._why_behind(view)) is not None:
            # It must not hold up the others.
            self._waiting.append(stuck)
        elif self._front is not None:
            self._seat_beside_front(view, self._front)
        elif self._fits(*self._seated, view):
            self._seated.append(view)
        elif view.rests_since is not None:
            # Nothing of it waits.
            self._waiting.append(Waiting(view, WaitReason.TURN, tuple(self._seated)))
        elif ended := self._turns_to_end(view):
            gone = {s.slice_id for s in ended}
            self._seated = [s for s in self._seated if s.slice_id not in gone] + [view]
            self._turn_over.extend(Waiting(s, WaitReason.TURN, (view,)) for s in ended)
        else:
            self._front = view
            stay = self._who_stays_for(view)
            self._beside_front = [*stay, view]
            ending = tuple(s for s in self._seated if s not in stay)
            self._waiting.append(Waiting(view, WaitReason.TURN, tuple(self._seated), ending))

    def _seat_beside_front(self, view: SliceView, front: SliceView) -> None:
        if self._fits(*self._seated, view) and self._fits(*self._beside_front, view):
            self._seated.append(view)
            self._beside_front.append(view)
        else:
            self._waiting.append(Waiting(view, WaitReason.TURN, (front, *self._seated)))

    def _fits(self, *staying: SliceView) -> bool:
        return self._left.fits(*staying)

    def _is_immovable(self, view: SliceView) -> bool:
        return _is_immovable(self._room, view)

    def _turns_to_end(self, view: SliceView) -> tuple[SliceView, ...]:
        """Return whose turns end for a slice: rather of those at rest, where any has to."""
        movable = [
            s for s in self._seated if s.turn_since is not None and not self._is_immovable(s)
        ]
        over = [s for s in movable if self._turns.is_over(s)]
        ended = self._fewest_of(over, self._fits, view)
        if not ended and view.is_newcomer:
            over = [s for s in movable if self._turns.is_over(s, for_a_newcomer=True)]
            ended = self._fewest_of(over, self._fits, view)
        if not ended or all(s.rests_since is None for s in movable):
            return ended
        leaving = [s for s in movable if s.rests_since is not None or s in over]
        return self._fewest_of(leaving, self._fits, view) or ended

    def _fewest_of(
        self, leaving: Iterable[SliceView], fits: Callable[..., bool], *coming: SliceView
    ) -> tuple[SliceView, ...]:
        """Return who has to go of these until the others fit, with who comes; none, if never.

        Who is at rest first, then the longest turns; last who cannot be suspended.
        """
        staying = {s.slice_id: s for s in (*self._seated, *coming)}
        ended: list[SliceView] = []
        for seated in sorted(leaving, key=self._order_of_leaving):
            del staying[seated.slice_id]
            ended.append(seated)
            if fits(*staying.values()):
                break
        else:
            return ()
        for spared in tuple(ended):
            if fits(*staying.values(), spared):
                staying[spared.slice_id] = spared
                ended.remove(spared)
        return tuple(ended)

    def _order_of_leaving(self, view: SliceView) -> tuple[bool, bool, datetime, SliceId]:
        works = view.rests_since is None
        return (self._is_immovable(view), works, *_turn_since(view))

    def _order_of_ending(
        self, front: SliceView, view: SliceView
    ) -> tuple[bool, bool, datetime, SliceId]:
        """Return the key by which turns end; last come those with a seat that are not there yet."""
        ends = self._turns.ends(view, front)
        return (ends is None, view.rests_since is None, ends or view.since, view.slice_id)

    def _who_stays_for(self, front: SliceView) -> list[SliceView]:
        """Return who is still seated once enough turns are over for the one in front."""
        staying = {s.slice_id: s for s in self._seated}
        leaving = [s for s in self._seated if not self._is_immovable(s)]
        for seated in sorted(leaving, key=partial(self._order_of_ending, front)):
            del staying[seated.slice_id]
            if self._fits(*staying.values(), front):
                break
        return list(staying.values())

    def _why_stuck(self, view: SliceView) -> Waiting | None:
        """Return why nobody's leaving would help this slice; ``None`` where that would."""
        snapshot = self._room.snapshot
        if snapshot.keeps_away and view.is_away:
            return Waiting(view, snapshot.keeps_away)
        if self._left.fits_among_equals(view):
            return None
        holding = self._who_holds_beside(view)
        if snapshot.pause_only:
            return Waiting(view, snapshot.pause_only, holding)
        if self._left.fits_among_equals(view, host_is_endless=True):
            return Waiting(view, WaitReason.HOST_MEMORY, holding)
        pinned = tuple(s for s in holding if s.unsuspendable is not None)
        # With nobody of ours in the way it is somebody else's memory that is.
        reason = WaitReason.UNSUSPENDABLE if pinned else WaitReason.FOREIGN_PROCESS
        return Waiting(view, reason, pinned)

    def _why_behind(self, view: SliceView) -> Waiting | None:
        """Return why no turn's end in this rank would help; ``None`` where one would."""
        left = self._left
        if left.is_all or left.fits(view):
            return None
        if left.fits_now(view, host_is_endless=True) and not left.fits_now(view):
            return Waiting(view, WaitReason.HOST_MEMORY, self._who_holds_beside(view))
        return Waiting(view, _why_after(view, left.takers), left.takers)

    def _who_holds_beside(self, view: SliceView) -> tuple[SliceView, ...]:
        return tuple(
            s
            for s in self._room.views
            if s.slice_id != view.slice_id and self._room.committed_mib[s.slice_id] > 0
        )


def _is_immovable(room: Room, view: SliceView) -> bool:
    return view.unsuspendable is not None or room.snapshot.pause_only is not None


def _turn_since(view: SliceView) -> tuple[datetime, SliceId]:
    return (view.turn_since or view.since, view.slice_id)


def _is_away_at_rest(view: SliceView) -> bool:
    return view.rests_since is not None and not view.gate_open


def _why_after(view: SliceView, takers: Sequence[SliceView]) -> WaitReason:
    """Return why a slice comes after these: by its rank, or as one of which nothing waits.

    After nobody it comes where its room is reserved.
    """
    if takers and view.is_over_cap:
        return WaitReason.OVER_CAP
    if not takers and view.rank is Rank.BORROWED:
        return WaitReason.RESERVED
    by_rank = all(taker.turn_rank < view.turn_rank for taker in takers)
    return WaitReason.CALLED_BACK if by_rank or view.rests_since is None else WaitReason.TURN
