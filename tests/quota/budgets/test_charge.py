"""What held time costs: entitled whole, borrowed and lent a part, suspended nothing."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.budgets.charge import (
    US_PER_HOUR,
    Charge,
    HeldKind,
    HeldTime,
    Stretch,
    charge_of,
    price,
    times_of,
)

LENT_RATE = Fraction(1, 4)
HOUR = US_PER_HOUR


@dataclass(frozen=True)
class Case:
    kind: HeldKind
    entitled: bool
    charged: Fraction
    paid_us: int = 0
    credited: Fraction = Fraction(0)


CASES = {
    "entitled at work": Case(HeldKind.USED, entitled=True, charged=Fraction(1)),
    "entitled and idle": Case(HeldKind.IDLE, entitled=True, charged=Fraction(1)),
    "borrowed at work": Case(HeldKind.USED, entitled=False, charged=LENT_RATE),
    "borrowed and idle": Case(HeldKind.IDLE, entitled=False, charged=LENT_RATE),
    "entitled and suspended": Case(HeldKind.SUSPENDED, entitled=True, charged=Fraction(0)),
    "borrowed and suspended": Case(HeldKind.SUSPENDED, entitled=False, charged=Fraction(0)),
    "lent to who pays nothing": Case(HeldKind.LENT, entitled=True, charged=LENT_RATE),
    "lent whole at one rate": Case(
        HeldKind.LENT, True, LENT_RATE, paid_us=HOUR // 4, credited=LENT_RATE
    ),
    "lent half": Case(HeldKind.LENT, True, LENT_RATE, HOUR // 8, Fraction(1, 8)),
    "lent to who pays more": Case(HeldKind.LENT, True, LENT_RATE, paid_us=HOUR, credited=LENT_RATE),
    "borrowed and lent on": Case(HeldKind.LENT, False, LENT_RATE, HOUR // 8, Fraction(1, 8)),
}


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(4), Fraction(1, 2)])
@pytest.mark.parametrize("name", CASES)
def test_what_an_hour_on_a_card_costs(name: str, rate: Fraction) -> None:
    case = CASES[name]
    time = HeldTime(case.kind, case.entitled, HOUR, HOUR, case.paid_us)
    expected = Charge(case.charged * rate, case.credited * rate)
    assert charge_of([time], rate, LENT_RATE) == expected


def test_half_a_card_for_two_hours_costs_what_a_card_costs_for_one() -> None:
    half = HeldTime(HeldKind.IDLE, True, 2 * HOUR, HOUR)
    assert charge_of([half], Fraction(1), LENT_RATE).spent == 1


def test_a_stretch_in_which_the_gpu_computed_in_part_is_used_in_part() -> None:
    times = times_of(Stretch(4_000_000, 1_000_000, Fraction(1, 4), entitled=True))
    assert times == (
        HeldTime(HeldKind.USED, True, 1_000_000, 250_000),
        HeldTime(HeldKind.IDLE, True, 3_000_000, 750_000),
    )


def test_what_guests_pay_is_noted_for_lent_time_alone() -> None:
    lent = Stretch(
        4_000_000, 1_000_000, Fraction(1, 2), entitled=True, lent=True, paid=Fraction(1, 8)
    )
    assert times_of(lent) == (
        HeldTime(HeldKind.USED, True, 1_000_000, 500_000),
        HeldTime(HeldKind.LENT, True, 3_000_000, 1_500_000, 375_000),
    )


@pytest.mark.parametrize(
    ("suspended", "lent", "kind"),
    [
        (False, False, HeldKind.IDLE),
        (True, False, HeldKind.SUSPENDED),
        (False, True, HeldKind.LENT),
        (True, True, HeldKind.LENT),
    ],
)
def test_what_is_suspended_for_guests_is_lent(
    kind: HeldKind, *, suspended: bool, lent: bool
) -> None:
    stretch = Stretch(5, 0, Fraction(1), entitled=True, suspended=suspended, lent=lent)
    (time,) = times_of(stretch)
    assert time.kind is kind


stretches = st.builds(
    Stretch,
    length_us=st.integers(1, 10**9),
    busy_us=st.integers(0, 2 * 10**9),
    cards=st.fractions(0, 1, max_denominator=96),
    entitled=st.booleans(),
    suspended=st.booleans(),
    lent=st.booleans(),
    paid=st.fractions(0, 1, max_denominator=96),
)
rates = st.fractions(0, 1, max_denominator=20)
held_times = st.lists(stretches, max_size=20).map(
    lambda found: [time for each in found for time in times_of(each)]
)


@given(stretches)
def test_held_is_always_the_sum_of_its_kinds(stretch: Stretch) -> None:
    times = times_of(stretch)
    assert sum(time.held_us for time in times) == stretch.length_us
    in_cards_us = sum(time.card_us for time in times)
    assert abs(in_cards_us - stretch.length_us * stretch.cards) <= Fraction(1, 2)
    assert all(time.held_us > 0 and time.card_us >= 0 for time in times)


@given(stretches)
def test_what_is_used_is_what_the_meter_says(stretch: Stretch) -> None:
    used = sum(time.held_us for time in times_of(stretch) if time.kind is HeldKind.USED)
    assert used == min(stretch.busy_us, stretch.length_us)


@given(held_times, rates)
def test_nobody_gains_hours_and_no_more_is_credited_than_paid(
    times: list[HeldTime], lent_rate: Fraction
) -> None:
    charge = charge_of(times, Fraction(1), lent_rate)
    assert 0 <= charge.credited <= charge.charged
    assert charge.credited * HOUR <= sum(time.paid_us for time in times)


@given(held_times, rates)
def test_nothing_costs_more_than_entitled_time(times: list[HeldTime], lent_rate: Fraction) -> None:
    whole = Fraction(sum(time.card_us for time in times), HOUR)
    assert charge_of(times, Fraction(1), lent_rate).spent <= whole


@given(held_times, rates)
def test_a_charge_does_not_depend_on_the_order(times: list[HeldTime], lent_rate: Fraction) -> None:
    charge = charge_of(times, Fraction(2), lent_rate)
    assert charge_of([*reversed(times)], Fraction(2), lent_rate) == charge


@given(st.sampled_from(HeldKind), rates)
def test_borrowed_time_never_costs_more_than_entitled_time(
    kind: HeldKind, lent_rate: Fraction
) -> None:
    assert price(kind, lent_rate, entitled=False) <= price(kind, lent_rate, entitled=True)
