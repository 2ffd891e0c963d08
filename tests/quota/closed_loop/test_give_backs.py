"""Over a simulated day the jobs in a woken owner's way are out within the pool's time."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import AskedJob, AskedServer, CardSpeeds, Manner
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.record.records import Moved
from sublet_quota.names.ids import GpuId

from tests.support.loop_cases import H100, HOUR, MONDAY, cards, jobs, scene

GIB = 1024
DAY = timedelta(days=1)
SPEEDS = CardSpeeds(round(1.7 * GIB), round(4.8 * GIB))
SIZES_GIB = (5, 10, 20, 51)
FEWEST_OF_JOBS = 5


def notebooks() -> list[AskedServer]:
    """Eight people with half a card each from the beginning, twice as much as two cards have."""
    people = [Person(f"of-{n}", (), Habits(cards=Fraction(1, 2), jobs_a_day=0)) for n in range(8)]
    first: dict[str, AskedServer] = {}
    for each in days_of(people, MONDAY, MONDAY + 7 * DAY, 1):
        assert isinstance(each, AskedServer)
        first.setdefault(each.owner, each)
    return [replace(each, at=MONDAY, stays=3660 * DAY) for each in first.values()]


def of_sizes() -> list[AskedJob]:
    """Two jobs of each size that last longer than is simulated, after the notebooks are there."""
    asked: list[AskedJob] = []
    for gib in SIZES_GIB:
        part = str(Fraction(gib * GIB, H100.usable_mib))
        asked += jobs(f"j{gib}", "", 2, part, 9 * DAY, at=HOUR)
    return asked


@pytest.mark.parametrize("within_s", [3, 10, 30, 60])
def test_the_jobs_that_leave_for_a_cell_are_out_within_the_pools_time(within_s):
    text = (
        "pools: [{name: all, default: true, memory_overcommit: 2, compute_overcommit: 2, "
        f"give_back_within: {within_s}s}}]\n"
    )
    asked = (*notebooks(), *of_sizes())
    cluster = Cluster(scene(text, asked, 2 * DAY, on=cards(2), manner=Manner(speeds=SPEEDS)))
    where: list[GpuId] = []
    while cluster.step():
        new = cluster.record.cells[len(where) :]
        where.extend(cluster.cards.where(cell.slice_id) for cell in new)
    record = cluster.finish()
    left: defaultdict[GpuId, list[Moved]] = defaultdict(list)
    for move in record.moves:
        if move.leaves and move.slice_id.startswith("j"):
            left[move.gpu_id].append(move)
    for cell, gpu_id in zip(record.cells, where, strict=True):
        until = cell.asked_at + cell.waited
        waits_for = [move for move in left[gpu_id] if cell.asked_at <= move.at <= until]
        assert sum(move.memory_mib for move in waits_for) <= SPEEDS.suspend_mib_per_s * within_s
    assert sum(map(len, left.values())) >= FEWEST_OF_JOBS
