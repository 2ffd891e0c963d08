"""Who leaves so that somebody has room: by the order of rights, then the fewest bytes."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.residency.candidates import (
    SuspendCandidate,
    choose_candidates,
    list_candidates,
)
from sublet_quota.residency.room import measure_room
from sublet_quota.residency.snapshot import SliceView

from tests.quota.residency.gpu_pictures import GIB, NOW, gpu, idle, stopped, told, waiting

examples = settings(max_examples=300)
_AMOUNTS = (1, 2, 3, 5, 8, 10, 13, 20, 40)
_JOBS = st.lists(
    st.tuples(st.sampled_from(_AMOUNTS), st.integers(0, 3), st.booleans()), max_size=12
)
_IDLE = st.lists(st.tuples(st.sampled_from(_AMOUNTS), st.sampled_from((60, 200, 5000))), max_size=4)
_HOST = st.sampled_from((0, 20, 60, 1000))


def _listed(views: Sequence[SliceView]) -> tuple[SuspendCandidate, ...]:
    return list_candidates(measure_room(gpu(*views)))


def _drawn(
    jobs: Sequence[tuple[int, int, bool]], idles: Sequence[tuple[int, int]]
) -> tuple[SuspendCandidate, ...]:
    views = [
        stopped(
            f"J{at}",
            gib,
            on=gib,
            entitlement=place,
            unsuspendable="shared memory" if stuck and at % 3 == 0 else None,
        )
        for at, (gib, place, stuck) in enumerate(jobs)
    ]
    views += [idle(f"S{at}", gib, on=gib, for_s=for_s) for at, (gib, for_s) in enumerate(idles)]
    return _listed(views)


def _as_before(
    candidates: Sequence[SuspendCandidate], shortfall_mib: int, host_free_mib: int
) -> list[SuspendCandidate]:
    """The first ones that are enough, of which the first that are not needed are spared."""
    chosen: list[SuspendCandidate] = []
    for candidate in candidates:
        in_host = sum(c.host_mib for c in chosen) + candidate.host_mib
        if sum(c.room_mib for c in chosen) < shortfall_mib and in_host <= host_free_mib:
            chosen.append(candidate)
    if sum(c.room_mib for c in chosen) < shortfall_mib:
        return []
    last_kind = max((c.kind for c in chosen), default=None)
    for candidate in tuple(chosen):
        is_job = candidate.view.is_job and not candidate.by_eviction
        rest = sum(c.room_mib for c in chosen) - candidate.room_mib
        if rest >= shortfall_mib and (not is_job or candidate.kind is last_kind):
            chosen.remove(candidate)
    return chosen


def _cost(chosen: Sequence[SuspendCandidate]) -> tuple[int, int]:
    return sum(c.by_eviction for c in chosen), sum(c.host_mib for c in chosen)


def _ids(chosen: Sequence[SuspendCandidate]) -> list[str]:
    return [c.slice_id for c in chosen]


#  GPU [JJJJJ K .. AA]   both jobs are as entitled as each other: the small one is out sooner
def test_of_jobs_that_are_equally_entitled_the_small_one_leaves():
    snapshot = gpu(
        waiting("A", 20, on=15),
        stopped("J", 51, on=51),
        stopped("K", 10, on=10),
    )
    assert told(snapshot) == ["suspend K for A"]


#  GPU [JJJJJ K .. AA]   the large one is less entitled: it leaves, though it takes longer
def test_a_less_entitled_job_leaves_before_a_small_one():
    snapshot = gpu(
        waiting("A", 20, on=15),
        stopped("J", 51, on=51, entitlement=2),
        stopped("K", 10, on=10, entitlement=1),
    )
    assert told(snapshot) == ["suspend J for A"]


#  GPU [III JJJJ KKKKKK]   22 are needed: K has to go, and then I is enough and moves less than J
def test_beside_who_has_to_leave_those_do_with_fewest_bytes():
    jobs = [
        stopped("I", 8, on=8, entitlement=3),
        stopped("J", 10, on=10, entitlement=2),
        stopped("K", 15, on=15, entitlement=1),
    ]
    assert _ids(choose_candidates(_listed(jobs), 22 * GIB, 1000 * GIB)) == ["I", "K"]


#  GPU [AAAA EEE BBBBB]   23 are needed: B and E move fewer bytes than B and A, but E would be ended
def test_no_job_is_ended_for_fewer_bytes():
    views = [
        idle("A", 12, on=12),
        stopped("E", 10, on=10, unsuspendable="shared memory"),
        idle("B", 15, on=15, kept_until=NOW + timedelta(hours=1)),
    ]
    assert _ids(choose_candidates(_listed(views), 23 * GIB, 1000 * GIB)) == ["A", "B"]


@examples
@given(_JOBS, _IDLE, st.integers(1, 60), _HOST)
def test_never_are_more_bytes_moved_or_more_ended_than_by_the_order_alone(jobs, idles, short, host):
    candidates = _drawn(jobs, idles)
    before = _as_before(candidates, short * GIB, host * GIB)
    chosen = choose_candidates(candidates, short * GIB, host * GIB)
    if before:
        assert sum(c.room_mib for c in chosen) >= short * GIB
        assert _cost(chosen) <= _cost(before)
    assert sum(c.host_mib for c in chosen) <= host * GIB


@examples
@given(_JOBS, _IDLE, st.integers(1, 60), _HOST)
def test_no_more_entitled_one_leaves_than_by_the_order_alone(jobs, idles, short, host):
    candidates = _drawn(jobs, idles)
    place = {c.slice_id: at for at, c in enumerate(candidates)}
    before = _as_before(candidates, short * GIB, host * GIB)
    chosen = choose_candidates(candidates, short * GIB, host * GIB)
    if not before:
        return
    assert max(place[c.slice_id] for c in chosen) <= max(place[c.slice_id] for c in before)
    kinds = {c.kind for c in before if c.view.is_job and not c.by_eviction}
    if kinds and not any(c.by_eviction for c in candidates):
        # Where they differ, the first one that leaves now is less entitled than who left before.
        others = {c.slice_id for c in chosen} ^ {c.slice_id for c in before}
        first = min(others, key=place.__getitem__, default=None)
        assert first is None or first in _ids(chosen)


@examples
@given(_JOBS, _IDLE, st.integers(1, 60))
def test_replayed_when_the_first_one_is_out_the_same_others_leave(jobs, idles, short):
    candidates = _drawn(jobs, idles)
    chosen = choose_candidates(candidates, short * GIB, 1000 * GIB)
    if len(chosen) < 2:
        return
    first, *rest = chosen
    left = [c for c in candidates if c is not first]
    again = choose_candidates(left, short * GIB - first.room_mib, 1000 * GIB)
    assert _ids(again) == _ids(rest)
