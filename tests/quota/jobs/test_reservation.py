"""GPUs that are kept for jobs that wait: where each begins soonest, and when."""

from dataclasses import replace
from datetime import timedelta

from sublet_quota.jobs.backfill.jobs_there import (
    NO_END,
    end_after,
)
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.reasons.waiting import QueueReason, queue_clause

from tests.support.quota_cases import NOON
from tests.support.reserved_cards import HOUR, MINUTE, begun, kept, plan, runs, waits


def test_an_endless_job_beside_short_ones_the_card_of_the_short_ones_is_kept() -> None:
    there = [runs("endless", "g0", ends=None), runs("short", "g1", ends=10 * MINUTE)]
    found = plan([waits("large")], there, cards=2)
    assert kept(found) == {"large": "g1"}
    (wait,) = found.waits
    assert wait.why.reason is QueueReason.GPU_KEPT
    assert queue_clause(wait.why) == (
        "needs a whole GPU (79 GiB): GPU 1 of node-0 is kept for it until the jobs there are done, "
        "at 2026-11-23 12:10 UTC at the latest"
    )


def test_it_is_the_last_end_that_counts_where_all_have_to_end() -> None:
    there = [
        runs("a", "g0", 20, ends=MINUTE),
        runs("b", "g0", 20, ends=5 * HOUR),
        runs("c", "g1", 70, ends=2 * HOUR),
    ]
    assert kept(plan([waits("large")], there, cards=2)) == {"large": "g1"}
    # For which one end is enough begins at that.
    assert kept(plan([waits("small", 59)], there, cards=2)) == {"small": "g0"}


def test_without_known_ends_the_tightest_is_kept_and_no_time_told() -> None:
    there = [runs("a", "g0", 60, ends=None), runs("b", "g1", 60, ends=None)]
    found = plan([waits("j", 70)], there, cards=2)
    assert kept(found) == {"j": "g0"}
    assert "at the latest" not in queue_clause(found.waits[0].why)


def test_a_job_of_several_cards_has_them_on_one_node_or_none() -> None:
    there = [runs("a", "g0", ends=2 * HOUR), runs("b", "g2", ends=HOUR)]
    found = plan([waits("two", gpus=2), waits("small", 20)], there, cards=4, a_node=2)
    # One card is free on each node: where the other ends first, both are kept.
    assert found.kept == {GpuId("g2"): found.kept[GpuId("g2")], GpuId("g3"): waits("two", gpus=2)}
    assert found.waits[0].why.kept is not None
    assert found.waits[0].why.kept.at == NOON + HOUR
    assert queue_clause(found.waits[0].why).startswith(
        "needs 2 whole GPUs of one node (79 GiB of each): GPUs 0 and 1 of node-1 are kept for it"
    )
    # The card that is free on the other node is nobody's.
    assert (begun(found)["small"].gpu_id, begun(found)["small"].fills_in_for) == ("g1", ())
    found = plan([waits("two", gpus=2)], there[:1], cards=4, a_node=2)
    assert (begun(found)["two"].gpu_id, begun(found)["two"].beside) == ("g2", ("g3",))


def test_what_may_run_for_ever_has_no_end() -> None:
    assert end_after(NOON, HOUR) == NOON + HOUR
    assert end_after(NOON, timedelta(days=4_000_000)) == NO_END


def test_no_card_is_kept_by_what_it_lent_before_a_job_of_several_came_there() -> None:
    there = [
        runs("a", "g0", 9, ends=5 * HOUR),
        runs("b", "g1", 9, ends=5 * HOUR),
        runs("c", "g2", ends=HOUR / 2),
    ]
    jobs = [waits("three", 60, gpus=3), waits("pair", 40, gpus=2), waits("late", 60)]
    found = plan(jobs, there, cards=3, a_node=2)
    assert set(begun(found)) == {"pair"}
    assert kept(found) == {"late": "g2"}


def test_cards_of_another_node_are_no_place_for_a_bound_job() -> None:
    there = [runs("a", "g0", ends=MINUTE), runs("b", "g1", ends=HOUR)]
    bound = replace(waits("j"), node=NodeId("node-1"))
    assert kept(plan([bound], there, cards=2, a_node=1)) == {"j": "g1"}
