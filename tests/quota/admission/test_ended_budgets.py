"""What may still be had once a budget is over: likewise as borrowed, or nothing new."""

from textwrap import dedent

import pytest
from sublet_quota.budgets.standing import NOTHING_SPENT
from sublet_quota.jobs.job_admission import AdmittedJob, admit_job
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.job_cases import a_job, names, ordered
from tests.support.quota_cases import NOON, gpu, job_slice
from tests.support.spent_budgets import spent

GROUPS = dedent(
    """
    gpu_types: {H100: {match: '*H100*'}}
    groups:
      lab:
        guaranteed: {H100: 2}
        budget: {hours: 10, per: month, at_end: AT_END, each: {hours: 2.5}}
      other: {}
    """
)


def hub(at_end: str, *over: str, cards: int = 1) -> SmallHub:
    text = PARTS + GROUPS.replace("AT_END", at_end)
    made = SmallHub.under(text, *(gpu(f"c{n}", index=n) for n in range(cards)))
    made.holdings.spend(spent(made.holdings.document, *over))
    return made


def test_a_soft_landing_lets_in_what_is_borrowed_then() -> None:
    small = hub("soft-landing", "lab")
    answer = small.ask("ada", "lab", size="half")
    assert isinstance(answer, Placement)
    assert small.rank("ada") is Rank.BORROWED


def test_what_landed_softly_makes_way_for_whoever_wants_its_room() -> None:
    small = hub("soft-landing", "lab")
    for number in range(8):
        assert isinstance(small.ask(f"u{number}", "lab", size="half"), Placement) or number > 3
    assert isinstance(small.ask("eve", "other", size="half"), Placement)


@pytest.mark.parametrize(
    ("over", "words", "minutes"),
    [
        (
            "lab",
            (
                "Group 'lab' has spent its budget of 10 h (groups.lab.budget.hours, line 12), and "
                "nothing new is let in. There are hours again at 2026-12-01 00:00 UTC."
            ),
            600,
        ),
        (
            "lab/ada",
            (
                "'ada' has spent the budget of 2.5 h in group 'lab' (groups.lab.budget.each.hours, "
                "line 12), and nothing new is let in. There are hours again at 2026-12-01 00:00 "
                "UTC."
            ),
            150,
        ),
    ],
)
def test_no_new_refuses_and_tells_when_there_are_hours_again(
    over: str, words: str, minutes: int
) -> None:
    answer = hub("no-new", over).ask("ada", "lab", size="half")
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.BUDGET_SPENT
    assert answer.message == words
    assert answer.numbers == {"budget_minutes": minutes}
    assert answer.why is not None
    assert (answer.why.rule, answer.why.group) == (Rule.BUDGET, "lab")


def test_another_group_of_theirs_pays_then() -> None:
    answer = hub("no-new", "lab").ask("ada", "lab", "other", size="half")
    assert isinstance(answer, Placement)
    assert answer.group == "other"


@pytest.mark.parametrize("lot", range(4))
def test_of_two_groups_one_pays_whose_budget_is_not_over(lot: int) -> None:
    answer = hub("soft-landing", "lab").ask("ada", "lab", "other", size="half", lot=lot)
    assert isinstance(answer, Placement)
    assert answer.group == "other"


def test_a_persons_budget_keeps_nobody_else_out() -> None:
    small = hub("no-new", "lab/ada")
    assert isinstance(small.ask("eve", "lab", size="half"), Placement)
    assert small.rank("eve") is Rank.ENTITLED


@pytest.mark.parametrize(("at_end", "refused"), [("no-new", True), ("soft-landing", False)])
def test_jobs_obey_the_same_end(at_end: str, *, refused: bool) -> None:
    small = hub(at_end, "lab")
    answer = admit_job(small.holdings, RequestedJob("ada", ("lab",)), JobCounts(), NOON)
    if refused:
        assert isinstance(answer, Refusal)
        assert answer.reason is RefusalReason.BUDGET_SPENT
        assert "There are hours again at 2026-12-01 00:00 UTC." in answer.message
    else:
        assert isinstance(answer, AdmittedJob)


def test_a_waiting_job_of_a_spent_budget_comes_after_all_others_and_is_due_nothing() -> None:
    small = hub("soft-landing", "lab/ada", cards=2)
    jobs = ordered(
        small.holdings,
        a_job("spent", "lab", owner="ada", minute=0),
        a_job("other", "other", owner="eve", minute=2),
        a_job("due", "lab", owner="eve", minute=3),
    )
    assert names(jobs) == "due other spent"
    assert [job.rank for job in jobs] == [Rank.ENTITLED, Rank.BORROWED, Rank.BORROWED]


@pytest.mark.parametrize("lot", range(2))
def test_what_is_spent_fills_no_guarantee_that_somebody_elses_job_is_due(lot: int) -> None:
    small = hub("soft-landing", "lab/ada", cards=3)
    for number in range(2):
        small.holdings.put(job_slice(f"j{number}", on=f"c{number}", group="lab"))
    wish = RequestedJob("eve", ("lab", "other"), lot=lot)
    answer = admit_job(small.holdings, wish, JobCounts(), NOON)
    assert isinstance(answer, AdmittedJob)
    assert answer.group == "lab"
    assert small.holdings.jobs_held(NodeName("lab")).cards == {"H100": 2}


def test_a_job_fills_the_guarantee_again_once_there_are_hours_again() -> None:
    small = hub("soft-landing", "lab/ada", cards=3)
    held, lab = small.holdings, NodeName("lab")
    held.put(job_slice("j0", on="c0", group="lab"))
    assert held.jobs_filling(lab, "H100") == 0
    held.spend(NOTHING_SPENT)
    assert held.jobs_filling(lab, "H100") == 1
    held.spend(spent(held.document, "lab"))
    assert held.jobs_filling(lab, "H100") == 0
    held.remove(SliceId("j0"))
    assert held.jobs_filling(lab, "H100") == 0
