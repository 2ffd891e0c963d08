"""Cases: a job within its group's guarantee has its place, and borrowed slices make way for it."""

import pytest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_queue import QueuePlan
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, SliceId, UserName
from sublet_quota.placement.called_back import back_to_their_place, called_back_for_jobs
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.waiting import QueueReason
from sublet_quota.residency.snapshot import Rank

from tests.support.job_cases import a_job, ordered, planned, under
from tests.support.quota_cases import gib, gpu, job_slice, notebook, part

LAB = """
pools: {interactive: {memory_overcommit: 1, compute_overcommit: 1}}
sizes:
  - {name: whole, memory: 1, compute: 1}
  - {name: half, memory: 1/2, compute: 1/2}
everyone: {limit: {cards: 4}}
groups: {lab: {guaranteed: {H100: 1}}, course: {}}
"""
CARDS = (gpu("h0"), gpu("h1", index=1))
JOB = a_job("j", "lab")


def plan(held: Holdings, *jobs: WaitingJob, lends_gib: int = 0) -> QueuePlan:
    """What comes of jobs, in their order, where cards lend so much: nothing, as owners work."""
    return planned(held, *ordered(held, *jobs), lends_gib=lends_gib)


def borrowed(name: str, on: str, since: int = 0, **more: bool) -> object:
    return notebook(name, "cleo", part(1), on, group="course", since=since, **more)


def placed(found: QueuePlan) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {each.job.job_id: (each.gpu_id, each.calls_back) for each in found.placements}


#  h0 [cccccccccccc]  lab is guaranteed one card, and course has borrowed it
def test_a_borrowed_slice_is_called_back_for_an_entitled_job() -> None:
    held = under(LAB, CARDS[0], borrowed("c", "h0"))
    assert placed(plan(held, JOB)) == {"j": ("h0", ("c",))}


def test_nobody_is_called_back_for_a_job_that_is_not_entitled() -> None:
    held = under(LAB, CARDS[0], borrowed("c", "h0"))
    found = plan(held, a_job("j", "course"))
    assert [wait.why.reason for wait in found.waits] == [QueueReason.TOO_LITTLE_IDLE]


def test_a_job_beyond_the_guarantee_calls_nobody_back() -> None:
    held = under(LAB, *CARDS, borrowed("c", "h0"), borrowed("d", "h1"))
    found = plan(held, JOB, a_job("k", "lab", minute=1))
    assert len(found.placements) == 1
    assert [wait.job_id for wait in found.waits] == ["k"]


#  h0 [cccccccccccc]  h1 [            ]  what is free is taken before anybody is called back
def test_a_free_card_of_the_layout_is_taken_before_anybody_is_called_back() -> None:
    text = LAB.replace("H100: 1", "H100: 2")
    held = under(text, *CARDS, borrowed("c", "h0"))
    assert placed(plan(held, JOB, lends_gib=79)) == {"j": ("h1", ())}


def test_two_jobs_of_one_round_have_two_places_and_call_back_each_for_itself() -> None:
    text = LAB.replace("H100: 1", "H100: 2")
    held = under(text, *CARDS, borrowed("c", "h0"), borrowed("d", "h1"))
    found = placed(plan(held, JOB, a_job("k", "lab", minute=1)))
    assert sorted(found.values()) == [("h0", ("c",)), ("h1", ("d",))]


def test_two_small_jobs_of_one_round_share_a_card_and_call_nobody_back_twice() -> None:
    held = under(LAB, CARDS[0], borrowed("c", "h0"))
    small = [a_job(name, "lab", 30, compute_milli=400) for name in ("i", "j")]
    assert placed(plan(held, *small)) == {"i": ("h0", ("c",)), "j": ("h0", ())}


#  h0 [cccccccccccc]  half a card is the lab's, and half the club's: each calls back for itself
def test_jobs_of_two_groups_of_one_round_call_back_on_one_card_what_each_is_due() -> None:
    groups = "groups: {lab: {guaranteed: {H100: 1/2}}, club: {guaranteed: {H100: 1/2}}, course: {}}"
    text = LAB.replace("groups: {lab: {guaranteed: {H100: 1}}, course: {}}", groups)
    halves = [
        notebook(name, "cleo", part(0.5), "h0", group="course", since=n)
        for n, name in enumerate("cd")
    ]
    held = under(text, CARDS[0], *halves)
    jobs = [a_job(group, group, 39, compute_milli=500) for group in ("lab", "club")]
    found = placed(plan(held, *jobs))
    assert sorted(found.values()) == [("h0", ("c",)), ("h0", ("d",))]


#  h0 [LLLLLLLLLLLL]  the group's own slice is there: then its guarantee is full
def test_where_slices_of_the_group_fill_the_guarantee_its_job_waits() -> None:
    own = notebook("n", "ada", part(1), "h0", group="lab")
    held = under(LAB, *CARDS, own, borrowed("c", "h1"))
    assert placed(plan(held, JOB)) == {}


def test_beside_a_slice_of_its_group_a_job_has_what_that_leaves_of_the_guarantee() -> None:
    own = notebook("n", "ada", part(0.5), "h0", group="lab")
    held = under(LAB, CARDS[0], own, notebook("c", "cleo", part(0.5), "h0", group="course"))
    half = a_job("j", "lab", 39, compute_milli=500)
    assert placed(plan(held, half)) == {"j": ("h0", ("c",))}


