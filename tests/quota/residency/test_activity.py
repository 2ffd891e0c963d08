"""Activity: what counts as work, for how long, and since when a slice is idle."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.residency.activity import Activity, ActivityEvidence, judge_activity

from tests.support.quota_cases import NOON

IDLE_AFTER = timedelta(minutes=10)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_a_slice_of_which_nothing_is_known_yet_is_active() -> None:
    judged = judge_activity(ActivityEvidence(known_since=NOON), IDLE_AFTER, NOON, None)
    assert judged == Activity(active=True, since=NOON)


@pytest.mark.parametrize("kind", ["cell_started", "gpu_used", "woken"])
def test_each_kind_of_evidence_makes_a_slice_active_for_idle_after(kind: str) -> None:
    evidence = ActivityEvidence(known_since=NOON, **{kind: after(30)})
    assert judge_activity(evidence, IDLE_AFTER, after(39.9), None).active
    assert not judge_activity(evidence, IDLE_AFTER, after(40), None).active


def test_a_cell_that_runs_on_without_the_gpu_counts_as_idle() -> None:
    evidence = ActivityEvidence(known_since=NOON, cell_started=after(1))
    assert not judge_activity(evidence, IDLE_AFTER, after(60), None).active


def test_the_end_of_a_cell_prolongs_activity() -> None:
    evidence = ActivityEvidence(NOON, cell_started=after(30), cell_ended=after(38))
    assert judge_activity(evidence, IDLE_AFTER, after(47.9), None).active


def test_the_end_of_a_cell_that_left_the_gpu_alone_is_no_wake() -> None:
    evidence = ActivityEvidence(NOON, cell_started=after(30), cell_ended=after(90))
    assert not judge_activity(evidence, IDLE_AFTER, after(91), None).active


def test_a_slice_is_idle_since_its_evidence_wore_off_not_since_somebody_looked() -> None:
    evidence = ActivityEvidence(known_since=NOON)
    assert judge_activity(evidence, IDLE_AFTER, after(25), None).since == after(10)


def test_since_when_it_is_active_stays_while_new_evidence_comes() -> None:
    first = judge_activity(ActivityEvidence(known_since=NOON), IDLE_AFTER, NOON, None)
    evidence = ActivityEvidence(known_since=NOON, gpu_used=after(5))
    second = judge_activity(evidence, IDLE_AFTER, after(6), first)
    assert second == Activity(active=True, since=NOON)


def test_work_between_two_judgements_counts_even_where_both_say_idle() -> None:
    idle = judge_activity(ActivityEvidence(known_since=NOON), IDLE_AFTER, after(15), None)
    evidence = ActivityEvidence(known_since=NOON, woken=after(20))
    later = judge_activity(evidence, IDLE_AFTER, after(60), idle)
    assert (idle.since, later.since) == (after(10), after(30))


minutes = st.integers(min_value=0, max_value=600)


@given(st.lists(minutes, max_size=8), minutes)
def test_a_slice_is_active_exactly_while_its_latest_evidence_is_young(
    used: list[int], now: int
) -> None:
    seen = [minute for minute in used if minute <= now]
    evidence = ActivityEvidence(known_since=NOON, gpu_used=after(max(seen)) if seen else None)
    judged = judge_activity(evidence, IDLE_AFTER, after(now), None)
    assert judged.active is (now - max(seen, default=0) < 10)
    assert judged.since <= after(now)


@given(st.lists(minutes, min_size=1, max_size=20), st.lists(minutes, max_size=10))
def test_since_never_goes_back(looks: list[int], used: list[int]) -> None:
    before: Activity | None = None
    for look in sorted(looks):
        seen = [minute for minute in used if minute <= look]
        evidence = ActivityEvidence(NOON, gpu_used=after(max(seen)) if seen else None)
        judged = judge_activity(evidence, IDLE_AFTER, after(look), before)
        if before is not None:
            assert judged.since >= before.since
        before = judged
