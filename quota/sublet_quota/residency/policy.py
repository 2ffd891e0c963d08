"""The residency policy: from a snapshot of one GPU to the next safe actions.

Compute moves at once (pausing takes a millisecond), memory one slice at a time. The policy
never plans ahead of what it sees: it names the next move, and is asked again when that is done.
"""

from dataclasses import dataclass, field, replace

from sublet_quota.ids import SliceId
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
    WaitReason,
)
from sublet_quota.residency.room import committed_mib, fewest, free_mib, full_mib
from sublet_quota.residency.seats import SeatPlan, plan_seats
from sublet_quota.residency.snapshot import GpuSnapshot, SliceView, TransitionKind
from sublet_quota.slice_states import SliceState


@dataclass(slots=True)
class _Course:
    """What has been decided so far in this call."""

    snapshot: GpuSnapshot
    plan: SeatPlan
    free_mib: int
    memory_moves: bool
    actions: list[Action] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)

    def wait(
        self,
        view: SliceView,
        reason: WaitReason,
        waits_for: tuple[SliceView, ...] = (),
    ) -> None:
        turns = [s.turn_since for s in waits_for if s.turn_since is not None and not s.is_job]
        is_turn = reason is WaitReason.TURN and turns
        self.waits.append(
            Wait(
                slice_id=view.slice_id,
                reason=reason,
                place=len(self.waits) + 1,
                waits_for=tuple(dict.fromkeys(s.slice_id for s in waits_for)),
                need_mib=full_mib(view),
                free_mib=self.free_mib,
                turn_ends=max(turns) + self.snapshot.settings.turn if is_turn else None,
            )
        )


def decide(snapshot: GpuSnapshot) -> Decision:
    """Return the next actions on this GPU, in order, and who waits for whom.

    The same snapshot gives the same answer. At most one action moves memory, and none does
    while a transition is in flight.
    """
    plan = plan_seats(snapshot)
    seated = {s.slice_id for s in plan.seated}
    pauses = _free_the_compute(snapshot, seated)
    # A job that is paused first can grow no more: it takes what it holds, not its whole cap.
    snapshot = _with_paused(snapshot, {a.slice_id for a in pauses if isinstance(a, Pause)})
    course = _Course(snapshot, plan, free_mib(snapshot), snapshot.transition is not None)
    course.actions.extend(pauses)
    _turn_back_a_pointless_suspend(course, seated)
    for view in plan.seated:
        if view.gate_open:
            _let_run(course, view)
        else:
            _bring_on(course, view, seated)
    for waiting in plan.waiting:
        course.wait(waiting.view, waiting.reason, waiting.waits_for)
    _bring_home(course)
    return Decision(tuple(course.actions), tuple(course.waits))


def _free_the_compute(snapshot: GpuSnapshot, seated: set[SliceId]) -> list[Pause | Unpause]:
    actions: list[Pause | Unpause] = []
    for view in snapshot.slices:
        if view.state is SliceState.RESIDENT and view.is_job and view.slice_id not in seated:
            if view.gate_open or view.held_mib > 0:
                actions.append(Pause(view.slice_id))
        elif view.state is SliceState.PAUSED and not view.is_job and not _is_moving(snapshot, view):
            # Nobody means an owner to be paused: an agent before this one left it so.
            actions.append(Unpause(view.slice_id))
    return actions


def _with_paused(snapshot: GpuSnapshot, paused: set[SliceId]) -> GpuSnapshot:
    if not paused:
        return snapshot
    slices = tuple(
        replace(s, state=SliceState.PAUSED, gate_open=False) if s.slice_id in paused else s
        for s in snapshot.slices
    )
    return replace(snapshot, slices=slices)


def _is_moving(snapshot: GpuSnapshot, view: SliceView) -> bool:
    transition = snapshot.transition
    return transition is not None and transition.slice_id == view.slice_id


def _turn_back_a_pointless_suspend(course: _Course, seated: set[SliceId]) -> None:
    transition = course.snapshot.transition
    if (
        transition is not None
        and transition.kind is TransitionKind.SUSPENDING
        and transition.undoable
        and transition.slice_id in seated
    ):
        course.actions.append(Undo(transition.slice_id))


def _let_run(course: _Course, view: SliceView) -> None:
    if view.state is SliceState.PAUSED and view.is_job:
        course.actions.append(Unpause(view.slice_id))


def _bring_on(course: _Course, view: SliceView, seated: set[SliceId]) -> None:
    """Take the next step towards this slice's seat."""
    if _is_moving(course.snapshot, view):
        course.wait(view, WaitReason.COMING_BACK)
        return
    need = full_mib(view) - committed_mib(course.snapshot, view)
    if need > course.free_mib:
        _make_room(course, view, need, seated)
        return
    if view.state in (SliceState.SUSPENDED, SliceState.PARKED):
        if course.snapshot.foreign_present:
            course.wait(view, WaitReason.FOREIGN_PROCESS)
            return
        if not course.memory_moves:
            course.actions.append(Resume(view.slice_id))
            course.memory_moves = True
        course.wait(view, WaitReason.COMING_BACK)
    else:
        if view.state is SliceState.PAUSED and view.is_job:
            course.actions.append(Unpause(view.slice_id))
        course.actions.append(OpenGate(view.slice_id))
    # Promised in this call: the next in order must not count on it.
    course.free_mib -= need


