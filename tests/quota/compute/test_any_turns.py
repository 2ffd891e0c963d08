"""What holds of turns whatever is measured for how long, with open ones or without."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.past import PastCompute
from sublet_quota.compute.policy import PERIOD, decide_turns
from sublet_quota.compute.turns import RAREST, SHORTEST, Round
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank

from tests.support.compute_race import (
    LARGE_PRODUCTS,
    SMALL_KERNELS,
    ComputeRace,
    Program,
    Racer,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MICROSECONDS = timedelta(microseconds=50)

FEW_CANNOT = [None] * 20 + list(NotPausable)


def _owners(random: Random) -> list[ComputingSlice]:
    most_milli = random.choice([None, None, 50, 250, 500])
    return [
        ComputingSlice(
            SliceId(f"s{i}"),
            random.choice([1, 125, 250, 500, 1000]),
            0.0,
            random.choice(list(Rank)),
            is_job=random.random() < 0.3,
            most_milli=most_milli,
        )
        for i in range(random.randint(1, random.choice([3, 5, 8, 24])))
    ]


def _measured(random: Random, owners: list[ComputingSlice], now: datetime) -> CardUse:
    used = [random.choice([0, 0, 0.01, 0.02, random.random(), random.random()]) for _ in owners]
    in_all = max(1.0, sum(used))
    slices = tuple(
        replace(
            each,
            used=round(part / in_all, 2),
            runs_a_cell=random.random() < 0.5,
            stopped=random.random() < 0.05,
            not_pausable=random.choice(FEW_CANNOT),
            turns=random.choice([None, random.random()]),
        )
        for each, part in zip(owners, used, strict=True)
        if random.random() < 0.97
    )
    return CardUse(
        now - SECOND,
        now,
        random.choice([1.0, 1.0, 1.0, 0.5]),
        slices,
        foreign=random.choice([0.0, 0.0, 0.05, 0.5]),
        turned=random.choice([None, 1.0, 0.9, 0.3]),
    )


@settings(deadline=None)
@given(st.randoms(use_true_random=True))
def test_turns_are_taken_by_those_who_can_and_each_has_one_in_time(random: Random) -> None:
    owners, past, now = _owners(random), PastCompute(), NOON
    for _ in range(40):
        now += random.choice([0.5] * 20 + [1.5, 3.0, 30.0, 200.0]) * SECOND
        seen = _measured(random, owners, now)
        decided = decide_turns(seen, past)
        assert decided.kept.keys() == {each.slice_id for each in seen}
        if decided.round not in {None, past.round}:
            assert decided.round.who <= {e.slice_id for e in seen if e.not_pausable is None}
            _is_in_order(decided.round)
        past = decided.past


def _is_in_order(taken: Round) -> None:
    """Each has one place; somebody's turn is not open; periods are as long as they may be."""
    assert taken.places
    assert len(taken.who) == len(taken.places) + len(taken.opened)
    longest = PERIOD + (2 * SHORTEST if taken.idle else timedelta(0))
    ran = set()
    for number in range(RAREST):
        turns = taken.period(number)
        assert all(turn.lasts > timedelta(0) for turn in turns)
        assert sum((turn.lasts for turn in turns), timedelta(0)) <= longest + MICROSECONDS
        of_period = {who for turn in turns for who in turn.runs}
        places = (*taken.places, *taken.opened)
        assert {place.slice_id for place in places if place.every == 1} <= of_period
        ran |= of_period
    assert ran == taken.who


PROGRAMS = [LARGE_PRODUCTS, SMALL_KERNELS, *(Program(0.001, part) for part in (0.85, 0.7, 0.4))]
SETTLED_S = 15.0
WATCHED_S = 10
MIXES = st.lists(
    st.tuples(st.sampled_from(PROGRAMS), st.integers(50, 750), st.sampled_from([0, 0, 1])),
    min_size=1,
    max_size=5,
)


@settings(max_examples=8, deadline=None)
@given(MIXES, st.sampled_from([250, 375, 500]))
def test_nobody_has_more_than_the_cap_and_no_cell_waits_longer_than_a_period(
    mix: list[tuple[Program, int, int]], most_milli: int
) -> None:
    race = ComputeRace(
        [
            Racer(program, share, is_job=bool(job), most_milli=most_milli)
            for program, share, job in mix
        ]
    )
    race.run(SETTLED_S)
    race.waited_s = dict.fromkeys(race.waited_s, 0.0)
    had = [0.0] * len(mix)
    for _ in range(WATCHED_S):
        race.run(1.0)
        had = [so_far + (each.used or 0.0) for so_far, each in zip(had, race.use(), strict=True)]
    watched = zip(race.use(), had, mix, race.waited_s.values(), strict=True)
    for each, in_all, (_, _, job), waited_s in watched:
        assert in_all / WATCHED_S <= 1.05 * each.cap + 0.02
        assert job or waited_s <= PERIOD.total_seconds()
