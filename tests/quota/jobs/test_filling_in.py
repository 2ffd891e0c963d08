"""Who begins on a GPU that is kept for others, and for whom it makes way."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_quota.jobs.backfill.jobs_there import (
    by_gpu,
    job_there,
)
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_queue import BesideOthers, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.names.ids import GroupName, JobId, SliceId
from sublet_quota.reasons.waiting import QueueReason
from sublet_quota.residency.snapshot import Rank

from tests.support.job_cases import TYPES
from tests.support.quota_cases import H100, NOON, gib, gpu, holdings, job_slice
from tests.support.reserved_cards import HOUR, MINUTE, begun, kept, plan, runs, waits


def test_who_comes_later_fills_in_and_makes_way() -> None:
    old = runs("old", "g0", 40)
    found = plan([waits("large"), waits("small", 20, came=-MINUTE)], [old])
    assert kept(found) == {"large": "g0"}
    assert begun(found)["small"].fills_in_for == ("large",)
    filler = runs("small", "g0", 20, since=timedelta(), ends=3 * HOUR, fills_in_for=("large",))
    # As long as another is there in its turn, nobody is suspended.
    found = plan([waits("large")], [old, filler])
    assert not found.placements
    assert found.waits[0].why.kept is not None
    assert found.waits[0].why.kept.at == NOON + HOUR
    found = plan([waits("large")], [filler])
    assert begun(found)["large"].holds_back == (SliceId("small"),)


def test_who_has_room_beside_the_one_before_makes_no_way() -> None:
    found = plan([waits("large", 60), waits("small", 19), waits("next", 19)], [runs("a", "g0", 40)])
    assert [begun(found)[name].fills_in_for for name in ("small", "next")] == [(), ("large",)]


NOBODY_MAKES_WAY = {
    "for one that was behind it": (waits("j", came=-2 * HOUR), {"fills_in_for": ("other",)}),
    "that came in its turn": (waits("j"), {}),
    "within a guarantee": (waits("j"), {"fills_in_for": ("j",), "rank": Rank.ENTITLED}),
    "of a higher class": (waits("j"), {"fills_in_for": ("j",), "priority": 1}),
    "that cannot leave": (waits("j"), {"fills_in_for": ("j",), "stays": True}),
}


@pytest.mark.parametrize("name", NOBODY_MAKES_WAY)
def test_nobody_makes_way(name: str) -> None:
    job, how = NOBODY_MAKES_WAY[name]
    there = [runs("there", "g0", since=-MINUTE, **how)]
    assert not plan([job], there).placements


def test_a_lower_class_makes_way_and_of_it_the_newest_and_no_more_than_is_needed() -> None:
    there = [
        runs("low", "g0", 20, priority=-2),
        runs("old", "g0", 20, priority=-1),
        runs("new", "g0", 20, priority=-1, since=-HOUR),
        runs("same", "g0", 19),
    ]
    assert begun(plan([waits("j", 20)], there))["j"].holds_back == ("low",)
    assert begun(plan([waits("j", 40)], there))["j"].holds_back == ("low", "new")
    assert not plan([waits("j", 61)], there).placements
    assert begun(plan([waits("j", 61, priority=1)], there))["j"].holds_back == (
        "low",
        "new",
        "old",
        "same",
    )


def test_where_one_who_filled_in_cannot_leave_only_what_ends_in_time_fills_in() -> None:
    there = [runs("old", "g0", 20), runs("stuck", "g0", 20, fills_in_for=("large",), stays=True)]
    jobs = [waits("large"), waits("long", 20, max_run=2 * HOUR), waits("short", 20)]
    found = plan(jobs, there)
    assert set(begun(found)) == {"short"}
    assert found.waits[1].why.reason is QueueReason.BEHIND_OTHERS


def test_others_fill_in_on_all_cards_of_a_job_of_several_and_make_way() -> None:
    there = [runs("a", "g0")]
    found = plan([waits("two", gpus=2), waits("one"), waits("more")], there, cards=2)
    assert begun(found)["one"].gpu_id == "g1"
    assert begun(found)["one"].fills_in_for == ("two",)
    filler = runs("one", "g1", since=timedelta(), fills_in_for=("two",))
    found = plan([waits("two", gpus=2)], [filler], cards=2)
    assert begun(found)["two"].holds_back == ("one",)
    assert {begun(found)["two"].gpu_id, *begun(found)["two"].beside} == {"g0", "g1"}


def test_a_job_of_several_cards_fills_in_beside_one_that_is_larger() -> None:
    found = plan([waits("four", gpus=4), waits("two", gpus=2)], [runs("a", "g0")], cards=4)
    assert begun(found)["two"].fills_in_for == ("four",)
    assert {begun(found)["two"].gpu_id, *begun(found)["two"].beside} <= {"g1", "g2", "g3"}


def test_on_a_kept_card_fills_in_only_what_has_room_beside_who_came_there_by_right() -> None:
    text = TYPES + "groups: {lab: {guaranteed: {H100: 2}}}\n"
    jobs = [job_slice(f"j{n}", amount=gib(40, 1000), on=f"g{n}") for n in range(2)]
    held = holdings(text, *(gpu(f"g{n}", H100, index=n) for n in range(2)), *jobs)
    there = by_gpu(
        [
            (one.gpu_id, job_there(one, JobId(one.slice_id), 0, NOON + HOUR))
            for one in held.slices()
        ],
        NOON,
    )
    lend = {facts.gpu_id: 39 * 1024 for facts in held.gpus()}
    due = {"rank": Rank.ENTITLED, "entitled_on": "H100", "group": GroupName("lab")}
    asked = [replace(waits("two", 60, gpus=2), **due), replace(waits("one", 30), **due)]
    found = plan_queue(
        [*asked, waits("small", 30), waits("smaller", 9)],
        lendable_gpus(held, lend),
        lending=True,
        beside=BesideOthers(by_right=EntitledPlaces(held, lend), there=there),
    )
    assert {name: each.gpu_id for name, each in begun(found).items()} == {
        "one": "g0",
        "small": "g1",
        "smaller": "g0",
    }
