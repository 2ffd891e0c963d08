"""Limits of running jobs: what they count, and what a job is told that waits for one."""

from dataclasses import replace

import pytest
from sublet_quota.jobs.job_queue import QueuePlan
from sublet_quota.reasons.waiting import QueueReason, queue_clause

from tests.support.job_cases import a_job, ordered, planned, under
from tests.support.quota_cases import H100, L4, gpu, job_slice, notebook, part

CARDS = (gpu("h0", H100), gpu("h1", H100, index=1), gpu("l0", L4, index=2))
JOB = a_job("j", "lab", gpu_type="H100")


def waits(plan: QueuePlan) -> dict[str, str]:
    return {wait.job_id: queue_clause(wait.why) for wait in plan.waits}


FULL = {
    "slices and jobs count together": (
        "lab: {limit: {H100: 2}}",
        "group 'lab' has 2 cards of H100 and may have 2 cards of H100 (groups.lab.limit.H100, line",
    ),
    "all types": ("lab: {limit: {cards: 2}}", "group 'lab' has 2 cards and may have 2 cards"),
    "memory": ("lab: {limit: {memory: 200 GiB}}", "has 158 GiB and may have 200 GiB"),
    "each card of a job is a slice": ("lab: {limit: {slices: 2}}", "has 2 slices and may have 2"),
    "jobs apart": ("lab: {limit: {cards: 9}, jobs: {limit: {cards: 1}}}", "has 1 card and may"),
    "a group above": ("uni: {limit: {cards: 2}, groups: {lab: {}}}", "group 'uni' has 2 cards"),
    "a person's": ("lab: {each: {limit: {cards: 2}}}", "its owner has 2 cards and may have 2"),
    "a person's jobs": ("lab: {each: {jobs: {limit: {cards: 1}}}}", "its owner has 1 card and"),
}
ROOM = {
    "jobs apart from slices": "lab: {limit: {cards: 1}, jobs: {limit: {cards: 2}}}",
    "a person's jobs apart": "lab: {each: {limit: {cards: 1}, jobs: {limit: {cards: 2}}}}",
    "enough": "lab: {limit: {H100: 3, cards: 3, slices: 3}}",
    "of another type": "lab: {limit: {L4: 0}}",
}
HELD = (notebook("n", "ada", part(1), "h0", group="lab"), job_slice("s", on="h0", group="lab"))


@pytest.mark.parametrize("name", FULL)
def test_a_job_waits_for_a_limit_that_is_full_and_is_told_whose(name: str) -> None:
    text, words = FULL[name]
    plan = planned(under(f"groups: {{{text}}}", *CARDS, *HELD), JOB)
    assert words in waits(plan)["j"]
    assert plan.waits[0].why.reason is QueueReason.LIMIT_FULL


@pytest.mark.parametrize("name", ROOM)
def test_a_job_starts_that_passes_no_limit(name: str) -> None:
    assert not planned(under(f"groups: {{{ROOM[name]}}}", *CARDS, *HELD), JOB).waits


def test_four_slices_that_nobody_wrote_down_bound_no_jobs() -> None:
    slices = [notebook(f"n{n}", "ada", part(0.1), "h0") for n in range(4)]
    assert not planned(under("", *CARDS, *slices), a_job("j", gpu_type="H100")).waits


BACK = replace(job_slice("back", "ada", on="h0", group="lab"), held_back=True)
ADA_S = notebook("n", "ada", part(1), "h0", group="lab")