def _make_room(course: _Course, view: SliceView, need: int, seated: set[SliceId]) -> None:
    snapshot = course.snapshot
    shortfall = need - course.free_mib
    candidates = _who_could_leave(snapshot, view, seated)
    leaving = fewest(candidates, shortfall, lambda s: committed_mib(snapshot, s))
    if course.memory_moves:
        course.wait(view, WaitReason.MAKING_ROOM, leaving or tuple(candidates))
        return
    if snapshot.foreign_present:
        course.wait(view, WaitReason.FOREIGN_PROCESS, tuple(candidates))
        return
    if not leaving:
        stuck = tuple(s for s in snapshot.slices if s.on_gpu and s.slice_id not in seated)
        fits_without_host_limit = sum(committed_mib(snapshot, s) for s in stuck) >= shortfall
        movable = any(s.unsuspendable is None for s in stuck)
        course.wait(
            view,
            WaitReason.HOST_MEMORY
            if fits_without_host_limit and movable
            else WaitReason.UNSUSPENDABLE,
            stuck,
        )
        return
    first = leaving[0]
    if first.is_job and first.unsuspendable is not None:
        course.actions.append(Evict(first.slice_id, view.slice_id, first.unsuspendable))
    else:
        course.actions.append(Suspend(first.slice_id, view.slice_id))
        course.memory_moves = True
    course.wait(view, WaitReason.MAKING_ROOM, leaving)


def _who_could_leave(
    snapshot: GpuSnapshot, for_view: SliceView, seated: set[SliceId]
) -> list[SliceView]:
    """Jobs, least entitled first; idle slices, longest idle first; then who had a turn."""
    candidates = [
        s
        for s in snapshot.slices
        if s.slice_id not in seated
        and s.slice_id != for_view.slice_id
        and s.on_gpu
        and committed_mib(snapshot, s) > 0
        and _can_be_moved(snapshot, s)
        and not (for_view.is_job and _is_out_of_a_jobs_reach(snapshot, s))
    ]
    return sorted(candidates, key=lambda s: _order_of_leaving(snapshot, s))


def _can_be_moved(snapshot: GpuSnapshot, view: SliceView) -> bool:
    if view.unsuspendable is not None:
        return view.is_job
    return view.held_mib <= snapshot.host_free_mib


def _is_out_of_a_jobs_reach(snapshot: GpuSnapshot, view: SliceView) -> bool:
    kept = view.kept_until is not None and view.kept_until > snapshot.now
    return kept or (view.active and not view.is_job)


def _order_of_leaving(snapshot: GpuSnapshot, view: SliceView) -> tuple[int, float, str]:
    if view.is_job:
        return (0, -view.entitlement, view.slice_id)
    if not view.active:
        kept = view.kept_until is not None and view.kept_until > snapshot.now
        return (2 if kept else 1, view.since.timestamp(), view.slice_id)
    return (3, (view.turn_since or view.since).timestamp(), view.slice_id)


def _bring_home(course: _Course) -> None:
    """Bring idle slices back once nobody needs their room, the latest active first."""
    snapshot = course.snapshot
    lending = snapshot.lending and snapshot.settings.lend
    jobs_here = any(s.is_job for s in snapshot.slices)
    owners_wait = any(w.slice_id for w in course.waits if not _is_job(snapshot, w.slice_id))
    if course.memory_moves or snapshot.foreign_present or owners_wait or (lending and jobs_here):
        return
    away = [
        s
        for s in snapshot.slices
        if not s.is_job
        and not s.active
        and s.state is SliceState.SUSPENDED
        and (not lending or snapshot.now - s.state_since >= snapshot.settings.lend_at_least)
    ]
    for view in sorted(away, key=lambda s: (-s.since.timestamp(), s.slice_id)):
        if view.image_mib <= course.free_mib:
            course.actions.append(Resume(view.slice_id))
            return
        jobs = [s for s in _who_could_leave(snapshot, view, set()) if s.is_job]
        shortfall = view.image_mib - course.free_mib
        leaving = fewest(
            [s for s in jobs if s.unsuspendable is None],
            shortfall,
            lambda s: committed_mib(snapshot, s),
        )
        if leaving:
            course.actions.append(Suspend(leaving[0].slice_id, view.slice_id))
            return


def _is_job(snapshot: GpuSnapshot, slice_id: SliceId) -> bool:
    return any(s.is_job for s in snapshot.slices if s.slice_id == slice_id)