@pytest.mark.parametrize("why", ["unsuspendable", "lend"])
def test_a_job_has_no_place_where_what_is_there_cannot_leave_or_nothing_is_lent(why: str) -> None:
    text = LAB.replace("interactive: {", "interactive: {lend: false, ") if why == "lend" else LAB
    held = under(text, CARDS[0], borrowed("c", "h0", unsuspendable=why == "unsuspendable"))
    assert placed(plan(held, JOB)) == {}


def test_a_job_on_two_cards_is_not_placed_by_halves() -> None:
    held = under(LAB, *CARDS, borrowed("c", "h0"), borrowed("d", "h1"))
    assert placed(plan(held, a_job("j", "lab", gpus=2))) == {}


#  Once it has its place, nobody is promised that room, nor comes back to it
def with_job(*, entitled: bool) -> Holdings:
    job = job_slice("s", on="h0", amount=part(1), group="lab", entitled=entitled)
    return under(LAB, CARDS[0], borrowed("c", "h0", called_back=True), job)


def test_who_was_called_back_for_a_job_comes_back_when_it_is_over_and_not_before() -> None:
    held = with_job(entitled=True)
    assert back_to_their_place(held) == ()
    held.remove(SliceId("s"))
    assert back_to_their_place(held) == ("c",)
    assert back_to_their_place(with_job(entitled=False)) == ("c",)


def test_who_is_called_back_for_a_job_alone_is_told_from_who_is_for_a_slice() -> None:
    assert called_back_for_jobs(with_job(entitled=True), GpuId("h0")) == {"c"}
    assert called_back_for_jobs(with_job(entitled=False), GpuId("h0")) == frozenset()
    held = with_job(entitled=True)
    held.put(notebook("n", "lena", part(1), "h0", group="lab"))
    assert called_back_for_jobs(held, GpuId("h0")) == frozenset()


def test_of_several_that_are_called_back_those_count_that_would_be_back_together() -> None:
    held = with_job(entitled=True)
    held.put(notebook("d", "dan", part(0.5), "h0", group="course", since=1, called_back=True))
    assert called_back_for_jobs(held, GpuId("h0")) == {"c"}


def wish(group: str, size: str) -> RequestedSlice:
    return RequestedSlice(owner=UserName("new"), groups=(group,), size=size)


def test_nobody_borrows_what_an_entitled_job_has() -> None:
    job = job_slice("s", on="h0", amount=part(1), group="lab", entitled=True)
    assert not isinstance(
        decide_slice(under(LAB, CARDS[0], job), wish("course", "half")), Placement
    )


def test_a_slice_of_the_group_takes_the_place_of_its_job() -> None:
    job = job_slice("s", on="h0", amount=part(1), group="lab", entitled=True)
    found = decide_slice(under(LAB, CARDS[0], job), wish("lab", "whole"))
    assert isinstance(found, Placement)
    assert (found.rank, found.gpu_id, found.calls_back) == (Rank.ENTITLED, "h0", ())


#  h0 [JJJJJJJJJJJJ]  h1 [cccccccccccc]  both are lab's: its slice goes where its job is not
def test_a_slice_of_the_group_goes_where_none_of_its_jobs_is() -> None:
    text = LAB.replace("H100: 1", "H100: 2")
    for card, other in (("h0", "h1"), ("h1", "h0")):
        job = job_slice("s", on=card, amount=part(1), group="lab", entitled=True)
        found = decide_slice(under(text, *CARDS, job, borrowed("c", other)), wish("lab", "whole"))
        assert isinstance(found, Placement)
        assert (found.gpu_id, found.calls_back) == (other, ("c",))


def test_entitled_jobs_are_counted_by_card() -> None:
    held = with_job(entitled=True)
    assert held.load("h0").entitled_jobs == part(1)
    held.put(job_slice("t", on="h0", amount=gib(1), group="lab"))
    held.remove(SliceId("s"))
    assert (held.load("h0").entitled_jobs, held.load("h0").jobs) == (gib(0, 0), gib(1))


#  h0 [aaaaaabbbbbb]  h1 [jjjjjjjjjjjj]  both the lab's: the job makes way, slices would take turns
@pytest.mark.parametrize("overcommit", [1, 2])
def test_a_slice_takes_the_place_of_its_payer_s_job_before_turns_with_its_slices(
    overcommit: int,
) -> None:
    text = LAB.replace("{H100: 1}", "{H100: 2}").replace(
        "overcommit: 1", f"overcommit: {overcommit}"
    )
    halves = [
        notebook(name, name, part(0.5), "h0", group="lab", since=n) for n, name in enumerate("ab")
    ]
    job = job_slice("s", on="h1", amount=part(1), group="lab", entitled=True)
    held = under(text, *CARDS, *halves, job)
    answer = decide_slice(held, RequestedSlice("eve", ("lab",), size="half"))
    assert isinstance(answer, Placement)
    assert (answer.gpu_id, answer.rank) == ("h1", Rank.ENTITLED)
