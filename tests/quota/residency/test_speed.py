"""A decision about a crowded GPU is quick: an owner's cell waits for it."""

import random
import time

import pytest
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot

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


def best_of_three_ms(snapshot: GpuSnapshot) -> float:
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        decide(snapshot)
        taken.append(time.perf_counter() - began)
    return 1000 * min(taken)


@pytest.mark.parametrize("host_gib", [1000, 30], ids=["host memory to spare", "little of it"])
def test_a_decision_about_64_slices_takes_less_than_10_ms_at_the_99th_percentile(host_gib):
    chance = random.Random(1)  # noqa: S311 - the same seed gives the same GPUs
    taken = sorted(best_of_three_ms(crowded(chance, host_gib)) for _ in range(100))
    assert taken[98] < 10
