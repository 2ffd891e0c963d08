"""The turns of each period: as long as what is due, none too short, nobody waits for long."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sublet_quota.compute.card_use import ComputingSlice
from sublet_quota.compute.turns import RAREST, SHORTEST, Place, Round, make_round, turns_between
from sublet_quota.names.ids import SliceId

PERIOD = timedelta(milliseconds=100)
MICROSECONDS = timedelta(microseconds=50)


def slices(cells: list[bool]) -> list[ComputingSlice]:
    return [
        ComputingSlice(SliceId(f"s{i}"), 100, 0.1, runs_a_cell=runs) for i, runs in enumerate(cells)
    ]


def parts(weights: list[int]) -> dict[SliceId, Fraction]:
    return {SliceId(f"s{i}"): Fraction(w, sum(weights)) for i, w in enumerate(weights)}


WEIGHTS = st.lists(st.tuples(st.integers(1, 1000), st.booleans()), min_size=2, max_size=16)


def test_a_turn_is_as_long_as_what_is_due() -> None:
    taken = make_round(slices([True, True]), parts([3, 1]), PERIOD)
    assert [turn.lasts for turn in taken.period(0)] == [0.75 * PERIOD, 0.25 * PERIOD]


def test_a_short_turn_comes_in_some_periods_only_and_is_longer() -> None:
    taken = make_round(slices([True, False]), parts([98, 2]), PERIOD)
    times = [len(taken.period(number)) - 1 for number in range(8)]
    assert sum(times) == 2
    assert taken.parts[SliceId("s1")] == pytest.approx(0.02, rel=1e-3)


def test_who_runs_a_cell_has_a_turn_in_every_period_however_little_is_due() -> None:
    taken = make_round(slices([False, True]), parts([999, 1]), PERIOD)
    assert all(SliceId("s1") in {t.slice_id for t in taken.period(n)} for n in range(RAREST))


@given(WEIGHTS)
def test_no_period_is_longer_than_it_may_be_so_that_a_cell_waits_one_at_most(
    weights: list[tuple[int, bool]],
) -> None:
    taken = make_round(
        slices([cell for _, cell in weights]), parts([w for w, _ in weights]), PERIOD
    )
    for number in range(RAREST):
        turns = taken.period(number)
        assert sum((t.lasts for t in turns), timedelta(0)) <= PERIOD + MICROSECONDS
        cells = {SliceId(f"s{i}") for i, (_, cell) in enumerate(weights) if cell}
        assert cells <= {turn.slice_id for turn in turns}


@pytest.mark.parametrize("part_milli", [1, 10, 30, 40, 60, 300])
@pytest.mark.parametrize("cells", [[False], [True]])
def test_where_a_part_is_nobodys_a_turn_is_what_is_due_however_little(
    part_milli: int, cells: list[bool]
) -> None:
    part = Fraction(part_milli, 1000)
    taken = make_round(slices(cells), {SliceId("s0"): part}, PERIOD)
    assert taken.parts[SliceId("s0")] == pytest.approx(float(part), rel=1e-2)
    for number in range(RAREST):
        turns = taken.period(number)
        assert sum((t.lasts for t in turns), timedelta(0)) <= PERIOD + 2 * SHORTEST


@pytest.mark.parametrize("part_milli", [900, 951, 960, 980, 990, 996])
def test_a_small_part_that_is_nobodys_comes_in_some_periods_and_takes_from_nobody(
    part_milli: int,
) -> None:
    half = Fraction(part_milli, 2000)
    taken = make_round(slices([True, False]), {SliceId("s0"): half, SliceId("s1"): half}, PERIOD)
    assert list(taken.parts.values()) == pytest.approx([float(half)] * 2, abs=1e-3)
    assert taken.idle >= SHORTEST
    periods = [taken.period(number) for number in range(RAREST)]
    whole = sum((t.lasts for turns in periods for t in turns), timedelta(0))
    assert abs(whole - RAREST * PERIOD) < RAREST * MICROSECONDS
    longest = max(sum((t.lasts for t in turns), timedelta(0)) for turns in periods)
    assert longest < PERIOD + 2 * SHORTEST


@given(WEIGHTS)
def test_nobody_starves(weights: list[tuple[int, bool]]) -> None:
    taken = make_round(
        slices([cell for _, cell in weights]), parts([w for w, _ in weights]), PERIOD
    )
    for start in (0, 5, 160):
        had = {t.slice_id for n in range(start, start + RAREST) for t in taken.period(n)}
        assert had == taken.who


@given(WEIGHTS)
def test_turns_are_worth_a_switch(weights: list[tuple[int, bool]]) -> None:
    taken = make_round(
        slices([cell for _, cell in weights]), parts([w for w, _ in weights]), PERIOD
    )
    assert all(place.lasts >= 0.5 * SHORTEST for place in taken.places)


OPEN = st.lists(st.tuples(st.integers(1, 950), st.booleans()), min_size=1, max_size=3)


def opened(weights: list[int], open_ones: list[tuple[int, bool]]) -> Round:
    beside = [
        ComputingSlice(SliceId(f"o{i}"), 100, 0.1, runs_a_cell=cell)
        for i, (_, cell) in enumerate(open_ones)
    ]
    of_open = {SliceId(f"o{i}"): Fraction(part, 1000) for i, (part, _) in enumerate(open_ones)}
    return make_round(slices([True] * len(weights)), {**parts(weights), **of_open}, PERIOD, beside)


def test_who_has_an_open_turn_runs_beside_the_others_and_is_paused_in_the_rest() -> None:
    taken = opened([1], [(400, True)])
    turns = taken.period(0)
    assert [turn.lasts for turn in turns] == [0.4 * PERIOD, 0.6 * PERIOD]
    assert [turn.runs for turn in turns] == [{"s0", "o0"}, {"s0"}]


def test_open_turns_follow_one_another() -> None:
    turns = opened([1, 1], [(200, True), (300, True)]).period(0)
    assert [turn.runs - {"o0", "o1"} for turn in turns] == [{"s0"}, {"s0"}, {"s1"}]
    assert [turn.beside for turn in turns] == [{"o0"}, {"o1"}, frozenset()]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=4), OPEN)
def test_open_turns_change_nothing_of_the_others_and_are_as_long_as_meant(
    weights: list[int], open_ones: list[tuple[int, bool]]
) -> None:
    taken, without = opened(weights, open_ones), opened(weights, [])
    lasted: dict[SliceId, timedelta] = {}
    for number in range(RAREST):
        there: dict[SliceId | None, timedelta] = {}
        for turn in taken.period(number):
            there[turn.slice_id] = there.get(turn.slice_id, timedelta(0)) + turn.lasts
            for each in turn.beside:
                lasted[each] = lasted.get(each, timedelta(0)) + turn.lasts
        assert there == {turn.slice_id: turn.lasts for turn in without.period(number)}
    for place in taken.opened:
        meant = RAREST * place.lasts / place.every
        assert abs(lasted[place.slice_id] - meant) < RAREST * MICROSECONDS


@given(st.lists(st.integers(1, 100), min_size=1, max_size=4), OPEN)
def test_a_cell_waits_one_period_at_most_for_its_open_turn(
    weights: list[int], open_ones: list[tuple[int, bool]]
) -> None:
    taken = opened(weights, open_ones)
    for index, (_, cell) in enumerate(open_ones):
        waited, longest = timedelta(0), timedelta(0)
        for turn in (turn for number in range(3 * RAREST) for turn in taken.period(number)):
            runs = SliceId(f"o{index}") in turn.runs
            waited = timedelta(0) if runs else waited + turn.lasts
            longest = max(longest, waited)
        assert longest <= (PERIOD if cell else (RAREST + 1) * PERIOD) + MICROSECONDS


ORDERS = st.permutations("abcd").flatmap(
    lambda names: st.tuples(st.just(names), st.integers(1, 3), st.integers(2, 4))
)


def of_cells(order: tuple[list[str], int, int], lasts: list[int]) -> Round:
    """The turns of some of four cells, of which some have open ones."""
    names, closed, there = order
    cells = [
        ComputingSlice(SliceId(name), 100, 0.1, runs_a_cell=True) for name in names[: max(there, 2)]
    ]
    of_each = dict(zip((each.slice_id for each in cells), lasts, strict=False))
    total = sum(of_each[each.slice_id] for each in cells[:closed])
    part = {who: Fraction(min(lasts, total), total) for who, lasts in of_each.items()}
    return make_round(cells[:closed], part, PERIOD, cells[closed:])


@given(ORDERS, ORDERS, st.lists(st.integers(1, 100), min_size=8, max_size=8), st.integers(0, 40))
def test_a_cell_waits_one_period_at_most_where_others_take_turns_than_before(
    one: tuple[list[str], int, int],
    other: tuple[list[str], int, int],
    lasts: list[int],
    number: int,
) -> None:
    before, after = of_cells(one, lasts[:4]), of_cells(other, lasts[4:])
    assume(before.order != after.order)
    turns = [
        *((turn, before) for turn in before.period(number)),
        *((turn, after) for turn in turns_between(before, after)),
        *((turn, after) for turn in after.period(number + 1)),
    ]
    for who in before.who | after.who:
        waited, longest = timedelta(0), timedelta(0)
        for turn, taken in turns:
            runs = who in turn.runs or who not in taken.who
            waited = timedelta(0) if runs else waited + turn.lasts
            longest = max(longest, waited)
        assert longest <= PERIOD + MICROSECONDS


def test_nothing_comes_between_turns_of_the_same_in_the_same_order() -> None:
    one, longer = (Round((Place(SliceId("a"), n * SHORTEST),)) for n in (2, 3))
    assert turns_between(one, longer) == ()
