"""What another document would make of jobs, and of what people may have."""

from dataclasses import replace
from fractions import Fraction

from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.names.ids import GpuId, JobId, SliceId
from sublet_quota.preview.beyond import Beyond
from sublet_quota.preview.present_state import (
    JobsNow,
)
from sublet_quota.reasons.waiting import QueueReason
from sublet_quota.shares.limits import LimitKind

from tests.support.job_cases import a_job
from tests.support.preview_cases import TWO_CARDS, TYPE, limited, person, previewed, under
from tests.support.quota_cases import (
    H100,
    NOON,
    gpu,
    holdings,
    job_slice,
    notebook,
    part,
)


def test_jobs_that_have_a_limit_apart_are_compared_with_that() -> None:
    held = holdings(
        TYPE + "groups: {a: {}}\n",
        *TWO_CARDS,
        job_slice("j", amount=part(1), group="a"),
        job_slice("k", "bob", part(1), "gpu-1", group="a"),
    )
    text = f"{TYPE}groups: {{a: {{limit: {{H100: 1}}, jobs: {{limit: {{cards: 1}}}}}}}}\n"
    (excess,) = previewed(held, text).beyond
    assert (excess.what, excess.kind, excess.held) == (Beyond.JOB_LIMIT, LimitKind.CARDS, 2)


JOBS = JobsNow(
    waiting=(a_job("j", "a", 40), a_job("k", "b", 40, owner="bob", minute=1)),
    lendable_mib={GpuId("gpu-0"): 50 * 1024},
)


def test_the_job_that_would_be_started_and_the_one_that_would_wait_on_are_told() -> None:
    held = holdings(TYPE + "groups: {a: {}, b: {}}\n", gpu())
    preview = previewed(held, under({"b": 1}, "  a: {}\n"), jobs=JOBS)
    told = {each.job_id: (each.starts, each.after and each.after.reason) for each in preview.jobs}
    assert told == {"k": (True, None), "j": (False, QueueReason.GPU_KEPT)}


def test_a_job_whose_limit_was_full_would_be_started() -> None:
    held = holdings(limited("cards", "1/4"), gpu())
    jobs = JobsNow(waiting=JOBS.waiting[:1], lendable_mib=JOBS.lendable_mib)
    (change,) = previewed(held, limited("cards", 1), jobs=jobs).jobs
    assert change.starts
    assert change.before is not None
    assert change.before.reason is QueueReason.LIMIT_FULL


def test_a_job_whose_type_is_taken_away_would_wait_for_ever() -> None:
    held = holdings(TYPE + "groups: {a: {}}\n", gpu())
    jobs = JobsNow(waiting=JOBS.waiting[:1], lendable_mib=JOBS.lendable_mib)
    text = f"{TYPE}groups: {{a: {{jobs: {{types: []}}}}}}\n"
    (change,) = previewed(held, text, jobs=jobs).jobs
    assert change.after is not None
    assert (change.before, change.after.reason) == (None, QueueReason.NOT_ALLOWED)


ELSEWHERE = "groups: {{a: {{limit: {{H100: 1}}}}, b: {{{}}}}}\n"


def runs(name: str, *others: str, card: str = "gpu-0") -> JobsNow:
    """A job on a whole card that waits at a's expense, and one of ada's that runs at it.

    The other groups could pay for the latter.
    """
    waits = a_job("j", "a", owner="bob")
    job = replace(a_job(name, "a"), instead=tuple(a_job(name, group) for group in others))
    return JobsNow(
        waiting=(waits,),
        placed=(job,),
        held={job.job_id: ("H100", Fraction(1))},
        rechargeable=(RunningJob(job, SliceId(name), H100, "H100", NOON),),
        lendable_mib={GpuId(card): 0, GpuId("gpu-1"): H100.usable_mib},
    )


def test_a_job_that_runs_fills_a_guarantee_of_its_type_by_whatever_name() -> None:
    running = replace(job_slice("r", amount=part(1), group="a"), job_id=JobId("r"))
    of_b = notebook("n", "ben", part(1), "gpu-1", group="b")
    held = holdings(TYPE + "groups: {a: {}, b: {}}\n", *TWO_CARDS, running, of_b)
    jobs = replace(runs("r"), lendable_mib={GpuId("gpu-0"): 0, GpuId("gpu-1"): 0})
    groups = "groups: {a: {guaranteed: {%s: 1}}, b: {}}\n"
    for name in ("H100", "BIG"):
        text = TYPE.replace("H100:", f"{name}:") + groups % name
        assert previewed(held, text, jobs=jobs).jobs == ()


def test_what_is_held_back_is_not_beyond_a_limit_that_would_be_less() -> None:
    back = replace(job_slice("r", amount=part(1), group="a"), job_id=JobId("r"), held_back=True)
    held = holdings(limited("H100", 2), *TWO_CARDS, notebook("n", group="a"), back)
    assert previewed(held, limited("H100", 1)).beyond == ()


def test_a_job_would_be_started_as_another_group_may_pay_for_one_that_runs() -> None:
    running = job_slice("r", amount=part(1), group="a")
    held = holdings(TYPE + ELSEWHERE.format("limit: {H100: 0}"), *TWO_CARDS, running)
    (change,) = previewed(held, TYPE + ELSEWHERE.format(""), jobs=runs("r", "b")).jobs
    assert (change.job_id, change.starts) == ("j", True)
    assert change.before is not None
    assert change.before.reason is QueueReason.LIMIT_FULL


def test_a_job_would_wait_as_the_one_that_runs_would_be_guaranteed_where_it_is() -> None:
    running = job_slice("r", amount=part(1), group="a")
    held = holdings(TYPE + ELSEWHERE.format(""), *TWO_CARDS, running)
    text = TYPE + "groups: {a: {guaranteed: {H100: 1}, limit: {H100: 1}}, b: {}}\n"
    (change,) = previewed(held, text, jobs=runs("r", "b")).jobs
    assert (change.before, change.starts) == (None, False)


def test_a_job_would_wait_as_no_other_group_may_pay_for_one_that_runs() -> None:
    running = job_slice("r", amount=part(1), group="a")
    held = holdings(TYPE + ELSEWHERE.format(""), *TWO_CARDS, running)
    text = TYPE + ELSEWHERE.format("jobs: {types: []}")
    (change,) = previewed(held, text, jobs=runs("r", "b")).jobs
    assert (change.before, change.starts) == (None, False)


def test_rights_that_would_be_others_are_told_with_whom_they_concern() -> None:
    held = holdings(TYPE + "groups: {a: {}, b: {}}\n", gpu())
    people = (person("ada", "a"), person("abe", "a"), person("bob", "b"))
    text = f"{TYPE}groups: {{a: {{each: {{limit: {{cards: 2}}}}}}, b: {{}}}}\n"
    (change,) = previewed(held, text, people).rights
    assert (change.right, change.before, change.after) == ("limit of cards", "no limit", "2 cards")
    assert change.people == ("abe", "ada")


def test_the_rights_of_a_group_that_goes_are_told_as_one() -> None:
    held = holdings(TYPE + "groups: {a: {}, b: {}}\n", gpu())
    people = (person("ada", "a", "b"), person("abe", "a", "b"))
    (change,) = previewed(held, f"{TYPE}groups: {{b: {{}}}}\n", people).rights
    assert (change.group, change.right) == ("a", "all that is charged to it")
    assert (change.before, change.after, change.people) == ("yes", None, ("abe", "ada"))
