"""What is due to slices that would all have the card: shares, rank by rank, and what is left."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.compute.card_use import ComputingSlice
from sublet_quota.compute.dues import dues
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank


def of(name: str, share_milli: int, rank: Rank = Rank.BORROWED, *, job=False, most=None):
    return ComputingSlice(SliceId(name), share_milli, 0.5, rank, is_job=job, most_milli=most)


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param([of("a", 750), of("b", 250)], {"a": 750, "b": 250}, id="the-card-is-full"),
        pytest.param([of("a", 375), of("b", 125)], {"a": 750, "b": 250}, id="the-rest-by-weight"),
        pytest.param([of("a", 900), of("b", 600)], {"a": 600, "b": 400}, id="too-much-by-weight"),
        pytest.param([of("a", 10)], {"a": 1000}, id="alone"),
        pytest.param([of("a", 10, most=250)], {"a": 250}, id="alone-at-the-cap"),
        pytest.param([of("a", 500, most=250)], {"a": 500}, id="a-share-is-above-the-cap"),
        pytest.param(
            [of("a", 400, most=500), of("b", 200)], {"a": 500, "b": 500}, id="others-have-the-rest"
        ),
        pytest.param(
            [of("a", 100, most=250), of("b", 100, most=250)],
            {"a": 250, "b": 250},
            id="what-nobody-may-have-is-nobodys",
        ),
        pytest.param(
            [of("a", 900), of("b", 600, Rank.ENTITLED)],
            {"a": 400, "b": 600},
            id="entitled-ones-have-theirs-before-others",
        ),
        pytest.param(
            [of("a", 500), of("j", 1000, job=True)], {"a": 500, "j": 500}, id="owners-before-jobs"
        ),
        pytest.param(
            [of("a", 1000), of("j", 1000, job=True)], {"a": 1000, "j": 0}, id="nothing-is-left"
        ),
        pytest.param(
            [of("a", 500), of("c", 500, Rank.CALLED_BACK)],
            {"a": 500, "c": 500},
            id="called-back-has-its-share-of-what-nobody-is-due",
        ),
        pytest.param(
            [of("a", 250), of("c", 250, Rank.CALLED_BACK)],
            {"a": 750, "c": 250},
            id="and-no-more",
        ),
        pytest.param(
            [of("a", 250, most=500), of("c", 250, Rank.CALLED_BACK, most=750)],
            {"a": 500, "c": 500},
            id="but-what-the-others-may-not-have",
        ),
        pytest.param([of("a", 0), of("b", 0)], {"a": 500, "b": 500}, id="no-share-is-promised"),
    ],
)
def test_what_is_due(slices: list[ComputingSlice], expected: dict[str, int]) -> None:
    assert dues(slices) == {name: Fraction(milli, 1000) for name, milli in expected.items()}


SLICES = st.lists(
    st.builds(
        lambda share, rank, job: (share, rank, job),
        st.integers(0, 1000),
        st.sampled_from(Rank),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
).map(lambda all_: [of(f"s{i}", share, rank, job=job) for i, (share, rank, job) in enumerate(all_)])


@given(SLICES)
def test_dues_come_to_the_whole_card_and_keep_weights_among_equals(
    slices: list[ComputingSlice],
) -> None:
    due = dues(slices)
    assert sum(due.values()) == 1
    for one in slices:
        for other in slices:
            if (one.rank, one.is_job) == (other.rank, other.is_job):
                assert due[one.slice_id] * other.weight == due[other.slice_id] * one.weight


@given(SLICES, st.lists(st.one_of(st.none(), st.integers(1, 1000)), min_size=8, max_size=8))
def test_nobody_is_due_more_than_the_cap_and_the_rest_is_nobodys_only_where_all_are_at_it(
    slices: list[ComputingSlice], most: list[int | None]
) -> None:
    capped = [replace(one, most_milli=milli) for one, milli in zip(slices, most, strict=False)]
    due = dues(capped)
    assert all(0 <= due[one.slice_id] <= one.cap for one in capped)
    assert sum(due.values()) == min(Fraction(1), sum((one.cap for one in capped), Fraction(0)))


@given(SLICES, st.lists(st.integers(0, 1000), min_size=8, max_size=8))
def test_what_some_do_not_want_is_due_to_the_others(
    slices: list[ComputingSlice], wants: list[int]
) -> None:
    few = slices[: len(slices) // 2]
    wanted = {s.slice_id: Fraction(milli, 1000) for s, milli in zip(few, wants, strict=False)}
    due, without = dues(slices, wanted), dues(slices)
    assert sum(due.values()) == 1
    assert all(due[who] <= milli for who, milli in wanted.items())
    for each in slices[len(few) :]:
        if each.rank is not Rank.CALLED_BACK:
            assert due[each.slice_id] >= without[each.slice_id]


def test_what_owners_do_not_want_is_other_owners_share_first_then_jobs() -> None:
    three = of("a", 1000), of("b", 500), of("j", 500, job=True)
    due = dues(three, {SliceId("a"): Fraction(3, 10)})
    assert due == {"a": Fraction(3, 10), "b": Fraction(1, 2), "j": Fraction(1, 5)}
