"""Cases: a running job is charged to another group of its owner's, so that a waiting one starts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.job_queue import QueuePlan
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.reasons.waiting import QueueReason
from sublet_quota.residency.snapshot import Rank

from tests.support.job_cases import a_job, planned, under
from tests.support.quota_cases import H100, L4, NOON, gpu, job_slice, part
from tests.support.spent_budgets import spent

CARDS = (gpu("h0"), gpu("h1", index=1))
TEXT = "groups: {lab: {limit: {H100: 1}}, other: {limit: {H100: 1}}}"
JOB = a_job("j", "lab", owner="bob")


def runs(name: str, *others: str, minute: int = 0, rank: Rank = Rank.BORROWED) -> RunningJob:
    """Ada's job on a whole card at the lab's expense; these groups could pay instead."""
    job = a_job(name, "lab", minute=minute)
    instead = tuple(a_job(name, group, minute=minute) for group in others)
    since = NOON + timedelta(minutes=minute)
    ranked = replace(job, instead=instead, rank=rank)
    return RunningJob(ranked, SliceId(name), H100, "H100", since)


def plan(
    text: str, *running: RunningJob, jobs: tuple[WaitingJob, ...] = (JOB,), held: object = ()
) -> QueuePlan:
    slices = [
        job_slice(each.slice_id, amount=part(1), on=f"h{at}", group="lab")
        for at, each in enumerate(running)
    ]
    others = tuple(each for each in (held,) if isinstance(each, Holding))
    return planned(under(text, *CARDS, *slices, *others), *jobs, running=running)


def outcome(found: QueuePlan) -> dict[str, object]:
    placed = {each.job.job_id: each.recharged for each in found.placements}
    return {**placed, **{wait.job_id: wait.why.reason for wait in found.waits}}


def test_a_running_job_is_charged_to_another_group_of_its_owner_s() -> None:
    assert outcome(plan(TEXT, runs("r", "other"))) == {"j": (("r", "other"),)}


def test_it_happens_only_where_a_limit_is_in_the_way() -> None:
    text = TEXT.replace("lab: {limit: {H100: 1}}", "lab: {limit: {H100: 2}}")
    assert outcome(plan(text, runs("r", "other"))) == {"j": ()}


def test_who_named_a_group_or_has_no_other_is_charged_to_no_other() -> None:
    assert outcome(plan(TEXT, runs("r"))) == {"j": QueueReason.LIMIT_FULL}


def test_a_group_whose_own_limit_is_full_cannot_pay() -> None:
    theirs = job_slice("t", amount=part(1), on="h1", group="other")
    found = plan(TEXT, runs("r", "other"), held=theirs)
    assert outcome(found) == {"j": QueueReason.LIMIT_FULL}


def test_a_group_whose_rights_do_not_let_the_job_run_cannot_pay() -> None:
    running = runs("r", "other")
    there = replace(running.job.instead[0], kinds=frozenset({L4}))
    running = replace(running, job=replace(running.job, instead=(there,)))
    assert outcome(plan(TEXT, running)) == {"j": QueueReason.LIMIT_FULL}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("limit: {cards: 1}, groups: {lab: {}, other: {}}", QueueReason.LIMIT_FULL),
        ("limit: {cards: 2}, groups: {lab: {limit: {cards: 1}}, other: {}}", (("r", "other"),)),
    ],
    ids=["full above both", "full below"],
)
def test_a_limit_of_a_group_above_both_counts_as_before(limits: str, expected: object) -> None:
    assert outcome(plan(f"groups: {{uni: {{{limits}}}}}", runs("r", "other")))["j"] == expected


def test_the_newest_is_charged_elsewhere_first_and_each_once() -> None:
    text = "groups: {lab: {limit: {H100: 2}}, other: {}}"
    running = (runs("old", "other"), runs("new", "other", minute=9))
    assert outcome(plan(text, *running))["j"] == (("new", "other"),)


def test_two_waiting_jobs_let_in_by_one_round_are_let_in_by_two() -> None:
    text = "groups: {lab: {limit: {H100: 1}}, other: {}}"
    small = [a_job(name, "lab", 20, owner="bob", compute_milli=500) for name in ("i", "j", "k")]
    found = outcome(plan(text, runs("r", "other"), jobs=tuple(small)))
    assert found == {"i": (("r", "other"),), "j": (), "k": QueueReason.LIMIT_FULL}


def test_an_entitled_job_is_charged_only_where_it_is_entitled_as_well() -> None:
    lab = "groups: {lab: {guaranteed: {H100: 1}, limit: {H100: 1}}, other: {}}"
    due = runs("r", "other", rank=Rank.ENTITLED)
    assert outcome(plan(lab, due)) == {"j": QueueReason.LIMIT_FULL}
    both = lab.replace("other: {}", "other: {guaranteed: {H100: 1}}")
    assert outcome(plan(both, due)) == {"j": (("r", "other"),)}


def test_what_is_tried_in_vain_changes_nothing() -> None:
    big = a_job("j", "lab", 79, owner="bob")
    found = plan(TEXT, runs("r", "other"), runs("s"), jobs=(big, a_job("k", "other", owner="eve")))
    # Both cards lend, but the lab's limit of one card is full twice over.
    assert outcome(found) == {"j": QueueReason.LIMIT_FULL, "k": ()}


def test_none_is_charged_to_a_group_whose_hours_are_over() -> None:
    text = TEXT.replace("other: {limit: {H100: 1}}", "other: {budget: {hours: 1}}")
    held = under(text, *CARDS, job_slice("r", amount=part(1), on="h0", group="lab"))
    running = (runs("r", "other"),)
    assert outcome(planned(held, JOB, running=running)) == {"j": (("r", "other"),)}
    held.spend(spent(held.document, "other"))
    assert outcome(planned(held, JOB, running=running)) == {"j": QueueReason.LIMIT_FULL}


@pytest.mark.parametrize(("at_end", "starts"), [("no-new", False), ("soft-landing", True)])
def test_a_waiting_job_goes_at_no_group_s_expense_that_lets_in_nothing_new(
    at_end: str, *, starts: bool
) -> None:
    text = TEXT.replace(
        "other: {limit: {H100: 1}}", f"other: {{budget: {{hours: 1, at_end: {at_end}}}}}"
    )
    held = under(text, *CARDS, job_slice("r", amount=part(1), on="h0", group="lab"))
    held.spend(spent(held.document, "other"))
    asked = replace(JOB, instead=(replace(JOB, group=GroupName("other")),))
    found = planned(held, asked)
    assert [each.job.group for each in found.placements] == (["other"] if starts else [])
