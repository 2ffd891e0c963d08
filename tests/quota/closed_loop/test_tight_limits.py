"""A limit that would have refused a part of the hours is found from what was held for how long."""

from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.closed_loop.outcome.report import TightLimit
from sublet_quota.closed_loop.outcome.tight_limits import tight_limits
from sublet_quota.closed_loop.record.records import HeldSlice, Who
from sublet_quota.names.ids import GroupName, SliceId, UserName

from tests.support.loop_cases import HOUR, MONDAY


def held(owner: str, begins: float, ends: float, cards: str = "1", group: str = "a") -> HeldSlice:
    who = Who(UserName(owner), GroupName(group), is_job=False)
    began, ended = (MONDAY + hours * HOUR for hours in (begins, ends))
    return HeldSlice(SliceId(f"{owner}{begins}"), who, "H100", Fraction(cards), began, ended)


def limits(*slices: HeldSlice, part: str = "1/100") -> dict[bool, TightLimit]:
    return {each.of_each: each for each in tight_limits(slices, MONDAY, Fraction(part))}


def test_a_tenth_of_what_is_always_held_is_a_tenth_below_it() -> None:
    found = limits(held("ada", 0, 10, "2"), part="1/10")
    assert (found[False].cards, found[False].most, found[False].held_h) == (1.8, 2, 20)


def test_a_peak_is_what_goes_first() -> None:
    found = limits(held("ada", 0, 98), held("ada", 1, 2), held("ada", 1, 2), part="1/100")
    assert found[False].cards == 2
    assert found[False].most == 3


def test_each_members_limit_is_of_what_one_holds() -> None:
    found = limits(held("ada", 0, 10), held("bob", 0, 10), part="1/10")
    assert (found[False].cards, found[True].cards) == (1.8, 0.9)


def test_groups_are_told_apart_and_who_holds_nothing_not_at_all() -> None:
    some = (held("ada", 0, 1), held("bob", 0, 1, group="b"), held("cleo", 1, 1, group="c"))
    assert [each.group for each in tight_limits(some, MONDAY)] == ["a", "a", "b", "b"]


_SLICES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 20), st.sampled_from(["1/4", "1/2", "1"])),
    min_size=1,
    max_size=12,
)


@given(_SLICES)
def test_beyond_the_limit_lies_the_part_that_was_said(
    slices: list[tuple[int, int, str]],
) -> None:
    some = [held("ada", at, at + lasts, cards) for at, lasts, cards in slices]
    limit = limits(*some, part="1/10")[False]
    refused = 0.0
    for hour in range(40):
        at = MONDAY + (hour + 0.5) * HOUR
        level = sum(float(each.cards) for each in some if each.began <= at < each.ended)
        refused += max(0.0, level - limit.cards)
    assert abs(refused - limit.held_h / 10) < 1e-6
    assert timedelta(hours=limit.held_h) > timedelta()
