"""The policy of turns on a simulated card: shares kept, nothing lost by it, nobody kept waiting."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.reasons.share_kept import ShareKept

from tests.support.compute_race import (
    BOUND_BY_PYTHON,
    LARGE_PRODUCTS,
    SMALL_KERNELS,
    ComputeRace,
    Program,
    Racer,
)

SETTLED_S = 10.0


def racers(program: Program, *shares: int) -> list[Racer]:
    return [Racer(program, share) for share in shares]


@pytest.mark.parametrize(
    "several",
    [
        pytest.param(racers(LARGE_PRODUCTS, 750, 250), id="large-products-3-to-1"),
        pytest.param(racers(SMALL_KERNELS, 750, 250), id="small-kernels-3-to-1"),
        pytest.param(racers(SMALL_KERNELS, 500, 250, 125, 125), id="small-kernels-4-2-1-1"),
        pytest.param(
            [Racer(LARGE_PRODUCTS, 500), Racer(SMALL_KERNELS, 500)], id="long-beside-short-kernels"
        ),
        pytest.param(
            [Racer(LARGE_PRODUCTS, 600), Racer(SMALL_KERNELS, 300), Racer(SMALL_KERNELS, 100)],
            id="6-3-1",
        ),
    ],
)
def test_each_has_its_share_and_no_less_is_done_than_by_time_slicing(several: list[Racer]) -> None:
    by_turns, freely = ComputeRace(several), ComputeRace(several, by_turns=False)
    by_turns.run(SETTLED_S)
    done, total = by_turns.run(SETTLED_S), sum(racer.share_milli for racer in several)
    for racer, each in zip(several, done, strict=True):
        assert each / sum(done) == pytest.approx(racer.share_milli / total, rel=0.05)
    assert sum(done) >= sum(freely.run(SETTLED_S))
    assert max(by_turns.waited_s.values()) <= 0.1


@pytest.mark.parametrize(
    "several",
    [
        pytest.param(racers(BOUND_BY_PYTHON, 500, 500), id="card-not-full"),
        pytest.param(racers(BOUND_BY_PYTHON, 750, 250, 125), id="three-fill-it-together"),
        pytest.param(
            [Racer(LARGE_PRODUCTS, 250), Racer(BOUND_BY_PYTHON, 750)], id="beside-one-that-fills-it"
        ),
        pytest.param(
            [Racer(LARGE_PRODUCTS, 250), Racer(Program(0.001, part=0.8), 750)], id="nearly-full"
        ),
    ],
)
def test_one_in_a_hundred_is_lost_at_most_where_the_card_waits_for_programs(
    several: list[Racer],
) -> None:
    seconds = 170.0
    done = sum(ComputeRace(several).run(seconds))
    assert done >= 0.99 * sum(ComputeRace(several, by_turns=False).run(seconds))


def test_who_waits_for_its_program_has_no_less_beside_others_that_take_turns() -> None:
    several = [Racer(LARGE_PRODUCTS, 500), Racer(LARGE_PRODUCTS, 250), Racer(BOUND_BY_PYTHON, 250)]
    race, freely = ComputeRace(several), ComputeRace(several, by_turns=False)
    race.run(SETTLED_S)
    done = race.run(SETTLED_S)
    assert done[0] / done[1] == pytest.approx(2, rel=0.05)
    assert done[2] >= 0.99 * freely.run(SETTLED_S)[2]


def test_what_cannot_be_paused_is_never_paused_and_the_others_keep_their_weights() -> None:
    race = ComputeRace(
        [
            Racer(LARGE_PRODUCTS, 500),
            Racer(LARGE_PRODUCTS, 250),
            Racer(LARGE_PRODUCTS, pausable=False),
        ]
    )
    race.run(SETTLED_S)
    done = race.run(SETTLED_S)
    assert done[0] / done[1] == pytest.approx(2, rel=0.05)
    assert race.waited_s[2] == 0
    assert race.decisions[-1].kept["s2"] is ShareKept.NOT_PAUSABLE


def test_who_is_due_nearly_nothing_is_not_starved() -> None:
    race = ComputeRace(
        [Racer(LARGE_PRODUCTS, 1000), Racer(LARGE_PRODUCTS, 1, is_job=True, runs_a_cell=False)]
    )
    done = race.run(2 * SETTLED_S)
    assert done[1] > 0
    assert race.waited_s[1] <= 1.7


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(60, 600), st.sampled_from([LARGE_PRODUCTS, SMALL_KERNELS])),
        min_size=2,
        max_size=5,
    )
)
def test_any_programs_that_fill_the_card_keep_their_weights(mix: list[tuple[int, Program]]) -> None:
    several = [Racer(program, share) for share, program in mix]
    race = ComputeRace(several)
    race.run(SETTLED_S)
    done, total = race.run(SETTLED_S), sum(share for share, _ in mix)
    for (share, _), each in zip(mix, done, strict=True):
        # What is told comes in hundredths of the card.
        due = share / total
        assert abs(each / sum(done) - due) <= max(0.05 * due, 0.015)
    assert max(race.waited_s.values()) <= 0.1
