"""Cards that are kept for jobs that wait: large ones begin in a bounded time, none stands empty."""

import random
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.record.records import Record

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, cards, jobs, scene
from tests.support.loop_rules import watched

SIZES = [Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(1), Fraction(2), Fraction(4)]
LONGEST = 3 * HOUR


def begins(record: Record) -> dict[str, timedelta]:
    """When jobs began, from the beginning on."""
    return {
        each.name.partition("#")[0]: each.ended - MONDAY
        for each in record.job_waits
        if each.started
    }


def test_beside_an_endless_job_a_large_one_begins_at_the_first_end_of_short_ones() -> None:
    asked = [
        *jobs("endless", "", 1, works=60 * HOUR),
        *jobs("short", "", 100, works=10 * MINUTE, every=8 * MINUTE),
        *jobs("large", "", 1, at=5 * MINUTE),
    ]
    record = watched(scene("", asked, 24 * HOUR, on=cards(2)))
    began = begins(record)
    first_end = record.jobs_done["short-0"] - MONDAY
    assert began["endless-0"] < first_end <= began["large-0"] <= first_end + 2 * MINUTE
    assert len(record.jobs_done) >= 80


def test_who_fills_in_is_suspended_loses_nothing_and_goes_on() -> None:
    asked = [
        *jobs("old", "", 1, "1/2", HOUR),
        *jobs("large", "", 1, "1", HOUR, at=MINUTE),
        *jobs("filler", "", 1, "1/2", 2 * HOUR, at=2 * MINUTE),
    ]
    record = watched(scene("", asked, 12 * HOUR, on=cards(1)))
    began = begins(record)
    assert began["filler-0"] <= 3 * MINUTE
    assert HOUR <= began["large-0"] <= HOUR + 3 * MINUTE
    done = {name: at - MONDAY for name, at in record.jobs_done.items()}
    assert done["large-0"] <= 2 * HOUR + 4 * MINUTE
    ran = [(r.began - MONDAY, r.ended - MONDAY) for r in record.runs if r.slice_id == "filler-0"]
    assert len(ran) == 2
    assert sum((end - start for start, end in ran), timedelta()) == pytest.approx(
        2 * HOUR, abs=timedelta(seconds=1)
    )
    assert not any(start < done["large-0"] < end for start, end in ran)


def drawn(load: float, seed: int, of_all: int) -> list[AskedJob]:
    """Jobs of one person that come one after another, on 8 cards."""
    rng = random.Random(seed)  # noqa: S311 - the same days in each run
    found, at = [], timedelta()
    for number in range(of_all):
        size, works = rng.choice(SIZES), rng.uniform(0.2, 1) * LONGEST
        found.append(AskedJob(f"j{number}", MONDAY + at, "ada", (), works, size, max_run=LONGEST))
        at += (works * float(size) / 8) / load
    return found


@pytest.mark.parametrize("load", [0.85, 1.5])
@pytest.mark.parametrize("seed", range(2))
def test_whoever_is_next_begins_within_twice_the_longest_run(load: float, seed: int) -> None:
    asked = drawn(load, seed, 60)
    record = watched(scene("", asked, 96 * HOUR, on=cards(8)))
    began, first_at = begins(record), timedelta()
    for job in asked:
        # All that came before have begun, or it has come: it is the next.
        next_at = max(first_at, job.at - MONDAY)
        assert began[job.name] <= next_at + 2 * LONGEST, f"{job.name}, next at {next_at}"
        first_at = max(first_at, began[job.name])
    assert len(record.jobs_done) == len(asked)


@pytest.mark.parametrize("seed", range(2))
def test_no_card_is_empty_for_long_while_a_job_waits_that_fits(seed: int) -> None:
    cluster = Cluster(scene("", drawn(1.5, seed, 60), 96 * HOUR, on=cards(8)))
    empty_since: dict[str, timedelta] = {}
    while cluster.step():
        now = cluster.clock.now - MONDAY
        waits = any(job.waiting.gpus == 1 for job in cluster.jobs.waiting.values())
        for gpu_id, model in cluster.cards.models.items():
            is_empty = waits and not model.slices
            since = empty_since.setdefault(gpu_id, now) if is_empty else now
            if not is_empty:
                empty_since.pop(gpu_id, None)
            assert now - since <= MINUTE, f"{gpu_id} is empty since {since}"
