"""The order of jobs: what a guarantee is worth to them, then priority, then whose turn it is."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import JobId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.job_cases import a_job, names, order_of, ordered, under
from tests.support.quota_cases import H100, L4, gpu, job_slice, notebook, part

CARDS = tuple(gpu(f"h{n}", H100, index=n) for n in range(4))
TWO_GROUPS = """
groups:
  a: {guaranteed: {H100: 2}}
  b: {}
"""
A_TREE = """
groups:
  science: {guaranteed: {H100: 3}, groups: {nlp: {guaranteed: {H100: 2}}, vision: {}}}
  law: {}
"""


def ranks(*jobs: WaitingJob) -> str:
    return " ".join(job.rank.name for job in jobs)


def test_a_guarantee_is_worth_something_to_the_jobs_of_its_group() -> None:
    held = under(TWO_GROUPS, *CARDS)
    jobs = [a_job("b1", "b"), a_job("a1", "a", minute=1), a_job("a2", "a", minute=2)]
    found = ordered(held, *jobs, a_job("a3", "a", minute=3))
    assert names(found) == "a1 a2 b1 a3"
    assert ranks(*found) == "ENTITLED ENTITLED BORROWED BORROWED"


def test_an_entitled_job_goes_before_a_borrowed_one_of_any_priority() -> None:
    held = under(TWO_GROUPS, *CARDS)
    found = ordered(held, a_job("b1", "b", priority=100), a_job("a1", "a", priority=-100))
    assert names(found) == "a1 b1"


def test_a_guarantee_is_filled_by_slices_before_jobs() -> None:
    slices: tuple[GpuFacts | Holding, ...] = tuple(
        notebook(f"s{n}", "eve", part(1), f"h{n}", group="a") for n in range(2)
    )
    held = under(TWO_GROUPS, *CARDS, *slices)
    found = ordered(held, a_job("b1", "b"), a_job("a1", "a", minute=1))
    assert (names(found), ranks(*found)) == ("b1 a1", "BORROWED BORROWED")


def test_a_guarantee_is_filled_by_jobs_that_have_their_place_before_those_that_wait() -> None:
    held = under(TWO_GROUPS, *CARDS, job_slice("s", on="h0", group="a"))
    has = {JobId("runs"): ("H100", Fraction(1))}
    jobs = a_job("first", "a", priority=9), a_job("next", "a")
    found = ordered(held, *jobs, placed=(a_job("runs", "a"),), have=has)
    assert (names(found), ranks(*found)) == ("first next", "ENTITLED BORROWED")


def test_entitled_jobs_are_before_others_for_agents_too() -> None:
    held = under(TWO_GROUPS, *CARDS)
    jobs = [a_job("b1", "b", priority=5), a_job("b2", "b"), a_job("a1", "a", minute=1)]
    has = {JobId(name): ("H100", Fraction(1)) for name in ("b1", "b2", "a1")}
    assert names(order_of(held).placed(jobs, has)) == "a1 b1 b2"


@pytest.mark.parametrize(
    ("gpus", "rank"), [(1, Rank.ENTITLED), (2, Rank.ENTITLED), (3, Rank.BORROWED)]
)
def test_a_job_on_several_cards_is_entitled_to_all_or_to_none(gpus: int, rank: Rank) -> None:
    (job,) = ordered(under(TWO_GROUPS, *CARDS), a_job("j", "a", gpus=gpus))
    assert job.rank is rank


def test_a_job_that_does_not_fit_into_the_guarantee_leaves_it_to_the_next() -> None:
    found = ordered(
        under(TWO_GROUPS, *CARDS), a_job("large", "a", gpus=3), a_job("small", "a", minute=1)
    )
    assert names(found) == "small large"


def test_a_guarantee_of_another_type_is_worth_nothing() -> None:
    held = under(TWO_GROUPS, *CARDS, gpu("l", L4))
    (job,) = ordered(held, a_job("j", "a", gpu_type="L4"))
    assert job.rank is Rank.BORROWED
    (job,) = ordered(held, a_job("j", "a"))
    assert (job.rank, job.entitled_on) == (Rank.ENTITLED, "H100")


def test_compute_counts_towards_a_guarantee_as_memory_does() -> None:
    held = under("groups: {a: {guaranteed: {H100: 1}}}", *CARDS)
    jobs = [a_job(f"j{n}", "a", 8, compute_milli=500, minute=n) for n in range(3)]
    assert ranks(*ordered(held, *jobs)) == "ENTITLED ENTITLED BORROWED"


def test_what_a_group_inside_borrows_of_its_parent_is_entitled_against_others() -> None:
    held = under(A_TREE, *CARDS)
    jobs = [a_job("l1", "law"), a_job("v1", "vision", minute=1)]
    jobs += [a_job(f"n{n}", "nlp", minute=2 + n) for n in range(2)]
    found = ordered(held, *jobs)
    assert names(found) == "n0 n1 v1 l1"
    assert ranks(*found) == "ENTITLED ENTITLED ENTITLED_IN_PART BORROWED"


def test_who_used_less_for_their_weight_comes_first_and_turns_go_round() -> None:
    held = under("groups: {a: {weight: 3}, b: {}}", *CARDS)
    jobs = [a_job(f"{name}{n}", name, minute=n) for name in "ab" for n in range(4)]
    assert names(ordered(held, *jobs)) == "a0 b0 a1 a2 b1 a3 b2 b3"


def test_past_use_of_siblings_alone_is_compared() -> None:
    held = under("groups: {a: {groups: {x: {}, y: {}}}, b: {}}", *CARDS)
    used = {NodeName(name): hours * 3600.0 for name, hours in (("a", 8), ("x", 8), ("b", 9))}
    jobs = [a_job("x1", "x"), a_job("y1", "y", minute=1), a_job("b1", "b", minute=2)]
    assert names(ordered(held, *jobs, past=PastUse(used))) == "y1 b1 x1"


def test_persons_of_one_group_take_turns() -> None:
    held = under("groups: {a: {}}", *CARDS)
    jobs = [
        a_job(f"{who}{n}", "a", owner=who, minute=n) for who in ("ada", "bob") for n in range(2)
    ]
    past = PastUse({}, {(NodeName("a"), UserName("ada")): 3600.0})
    assert names(ordered(held, *jobs, past=past)) == "bob0 ada0 bob1 ada1"


def test_exact_ties_go_by_age_then_by_lot_and_never_by_name() -> None:
    held = under("", *CARDS)
    jobs = [a_job("a", owner="a", lot=2), a_job("z", owner="z", lot=1)]
    assert names(ordered(held, *jobs)) == "z a"
    assert names(ordered(held, jobs[0], replace(jobs[1], owner=UserName("0")))) == "z a"
    older = a_job("old", owner="m", minute=-1, lot=9)
    assert names(ordered(held, *jobs, older)) == "old z a"
    first = replace(jobs[0], submitted_at=jobs[0].submitted_at - timedelta(seconds=1))
    assert names(ordered(held, first, jobs[1])) == "a z"


def test_a_group_that_is_no_more_pays_nothing_and_is_due_nothing() -> None:
    (job,) = ordered(under(TWO_GROUPS, *CARDS), a_job("j", "gone"))
    assert job.rank is Rank.BORROWED


many = st.lists(
    st.tuples(
        st.sampled_from([None, "nlp", "vision", "law"]),
        st.sampled_from(["ada", "bob", "eve"]),
        st.integers(-1, 1),
        st.integers(0, 5),
        st.integers(1, 3),
    ),
    max_size=12,
).map(
    lambda rows: [
        a_job(f"j{n}", group, owner=owner, priority=priority, minute=minute, lot=n, gpus=gpus)
        for n, (group, owner, priority, minute, gpus) in enumerate(rows)
    ]
)


@given(many, st.randoms(use_true_random=False))
def test_the_order_they_are_told_in_does_not_matter(jobs: list[WaitingJob], random) -> None:
    held = under(A_TREE, *CARDS)
    found = ordered(held, *jobs)
    random.shuffle(jobs)
    assert ordered(held, *jobs) == found
    assert {job.job_id for job in found} == {job.job_id for job in jobs}


@given(many)
def test_no_more_is_entitled_than_is_guaranteed(jobs: list[WaitingJob]) -> None:
    found = ordered(under(A_TREE, *CARDS), *jobs)
    entitled = sum(job.gpus for job in found if job.rank is not Rank.BORROWED)
    of_nlp = sum(job.gpus for job in found if job.group == "nlp" and job.rank is Rank.ENTITLED)
    assert entitled <= 3
    assert of_nlp <= 2
    assert sorted(found, key=lambda job: job.rank) == list(found)


@given(st.integers(0, 40), st.integers(1, 4), st.integers(1, 4), st.randoms(use_true_random=False))
def test_many_jobs_of_one_owner_come_between_the_jobs_of_others_one_at_a_time(
    flood: int, of_mate: int, of_other: int, random
) -> None:
    """Whoever submits many, and first, has no more turns before others' than who submits few."""
    lots = random.sample(range(1000), flood + of_mate + of_other)
    whose = [("b", "eve")] * flood + [("b", "ann")] * of_mate + [("c", "bob")] * of_other
    jobs = [
        a_job(f"{owner}-{number}", group, owner=owner, minute=number, lot=lots[number])
        for number, (group, owner) in enumerate(whose)
    ]
    found = ordered(under("groups: {b: {}, c: {}}", *CARDS), *jobs)
    owners = [job.owner for job in found]
    turns = dict.fromkeys(("eve", "ann", "bob"), 0)
    for owner in owners:
        turns[owner] += 1
        if owner == "ann":
            assert turns["eve"] <= turns["ann"]
        if owner == "bob":
            assert turns["eve"] + turns["ann"] <= turns["bob"]


@given(st.integers(0, 40))
def test_many_jobs_of_one_owner_change_nothing_between_two_others(flood: int) -> None:
    held = under("groups: {b: {}, c: {}, d: {}}", *CARDS)
    others = [
        a_job(f"{group}{n}", group, owner=group, minute=n) for group in "cd" for n in range(4)
    ]
    many = [a_job(f"x{n}", "b", owner="eve", minute=0, lot=n) for n in range(flood)]
    found = ordered(held, *many, *others)
    assert names(tuple(job for job in found if job.owner != "eve")) == names(ordered(held, *others))
