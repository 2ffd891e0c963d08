"""Jobs of one plan leave their places to those that find no other: whoever can start does."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.residency.snapshot import Rank

from tests.support.job_cases import a_job, planned
from tests.support.quota_cases import gpu, holdings

KINDS = {name: GpuKind(f"NVIDIA {name}", 80 * 1024 + n, 1024) for n, name in enumerate("ABCD")}


def cards(types: str) -> list:
    """A card for each letter, in this order."""
    return [gpu(f"{name}{n}", KINDS[name], index=n) for n, name in enumerate(types)]


def on(job: WaitingJob, types: str) -> WaitingJob:
    """The job, which may run on these types alone."""
    return replace(job, kinds=frozenset(KINDS[name] for name in types))


def jobs(*types: str, gib: int | None = None) -> list[WaitingJob]:
    return [on(a_job(f"j{n}", gib=gib), each) for n, each in enumerate(types, 1)]


def places(plan: QueuePlan) -> str:
    return " ".join(f"{each.job.job_id}={each.gpu_id[0]}" for each in plan.placements)


CASES = {
    "one that may go elsewhere leaves the type without which another cannot do": (
        "AB", jobs("AB", "A"), "j1=B j2=A",
    ),
    "so it does whichever type it takes first": ("AB", jobs("AB", "B"), "j1=A j2=B"),
    "a third one leaves its place to the first": (
        "ABC", jobs("AB", "BC", "A"), "j1=B j2=C j3=A",
    ),
    "where nobody can go elsewhere the order decides": ("AB", jobs("A", "B", "A"), "j1=A j2=B"),
    "nobody waits so that another may start": ("A", jobs("AB", "A"), "j1=A"),
    "two leave for two": ("AABB", jobs("AB", "AB", "A", "A"), "j1=B j2=B j3=A j4=A"),
    "a small one leaves a card to a whole one": (
        "AB", [*jobs("AB", gib=20), replace(jobs("A")[0], job_id="j2")], "j1=B j2=A",
    ),
    "an entitled one stays on the cards of its guarantee": (
        "AB",
        [replace(jobs("AB")[0], rank=Rank.ENTITLED, entitled_on="NVIDIA A"), jobs("AB", "A")[1]],
        "j1=A",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_jobs_leave_their_places_to_those_that_find_no_other(name: str) -> None:
    types, waiting, told = CASES[name]
    assert places(planned(holdings("", *cards(types)), *waiting)) == told


def test_who_is_bound_to_a_node_is_left_a_place_there() -> None:
    there = [gpu("A0", KINDS["A"], "node-a"), gpu("A1", KINDS["A"], "node-b")]
    bound = replace(a_job("j2"), node=NodeId("node-a"))
    plan = planned(holdings("", *there), a_job("j1"), bound)
    assert {each.job.job_id: each.gpu_id for each in plan.placements} == {"j1": "A1", "j2": "A0"}


def test_nobody_goes_where_a_limit_would_not_let_them() -> None:
    text = "gpu_types: {A: {match: '*A'}, B: {match: '*B'}}\ngroups: {lab: {limit: {B: 0}}}"
    held = holdings(text, *cards("AB"))
    first, second = jobs("AB", "A")
    lab = replace(first, group="lab", hub_groups=("lab",))
    assert places(planned(held, lab, second)) == "j1=A"
    assert places(planned(held, first, second)) == "j1=B j2=A"


def test_a_limit_counts_who_went_elsewhere_where_they_are() -> None:
    text = "gpu_types: {A: {match: '*A'}, B: {match: '*B'}}\ngroups: {lab: {limit: {A: 1, B: 1}}}"
    held = holdings(text, *cards("AABB"))
    lab = [
        replace(each, group="lab", hub_groups=("lab",)) for each in jobs("AB", "A", "AB", "A", "B")
    ]
    assert places(planned(held, *lab)) == "j1=B j2=A"


def best(types: str, waiting: list[WaitingJob]) -> set[str]:
    """Who starts: in their order each for whom a card is found beside all before."""
    kinds = [KINDS[name] for name in types]
    has: dict[int, WaitingJob] = {}

    def finds(job: WaitingJob, seen: set[int]) -> bool:
        for place, kind in enumerate(kinds):
            if kind in (job.kinds or ()) and place not in seen:
                seen.add(place)
                if place not in has or finds(has[place], seen):
                    has[place] = job
                    return True
        return False

    return {job.job_id for job in waiting if finds(job, set())}


TYPES = st.text("ABCD", min_size=1, max_size=6)


@given(TYPES, st.lists(st.sets(st.sampled_from("ABCD"), min_size=1), max_size=9))
@settings(max_examples=200, deadline=None)
def test_whoever_can_start_beside_those_before_does(types: str, wishes: list[set[str]]) -> None:
    waiting = jobs(*("".join(sorted(each)) for each in wishes))
    plan = planned(holdings("", *cards(types)), *waiting)
    assert {each.job.job_id for each in plan.placements} == best(types, waiting)
    assert len({each.gpu_id for each in plan.placements}) == len(plan.placements)


@given(
    TYPES,
    st.lists(
        st.tuples(
            st.sets(st.sampled_from("ABCD"), min_size=1), st.sampled_from([10, 30, 50, None])
        ),
        max_size=10,
    ),
    st.sampled_from([None, 60, 120]),
    st.sampled_from(["", "groups: {lab: {limit: {A: 1, cards: 3}}, law: {guaranteed: {A: 1}}}"]),
)
@settings(max_examples=150, deadline=None)
def test_no_room_is_given_away_twice_whoever_goes_elsewhere(
    types: str, wishes: list, host_gib: int | None, text: str
) -> None:
    named = "gpu_types: {A: {match: '*A'}, B: {match: '*B'}, C: {match: '*C'}, D: {match: '*D'}}\n"
    held = holdings(named + text, *cards(types))
    if host_gib is not None:
        held.host_memory.put(NodeId("node-a"), host_gib * 1024)
    group = "lab" if text else None
    numbers = count(1)
    waiting = [
        on(a_job(f"j{next(numbers)}", group, gib), "".join(sorted(kinds))) for kinds, gib in wishes
    ]
    free = held.host_memory.room(NodeId("node-a"))
    plan = planned(held, *waiting)
    used: dict[GpuId, int] = {}
    for each in plan.placements:
        assert held.gpu(each.gpu_id).kind in each.job.kinds
        used[each.gpu_id] = used.get(each.gpu_id, 0) + each.amount.memory_mib
    assert all(mib <= held.gpu(name).kind.usable_mib for name, mib in used.items())
    if free is not None:
        assert sum(used.values()) <= free.free_mib
    if text:
        assert _within(held, plan)
    told = [each.job.job_id for each in plan.placements] + [each.job_id for each in plan.waits]
    assert sorted(told) == sorted(each.job_id for each in waiting)


def _within(held: Holdings, plan: QueuePlan) -> bool:
    """Whether all that is placed is within the limits, one after another."""
    limits = JobLimits(held)
    for each in plan.placements:
        kind, gpu_type = held.gpu(each.gpu_id).kind, held.type_of(each.gpu_id)
        if limits.in_the_way(each.job, kind, gpu_type) is not None:
            return False
        limits.take(each.job, kind, gpu_type)
    return True


def test_a_thousand_jobs_that_find_no_room_ask_few_to_leave() -> None:
    held = holdings("", *cards("ABCD" * 25))
    lends = {each.gpu_id: 1000 * 1024 for each in held.gpus()}
    waiting = [on(a_job(f"j{n}", gib=70 + n % 10), "ABCD"[n % 4 :]) for n in range(1000)]
    plan = plan_queue(waiting, lendable_gpus(held, lends), lending=True, beside=BesideOthers())
    assert len(plan.placements) == 100
