"""The lending to training jobs of what idle owners leave.

Jobs run only while no owner is active on the GPU, but for entitled ones, which take turns with the
slices that are borrowed. A job may take the room of idle slices, but not of kept ones, and not more
than can leave again within the pool's ``give_back_within``. A slice leaves as a whole, so all bytes
of a job count that might ever be in an owner's way. In an entitled job's way are none but slices
that are entitled, too; it comes before all other jobs. None but an entitled one is in room that is
reserved: one that is there leaves it.
"""

from collections.abc import Sequence

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.candidates import RoomMaking, SuspendCandidate, list_candidates
from sublet_quota.residency.reserve import Reserve, reserve_of
from sublet_quota.residency.room import Room, is_kept, kept_from_jobs, measure_room
from sublet_quota.residency.seats import SeatPlan, Waiting, seat_owners
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView


def seat_jobs(room: Room, candidates: Sequence[SuspendCandidate]) -> SeatPlan:
    """Return which jobs should be on the GPU, given that no owner is active."""
    plan = SeatPlan()
    for_all = RoomMaking(room, (c for c in candidates if c.for_a_job))
    for_entitled = RoomMaking(room, (c for c in candidates if c.for_an_entitled_job))
    reserve = reserve_of(room)
    jobs = [s for s in room.views if s.active and s.is_job]
    for job in sorted(jobs, key=_order_of_jobs):
        making = for_entitled if job.is_entitled_job else for_all
        kept = kept_from_jobs(room, entitled=job.is_entitled_job)
        staying = (*kept, *plan.seated, job)
        reason = _why_not_now(room, job, plan.seated)
        if reason is not None:
            plan.waiting.append(Waiting(job, reason))
        elif reserve is not None and _is_in_the_way(reserve, job, staying):
            plan.waiting.append(Waiting(job, WaitReason.RESERVED))
        elif making.is_possible(staying):
            plan.seated.append(job)
        else:
            plan.waiting.append(_wait_for_room(room, making, staying, job))
    return plan


def seat_beside_owners(room: Room, candidates: Sequence[SuspendCandidate]) -> SeatPlan:
    """Return which owners and entitled jobs should be on the GPU, given that owners are active."""
    in_turn: list[SliceView] = []
    not_now: list[Waiting] = []
    entitled = (s for s in room.views if s.is_entitled_job)
    for job in sorted(entitled, key=_order_of_jobs):
        reason = _why_not_now(room, job, in_turn)
        if reason is None:
            in_turn.append(job)
        else:
            not_now.append(Waiting(job, reason))
    plan = seat_owners(room, candidates, in_turn)
    plan.waiting.extend((*not_now, *_jobs_behind_owners(room)))
    return plan


def _jobs_behind_owners(room: Room) -> list[Waiting]:
    """Return all other jobs as waiting, since owners are active."""
    owners = tuple(s for s in room.views if s.active and not s.is_job)
    others = (s for s in room.views if s.active and s.is_job and not s.is_entitled_job)
    reason = WaitReason.OWNERS_ACTIVE if room.snapshot.is_lent else WaitReason.LENDING_OFF
    return [
        Waiting(s, WaitReason.HELD_BACK) if s.held_back else Waiting(s, reason, owners)
        for s in sorted(others, key=_order_of_jobs)
    ]


def lendable_mib(snapshot: GpuSnapshot) -> int:
    """Return the largest cap that one more job could have here now, in MiB.

    Active owners, kept and unsuspendable slices and the jobs that are here keep their caps, and
    nothing that is reserved is given away. A job that is held back keeps what it has here.
    """
    if not snapshot.is_lent or snapshot.closed is not None or snapshot.pause_only:
        return 0
    room = measure_room(snapshot)
    within_reach = {c.slice_id for c in list_candidates(room) if c.for_a_job and not c.view.is_job}
    staying = [
        s for s in room.views if not s.held_back and (s.is_job or s.active or is_kept(snapshot, s))
    ]
    ids = {s.slice_id for s in staying}
    taken_mib = sum(room.full_mib[i] for i in ids) + sum(
        room.committed_mib[s.slice_id]
        for s in room.views
        if s.slice_id not in ids and s.slice_id not in within_reach
    )
    jobs_mib = sum(
        s.held_mib if s.held_back else room.full_mib[s.slice_id] for s in room.views if s.is_job
    )
    harmless_mib = snapshot.usable_mib - _owners_mib(room, Rank.CALLED_BACK) - jobs_mib
    returnable_mib = _leaving_in_time_mib(snapshot) - jobs_mib
    own_mib = sum(
        room.full_mib[s.slice_id] if s.slice_id in ids else room.committed_mib[s.slice_id]
        for s in room.views
        if s.in_reserve
    )
    left_mib = snapshot.usable_mib - taken_mib - max(0, snapshot.reserved_mib - own_mib)
    return max(0, min(left_mib, max(harmless_mib, returnable_mib)))


