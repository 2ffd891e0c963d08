"""Who pays for a job once its owner has left the group that paid."""

from dataclasses import replace

import pytest
from sublet_quota.jobs.payers.left_group import payer_of_running, payer_of_waiting
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.names.ids import SliceId

from tests.support.job_cases import a_job, under
from tests.support.quota_cases import H100, L4, NOON, gpu, job_slice, part
from tests.support.spent_budgets import spent

TEXT = """
groups:
  left: {guaranteed: {H100: 1}}
  full: {jobs: {limit: {slices: 1}}}
  plain: {}
  promised: {guaranteed: {H100: 1}}
  over: {budget: {hours: 1}}
"""
CARDS = (gpu("a"), gpu("b", index=1), gpu("c", index=2))
MINE = job_slice("mine", amount=part(1), on="a", group="left")
OTHER = job_slice("other", "ben", part(1), "b", group="full")


def running(*still: str) -> RunningJob:
    instead = tuple(a_job("mine", group) for group in still)
    job = replace(a_job("mine", "left"), instead=instead)
    return RunningJob(job, SliceId("mine"), H100, "H100", NOON)


@pytest.mark.parametrize(
    ("still", "pays"),
    [
        ((), None),
        (("full",), None),
        (("plain",), "plain"),
        (("full", "plain"), "plain"),
        (("plain", "promised"), "promised"),
        (("over", "plain"), "plain"),
        (("over",), "over"),
        (("forgotten",), None),
    ],
)
def test_another_group_pays_within_its_limits_one_that_is_guaranteed_the_job_first(
    still: tuple[str, ...], pays: str | None
) -> None:
    held = under(TEXT, *CARDS, MINE, OTHER)
    held.spend(spent(held.document, "over"))
    assert payer_of_running(held, running(*still)) == pays


def test_a_limit_above_both_groups_does_not_count_the_job_twice() -> None:
    text = "groups: {uni: {limit: {cards: 1}, groups: {left: {}, right: {}}}}"
    assert payer_of_running(under(text, *CARDS, MINE), running("right")) == "right"


def test_a_group_whose_rights_do_not_let_the_job_run_does_not_pay_for_what_runs() -> None:
    job = running("plain")
    there = replace(job.job.instead[0], kinds=frozenset({L4}))
    job = replace(job, job=replace(job.job, instead=(there,)))
    assert payer_of_running(under(TEXT, *CARDS, MINE), job) is None


def test_who_waits_is_charged_where_rights_let_the_job_run_and_a_guarantee_is_left() -> None:
    held = under(TEXT, *CARDS)
    kinds = open_kinds(held)
    plain, promised = a_job("j", "plain"), a_job("j", "promised")
    job = a_job("j", "left", instead=(plain, promised))
    assert payer_of_waiting(held, job, kinds) == "promised"
    nowhere = replace(promised, kinds=frozenset())
    assert payer_of_waiting(held, replace(job, instead=(plain, nowhere)), kinds) == "plain"
    assert payer_of_waiting(held, replace(job, instead=(nowhere,)), kinds) == "promised"
    assert payer_of_waiting(held, replace(job, instead=()), kinds) is None
