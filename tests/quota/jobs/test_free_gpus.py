"""For whom GPUs are kept still, and what is left there for jobs that stand still elsewhere."""

from dataclasses import replace
from datetime import timedelta

from sublet_quota.jobs.backfill.free_gpus import free_gpus, still_kept
from sublet_quota.jobs.backfill.jobs_there import by_gpu
from sublet_quota.names.ids import GpuId, JobId

from tests.support.quota_cases import H100, NOON, gib, job_slice
from tests.support.reserved_cards import HOUR, begun, kept, lends, plan, runs, waits


def test_a_card_is_kept_only_as_long_as_the_job_waits() -> None:
    for_whom = {GpuId("g0"): waits("large"), GpuId("g1"): waits("gone")}
    assert still_kept(for_whom, {JobId("large")}) == {GpuId("g0"): waits("large")}


def test_what_is_kept_is_not_free_and_who_stands_still_keeps_their_room() -> None:
    gpus = [lends(n, by_gpu((), NOON), 8, 0) for n in range(3)]
    away = replace(job_slice("away", amount=gib(40), on="g1"), held_back=True)
    free = {gpu.facts.gpu_id: gpu.lendable_mib for gpu in free_gpus(gpus, {GpuId("g0")}, [away])}
    assert free == {"g1": 39 * 1024, "g2": H100.usable_mib}


def test_the_card_is_kept_where_it_is_soonest_without_the_lower_class() -> None:
    there = [
        runs("low", "g0", 20, ends=9 * HOUR, priority=-1),
        runs("a", "g0", 40),
        runs("b", "g1", ends=2 * HOUR),
    ]
    found = plan([waits("large")], there, cards=2)
    assert kept(found) == {"large": "g0"}
    why = found.waits[0].why.kept
    assert why is not None
    assert why.at == NOON + HOUR
    # For one of the same class its room is not there.
    assert kept(plan([waits("large", priority=-1)], there, cards=2)) == {"large": "g1"}


def test_who_stands_still_goes_on_before_the_card_is_kept_for_the_next() -> None:
    on, away = runs("away", "g0", 40, ends=3 * HOUR)
    there = [
        (on, replace(away, held_back=True)),
        runs("a", "g0", 60, ends=HOUR),
        runs("b", "g1", ends=timedelta(hours=3, minutes=30)),
    ]
    assert kept(plan([waits("large")], there, cards=2)) == {"large": "g1"}
    # For whom it makes way itself begins before it.
    there[0] = on, replace(away, held_back=True, fills_in_for=(JobId("large"),))
    assert kept(plan([waits("large")], there, cards=2)) == {"large": "g0"}


def test_who_begins_on_the_card_of_one_that_stands_still_fills_in_for_it() -> None:
    on, away = runs("away", "g0", 40)
    there = [(on, replace(away, held_back=True)), runs("a", "g0", 60)]
    assert begun(plan([waits("j", 10)], there))["j"].fills_in_for == ("away",)
    there[0] = on, replace(away, held_back=True, fills_in_for=(JobId("j"),))
    assert begun(plan([waits("j", 10)], there))["j"].fills_in_for == ()
