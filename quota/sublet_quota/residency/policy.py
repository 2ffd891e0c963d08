"""The residency policy: from a snapshot of one GPU to the next safe actions.

Compute moves at once (pausing takes a millisecond), memory one slice at a time. The policy
never plans ahead of what it sees: it names the next move, and is asked again when that is done.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import (
    Action,
    Decision,
    Evict,
    OpenGate,
    Pause,
    Resume,
    Suspend,
    Undo,
    Unpause,
    Wait,
)
from sublet_quota.residency.calm import decide_calm
from sublet_quota.residency.candidates import SuspendCandidate, choose_candidates, list_candidates
from sublet_quota.residency.idle_return import bring_home
from sublet_quota.residency.lending import seat_beside_owners, seat_jobs
from sublet_quota.residency.reserve import Reserve, reserve_of
from sublet_quota.residency.room import Room, is_moving, line_of, measure_room
from sublet_quota.residency.seats import SeatPlan
from sublet_quota.residency.snapshot import GpuSnapshot, SliceView, TransitionKind

_CALLED_BACK: Final = (WaitReason.CALLED_BACK, WaitReason.OVER_CAP)
_BEHIND_OWNERS: Final = (WaitReason.TURN, *_CALLED_BACK)


def decide(snapshot: GpuSnapshot) -> Decision:
    """Return the next actions on this GPU, in order, and who waits for whom.

    The same snapshot gives the same answer. At most one action moves memory, and none does
    while a transition is in flight.
    """
    calm = decide_calm(snapshot)
    return decide_by_plan(snapshot) if calm is None else calm


def decide_by_plan(snapshot: GpuSnapshot) -> Decision:
    """Return the decision by a plan of who should be on the GPU, calm or not."""
    plan, pauses, room = _plan(snapshot)
    course = _Course(room, plan)
    course.actions.extend(pauses)
    course.unpause_owners()
    course.keep_promises()
    for view in plan.seated:
        if view.gate_open:
            course.let_run(view)
        else:
            course.bring_on(view)
    for waiting in plan.waiting:
        course.wait(waiting.view, waiting.reason, waiting.waits_for, waiting.ending)
    course.make_reserved_room()
    course.turn_back_a_pointless_suspend()
    course.suspend_who_stands_in_the_way()
    if not course.memory_moves and not course.is_short and not course.an_owner_waits():
        reserved_mib = 0 if course.reserve is None else course.reserve.mib
        returning = bring_home(room, plan, course.free_mib, reserved_mib)
        course.actions.extend(returning)
    return Decision(tuple(course.actions), tuple(course.waits))


def _plan(snapshot: GpuSnapshot) -> tuple[SeatPlan, list[Pause], Room]:
    """Return who should be on the GPU, which jobs must stand still, and what room that leaves.

    A job that is paused first can grow no more: it takes what it holds, not its whole cap.
    """
    room = measure_room(snapshot)
    if not any(s.active and not s.is_job for s in room.views):
        plan = seat_jobs(room, list_candidates(room))
        pauses = _pauses(room, without=plan.seated_ids)
        return plan, pauses, _with_paused(room, pauses)
    entitled = frozenset(s.slice_id for s in room.views if s.is_entitled_job)
    others = _pauses(room, without=entitled)
    room = _with_paused(room, others)
    plan = seat_beside_owners(room, list_candidates(room))
    told = {a.slice_id for a in others}
    pauses = [a for a in _pauses(room, without=plan.seated_ids) if a.slice_id not in told]
    return plan, [*others, *pauses], _with_paused(room, pauses)


def _pauses(room: Room, *, without: Collection[SliceId]) -> list[Pause]:
    """Return the pauses of all jobs that run, but these."""
    return [
        Pause(s.slice_id)
        for s in room.views
        if s.slice_id not in without and _must_be_paused(room.snapshot, s)
    ]


def _comes_before(snapshot: GpuSnapshot, waiting: SliceView, view: SliceView) -> bool:
    """Whether a slice waits for room of which this one has only what is left over."""
    has_work = waiting.takes_turns and not waiting.gate_open
    is_first = line_of(snapshot, waiting) < line_of(snapshot, view)
    return has_work and view.takes_turns and is_first


def _must_be_paused(snapshot: GpuSnapshot, view: SliceView) -> bool:
    return (
        view.is_job
        and view.state is SliceState.RESIDENT
        and (view.gate_open or view.held_mib > 0)
        and not is_moving(snapshot, view)
    )


def _with_paused(room: Room, pauses: list[Pause]) -> Room:
    if not pauses:
        return room
    paused = {a.slice_id for a in pauses}
    slices = tuple(
        replace(s, state=SliceState.PAUSED, gate_open=False)
        # Who runs on with its gate closed although it cannot be moved may be one that cannot
        # be paused: it counts as such until it is seen to stand still.
        if s.slice_id in paused and (s.gate_open or s.unsuspendable is None)
        else s
        for s in room.views
    )
    return measure_room(replace(room.snapshot, slices=slices))


@dataclass(slots=True)
class _Course:
    """The decisions so far in this call."""

    room: Room
    plan: SeatPlan
    actions: list[Action] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    is_short: bool = False
    """Whether somebody with a seat needs room that others must make."""
    reserve: Reserve | None = field(init=False)
    """What is to be free for a reservation."""
    memory_moves: bool = field(init=False)
    """Whether a move of memory is in flight, or was just decided."""
    free_mib: int = field(init=False)
    """The room that can still be promised in this call, without taking it from who comes before."""
    _host_free_mib: int = field(init=False)
    _candidates: list[SuspendCandidate] = field(init=False)
    """The slices that could make room and are not asked to yet."""

    def __post_init__(self) -> None:
        snapshot = self.room.snapshot
        seated = self.plan.seated_ids
        self.memory_moves = snapshot.transition is not None
        self.free_mib = self.room.free_mib
        self.reserve = reserve_of(self.room)
        self._host_free_mib = snapshot.host_free_mib
        self._candidates = [c for c in list_candidates(self.room) if c.slice_id not in seated]

    def unpause_owners(self) -> None:
        """Let paused owners run: nobody means them to be, an agent before this one left it so."""
        for view in self.room.views:
            if (
                view.state is SliceState.PAUSED
                and not view.is_job
                and not is_moving(self.room.snapshot, view)
            ):
                self.actions.append(Unpause(view.slice_id))

    def keep_promises(self) -> None:
        """Make room where more is taken than is there, before who was promised it meets the end."""
        if self.free_mib >= 0:
            return
        endangered = (s for s in self.plan.seated if s.gate_open and self.room.can_grow(s))
        promised = next(endangered, None) or next(self._who_called_others_back(), None)
        if promised is not None:
            self._make_room(promised, -self.free_mib)

    def _who_called_others_back(self) -> Iterator[SliceView]:
        """Return for whom those leave that run on, called back, with less than they were promised.

        Who took that from them may have all it is owed, and more.
        """
        for waiting in self.plan.waiting:
            view = waiting.view
            is_behind = waiting.reason in _CALLED_BACK or view.rests_since is not None
            if is_behind and view.gate_open:
                yield from waiting.waits_for

    def let_run(self, view: SliceView) -> None:
        """Let a job run that has all it is owed."""
        if view.state is SliceState.PAUSED and view.is_job:
            self.actions.append(Unpause(view.slice_id))

    def bring_on(self, view: SliceView) -> None:
        """Take the next step towards this slice's seat."""
        snapshot = self.room.snapshot
        need_mib = self.room.need_mib(view)
        if is_moving(snapshot, view):
            self.wait(view, WaitReason.COMING_BACK)
        elif need_mib > self.free_mib and (view.is_away or self.room.can_grow(view)):
            if view.state is SliceState.RESIDENT and view.is_job and view.held_mib > 0:
                # It was promised nothing, so it may not grow.
                self.actions.append(Pause(view.slice_id))
            leaving = self._make_room(view, need_mib - self.free_mib)
            self.wait(view, WaitReason.MAKING_ROOM, leaving)
        else:
            if view.is_away:
                self._resume(view)
            else:
                if view.state is SliceState.PAUSED and view.is_job:
                    self.actions.append(Unpause(view.slice_id))
                self.actions.append(OpenGate(view.slice_id))
            # Promised in this call: the next in order must not count on it.
            self.free_mib -= need_mib
            if view.in_reserve and self.reserve is not None:
                self.reserve.is_taken(need_mib)

    def _resume(self, view: SliceView) -> None:
        rests = view.not_before is not None and view.not_before > self.room.snapshot.now
        if not self.memory_moves and not rests:
            self.actions.append(Resume(view.slice_id))
            self.memory_moves = True
        self.wait(view, WaitReason.COMING_BACK)

    def _make_room(self, view: SliceView, shortfall_mib: int) -> tuple[SliceView, ...]:
        """Let others begin to leave, and hold what becomes free for this slice; return those."""
        self.is_short = True
        candidates = [
            c
            for c in self._candidates
            if c.slice_id != view.slice_id
            and c.may_leave_for(view)
            and not _comes_before(self.room.snapshot, c.view, view)
        ]
        leaving = choose_candidates(candidates, shortfall_mib, self._host_free_mib)
        for candidate in leaving:
            self._let_leave(candidate, view)
        if leaving:
            asked = {c.slice_id for c in leaving}
            self._candidates = [c for c in self._candidates if c.slice_id not in asked]
            self._host_free_mib -= sum(c.host_mib for c in leaving)
            # Who comes later may have what is left over, as far as it is free already.
            left_over_mib = sum(c.room_mib for c in leaving) - shortfall_mib
            self.free_mib = min(self.free_mib, left_over_mib)
        return tuple(c.view for c in leaving or candidates)

    def _let_leave(self, candidate: SuspendCandidate, view: SliceView) -> None:
        if candidate.by_eviction:
            reason = candidate.view.unsuspendable or ""
            self.actions.append(Evict(candidate.slice_id, view.slice_id, reason))
        elif not self.memory_moves and candidate.may_begin(self.room.snapshot):
            self.actions.append(Suspend(candidate.slice_id, view.slice_id))
            self.memory_moves = True

    def make_reserved_room(self) -> None:
        """Let a called-back slice leave ahead of a reservation, where nobody else needs room."""
        if self.reserve is None or self.is_short or self.memory_moves:
            return
        seated = self.plan.seated_ids
        leaving = self.reserve.next_to_leave(self.free_mib, self._host_free_mib, seated)
        if leaving is not None:
            self.actions.append(Suspend(leaving, None))
            self.memory_moves = True

    def turn_back_a_pointless_suspend(self) -> None:
        """Undo a suspend whose owner is active again, or whose room nobody needs any more."""
        transition = self.room.snapshot.transition
        if (
            transition is None
            or transition.kind is not TransitionKind.SUSPENDING
            or not transition.undoable
        ):
            return
        idle = {s.slice_id for s in self.room.views if not s.is_job and not s.active}
        wanted_back = transition.slice_id in self.plan.seated_ids
        for_room = not transition.leaves
        is_needed = self.is_short or (
            self.reserve is not None and self.reserve.is_short(self.free_mib)
        )
        nobody_needs_it = for_room and transition.slice_id in idle and not is_needed
        if wanted_back or nobody_needs_it:
            self.actions.append(Undo(transition.slice_id))

    def suspend_who_stands_in_the_way(self) -> None:
        """Begin to suspend a job that is to leave its room, where no other move is due.

        It is held back, or has grown so far beyond what it asked for that it would not be out of an
        owner's way in time. One that cannot be suspended is paused, as others of its kind are.
        """
        if self.memory_moves or self.is_short:
            return
        too_slow = {
            each.view.slice_id
            for each in self.plan.waiting
            if each.reason is WaitReason.GIVE_BACK_TOO_SLOW and each.view.is_over_cap
        }
        for candidate in self._candidates:
            stands = candidate.view.held_back or candidate.slice_id in too_slow
            is_due = stands and not candidate.by_eviction
            fits = candidate.host_mib <= self._host_free_mib
            if is_due and fits and candidate.may_begin(self.room.snapshot):
                self.actions.append(Suspend(candidate.slice_id, None))
                self.memory_moves = True
                return

    def an_owner_waits(self) -> bool:
        """Whether an owner waits for anything, or an entitled job for owners."""
        waiting = {w.slice_id for w in self.waits}
        behind = {w.slice_id for w in self.waits if w.reason in _BEHIND_OWNERS}
        return any(s.slice_id in (behind if s.is_job else waiting) for s in self.room.views)

    def wait(
        self,
        view: SliceView,
        reason: WaitReason,
        waits_for: tuple[SliceView, ...] = (),
        ending: tuple[SliceView, ...] = (),
    ) -> None:
        """Note that this slice waits, behind all that were noted before.

        ``ending``: whose turns' end is enough, where not all of ``waits_for`` have to end.
        """
        ends = None
        if reason is WaitReason.TURN:
            turns = [s for s in ending or waits_for if s.turn_since is not None and s.takes_turns]
            ends = self.room.turns.last_end(turns, view)
        self.waits.append(
            Wait(
                slice_id=view.slice_id,
                reason=reason,
                place=len(self.waits) + 1,
                waits_for=tuple(dict.fromkeys(s.slice_id for s in waits_for)),
                need_mib=self.room.full_mib[view.slice_id],
                free_mib=max(0, self.free_mib),
                turn_ends=ends,
                rank=view.rank,
            )
        )
