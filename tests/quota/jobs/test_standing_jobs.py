"""Jobs that stand still while another card is free: which leave, and for which card."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.lent_room.card_company import Company, Owners
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.standing_jobs import (
    MOVES_EVERY,
    STANDS_FOR,
    Leaving,
    StandingJob,
    jobs_that_leave,
)
from sublet_quota.names.ids import GpuId, NodeId, PoolName, SliceId
from sublet_quota.residency.snapshot import Rank

from tests.support.job_cases import a_job
from tests.support.quota_cases import H100, L4, NOON, gpu

NOBODY, AWAY, WORK = Owners.NONE, Owners.AWAY, Owners.AT_WORK
SECOND = timedelta(seconds=1)


def lends(  # noqa: PLR0913 - a builder
    name: str,
    gib: int = 79,
    owners: Owners = NOBODY,
    milli: int = 0,
    *,
    node: str = "n",
    kind: GpuKind = H100,
    gpu_type: str = "H100",
) -> LendableGpu:
    card = gpu(name, kind, node, int(name[-1]))
    company, pool = Company(owners, milli), PoolName("interactive")
    return LendableGpu(card, pool, gpu_type, gib * 1024, 0, company)


def stands(  # noqa: PLR0913 - a builder
    name: str = "j",
    on: str = "a0",
    gib: int | None = 20,
    *,
    seconds: float = 60,
    has_begun: bool = True,
    moved: float | None = None,
    rank: Rank = Rank.BORROWED,
    node: str | None = None,
    gpu_type: str | None = None,
) -> StandingJob:
    job = replace(
        a_job(name, gib=gib, gpu_type=gpu_type),
        rank=rank,
        node=None if node is None else NodeId(node),
    )
    moved_at = None if moved is None else NOON - moved * SECOND
    since = NOON - seconds * SECOND
    return StandingJob(job, SliceId(name), GpuId(on), since, has_begun, moved_at)


HERE = lends("a0", 0, WORK, 1000)


@dataclass(frozen=True)
class Case:
    """A job on the card ``a0`` of the node ``n``, other cards, and the one it leaves for."""

    job: StandingJob
    cards: tuple[LendableGpu, ...]
    goes_to: str | None = None


FAR, L4_CARD = lends("b1", node="m"), lends("b1", 23, kind=L4, gpu_type="L4")
CASES = {
    "to a free card of the node": Case(stands(), (lends("b1"),), "b1"),
    "to nobody's before one whose owner is away": Case(
        stands(), (lends("b1", 40, AWAY), lends("c2")), "c2"
    ),
    "to one whose owner is away": Case(stands(), (lends("b1", 40, AWAY),), "b1"),
    "not beside another owner at work": Case(stands(), (lends("b1", 79, WORK),)),
    "not where jobs have the compute": Case(stands(), (lends("b1", 79, NOBODY, 500),)),
    "not where there is too little room": Case(stands(), (lends("b1", 19),)),
    "not at once": Case(stands(seconds=STANDS_FOR.total_seconds() - 1), (lends("b1"),)),
    "not right after a move": Case(stands(moved=MOVES_EVERY.total_seconds() - 1), (lends("b1"),)),
    "again after a while": Case(stands(moved=MOVES_EVERY.total_seconds()), (lends("b1"),), "b1"),
    "memory does not leave its node": Case(stands(), (FAR,)),
    "what has not begun does": Case(stands(has_begun=False), (FAR,), "b1"),
    "not where its owner's files are not": Case(stands(has_begun=False, node="n"), (FAR,)),
    "not to another type": Case(stands(has_begun=False), (L4_CARD,)),
    "memory does not come back on another kind of the same type": Case(
        stands(), (lends("b1", 23, kind=L4),)
    ),
    "an entitled job takes turns where it is": Case(stands(rank=Rank.ENTITLED), (lends("b1"),)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_job_leaves_where_it_runs_at_once(case: Case) -> None:
    leaving = jobs_that_leave([case.job], (HERE, *case.cards), NOON)
    expected = (
        ()
        if case.goes_to is None
        else (Leaving(case.job.slice_id, case.job.has_begun, GpuId(case.goes_to)),)
    )
    assert leaving == expected


def test_who_stands_longest_goes_first_and_no_two_take_the_same_room() -> None:
    jobs = [stands("j", seconds=60), stands("k", seconds=90), stands("l", seconds=70)]
    leaving = jobs_that_leave(jobs, (HERE, lends("b1"), lends("c2")), NOON)
    assert [(each.slice_id, each.to) for each in leaving] == [("k", "b1"), ("l", "c2")]


def test_a_card_that_is_gone_lets_nobody_leave() -> None:
    assert jobs_that_leave([stands()], (lends("b1"),), NOON) == ()


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 80),
            st.sampled_from(Owners),
            st.sampled_from((0, 300, 1000)),
            st.sampled_from("nm"),
        ),
        max_size=6,
    ),
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 80), st.integers(0, 120), st.booleans()),
        max_size=8,
    ),
)
def test_on_its_own_result_nothing_changes_and_there_is_room_for_all(
    lent: list[tuple[int, Owners, int, str]], asks: list[tuple[int, int, int, bool]]
) -> None:
    cards = {
        f"a{at}": lends(f"a{at}", gib, owners, milli, node=node)
        for at, (gib, owners, milli, node) in enumerate(lent)
    }
    jobs = [
        stands(f"j{n}", f"a{at}", gib, seconds=seconds, has_begun=begun)
        for n, (at, gib, seconds, begun) in enumerate(asks)
    ]
    leaving = jobs_that_leave(jobs, cards.values(), NOON)
    assert leaving == jobs_that_leave(jobs[::-1], list(cards.values())[::-1], NOON)
    by_id = {each.slice_id: each for each in jobs}
    for one in leaving:
        there, job = cards[one.to], by_id[one.slice_id]
        assert there.company.owners is not Owners.AT_WORK
        assert not job.has_begun or there.facts.node == cards[job.gpu_id].facts.node
        taken = job.job.amount_on(H100)
        company = there.company
        there = replace(
            there,
            lendable_mib=there.lendable_mib - taken.memory_mib,
            company=Company(company.owners, company.jobs_milli + taken.compute_milli),
        )
        assert there.lendable_mib >= 0
        assert company.has_compute(taken.compute_milli)
        cards[one.to] = there
    gone = {each.slice_id for each in leaving}
    assert jobs_that_leave([j for j in jobs if j.slice_id not in gone], cards.values(), NOON) == ()