@pytest.mark.parametrize(
    ("limit", "size", "begins"),
    [
        pytest.param(2, 1, True, id="it waits for room of its owner's, and has it in the group"),
        pytest.param(1.5, 0.5, False, id="it waits for room in the group, and comes first"),
        pytest.param(3, 1, True, id="there is room for both"),
    ],
)
def test_a_job_that_is_held_back_counts_nothing_where_it_does_not_wait_for_room(
    limit: float, size: float, *, begins: bool
) -> None:
    text = f"groups: {{lab: {{limit: {{cards: {limit}}}, each: {{limit: {{cards: 1}}}}}}}}"
    milli = int(1000 * size)
    asked = a_job("j", "lab", 1, owner="bob", gpu_type="H100", compute_milli=milli)
    plan = planned(under(text, *CARDS, ADA_S, BACK), asked)
    assert not plan.waits if begins else plan.waits[0].why.reason is QueueReason.LIMIT_FULL


def test_what_one_round_places_counts() -> None:
    held = under("groups: {lab: {limit: {H100: 1}}}", *CARDS)
    plan = planned(held, a_job("i", "lab", gpu_type="H100"), JOB)
    assert [p.job.job_id for p in plan.placements] == ["i"]
    assert plan.waits[0].why.reason is QueueReason.LIMIT_FULL


def test_a_job_goes_to_a_type_of_which_its_limit_has_room() -> None:
    held = under("groups: {lab: {limit: {H100: 0}}}", *CARDS)
    assert planned(held, a_job("j", "lab", 20)).placements[0].gpu_id == "l0"


def test_no_gpu_is_kept_for_a_job_that_waits_for_a_limit() -> None:
    held = under("groups: {lab: {limit: {H100: 1}}}", *CARDS, *HELD)
    plan = planned(held, a_job("i", "lab", gpu_type="H100"), a_job("j", gpu_type="H100"))
    assert [p.job.job_id for p in plan.placements] == ["j"]


QUARTER = job_slice("q", "bob", part(0.25), "h0", group="lab")
KEPT = {
    "a group's": "lab: {limit: {cards: 1}}",
    "a group's of jobs alone": "lab: {jobs: {limit: {H100: 1}}}",
    "that of a group above": "uni: {limit: {memory: 79 GiB}, groups: {lab: {}}}",
    "a person's": "lab: {each: {limit: {cards: 1}}}",
}


@pytest.mark.parametrize("name", KEPT)
def test_small_jobs_do_not_starve_a_large_one_below_a_limit(name: str) -> None:
    held = under(f"groups: {{{KEPT[name]}}}", *CARDS, QUARTER)
    small = a_job("small", "lab", 20, owner="bob", gpu_type="H100", compute_milli=250, minute=1)
    assert not planned(held, small).waits, "beside no other there is room for it"
    plan = planned(held, a_job("large", "lab", owner="bob", gpu_type="H100"), small)
    assert [(each.job_id, each.why.reason) for each in plan.waits] == [
        ("large", QueueReason.LIMIT_FULL),
        ("small", QueueReason.LIMIT_FULL),
    ]
    assert "has 0.25 card" in waits(plan)["small"] or "has 19.8 GiB" in waits(plan)["small"]
    assert "what is left is kept for jobs before it: it begins after those" in waits(plan)["small"]


def test_a_full_limit_is_kept_from_those_alone_whom_it_counts() -> None:
    text = "groups: {lab: {limit: {H100: 1}, groups: {nlp: {}}}, law: {}}"
    large = a_job("large", "nlp", gpu_type="H100")
    others = (
        a_job("other", "law", 20, gpu_type="H100", compute_milli=250),
        a_job("type", "lab", 20, owner="eve", gpu_type="L4", compute_milli=250),
    )
    held = under(text, *CARDS, replace(QUARTER, group="nlp"))
    plan = planned(held, large, *others)
    assert [each.job.job_id for each in plan.placements] == ["other", "type"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("lab: {limit: {cards: 1/2}}", id="less than it asks for"),
        pytest.param("lab: {limit: {cards: 1.5}}", id="notebooks have too much of it"),
    ],
)
def test_nothing_is_kept_below_a_limit_for_a_job_that_jobs_make_no_room_for(text: str) -> None:
    notebooks = notebook("n", "eve", part(0.75), "h1", group="lab")
    cards = CARDS if "1/2" in text else (*CARDS, notebooks)
    held = under(f"groups: {{{text}}}", *cards, QUARTER)
    small = a_job("small", "lab", 19, owner="cy", gpu_type="H100", compute_milli=250)
    plan = planned(held, a_job("large", "lab", gpu_type="H100"), small)
    assert [each.job.job_id for each in plan.placements] == ["small"]


