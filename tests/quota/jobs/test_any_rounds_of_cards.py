"""Whatever comes, round after round: who makes way for whom, and who goes on."""

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.jobs.backfill.jobs_there import JobThere
from sublet_quota.names.ids import GpuId

from tests.support.card_rounds import STEP, CardRounds
from tests.support.quota_cases import H100
from tests.support.reserved_cards import waits

SEEDS = st.integers(0, 2**32)
SIZES_GIB = (10, 20, 30, 40, 60, None)


def arrive(rounds: CardRounds, rng: random.Random, classes: tuple[int, ...], name: str) -> None:
    """Somebody comes, anywhere in line: those who used little are before others."""
    gpus = rng.choice((1, 1, 1, 1, 2))
    works = STEP * rng.randrange(1, 12)
    job = waits(
        name,
        rng.choice(SIZES_GIB),
        came=rounds.now - rounds.now,
        max_run=works + STEP * rng.randrange(6),
        priority=rng.choice(classes),
        gpus=gpus,
    )
    rounds.line.insert(rng.randrange(len(rounds.line) + 1), (job, works))
    rounds.line.sort(key=lambda each: -each[0].priority)


@given(SEEDS, st.sampled_from([(0,), (-1, 0, 1)]))
@settings(max_examples=60, deadline=None)
def test_nobody_makes_way_for_who_was_behind_it_when_it_began(
    seed: int, classes: tuple[int, ...]
) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same days in each run
    rounds = CardRounds(cards=4)
    for n in range(40):
        for each in range(rng.choice((0, 1, 1, 2))):
            arrive(rounds, rng, classes, f"j{n}-{each}")
        if n % 5 == 0:
            # By what everybody has used by now, the order is another.
            rng.shuffle(rounds.line)
            rounds.line.sort(key=lambda each: -each[0].priority)
        rounds.pass_time()
        rounds.go_on()
        for placed in rounds.place():
            for slice_id in placed.holds_back:
                _, other = rounds.there[slice_id]
                is_below = other.priority < placed.job.priority
                assert is_below or placed.job.job_id in rounds.began[other.job_id].before


@given(SEEDS, st.sampled_from([(0,), (-1, 0, 1)]))
@settings(max_examples=100, deadline=None)
def test_who_stands_still_goes_on_though_equals_have_begun_there_since(
    seed: int, classes: tuple[int, ...]
) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same days in each run
    rounds = CardRounds(cards=3)
    for n in range(60):
        for each in range(rng.choice((0, 1, 1, 2))):
            arrive(rounds, rng, classes, f"j{n}-{each}")
        rounds.pass_time()
        rounds.go_on()
        held = {each.job_id for _, each in rounds.there.values() if each.held_back}
        for job_id in sorted(held):
            slices = [rounds.there[name] for name in rounds.began[job_id].slices]
            assert not all(has_room(rounds, on, each) for on, each in slices), job_id
        rounds.place()


def has_room(rounds: CardRounds, on: GpuId, stands: JobThere) -> bool:
    """Whether a card has room for a job but for equals that began since it stands still."""
    waiting = rounds.kept.get(on)
    if waiting is not None and waiting.job_id in {job.job_id for job, _ in rounds.line}:
        passed = waiting.job_id in stands.fills_in_for or waiting.priority > stands.priority
        if passed:
            return False
    stay_mib = sum(
        each.memory_mib
        for where, each in rounds.there.values()
        if where == on
        and not each.held_back
        and (
            each.job_id not in rounds.since_held[stands.job_id]
            or each.priority > stands.priority
            or rounds.comes_after(stands.job_id, each.job_id)
        )
    )
    return stay_mib + stands.memory_mib <= H100.usable_mib


@pytest.mark.parametrize("seed", range(3))
def test_small_jobs_that_come_for_ever_keep_nobody_from_going_on(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same days in each run
    rounds = CardRounds(cards=1)
    rounds.line = [(waits("first", 40, max_run=6 * STEP), 6 * STEP)]
    rounds.place()
    rounds.line = [
        (waits("large", 60, max_run=12 * STEP), 12 * STEP),
        (waits("filler", 30, max_run=20 * STEP), 20 * STEP),
    ]
    done_at: dict[str, timedelta] = {}
    before = set(rounds.began)
    for n in range(80):
        rounds.line.append((waits(f"small-{n}", 9, max_run=30 * STEP), STEP * rng.randrange(8, 30)))
        rounds.go_on()
        rounds.place()
        before |= set(rounds.began)
        rounds.pass_time()
        for name in before - set(rounds.began):
            done_at.setdefault(name, n * STEP)
    assert done_at["large"] <= 19 * STEP
    assert done_at["filler"] <= (6 + 12 + 20) * STEP
