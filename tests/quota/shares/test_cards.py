"""What a slice counts as: its dominant share of the card that it lies on."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.errors import AmountError
from sublet_quota.shares.cards import cards_of

CARD = GpuKind("H100", 81920, 1920)  # gives 80,000 MiB away

CASES = {
    "a whole GPU is one card": (GpuAmount(80000, 1000), Fraction(1)),
    "nothing is none": (NOTHING, Fraction(0)),
    "memory counts where it is the larger share": (GpuAmount(20000, 100), Fraction(1, 4)),
    "compute counts where it is the larger share": (GpuAmount(20000, 333), Fraction(333, 1000)),
    "one MiB is exactly what it is": (GpuAmount(1, 0), Fraction(1, 80000)),
    "all of the compute is a whole card, however little the memory": (GpuAmount(1, 1000), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_slice_counts_as(name: str) -> None:
    amount, cards = CASES[name]
    assert cards_of(amount, CARD) == cards


@pytest.mark.parametrize("amount", [GpuAmount(80001, 0), GpuAmount(0, 1001)])
def test_no_slice_is_more_than_one_card(amount: GpuAmount) -> None:
    with pytest.raises(AmountError, match="more than one H100 gives: 80000 MiB, 1 GPU"):
        cards_of(amount, CARD)


def test_a_card_that_gives_no_memory_is_counted_by_compute() -> None:
    assert cards_of(GpuAmount(0, 500), GpuKind("tiny", 1, 1)) == Fraction(1, 2)


amounts = st.builds(GpuAmount, st.integers(0, 80000), st.integers(0, 1000))


@given(amounts, amounts)
def test_two_slices_that_fit_beside_each_other_may_be_more_than_a_card_but_never_one_alone(
    one: GpuAmount, other: GpuAmount
) -> None:
    assert 0 <= cards_of(one, CARD) <= 1
    if (one + other).fits_in(GpuAmount(80000, 1000)):
        assert cards_of(one + other, CARD) <= cards_of(one, CARD) + cards_of(other, CARD)