def test_who_waits_for_a_limit_of_their_own_keeps_nothing_of_their_groups() -> None:
    text = "groups: {lab: {limit: {cards: 1}, each: {limit: {cards: 1}}}}"
    held = under(text, *CARDS, replace(QUARTER, owner="ada"))
    plan = planned(
        held,
        a_job("large", "lab", gpu_type="H100"),
        a_job("other", "lab", 20, owner="bob", gpu_type="H100", compute_milli=250),
        a_job("own", "lab", 20, gpu_type="H100", compute_milli=250),
    )
    assert [each.job.job_id for each in plan.placements] == ["other"]
    assert "its owner has 0.25 card" in waits(plan)["own"]


def test_room_below_a_limit_is_left_for_who_waits_for_a_card() -> None:
    text = "groups: {lab: {limit: {cards: 1}}, law: {}}"
    held = under(
        text, gpu("h0", H100), gpu("l0", L4, index=1), job_slice("s", "eve", part(0.5), "h0")
    )
    small = a_job("small", "lab", 10, owner="bob", gpu_type="L4", compute_milli=250)
    large = a_job("large", "lab", gpu_type="H100")
    plan = planned(held, large, small, lends_gib=40)
    assert [each.why.reason for each in plan.waits] == [
        QueueReason.GPU_KEPT,
        QueueReason.LIMIT_FULL,
    ]
    assert "group 'lab' has 0 cards and may have 1 card" in waits(plan)["small"]


def test_what_is_within_a_guarantee_begins_whatever_is_kept_for_others() -> None:
    due = "guaranteed: {H100: 1/4}"
    text = f"{{{due}, limit: {{H100: 1}}, groups: {{lab: {{}}, law: {{{due}}}}}}}"
    held = under(f"groups: {{uni: {text}}}", gpu("h0", H100), QUARTER)
    jobs = (
        a_job("large", "lab", gpu_type="H100"),
        a_job("due", "law", 19, owner="cy", gpu_type="H100", compute_milli=250),
    )
    due = ordered(held, *jobs)
    assert [each.job_id for each in due] == ["due", "large"]
    plan = planned(held, due[1], due[0])
    assert [each.job.job_id for each in plan.placements] == ["due"]


def test_another_group_pays_for_who_named_none_where_that_lets_the_job_in() -> None:
    held = under("groups: {lab: {limit: {H100: 1}}, course: {}}", *CARDS, *HELD)
    job = a_job("j", "lab", gpu_type="H100", instead=(a_job("j", "course", gpu_type="H100"),))
    assert planned(held, job).placements[0].job.group == "course"


def test_entitled_jobs_go_to_cards_of_the_type_that_they_are_due() -> None:
    held = under("groups: {lab: {guaranteed: {H100: 1}}}", *CARDS)
    jobs = ordered(held, a_job("i", "lab", 20), a_job("j", "lab", 20, minute=1))
    placed = planned(held, *jobs).placements
    assert [(each.job.job_id, each.gpu_id) for each in placed] == [("i", "h0"), ("j", "l0")]


def test_who_waits_behind_others_is_told_whose_jobs() -> None:
    held = under("groups: {lab: {}, law: {}}", gpu("h0", H100), job_slice("s", on="h0"))
    large = a_job("large", "law", gpu_type="H100")
    plan = planned(held, large, a_job("small", "lab", 40, gpu_type="H100"), lends_gib=20)
    assert "kept for jobs of 'law' before it" in waits(plan)["small"]
