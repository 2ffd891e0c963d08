"""Jobs that stand still on their card: when they go on, and who makes way for them."""

from dataclasses import replace
from typing import Any

import pytest
from sublet_quota.admission.jobs_going_on import GoingOn, jobs_to_go_on
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.backfill.going_on import room_to_go_on, who_goes_on
from sublet_quota.jobs.backfill.jobs_there import (
    by_gpu,
    job_there,
)
from sublet_quota.names.ids import GpuId, JobId, SliceId

from tests.support.quota_cases import H100, NOON, gib, gpu, holdings, job_slice
from tests.support.reserved_cards import HOUR, MINUTE, WHOLE, waits

HELD = holdings(
    "",
    gpu("gpu-0", H100),
    replace(job_slice("away", amount=gib(40)), held_back=True, fills_in_for=(JobId("j"),)),
    job_slice("runs", amount=gib(30)),
)


@pytest.mark.parametrize(
    ("runs_gib", "name", "need_gib", "goes_on"),
    [
        (39, None, WHOLE, True),
        (40, None, WHOLE, False),
        (39, "j", 40, False),
        (39, "other", 40, True),
        # As long as who was passed cannot begin there, nobody stands still for it.
        (39, "j", WHOLE, True),
        (39, "j", 41, True),
    ],
)
def test_who_stands_still_goes_on_once_there_is_room_and_none_begins_that_was_passed(
    runs_gib: int, name: str | None, need_gib: int | None, *, goes_on: bool
) -> None:
    away = replace(
        job_slice("away", amount=gib(40)), held_back=True, fills_in_for=(JobId("j"),), since=NOON
    )
    there = [
        (GpuId("gpu-0"), job_there(away, JobId("away"), 0, NOON + HOUR)),
        (
            GpuId("gpu-0"),
            job_there(job_slice("runs", amount=gib(runs_gib)), JobId("runs"), 0, NOON),
        ),
    ]
    for_whom = {} if name is None else {GpuId("gpu-0"): waits(name, need_gib)}
    found = room_to_go_on(HELD, by_gpu(there, NOON), for_whom)
    assert (SliceId("away") not in found.without) is goes_on


@pytest.mark.parametrize(("runs_there_gib", "goes_on"), [(39, False), (40, True)])
def test_nobody_stands_still_for_a_job_of_several_cards_that_cannot_begin_on_another_of_them(
    runs_there_gib: int, *, goes_on: bool
) -> None:
    away = replace(job_slice("away", amount=gib(40)), held_back=True, fills_in_for=(JobId("j"),))
    runs = job_slice("runs", amount=gib(runs_there_gib), on="gpu-1")
    held = holdings("", gpu("gpu-0", H100), gpu("gpu-1", H100, index=1), away, runs)
    there = (
        (GpuId("gpu-0"), job_there(away, JobId("away"), 0, NOON + HOUR)),
        (GpuId("gpu-1"), job_there(runs, JobId("runs"), 0, NOON + HOUR)),
    )
    kept = dict.fromkeys(map(GpuId, ("gpu-0", "gpu-1")), waits("j", 40, gpus=2))
    found = room_to_go_on(held, by_gpu(there, NOON), kept)
    assert (away.slice_id not in found.without) is goes_on


LIMITED = """
gpu_types: {H100: {match: '*H100*'}}
groups: {lab: {limit: {slices: 1}}, club: {}}
"""


def going_on(*jobs: Holding) -> GoingOn:
    """Who goes on of these jobs; a group of theirs, lab, may have one slice."""
    held = holdings(LIMITED, gpu("gpu-0", H100), gpu("gpu-1", H100, index=1), *jobs)
    there = by_gpu(
        ((each.gpu_id, job_there(each, JobId(each.slice_id), 0, NOON + HOUR)) for each in jobs),
        NOON,
    )
    return who_goes_on(
        held,
        lambda stay: room_to_go_on(held, there, {}, stay),
        lambda stay, way: jobs_to_go_on(
            held, lambda owner: rights_of(held.document, owner, ()), dict, stay, way
        ),
        frozenset(),
    )


def of(group: str, name: str, needs_gib: int, on: str = "gpu-0") -> Holding:
    return job_slice(name, name, gib(needs_gib), on, group=group)


def standing(*args: Any, minute: int) -> Holding:
    return replace(of(*args), held_back=True, since=NOON + MINUTE * minute)


def test_nobody_stands_still_for_a_job_that_a_limit_keeps_back() -> None:
    first, later = standing("lab", "limited", 40, minute=1), standing("club", "b", 40, minute=2)
    assert going_on(first, later) == GoingOn((SliceId("limited"),))
    at_limit = of("lab", "other", 40, "gpu-1")
    assert going_on(at_limit, first, later) == GoingOn((SliceId("b"),))


def test_nobody_goes_on_in_room_that_is_left_only_to_a_job_that_a_limit_keeps_back() -> None:
    fills_in = replace(of("club", "filler", 60), fills_in_for=(JobId("limited"),))
    first, later = standing("lab", "limited", 30, minute=1), standing("club", "b", 45, minute=2)
    found = going_on(fills_in, first, later)
    assert set(found.slices) == {"limited", "b"}
    assert found.holds_back_on_card == ("filler",)
    assert going_on(of("lab", "other", 40, "gpu-1"), fills_in, first, later) == GoingOn()
