"""The first of many numbers in a row that is large enough."""

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.jobs.backfill.first_fit import FirstFit


@given(st.lists(st.integers(0, 20), max_size=40), st.data())
def test_the_first_that_is_large_enough_is_the_first(
    numbers: list[int], data: st.DataObject
) -> None:
    row, left = FirstFit(numbers), list(numbers)
    for _ in range(5):
        least = data.draw(st.integers(0, 21))
        first = next((n for n, each in enumerate(left) if each >= least), None)
        assert row.first(least) == first
        if numbers:
            at = data.draw(st.integers(0, len(numbers) - 1))
            row.drop(at)
            left[at] = -1
