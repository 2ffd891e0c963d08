"""A job that could never leave in time for owners is told so, with numbers."""

import pytest
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.give_backs import GiveBacks
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, NodeId, UserName
from sublet_quota.reasons.waiting import QueueReason, queue_clause

from tests.support.quota_cases import L4, NOON, gib, gpu, holdings, job_slice, notebook

GIB = 1024
DRIVER = round(1.7 * GIB)
"""At the driver's speed 51 GiB leave in 30 s, the pool's ``give_back_within``."""
CARDS = (gpu("a", node="node-a"), gpu("b", node="node-b"))
SLICES = (notebook("s", on="a"), notebook("t", on="b"))


def job(need_gib: int | None = None, node: str | None = None) -> WaitingJob:
    return WaitingJob(
        job_id=JobId("j"),
        owner=UserName("eve"),
        memory_mib=None if need_gib is None else need_gib * GIB,
        compute_milli=1000,
        gpu_type=None,
        priority=0,
        submitted_at=NOON,
        node=None if node is None else NodeId(node),
    )


def planned(
    asked: WaitingJob,
    *entries: GpuFacts | Holding,
    lends_gib: int = 0,
    rates: dict[str, int] | None = None,
) -> QueuePlan:
    held = holdings("", *entries)
    lends = {each.gpu_id: lends_gib * GIB for each in held.gpus()}
    known = {"a": DRIVER, "b": GIB, "l": DRIVER} if rates is None else rates
    rates = {GpuId(name): rate for name, rate in known.items()}
    back = GiveBacks(held, lambda: rates)
    return plan_queue(
        [asked], lendable_gpus(held, lends), lending=True, beside=BesideOthers(give_backs=back)
    )


def why(plan: QueuePlan) -> QueueReason:
    return plan.waits[0].why.reason


def test_a_whole_card_beside_an_idle_slice_could_never_leave_in_time():
    plan = planned(job(), *CARDS, *SLICES, lends_gib=50)
    assert why(plan) is QueueReason.GIVE_BACK_TOO_SLOW
    assert queue_clause(plan.waits[0].why) == (
        "needs a whole GPU (79 GiB), which could not leave in time for owners who come back: that "
        "takes 47 s by what was measured on node-a, and may take 30 s in pool 'interactive'; "
        "beside owners' slices a job may have 59 GiB at most, and it begins on a GPU without slices"
    )


#  20 GiB are somebody's: 59 GiB are in nobody's way, however long they take
@pytest.mark.parametrize(
    ("need_gib", "reason"), [(59, "too-little-idle"), (60, "give-back-too-slow")]
)
def test_a_job_in_nobodys_way_only_waits_for_idle_slices(need_gib, reason):
    assert why(planned(job(need_gib), *CARDS, *SLICES, lends_gib=40)) == reason


#  60 GiB are somebody's: 51 GiB leave in 30 s at 1.7 GiB/s, and 30 GiB at 1 GiB/s
@pytest.mark.parametrize(
    ("need_gib", "node", "reason"),
    [
        (50, None, QueueReason.TOO_LITTLE_IDLE),
        (52, None, QueueReason.GIVE_BACK_TOO_SLOW),
        (30, "node-b", QueueReason.TOO_LITTLE_IDLE),
        (31, "node-b", QueueReason.GIVE_BACK_TOO_SLOW),
    ],
)
def test_the_speed_measured_on_the_cards_that_it_may_have_decides(need_gib, node, reason):
    owners = (notebook("s", amount=gib(60), on="a"), notebook("t", amount=gib(60), on="b"))
    assert why(planned(job(need_gib, node), *CARDS, *owners)) is reason


def test_where_a_card_has_no_slices_a_job_waits_for_the_job_there():
    plan = planned(job(), *CARDS, SLICES[0], job_slice("r", on="b"))
    assert why(plan) is QueueReason.GPU_KEPT


def test_a_small_card_on_which_it_could_leave_in_time_is_worth_waiting_for():
    small = (gpu("l", L4, "node-l"), notebook("u", on="l"))
    assert why(planned(job(), *CARDS, *SLICES, *small)) is QueueReason.TOO_LITTLE_IDLE


def test_where_a_speed_is_not_known_nothing_is_said_of_it():
    plan = planned(job(), *CARDS, *SLICES, rates={"a": DRIVER})
    assert why(plan) is QueueReason.TOO_LITTLE_IDLE


def test_a_smaller_job_is_told_how_large_it_may_be_and_where_it_begins():
    owners = (notebook("s", amount=gib(60), on="a"), notebook("t", amount=gib(60), on="b"))
    plan = planned(job(60, "node-b"), *CARDS, *owners)
    told = queue_clause(plan.waits[0].why)
    assert "60 s by what was measured on node-b" in told
    assert "a job may have 30 GiB at most" in told
    assert "a GPU of node-b whose slices leave it so much; it runs on node-b alone" in told