def _has_begun(job: SliceView) -> bool:
    """Whether the job has something to lose."""
    return job.gate_open or job.held_mib > 0 or job.image_mib > 0


def _is_in_the_way(reserve: Reserve, job: SliceView, staying: Sequence[SliceView]) -> bool:
    """Whether a job takes room that is reserved; one that cannot leave is not kept from running."""
    may_leave = not job.is_entitled_job and (job.unsuspendable is None or not _has_begun(job))
    return may_leave and not reserve.is_left_beside_jobs(staying)


def _order_of_jobs(job: SliceView) -> tuple[bool, bool, int, int, SliceId]:
    # Who runs goes on, who has begun comes before who has not: so a new rank throws nobody out.
    # Behind all who keep to what they asked for comes who does not.
    if job.gate_open:
        stage = 0
    elif job.held_mib > 0:
        stage = 1
    else:
        stage = 2 if job.image_mib > 0 else 3
    return (job.is_over_cap, not job.is_entitled_job, stage, job.entitlement, job.slice_id)


def _why_not_now(room: Room, job: SliceView, seated: Sequence[SliceView]) -> WaitReason | None:
    snapshot = room.snapshot
    if job.held_back:
        return WaitReason.HELD_BACK
    if not snapshot.is_lent:
        return WaitReason.LENDING_OFF
    if snapshot.closed is not None and not _has_begun(job):
        return WaitReason.GPU_CLOSED
    if snapshot.pause_only and not job.gate_open:
        # Once it is there it could not be made to leave: one that is away waits, too.
        return snapshot.pause_only
    if not _has_begun(job) or (job.is_over_cap and job.unsuspendable is None):
        # One that has begun was let in by this rule: a rate that falls later strands nobody.
        # But it was let in with what it asked for, and not with more.
        jobs_mib = sum(room.full_mib[s.slice_id] for s in (*seated, job))
        jobs_mib += _standing_mib(room, job, seated)
        last = Rank.ENTITLED_IN_PART if job.is_entitled_job else Rank.CALLED_BACK
        may_be_in_the_way = _owners_mib(room, last) + jobs_mib > snapshot.usable_mib
        if may_be_in_the_way and jobs_mib > _leaving_in_time_mib(snapshot):
            return WaitReason.GIVE_BACK_TOO_SLOW
    return None


def _standing_mib(room: Room, job: SliceView, seated: Sequence[SliceView]) -> int:
    """Return what jobs without a seat have here, which must leave for an owner, too.

    An entitled job does not wait for those that are not; and who is ended takes no time.
    """
    comes = {job.slice_id, *(s.slice_id for s in seated)}
    return sum(
        room.committed_mib[s.slice_id] if job.is_over_cap else _asked_mib(room, s)
        for s in room.views
        if s.is_job
        and s.slice_id not in comes
        and s.unsuspendable is None
        and (s.is_entitled_job or not job.is_entitled_job)
    )


def _asked_mib(room: Room, view: SliceView) -> int:
    """Return what a slice takes here, but not what it has beyond its cap.

    Nobody waits for that, and who has it makes way.
    """
    return min(room.committed_mib[view.slice_id], view.cap_mib)


def _owners_mib(room: Room, last: Rank) -> int:
    """Return what the owners up to a rank are owed together."""
    owners = (s for s in room.views if not s.is_job and s.rank <= last)
    return sum(room.full_mib[s.slice_id] for s in owners)


def _leaving_in_time_mib(snapshot: GpuSnapshot) -> int:
    return int(snapshot.suspend_mib_per_s * snapshot.settings.give_back_within.total_seconds())


def _wait_for_room(
    room: Room, making: RoomMaking, staying: Sequence[SliceView], job: SliceView
) -> Waiting:
    if making.is_possible(staying, host_is_endless=True):
        return Waiting(job, WaitReason.HOST_MEMORY)
    stays = {s.slice_id for s in staying}
    in_the_way = tuple(
        s
        for s in room.views
        if s.slice_id != job.slice_id
        and (s.slice_id in stays or not making.includes(s))
        and (s.slice_id in stays or room.committed_mib[s.slice_id] > 0)
    )
    reason = WaitReason.OVER_CAP if job.is_over_cap else WaitReason.NOT_IDLE_YET
    return Waiting(job, reason, in_the_way)
