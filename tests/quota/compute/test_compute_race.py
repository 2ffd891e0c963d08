"""The policy of turns on a simulated card: shares kept, nothing lost by it, nobody kept waiting."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.compute.dues import dues
from sublet_quota.compute.measured import computes
from sublet_quota.names.ids import SliceId
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
GREEDY = Program(0.001, part=0.7)
"""A program that leaves something of each turn unused, and has half of a card and more freely."""


NEARLY_FULL = Program(0.001, part=0.85)


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
    ("kernel_s", "share_milli"), [(0.02, 250), (0.02, 750), (0.03, 500), (0.03, 750)]
)
def test_kernels_of_tens_of_milliseconds_are_kept_to_their_share(
    kernel_s: float, share_milli: int
) -> None:
    long, small = Racer(Program(kernel_s), share_milli), Racer(SMALL_KERNELS, 1000 - share_milli)
    race = ComputeRace([long, small])
    race.run(40)
    done = race.run(20)
    assert done[0] / sum(done) == pytest.approx(share_milli / 1000, rel=0.05)
    assert set(race.decisions[-1].kept.values()) == {ShareKept.BY_TURNS}
    assert max(race.waited_s.values()) <= 0.1


def test_kernels_longer_than_their_turns_are_kept_to_their_share_as_they_end_before_the_next() -> (
    None
):
    race = ComputeRace([Racer(Program(0.045), 250), Racer(SMALL_KERNELS, 750)])
    race.run(60)
    done = race.run(20)
    assert done[0] / sum(done) == pytest.approx(0.25, rel=0.1)
    assert set(race.decisions[-1].kept.values()) == {ShareKept.BY_TURNS}


def test_kernels_too_long_to_be_paused_are_told_and_the_others_keep_their_weights() -> None:
    others = [Racer(LARGE_PRODUCTS, 500), Racer(LARGE_PRODUCTS, 250)]
    race = ComputeRace([Racer(Program(0.2), 250), *others])
    race.run(60)
    before = len(race.decisions)
    done = race.run(20)
    told = [tuple(decision.kept.values()) for decision in race.decisions[before:]]
    # From time to time it is tried again whether it can be paused by now.
    expected = (ShareKept.LONG_KERNELS, ShareKept.ALONE_PAUSABLE, ShareKept.ALONE_PAUSABLE)
    assert told.count(expected) > 0.8 * len(told)
    assert done[1] / done[2] == pytest.approx(2, rel=0.1)
    assert race.waited_s[0] <= 0.25


def test_beside_kernels_of_20_ms_a_cell_waits_for_two_periods_and_a_half_at_most() -> None:
    long = Program(0.02)
    race = ComputeRace(
        [*(Racer(long, share) for share in (60, 500, 200)), *racers(LARGE_PRODUCTS, 60, 60)]
    )
    race.run(40)
    assert max(race.waited_s.values()) <= 0.25


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(60, 600),
            st.sampled_from([LARGE_PRODUCTS, SMALL_KERNELS, BOUND_BY_PYTHON, GREEDY, NEARLY_FULL]),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_who_is_told_to_be_kept_has_done_two_thirds_of_its_due_at_least(
    mix: list[tuple[int, Program]],
) -> None:
    """What is measured is the card's time: the driver's changes among programs are part of it."""
    race = ComputeRace([Racer(program, share) for share, program in mix])
    race.run(3 * SETTLED_S)
    before = len(race.decisions)
    done = race.run(SETTLED_S)
    told = [decision.kept for decision in race.decisions[before:]]
    due = dues([each for each in race.use() if computes(each)])
    for index, each in enumerate(done):
        who = SliceId(f"s{index}")
        if all(kept[who] is ShareKept.BY_TURNS for kept in told):
            # What is told comes in hundredths of the card.
            assert each / SETTLED_S >= 0.72 * float(due[who]) - 0.01


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


@pytest.mark.parametrize(
    "several",
    [
        pytest.param([Racer(LARGE_PRODUCTS, 875), Racer(GREEDY, 125)], id="one-beside-one"),
        pytest.param([Racer(SMALL_KERNELS, 875), Racer(GREEDY, 125)], id="beside-small-kernels"),
        pytest.param(
            [Racer(SMALL_KERNELS, 500), Racer(LARGE_PRODUCTS, 375), Racer(GREEDY, 125)],
            id="two-beside-a-third",
        ),
        pytest.param(
            [Racer(LARGE_PRODUCTS, 600), Racer(GREEDY, 200), Racer(BOUND_BY_PYTHON, 200)],
            id="two-beside-one",
        ),
        pytest.param(
            [*racers(LARGE_PRODUCTS, 400, 200), Racer(GREEDY, 200), Racer(BOUND_BY_PYTHON, 200)],
            id="two-beside-two",
        ),
        pytest.param(
            [*racers(LARGE_PRODUCTS, 500, 250), Racer(BOUND_BY_PYTHON, 250)], id="bound-by-python"
        ),
        pytest.param([*racers(LARGE_PRODUCTS, 500, 125), Racer(GREEDY, 375)], id="nearly-its-due"),
    ],
)
def test_who_does_not_fill_its_turns_has_no_more_than_its_share_and_nothing_is_lost(
    several: list[Racer],
) -> None:
    race, freely = ComputeRace(several), ComputeRace(several, by_turns=False)
    race.run(2.5 * SETTLED_S)
    race.waited_s = dict.fromkeys(race.waited_s, 0.0)
    done, total = race.run(SETTLED_S), sum(racer.share_milli for racer in several)
    for racer, each in zip(several, done, strict=True):
        assert each / sum(done) == pytest.approx(racer.share_milli / total, rel=0.05)
    assert sum(done) >= 0.99 * sum(freely.run(SETTLED_S))
    assert max(race.waited_s.values()) <= 0.1
    assert set(race.decisions[-1].kept.values()) == {ShareKept.BY_TURNS}


def test_who_has_less_than_its_due_as_it_waits_for_its_program_runs_freely_beside_turns() -> None:
    race = ComputeRace([*racers(LARGE_PRODUCTS, 400, 200), Racer(Program(0.0003, part=0.2), 400)])
    race.run(2 * SETTLED_S)
    race.waited_s[2] = 0.0
    done = race.run(SETTLED_S)
    assert done[2] >= 0.99 * 0.2 * SETTLED_S
    assert done[0] / done[1] == pytest.approx(2, rel=0.05)
    assert race.waited_s[2] == 0


@pytest.mark.parametrize("bursts_are_cells", [False, True])
@pytest.mark.parametrize(("burst_s", "rests_s"), [(0.5, 0.5), (1, 1), (1, 3), (2, 1)])
def test_whoever_computes_for_a_moment_again_and_again_takes_nobodys_share(
    burst_s: float, rests_s: float, *, bursts_are_cells: bool
) -> None:
    program = Program(0.001, 1.0, False, burst_s, rests_s, bursts_are_cells)
    race = ComputeRace([Racer(SMALL_KERNELS, 875), Racer(program, 125)])
    race.run(2 * SETTLED_S)
    steady, bursts = race.run(3 * SETTLED_S)
    assert steady / (3 * SETTLED_S) >= 0.95 * 0.875
    assert bursts / (3 * SETTLED_S) <= 1.05 * 0.125
    assert max(race.waited_s.values()) <= 0.1


def test_a_kernel_that_is_as_long_as_half_a_period_takes_no_more_than_that() -> None:
    race = ComputeRace([Racer(Program(0.045), 250), Racer(SMALL_KERNELS, 750)])
    freely = ComputeRace(race.racers, by_turns=False)
    race.run(6 * SETTLED_S)
    long, small = race.run(SETTLED_S)
    assert long / (long + small) <= 0.5
    assert small > 3 * freely.run(SETTLED_S)[1]


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


@pytest.mark.parametrize("most_milli", [50, 125, 250, 500, 900])
@pytest.mark.parametrize("program", [LARGE_PRODUCTS, SMALL_KERNELS, BOUND_BY_PYTHON])
def test_who_is_alone_has_no_more_than_may_be_and_no_less_where_the_program_can(
    program: Program, most_milli: int
) -> None:
    race = ComputeRace([Racer(program, 50, most_milli=most_milli)])
    race.run(3 * SETTLED_S)
    [done] = race.run(SETTLED_S)
    expected = min(most_milli / 1000, program.part) * SETTLED_S
    # What is told comes in hundredths of the card.
    assert done == pytest.approx(expected, rel=0.06, abs=0.005 * SETTLED_S)
    assert race.waited_s[0] <= 0.1


@pytest.mark.parametrize("most_milli", [15, 30])
@pytest.mark.parametrize("runs_a_cell", [False, True])
def test_who_may_have_hardly_anything_has_no_more(most_milli: int, *, runs_a_cell: bool) -> None:
    alone = Racer(LARGE_PRODUCTS, 10, runs_a_cell=runs_a_cell, most_milli=most_milli)
    race = ComputeRace([alone])
    race.run(SETTLED_S)
    (done,) = race.run(SETTLED_S)
    assert done / SETTLED_S == pytest.approx(most_milli / 1000, abs=0.01)


def test_who_is_due_hardly_anything_has_no_more_where_nobody_waits_for_a_cell() -> None:
    race = ComputeRace([Racer(LARGE_PRODUCTS, share, runs_a_cell=False) for share in (990, 10)])
    race.run(SETTLED_S)
    assert race.run(SETTLED_S)[1] / SETTLED_S <= 0.03


def test_a_slice_has_its_share_though_the_cap_is_below_it() -> None:
    race = ComputeRace([Racer(LARGE_PRODUCTS, 500, most_milli=125)])
    race.run(SETTLED_S)
    assert race.run(SETTLED_S) == [pytest.approx(0.5 * SETTLED_S, rel=0.05)]


@pytest.mark.parametrize(
    ("several", "expected"),
    [
        pytest.param([(100, 250), (100, 250)], [0.25, 0.25], id="nobodys-is-left"),
        pytest.param([(750, 250), (250, 250)], [0.75, 0.25], id="shares-come-first"),
        pytest.param([(600, 300), (100, 300), (50, 300)], [0.6, 0.267, 0.133], id="by-weight"),
    ],
)
def test_nobody_has_more_in_company_than_alone_and_shares_are_kept(
    several: list[tuple[int, int]], expected: list[float]
) -> None:
    race = ComputeRace([Racer(LARGE_PRODUCTS, share, most_milli=most) for share, most in several])
    race.run(2 * SETTLED_S)
    done = race.run(SETTLED_S)
    for each, part in zip(done, expected, strict=True):
        assert each == pytest.approx(part * SETTLED_S, rel=0.06)


def test_caps_that_fill_the_card_are_kept_beside_one_that_does_not_fill_its_turns() -> None:
    short = Racer(Program(0.001, part=0.85), 100, most_milli=500)
    race = ComputeRace([short, Racer(SMALL_KERNELS, 50, most_milli=500)])
    race.run(SETTLED_S)
    before = len(race.decisions)
    done = race.run(SETTLED_S)
    assert done == pytest.approx([0.5 * SETTLED_S] * 2, rel=0.05)
    assert len({decision.round.order for decision in race.decisions[before:]}) == 1


@pytest.mark.parametrize("caps", [(250, 250, 250), (250, None, 250), (None, None, 250)])
def test_who_is_capped_and_fills_its_turns_has_its_due_beside_two_that_fill_none(
    caps: tuple[int | None, ...],
) -> None:
    nearly, job = Racer(Program(0.001, part=0.85), 500), Racer(GREEDY, 100, is_job=True)
    several = [nearly, job, Racer(SMALL_KERNELS, 250)]
    racers = [replace(each, most_milli=cap) for each, cap in zip(several, caps, strict=True)]
    race = ComputeRace(racers)
    race.run(2 * SETTLED_S)
    before = len(race.decisions)
    done = race.run(SETTLED_S)
    used = race.use().slices
    assert used[2].used == pytest.approx(0.25, abs=0.015)
    assert [each.used <= each.cap + 0.02 for each in used] == [True] * 3
    assert done[2] / SETTLED_S > 0.8 * 0.25
    takers = {(d.round.closed_ones, d.round.opened_ones) for d in race.decisions[before:]}
    assert len(takers) == 1
    assert max(race.waited_s.values()) <= 0.1


@pytest.mark.parametrize(
    ("share", "program"), [(200, LARGE_PRODUCTS), (250, SMALL_KERNELS)], ids=["large", "small"]
)
def test_who_is_capped_has_its_due_beside_others_that_run_freely(
    share: int, program: Program
) -> None:
    freely = Racer(Program(0.0003, part=0.48), 750, most_milli=500)
    race = ComputeRace([freely, *(Racer(program, s, most_milli=500) for s in (share, 375))])
    race.run(2.5 * SETTLED_S)
    done = race.run(SETTLED_S)
    assert done[1] / done[2] == pytest.approx(share / 375, rel=0.05)
    assert [race.decisions[-1].kept[who] for who in ("s1", "s2")] == [ShareKept.BY_TURNS] * 2


def test_who_fills_its_turns_is_not_held_to_a_cap_while_others_take_its_share() -> None:
    several = [(GREEDY, 500), (Program(0.0003, part=0.2), 50), (GREEDY, 125), (SMALL_KERNELS, 50)]
    race = ComputeRace([Racer(program, share, most_milli=250) for program, share in several])
    race.run(3 * SETTLED_S)
    done = race.run(SETTLED_S)
    assert done[3] / SETTLED_S > 0.05
    assert race.decisions[-1].kept["s3"] is ShareKept.BY_TURNS


def test_caps_that_nearly_fill_the_card_are_not_cut_for_the_sake_of_switches() -> None:
    race = ComputeRace([Racer(LARGE_PRODUCTS, share, most_milli=380) for share in (600, 100)])
    race.run(3 * SETTLED_S)
    done = race.run(SETTLED_S)
    assert [each / SETTLED_S for each in done] == pytest.approx([0.6, 0.38], rel=0.02)
    assert max(race.waited_s.values()) <= 0.1


def test_who_has_less_than_the_cap_runs_freely_beside_one_that_is_capped() -> None:
    race = ComputeRace(
        [Racer(LARGE_PRODUCTS, 100, most_milli=500), Racer(BOUND_BY_PYTHON, 100, most_milli=500)]
    )
    race.run(3 * SETTLED_S)
    race.waited_s[1] = 0.0
    done = race.run(SETTLED_S)
    assert done[0] == pytest.approx(0.5 * SETTLED_S, rel=0.06)
    assert race.waited_s[1] == 0


def test_a_cap_is_kept_while_others_come_and_go_and_no_longer_than_it_is_asked_for() -> None:
    one = Racer(LARGE_PRODUCTS, 100, most_milli=250)
    race = ComputeRace([one])
    race.run(SETTLED_S)
    race.racers = [replace(one, most_milli=None)]
    race.run(2.0)
    assert race.run(SETTLED_S) == [pytest.approx(SETTLED_S, rel=0.01)]


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
