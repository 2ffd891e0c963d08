"""The return of idle slices, once nobody needs their room on the GPU.

An owner whose slice is at home again finds it there without a wait. They come back by rank, of one
rank the latest active first. That is never worth somebody else's move, with one exception: what was
lent against its owner's wish, or may not be lent any more, comes home first, even if a job has to
leave for it. Where nobody could be made to leave again, only that comes home. Into room that is
reserved nothing comes home but what is entitled, and the reservation's own.
"""

from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import Action, Resume, Suspend
from sublet_quota.residency.candidates import choose_candidates, list_candidates
from sublet_quota.residency.room import Room, is_kept, makes_way
from sublet_quota.residency.seats import SeatPlan
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView


def bring_home(room: Room, plan: SeatPlan, free_mib: int, reserved_mib: int = 0) -> list[Action]:
    """Return the next move that brings an idle slice home; nothing where there is none.

    ``reserved_mib``: of what is free, what is to stay so.

    To be asked only when nobody with a seat lacks anything, and nothing moves.
    """
    snapshot = room.snapshot
    if snapshot.keeps_away:
        return []
    jobs_wait_for_owners = any(w.reason is WaitReason.OWNERS_ACTIVE for w in plan.waiting)
    only_who_must = jobs_wait_for_owners or snapshot.pause_only is not None
    away = [
        s
        for s in room.views
        if not s.is_job
        and not s.active
        and s.is_away
        and (s.not_before is None or s.not_before <= snapshot.now)
        and (
            _must_come_home(snapshot, s)
            or (not only_who_must and _was_away_long_enough(snapshot, s))
        )
    ]
    for view in sorted(
        away,
        key=lambda s: (
            not _must_come_home(snapshot, s),
            s.rank,
            -s.since.timestamp(),
            s.slice_id,
        ),
    ):
        # A cell of it that still runs may fill its whole cap as soon as it is back.
        goes_on = view.runs_a_cell or view.past_the_gate
        need_mib = room.need_mib(view) if goes_on else view.image_mib
        if makes_way(snapshot, view):
            need_mib += reserved_mib
        if need_mib <= free_mib:
            return [Resume(view.slice_id)]
        if _must_come_home(snapshot, view) and not makes_way(snapshot, view):
            leaving = _jobs_that_make_room(room, plan, need_mib - free_mib, view)
            if leaving is not None:
                return [leaving]
    return []


def _must_come_home(snapshot: GpuSnapshot, view: SliceView) -> bool:
    return not snapshot.is_lent or is_kept(snapshot, view)


def _was_away_long_enough(snapshot: GpuSnapshot, view: SliceView) -> bool:
    return snapshot.now - view.state_since >= snapshot.settings.lend_at_least


def _jobs_that_make_room(
    room: Room, plan: SeatPlan, shortfall_mib: int, view: SliceView
) -> Suspend | None:
    seated = plan.seated_ids
    jobs = [
        c
        for c in list_candidates(room)
        if c.view.is_job
        and not c.by_eviction
        and c.slice_id not in seated
        and not (c.view.is_entitled_job and view.rank >= Rank.BORROWED)
        and c.may_begin(room.snapshot)
    ]
    leaving = choose_candidates(jobs, shortfall_mib, room.snapshot.host_free_mib)
    return Suspend(leaving[0].slice_id, view.slice_id) if leaving else None
