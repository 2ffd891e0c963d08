"""The order of waiting jobs: priority, then who used least for their weight, then age."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.fair_share import (
    NO_PAST_USE,
    JobRun,
    PastUse,
    WaitingJob,
    gpus_held,
    order_jobs,
    past_use,
)
from sublet_quota.names.ids import JobId, UserName

from tests.support.quota_cases import H100, NOON, document


def job(
    name: str,
    owner: str = "ada",
    *groups: str,
    priority: int = 0,
    minute: int = 0,
    gpus: int = 1,
) -> WaitingJob:
    return WaitingJob(
        job_id=JobId(name),
        owner=UserName(owner),
        groups=groups,
        memory_mib=None,
        compute_milli=1000,
        gpu_type=None,
        priority=priority,
        submitted_at=NOON + timedelta(minutes=minute),
        gpus=gpus,
    )


@dataclass(frozen=True)
class Case:
    jobs: tuple[WaitingJob, ...]
    order: str
    past: PastUse = NO_PAST_USE
    document: str = ""


CASES = {
    "the oldest first": Case((job("b", minute=2), job("a", minute=1)), "a b"),
    "equally old ones by name": Case((job("b"), job("a")), "a b"),
    "a higher priority before an older one": Case(
        (job("old"), job("urgent", minute=9, priority=5)), "urgent old"
    ),
    "who used less before an older one": Case(
        (job("a", "ada"), job("b", "bob", minute=9)), "b a", PastUse({"ada": 100.0}, {})
    ),
    "a lower priority stays behind, however little its owner used": Case(
        (job("a", "ada", priority=1), job("b", "bob")), "a b", PastUse({"ada": 1e9}, {})
    ),
    "use is weighed": Case(
        (job("a", "ada"), job("b", "bob")),
        "a b",
        PastUse({"ada": 100.0, "bob": 60.0}, {}),
        "users: {ada: {weight: 2}}",
    ),
    "groups come before users": Case(
        (job("a", "ada", "big"), job("b", "bob", "small")),
        "b a",
        PastUse({"bob": 50.0}, {"big": 100.0, "small": 50.0}),
        "groups: {big: {}, small: {}}",
    ),
    "groups are weighed": Case(
        (job("a", "ada", "big"), job("b", "bob", "small")),
        "a b",
        PastUse({}, {"big": 100.0, "small": 50.0}),
        "groups: {big: {weight: 4}, small: {}}",
    ),
    "of several groups the one that used least counts": Case(
        (job("a", "ada", "busy", "calm"), job("b", "bob", "busy")),
        "a b",
        PastUse({}, {"busy": 100.0}),
        "groups: {busy: {}, calm: {}}",
    ),
    "one's many jobs do not all come before another's": Case(
        (
            job("a1", "ada", minute=1),
            job("a2", "ada", minute=2),
            job("a3", "ada", minute=3),
            job("b1", "bob", minute=4),
            job("b2", "bob", minute=5),
        ),
        "a1 b1 a2 b2 a3",
    ),
    "a job on several GPUs counts as so many": Case(
        (
            job("a1", "ada", minute=1, gpus=2),
            job("a2", "ada", minute=2),
            job("b1", "bob", minute=3),
            job("b2", "bob", minute=4),
        ),
        "a1 b1 b2 a2",
    ),
    "a group's many users do not all come before another group's": Case(
        (
            job("a", "ada", "big", minute=1),
            job("b", "bob", "big", minute=2),
            job("c", "cyd", "big", minute=3),
            job("z", "zoe", "small", minute=4),
        ),
        "a z b c",
        document="groups: {big: {}, small: {}}",
    ),
    "who is in no group stands beside the groups": Case(
        (
            job("a", "ada", "big", minute=1),
            job("b", "bob", "big", minute=2),
            job("y", "yan", minute=3),
            job("z", "zoe", minute=4),
        ),
        "a y z b",
        document="groups: {big: {}}",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_jobs_come_in_this_order(name: str) -> None:
    case = CASES[name]
    ordered = order_jobs(document(case.document), case.jobs, case.past)
    assert " ".join(job.job_id for job in ordered) == case.order


many = st.lists(
    st.builds(
        lambda n, owner, groups, priority, minute: job(
            f"j{n}", owner, *groups, priority=priority, minute=minute
        ),
        st.integers(0, 10**6),
        st.sampled_from(["ada", "bob", "cyd", "dan"]),
        st.sampled_from([(), ("lab",), ("club",), ("lab", "club")]),
        st.integers(-1, 1),
        st.integers(0, 60),
    ),
    unique_by=lambda job: job.job_id,
    max_size=30,
)
past_uses = st.builds(
    PastUse,
    st.dictionaries(st.sampled_from(["ada", "bob", "cyd"]), st.floats(0, 1e6)),
    st.dictionaries(st.sampled_from(["lab", "club"]), st.floats(0, 1e6)),
)
GROUPS = document("groups: {lab: {weight: 2}, club: {}}")


@given(many, past_uses, st.randoms(use_true_random=False))
def test_every_job_has_one_place_and_it_does_not_depend_on_how_they_were_told(
    jobs: list[WaitingJob], past: PastUse, random
) -> None:
    ordered = order_jobs(GROUPS, jobs, past)
    assert sorted(j.job_id for j in ordered) == sorted(j.job_id for j in jobs)
    random.shuffle(jobs)
    assert order_jobs(GROUPS, jobs, past) == ordered
    assert [j.priority for j in ordered] == sorted((j.priority for j in jobs), reverse=True)


@given(many, past_uses)
def test_of_one_owners_jobs_of_one_priority_the_older_comes_first(
    jobs: list[WaitingJob], past: PastUse
) -> None:
    same_groups = [j for j in jobs if j.groups == ("lab",)]
    ordered = order_jobs(GROUPS, same_groups, past)
    for owner in ("ada", "bob", "cyd", "dan"):
        theirs = [j for j in ordered if j.owner == owner]
        assert theirs == sorted(theirs, key=lambda j: (-j.priority, j.submitted_at, j.job_id))


HALF_LIFE = document("fair_share: {half_life: 1h}")


@dataclass(frozen=True)
class Run:
    began_h: float
    ended_h: float | None
    gpus: float = 1.0
    groups: tuple[str, ...] = field(default=())

    def made(self) -> JobRun:
        ended = None if self.ended_h is None else NOON + timedelta(hours=self.ended_h)
        began = NOON + timedelta(hours=self.began_h)
        return JobRun(UserName("ada"), self.groups, self.gpus, began, ended)


def used_by_ada(*runs: Run, at_h: float = 0) -> float:
    past = past_use(HALF_LIFE, [run.made() for run in runs], NOON + timedelta(hours=at_h))
    return past.users.get(UserName("ada"), 0.0)


def test_what_was_used_just_now_counts_nearly_in_full() -> None:
    assert used_by_ada(Run(-0.001, 0)) == pytest.approx(3.6, rel=1e-3)


def test_use_counts_half_after_the_half_life() -> None:
    fresh = used_by_ada(Run(-1, 0))
    assert used_by_ada(Run(-1, 0), at_h=1) == pytest.approx(fresh / 2)
    assert used_by_ada(Run(-1, 0), at_h=2) == pytest.approx(fresh / 4)


def test_a_job_that_still_runs_counts_until_now() -> None:
    assert used_by_ada(Run(-1, None)) == pytest.approx(used_by_ada(Run(-1, 0)))


def test_two_halves_of_a_run_count_like_the_whole() -> None:
    whole = used_by_ada(Run(-3, -1))
    assert used_by_ada(Run(-3, -2), Run(-2, -1)) == pytest.approx(whole)


def test_half_a_gpu_counts_half() -> None:
    assert used_by_ada(Run(-1, 0, gpus=0.5)) == pytest.approx(used_by_ada(Run(-1, 0)) / 2)


def test_runs_that_have_not_begun_or_ended_before_they_began_count_nothing() -> None:
    assert used_by_ada(Run(1, None), Run(0.5, 0.25)) == 0


def test_use_counts_for_the_groups_that_the_document_knows() -> None:
    run = JobRun(UserName("ada"), ("lab", "strangers"), 1.0, NOON - timedelta(hours=1), NOON)
    assert set(past_use(GROUPS, [run], NOON).groups) == {"lab"}


def test_a_job_keeps_the_part_of_the_gpu_that_its_memory_is() -> None:
    assert gpus_held(79 * 1024, H100) == 1
    assert gpus_held(79 * 512, H100) == 0.5
    assert gpus_held(10**9, H100) == 1
    assert gpus_held(1, GpuKind("tiny", 1, 1)) == 1
