"""Properties of ranks in every decision, whatever the agent measured."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import Suspend
from sublet_quota.residency.candidates import RoomMaking, list_candidates
from sublet_quota.residency.policy import decide
from sublet_quota.residency.room import measure_room
from sublet_quota.residency.seats import SeatPlan, Waiting, seat_owners
from sublet_quota.residency.snapshot import GpuSnapshot, Rank, SliceView

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.at_rest import come_to_rest

examples = settings(max_examples=200)


def _with_rank(snapshot: GpuSnapshot, rank: Rank) -> GpuSnapshot:
    """Owners of that rank, and no job that is entitled."""
    slices = (replace(s, rank=Rank.BORROWED if s.is_job else rank) for s in snapshot.slices)
    return replace(snapshot, slices=tuple(slices))


def _rank(view: SliceView) -> int:
    """Return the rank that a slice has its turns among: who is over its cap comes behind all."""
    return max(Rank) + 1 if view.is_over_cap else view.turn_rank


def _ranks(snapshot: GpuSnapshot) -> dict[str, int]:
    return {s.slice_id: _rank(s) for s in snapshot.slices}


def _owners_at_work(snapshot: GpuSnapshot) -> list[SliceView]:
    return [s for s in snapshot.slices if s.active and not s.is_job]


def _plan(snapshot: GpuSnapshot) -> SeatPlan:
    room = measure_room(snapshot)
    jobs = [s for s in room.views if s.is_entitled_job]
    return seat_owners(room, list_candidates(room), jobs)


@examples
@given(snapshots(), st.sampled_from(Rank))
def test_where_all_ranks_are_equal_it_matters_nothing_which_they_are(snapshot, rank):
    decision = decide(_with_rank(snapshot, rank))
    waits = tuple(replace(w, rank=Rank.BORROWED) for w in decision.waits)
    assert replace(decision, waits=waits) == decide(_with_rank(snapshot, Rank.BORROWED))
    assert not [w for w in waits if w.reason is WaitReason.CALLED_BACK]


@examples
@given(snapshots())
def test_turns_are_waited_for_among_equals_and_only_lower_ranks_call_back(snapshot):
    ranks = _ranks(snapshot)
    for wait in decide(snapshot).waits:
        before = {ranks[each] for each in wait.waits_for}
        rank = ranks[wait.slice_id]
        if wait.reason is WaitReason.TURN:
            assert before <= {rank}
        if wait.reason is WaitReason.CALLED_BACK:
            assert before
            assert max(before) < rank


@examples
@given(snapshots(), st.sampled_from(Rank))
def test_who_is_of_a_higher_rank_and_can_be_moved_changes_nothing_for_lower_ones(snapshot, rank):
    snapshot = replace(
        snapshot, host_free_mib=100_000, unfit=False, foreign_present=False, transition=None
    )
    higher = {
        s.slice_id
        for s in snapshot.slices
        if s.takes_turns and _rank(s) > rank and s.unsuspendable is None
    }
    others = tuple(s for s in snapshot.slices if s.slice_id not in higher)
    plan, without = _plan(snapshot), _plan(replace(snapshot, slices=others))
    assert _of_up_to(plan, rank) == _of_up_to(without, rank)


def _of_up_to(plan: SeatPlan, rank: Rank) -> object:
    seated = [s.slice_id for s in plan.seated if _rank(s) <= rank]
    return seated, [(w.view.slice_id, w.reason) for w in plan.waiting if _rank(w.view) <= rank]


@examples
@given(snapshots())
def test_nobody_at_work_who_waits_makes_way_for_a_higher_rank(snapshot):
    views = {s.slice_id: s for s in snapshot.slices}
    for action in decide(snapshot).actions:
        if isinstance(action, Suspend):
            leaves, comes = views[action.slice_id], views[action.room_for]
            if leaves.active and not leaves.is_job and not leaves.gate_open:
                assert _rank(leaves) >= _rank(comes)


@examples
@given(snapshots())
def test_a_seat_is_lost_to_lower_ranks_only_where_these_leave_too_little_for_it(snapshot):
    plan, room = _plan(snapshot), measure_room(snapshot)
    for lost in plan.waiting:
        if lost.reason is WaitReason.CALLED_BACK and lost.view.gate_open:
            rank = lost.view.rank
            beside = [
                s
                for s in plan.seated
                if _rank(s) < rank or (s.gate_open and (_rank(s) == rank or s.unsuspendable))
            ]
            # Nor is it given back at once what the end of an equal's turn leaves over.
            beside += [w.view for w in plan.waiting if _rank(w.view) == rank and _turn_is_over(w)]
            # What lower ranks have there while they wait is not counted on.
            waiting = {w.view.slice_id for w in plan.waiting if _rank(w.view) < rank}
            leaving = (c for c in list_candidates(room) if c.slice_id not in waiting)
            assert not RoomMaking(room, leaving).is_possible((*beside, lost.view))


def _turn_is_over(waiting: Waiting) -> bool:
    return waiting.reason is WaitReason.TURN and waiting.view.gate_open


@examples
@given(snapshots())
def test_with_turns_that_never_end_everything_comes_to_rest_and_nobody_moves_twice(snapshot):
    rested = come_to_rest(snapshot)
    assert not rested.goes_on
    assert all(count <= 1 for count in rested.suspends.values()), rested
    assert all(count <= 1 for count in rested.resumes.values()), rested
