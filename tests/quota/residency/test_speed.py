"""A decision about a crowded GPU is quick: an owner's cell waits for it.

Work is counted, not timed: calls are the same on every machine, however busy. How long decisions
take is printed by ``tests/benchmarks/decisions.py`` (10,000 calls: about a millisecond).
"""

import random
import sys
from dataclasses import replace

import pytest
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, Rank

from tests.quota.residency.gpu_pictures import GIB, gpu, idle, running, stopped, waiting


def crowded(chance: random.Random, host_gib: int) -> GpuSnapshot:
    """Draw 64 slices, a third of them owners who wait, with most of the GPU taken."""
    slices = []
    for number in range(64):
        cap, lot, name = chance.randint(1, 40), chance.random(), f"s{number:02}"
        if lot < 0.1:
            slices.append(running(name, 5, on=chance.randint(0, 5), for_s=chance.choice([5, 70])))
        elif lot < 0.4:
            away = chance.randint(0, cap)
            slices.append(waiting(name, cap, out=away, for_s=chance.randint(1, 100)))
        elif lot < 0.7:
            slices.append(idle(name, cap, on=chance.randint(0, 3), for_s=chance.randint(1, 900)))
        elif lot < 0.9:
            slices.append(idle(name, cap, out=chance.randint(1, cap)))
        else:
            slices.append(stopped(name, cap, on=chance.randint(0, 3)))
    return gpu(*slices, host_free_mib=host_gib * GIB)


def calls_of(snapshot: GpuSnapshot) -> int:
    """How many functions a decision calls."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        decide(snapshot)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    ("host_gib", "most"),
    [(1000, 9_000), (30, 20_000)],
    ids=["host memory to spare", "little of it"],
)
def test_a_decision_about_64_slices_is_little_work_at_the_99th_percentile(host_gib, most):
    chance = random.Random(1)  # noqa: S311 - the same seed gives the same GPUs
    counted = sorted(calls_of(crowded(chance, host_gib)) for _ in range(100))
    assert counted[98] < most


@pytest.mark.parametrize(
    ("host_gib", "most"),
    [(1000, 12_000), (30, 30_000)],
    ids=["host memory to spare", "little of it"],
)
def test_ranks_make_it_half_as_much_again_at_most(host_gib, most):
    chance = random.Random(1)  # noqa: S311 - the same seed gives the same GPUs
    counted = sorted(calls_of(of_ranks(chance, crowded(chance, host_gib))) for _ in range(100))
    assert counted[98] < most


def of_ranks(chance: random.Random, snapshot: GpuSnapshot) -> GpuSnapshot:
    """Give each slice a rank by chance."""
    slices = tuple(replace(s, rank=chance.choice(list(Rank))) for s in snapshot.slices)
    return replace(snapshot, slices=slices)
