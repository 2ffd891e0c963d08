"""Who should be on the GPU: active owners first, taking turns; then jobs.

A seat is the promise of a slice's whole cap. The plan says who should have one; how to get
there, one safe move at a time, is the policy's business.

Owners keep their seat while nobody else needs it. Where they do not fit together the one who
waited longest comes next, as soon as enough of the others have had their turn. Who comes later
may take room meanwhile only if the one in front still fits beside it: so the one in front is
never passed over, and waits for one turn at most.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.residency.actions import WaitReason
from sublet_quota.residency.room import committed_mib, fewest, full_mib
from sublet_quota.residency.snapshot import GpuSnapshot, SliceView


@dataclass(frozen=True, slots=True)
class Waiting:
    """A slice that gets no seat now."""

    view: SliceView
    reason: WaitReason
    waits_for: tuple[SliceView, ...] = ()


@dataclass(slots=True)
class SeatPlan:
    """Who should have a seat, in order, and who must wait, in order."""

    seated: list[SliceView] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


def plan_seats(snapshot: GpuSnapshot) -> SeatPlan:
    """Say who should be on the GPU."""
    plan = SeatPlan()
    owners = [s for s in snapshot.slices if s.active and not s.is_job]
    _seat_owners(snapshot, owners, plan)
    jobs = [s for s in snapshot.slices if s.active and s.is_job]
    _seat_jobs(snapshot, jobs, plan, owners_active=bool(owners))
    return plan


def _waited_since(view: SliceView) -> tuple[datetime, str]:
    return (view.waiting_since or view.since, view.slice_id)


def _turn_since(view: SliceView) -> tuple[datetime, str]:
    return (view.turn_since or view.since, view.slice_id)


def _immovable_mib(snapshot: GpuSnapshot, among: list[SliceView]) -> int:
    """What stays on the GPU whatever an owner may need."""
    if snapshot.foreign_present:
        return sum(committed_mib(snapshot, s) for s in among)
    return sum(
        committed_mib(snapshot, s) for s in among if s.unsuspendable is not None and not s.is_job
    )


def _seat_owners(snapshot: GpuSnapshot, owners: list[SliceView], plan: SeatPlan) -> None:
    others = [s for s in snapshot.slices if s not in owners]
    budget = snapshot.usable_mib - _immovable_mib(snapshot, others)
    seated = sorted((s for s in owners if s.gate_open), key=_turn_since)
    fixed_mib = sum(full_mib(s) for s in seated if _seat_is_fixed(snapshot, s))
    front: SliceView | None = None
    beside_front_mib = 0
    unseated: list[Waiting] = []
    for view in sorted((s for s in owners if not s.gate_open), key=_waited_since):
        if full_mib(view) > budget - fixed_mib:
            # It cannot be helped by anybody's turn ending, so it must not hold up the others.
            unseated.append(Waiting(view, _why_stuck(snapshot), tuple(seated)))
            continue
        room = budget - sum(full_mib(s) for s in seated)
        if front is not None:
            beside_mib = beside_front_mib + full_mib(view)
            if full_mib(view) <= room and beside_mib + full_mib(front) <= budget - fixed_mib:
                seated.append(view)
                beside_front_mib = beside_mib
            else:
                unseated.append(Waiting(view, WaitReason.TURN, (front, *seated)))
            continue
        if full_mib(view) > room:
            leaving = fewest(_whose_turn_is_over(snapshot, seated), full_mib(view) - room, full_mib)
            if not leaving:
                front = view
                began = _waited_since(view)
                beside_front_mib = sum(
                    full_mib(s)
                    for s in seated
                    if _turn_since(s) > began and not _seat_is_fixed(snapshot, s)
                )
                unseated.append(Waiting(view, WaitReason.TURN, tuple(seated)))
                continue
            seated = [s for s in seated if s not in leaving]
            unseated.extend(Waiting(s, WaitReason.TURN, (view,)) for s in leaving)
        seated.append(view)
    plan.seated.extend(seated)
    plan.waiting.extend(unseated)


def _why_stuck(snapshot: GpuSnapshot) -> WaitReason:
    return (
        WaitReason.FOREIGN_PROCESS
        if snapshot.foreign_present or snapshot.foreign_mib
        else WaitReason.UNSUSPENDABLE
    )


def _seat_is_fixed(snapshot: GpuSnapshot, view: SliceView) -> bool:
    return view.unsuspendable is not None or snapshot.foreign_present


def _whose_turn_is_over(snapshot: GpuSnapshot, seated: list[SliceView]) -> list[SliceView]:
    """Those who may be asked to leave: over their cap at once, else the longest turn first."""
    over_cap = [s for s in seated if s.held_mib > s.cap_mib]
    had_turn = [
        s
        for s in seated
        if s not in over_cap
        and s.turn_since is not None
        and snapshot.now - s.turn_since >= snapshot.settings.turn
    ]
    return [s for s in (*over_cap, *had_turn) if not _seat_is_fixed(snapshot, s)]


def _seat_jobs(
    snapshot: GpuSnapshot, jobs: list[SliceView], plan: SeatPlan, *, owners_active: bool
) -> None:
    idle = [s for s in snapshot.slices if not s.active and not s.is_job]
    held_back = [s for s in idle if _may_not_be_lent(snapshot, s)]
    room = snapshot.usable_mib - sum(max(s.cap_mib, s.held_mib) for s in held_back)
    seated: list[SliceView] = []
    # A job that has begun goes on before another begins, so a new rank never throws one out.
    for job in sorted(jobs, key=lambda s: (not _has_begun(s), s.entitlement, s.slice_id)):
        reason = _why_not_now(snapshot, job, owners_active=owners_active)
        if reason is not None:
            active = tuple(s for s in snapshot.slices if s.active and not s.is_job)
            plan.waiting.append(Waiting(job, reason, active))
        elif full_mib(job) <= room:
            seated.append(job)
            room -= full_mib(job)
        else:
            plan.waiting.append(
                Waiting(job, WaitReason.NOT_IDLE_YET, (*held_back, *seated)),
            )
    plan.seated.extend(seated)


def _has_begun(job: SliceView) -> bool:
    return job.gate_open or job.held_mib > 0 or job.image_mib > 0


def _may_not_be_lent(snapshot: GpuSnapshot, view: SliceView) -> bool:
    kept = view.kept_until is not None and view.kept_until > snapshot.now
    return kept or (view.unsuspendable is not None and view.on_gpu)


def _why_not_now(
    snapshot: GpuSnapshot, job: SliceView, *, owners_active: bool
) -> WaitReason | None:
    if owners_active:
        return WaitReason.OWNERS_ACTIVE
    if not (snapshot.lending and snapshot.settings.lend):
        return WaitReason.LENDING_OFF
    if snapshot.closed is not None and not _has_begun(job):
        return WaitReason.GPU_CLOSED
    if snapshot.foreign_present and not job.on_gpu:
        return WaitReason.FOREIGN_PROCESS
    if in_the_way_mib(snapshot, job) > _can_leave_in_time_mib(snapshot):
        return WaitReason.GIVE_BACK_TOO_SLOW
    return None


def in_the_way_mib(snapshot: GpuSnapshot, job: SliceView) -> int:
    """The most of this job's bytes that would have to leave for the largest owner's cap."""
    largest = max((s.cap_mib for s in snapshot.slices if not s.is_job), default=0)
    return max(0, min(job.cap_mib, largest + job.cap_mib - snapshot.usable_mib))


def _can_leave_in_time_mib(snapshot: GpuSnapshot) -> int:
    return int(snapshot.suspend_mib_per_s * snapshot.settings.give_back_within.total_seconds())
