"""A round of the queue decides what the plain reckoning would, whatever is looked up only once."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.met_limits import paying_groups
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.known_limits import KnownLimits
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs
from sublet_quota.jobs.turns.job_order import JobOrder
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts

from tests.support.plain_limits import PlainLimits
from tests.support.rounds_by_lot import Round, round_by_lot

SEEDS = st.integers(0, 100_000)
NOTHING = Amounts()


def planned(there: Round, jobs: tuple[WaitingJob, ...], limits: JobLimits) -> QueuePlan:
    held, lends = there.held, there.lends_mib
    return plan_queue(
        jobs,
        lendable_gpus(held, lends),
        lending=True,
        limits=limits,
        beside=BesideOthers(
            EntitledPlaces(held, lends),
            RechargedJobs(held, limits, there.running),
            held.host_memory,
            held.lot,
        ),
    )


def told(plan: QueuePlan) -> tuple[object, ...]:
    """Who goes where at whose expense and what that makes of others, and why each other waits."""
    placed = [
        (each.job.job_id, each.job.group, each.gpu_id, each.calls_back, each.recharged)
        for each in plan.placements
    ]
    return placed, plan.waits


def ordered(there: Round) -> tuple[WaitingJob, ...]:
    return JobOrder(there.held, there.past).waiting(there.jobs)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_limits_let_a_plan_do_what_adding_up_anew_each_time_would(seed: int) -> None:
    there = round_by_lot(seed)
    jobs = ordered(there)
    plain = planned(there, jobs, PlainLimits(there.held))
    assert told(planned(there, jobs, JobLimits(there.held))) == told(plain)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_jobs_that_are_alike_have_what_they_would_if_each_were_another(seed: int) -> None:
    there = round_by_lot(seed, jobs=120)
    jobs = ordered(there)
    # Groups that the document does not have give nobody any right.
    others = tuple(replace(job, hub_groups=(f"x{n}",)) for n, job in enumerate(jobs))
    apart = planned(there, others, JobLimits(there.held))
    assert told(planned(there, jobs, JobLimits(there.held))) == told(apart)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_limits_left_in_the_last_round_is_not_taken_for_what_they_leave_now(
    seed: int,
) -> None:
    there = round_by_lot(seed)
    jobs, known = ordered(there), KnownLimits(there.held.document)
    planned(there, jobs, JobLimits(there.held, known))
    for number, each in enumerate(tuple(there.held.slices())):
        if number % 2:
            there.held.remove(each.slice_id)
        elif not each.is_notebook:
            there.held.hold_back(each.slice_id, held_back=not each.held_back)
    again = JobLimits(there.held, known)
    anew = planned(there, jobs, JobLimits(there.held))
    assert told(planned(there, jobs, again)) == told(anew)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_stands_still_is_the_sum_of_what_is_held_back(seed: int) -> None:
    held = round_by_lot(seed).held
    for one in tuple(held.held_back())[::2]:
        held.hold_back(one.slice_id, held_back=False)
    for name in held.document.all_groups:
        assert held.jobs_held_back(NodeName(name)) == _sum(held, NodeName(name))


def _sum(held: Holdings, node: NodeName) -> Amounts:
    there = (one for one in held.held_back() if node in paying_groups(held, one.group))
    return sum((held.amounts_of(one) for one in there), NOTHING)


@pytest.mark.parametrize("name", ["job_id", "submitted_at", "lot"])
def test_jobs_that_differ_in_who_they_are_alone_wish_the_same(name: str) -> None:
    job = next(job for job in round_by_lot(2).jobs if job.instead)
    other = replace(job, **{name: object()}, instead=tuple(replace(i) for i in job.instead))
    assert other.wish == job.wish
    assert replace(job, priority=9).wish != job.wish
    assert replace(job, instead=()).wish != job.wish
