"""What holds wherever GPUs are kept, whoever is there and whoever waits."""

from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.backfill.jobs_there import (
    NO_END,
    JobThere,
    by_gpu,
)
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Rank

from tests.support.quota_cases import H100, NOON
from tests.support.reserved_cards import HOUR, begun, lends, plan, runs, waits

NAMES = [f"j{n}" for n in range(8)]
there_at_all = st.lists(
    st.builds(
        runs,
        st.uuids().map(str),
        st.sampled_from(["g0", "g1", "g2", "g3"]),
        st.integers(1, 30),
        since=st.integers(-3, -1).map(lambda h: h * HOUR),
        ends=st.integers(0, 5).map(lambda h: h * HOUR) | st.none(),
        priority=st.sampled_from([-1, 0]),
        rank=st.sampled_from([Rank.BORROWED, Rank.ENTITLED]),
        fills_in_for=st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
        stays=st.booleans(),
    ),
    max_size=8,
)
asked_at_all = st.lists(
    st.tuples(st.integers(1, 79) | st.none(), st.integers(-4, 0), st.sampled_from([1, 1, 1, 2])),
    max_size=8,
).map(
    lambda entries: [
        waits(f"j{n}", need, came=came * HOUR, gpus=gpus)
        for n, (need, came, gpus) in enumerate(entries)
    ]
)


def need_of(job: WaitingJob, kind: GpuKind = H100) -> int:
    return job.amount_on(kind).memory_mib


def fitting(there: list[tuple[GpuId, JobThere]]) -> list[tuple[GpuId, JobThere]]:
    """The jobs that there is room for beside each other."""
    left = dict.fromkeys(("g0", "g1", "g2", "g3"), H100.usable_mib)
    found = []
    for gpu_id, job in there:
        if job.memory_mib <= left[gpu_id]:
            left[gpu_id] -= job.memory_mib
            found.append((gpu_id, job))
    return found


@given(asked_at_all, there_at_all)
def test_no_card_has_room_while_a_job_waits_that_fits(
    jobs: list[WaitingJob], there: list[tuple[GpuId, JobThere]]
) -> None:
    there = [
        (on, replace(each, stays=False, fills_in_for=() if each.stays else each.fills_in_for))
        for on, each in fitting(there)
    ]
    found = plan(jobs, there, cards=4)
    left = {GpuId(f"g{n}"): lends(n, by_gpu(there, NOON), 8, 0).lendable_mib for n in range(4)}
    for each in found.placements:
        for gpu_id in (each.gpu_id, *each.beside):
            if not each.holds_back:
                left[gpu_id] -= each.amount.memory_mib
    assert all(mib >= 0 for mib in left.values())
    by_way = {
        g for each in found.placements if each.holds_back for g in (each.gpu_id, *each.beside)
    }
    of_all = {job.job_id: job for job in jobs}
    for wait in found.waits:
        job = of_all[wait.job_id]
        able = [gpu_id for gpu_id in left.keys() - by_way if left[gpu_id] >= need_of(job)]
        assert len(able) < job.gpus


@given(asked_at_all, there_at_all)
def test_each_that_makes_way_does_so_for_one_that_is_before_it_and_then_has_room(
    jobs: list[WaitingJob], there: list[tuple[GpuId, JobThere]]
) -> None:
    there = fitting(there)
    found, at = plan(jobs, there, cards=4), by_gpu(there, NOON)
    by_id = {each.slice_id: (on, each) for on, each in there}
    held: list[SliceId] = []
    for placed in found.placements:
        cards = (placed.gpu_id, *placed.beside)
        made = dict.fromkeys(cards, 0)
        for slice_id in placed.holds_back:
            on, each = by_id[slice_id]
            assert on in cards
            assert each.makes_way_for(placed.job)
            assert each.priority < placed.job.priority or placed.job.job_id in each.fills_in_for
            made[on] += each.memory_mib
        if placed.holds_back:
            for gpu_id in cards:
                lent_mib = lends(int(gpu_id[1:]), at, 8, 0).lendable_mib
                assert lent_mib + made[gpu_id] >= placed.amount.memory_mib
        held += placed.holds_back
    assert len(held) == len(set(held))


@given(asked_at_all, there_at_all)
def test_the_first_that_waits_is_kept_the_card_where_it_begins_soonest(
    jobs: list[WaitingJob], there: list[tuple[GpuId, JobThere]]
) -> None:
    there = fitting(there)
    first = next(iter(jobs), None)
    found = plan(jobs, there, cards=4)
    if first is None or first.gpus > 1 or first.job_id in begun(found):
        return
    at = by_gpu(there, NOON)

    def begins(n: int) -> datetime | None:
        on = at.on.get(GpuId(f"g{n}"), ())
        room_mib = lends(n, at, 8, 0).lendable_mib
        room_mib += sum(each.memory_mib for each in on if each.makes_way_for(first))
        for each in sorted(on, key=lambda each: each.ends):
            if not each.makes_way_for(first):
                room_mib += each.memory_mib
                if room_mib >= need_of(first):
                    return each.ends
        return None

    soonest = min(each for n in range(4) if (each := begins(n)) is not None)
    kept_for_it = found.waits[0].why.kept
    assert kept_for_it is not None
    assert (kept_for_it.at or NO_END) == soonest
    assert begins(kept_for_it.index) == soonest
