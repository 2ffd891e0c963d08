"""Cases: a running job is charged to another group of its owner's, so that a waiting one starts."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.job_queue import QueuePlan
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.reasons.waiting import QueueReason
from sublet_quota.residency.snapshot import Rank

from tests.support.job_cases import a_job, order_of, ordered, planned, under
from tests.support.quota_cases import H100, L4, NOON, gpu, job_slice, notebook, part
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


ONCE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
RIGHTS = ONCE + "groups: {lab: {guaranteed: {H100: 1}}, other: {guaranteed: {H100: 1}}}"


def by_right(text: str, *running: RunningJob, jobs: tuple[WaitingJob, ...]) -> QueuePlan:
    """What comes of jobs in their order where nothing is lent: borrowed slices have all."""
    slices = [
        job_slice(each.slice_id, amount=part(1), on=f"h{at}", group="lab", entitled=at == 0)
        for at, each in enumerate(running)
    ]
    guest = notebook("guest", "eve", part(1), "h1")
    held = under(text, *CARDS, *slices, guest)
    placed = tuple(each.job for each in running)
    have = {each.job_id: ("H100", Fraction(1)) for each in placed}
    return planned(
        held, *ordered(held, *jobs, placed=placed, have=have), lends_gib=0, running=running
    )


def test_a_running_job_is_charged_elsewhere_where_that_makes_a_waiting_one_entitled() -> None:
    due = runs("r", "other", rank=Rank.ENTITLED)
    found = by_right(RIGHTS, due, jobs=(JOB,))
    assert outcome(found) == {"j": (("r", "other"),)}
    (placement,) = found.placements
    assert (placement.job.rank, placement.job.entitled_on) == (Rank.ENTITLED, "H100")
    assert placement.gpu_id == "h1"
    assert placement.calls_back == ("guest",)


@pytest.mark.parametrize(
    ("text", "others", "rank"),
    [
        (RIGHTS, (), Rank.ENTITLED),
        (RIGHTS.replace("other: {guaranteed: {H100: 1}}", "other: {}"), ("other",), Rank.ENTITLED),
        (RIGHTS.replace("lab: {guaranteed: {H100: 1}}", "lab: {}"), ("other",), Rank.BORROWED),
    ],
    ids=["named its group", "the other guarantees nothing", "nothing is guaranteed"],
)
def test_none_is_charged_elsewhere_where_nobody_would_be_entitled_or_somebody_no_more(
    text: str, others: tuple[str, ...], rank: Rank
) -> None:
    found = by_right(text, runs("r", *others, rank=rank), jobs=(JOB,))
    assert outcome(found) == {"j": QueueReason.GPU_KEPT}


def test_a_running_job_that_borrowed_comes_first_where_another_is_charged_elsewhere() -> None:
    due, borrowed = runs("r", "other", rank=Rank.ENTITLED), runs("s", minute=5)
    found = by_right(RIGHTS, due, borrowed, jobs=(JOB,))
    assert outcome(found) == {"j": QueueReason.GPU_KEPT}


def test_of_two_that_wait_for_one_card_one_is_let_in() -> None:
    due = runs("r", "other", rank=Rank.ENTITLED)
    found = by_right(RIGHTS, due, jobs=(JOB, a_job("k", "lab", owner="kim", minute=1)))
    assert outcome(found) == {"j": (("r", "other"),), "k": QueueReason.GPU_KEPT}


def test_what_another_group_guarantees_is_for_its_own_jobs_that_wait_first() -> None:
    due = runs("r", "other", rank=Rank.ENTITLED)
    theirs = a_job("k", "other", owner="kim")
    found = by_right(RIGHTS, due, jobs=(JOB, theirs))
    assert outcome(found) == {"k": QueueReason.GPU_KEPT, "j": QueueReason.BEHIND_OTHERS}


def test_two_running_jobs_are_not_charged_to_one_guarantee_of_one_card() -> None:
    text = (
        "groups: {lab: {guaranteed: {H100: 2}, limit: {H100: 2}}, other: {guaranteed: {H100: 1}}}"
    )
    running = [runs(name, "other", minute=at, rank=Rank.ENTITLED) for at, name in enumerate("rs")]
    cards = (gpu("h2", index=2), gpu("h3", index=3))
    slices = [
        job_slice(each.slice_id, amount=part(1), on=f"h{at}", group="lab", entitled=True)
        for at, each in enumerate(running)
    ]
    jobs = (JOB, a_job("k", "lab", owner="kim", minute=1))
    found = planned(under(text, *CARDS, *cards, *slices), *jobs, running=running)
    assert outcome(found) == {"j": (("s", "other"),), "k": QueueReason.LIMIT_FULL}


GROUPS = ("lab", "other", "third")
PAIRS = st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(GROUPS)), max_size=5)


@given(
    guaranteed=st.tuples(*(st.integers(0, 2) for _ in GROUPS)),
    limit=st.integers(1, 3),
    running=PAIRS,
    waiting=st.lists(st.sampled_from(GROUPS), max_size=4),
    lends_gib=st.sampled_from((0, 1000)),
)
@example(
    guaranteed=(1, 0, 0),
    limit=2,
    running=[("other", "lab"), ("other", "lab"), ("lab", "lab")],
    waiting=["other"],
    lends_gib=1000,
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_charged_elsewhere_nobody_who_was_entitled_is_so_no_more(
    guaranteed: tuple[int, ...],
    limit: int,
    running: list[tuple[str, str]],
    waiting: list[str],
    lends_gib: int,
) -> None:
    groups = (
        f"{name}: {{guaranteed: {{H100: {cards}}}, limit: {{H100: {max(cards, limit)}}}}}"
        for name, cards in zip(GROUPS, guaranteed, strict=True)
    )
    cards = tuple(gpu(f"h{n}", index=n) for n in range(6))
    slices = [
        job_slice(f"r{n}", f"r{n}", amount=part(1), on=f"h{n}", group=group)
        for n, (group, _) in enumerate(running)
    ]
    held = under(f"groups: {{{', '.join(groups)}}}", *cards, *slices)
    jobs = tuple(
        a_job(f"r{n}", group, owner=f"r{n}", minute=n, instead=(a_job(f"r{n}", to, owner=f"r{n}"),))
        for n, (group, to) in enumerate(running)
    )
    have = {job.job_id: ("H100", Fraction(1)) for job in jobs}
    there = order_of(held).placed(jobs, have)
    before = {job.job_id: job.rank for job in there}
    at_work = [
        RunningJob(job, SliceId(job.job_id), H100, "H100", job.submitted_at) for job in there
    ]
    line = tuple(
        a_job(f"w{n}", group, owner=f"w{n}", minute=60 + n) for n, group in enumerate(waiting)
    )
    found = planned(
        held,
        *ordered(held, *line, placed=jobs, have=have),
        lends_gib=lends_gib,
        running=at_work,
    )
    charged = {name: group for each in found.placements for name, group in each.recharged}
    for name, group in charged.items():
        slice_ = held.slice(name)
        assert slice_ is not None
        held.put(replace(slice_, group=group))
    new = tuple(each.job for each in found.placements)
    for each in found.placements:
        amount, gpu_id = part(1), each.gpu_id
        held.put(job_slice(each.job.job_id, amount=amount, on=gpu_id, group=each.job.group))
    after = tuple(replace(job, group=charged.get(SliceId(job.job_id), job.group)) for job in jobs)
    have |= {job.job_id: ("H100", Fraction(1)) for job in new}
    then = {job.job_id: job.rank for job in order_of(held).placed((*after, *new), have)}
    promised = before | {job.job_id: job.rank for job in new}
    assert all(then[job_id] <= rank for job_id, rank in promised.items())


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
