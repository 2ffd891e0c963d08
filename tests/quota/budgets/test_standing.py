"""How a budget stands: spent, left, over, and when there are hours again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.budgets.charge import Charge
from sublet_quota.budgets.standing import BudgetStanding, Spent, standing_of
from sublet_quota.document.lookups.group_budgets import budget_of
from sublet_quota.names.ids import GroupName, UserName

from tests.support.quota_documents import document

NOW = datetime(2026, 11, 30, 12, 20, tzinfo=UTC)
ADA, EVE = UserName("ada"), UserName("eve")


def ago(days: float, hours: float = 0) -> datetime:
    before = NOW - timedelta(days=days, hours=hours)
    return before.replace(minute=0, second=0, microsecond=0)


def stands(
    said: str,
    charges: Mapping[datetime, Charge],
    now: datetime = NOW,
    owner: UserName | None = None,
    group: str = "lab",
) -> BudgetStanding:
    budget = budget_of(document(f"groups: {{{group}: {{budget: {said}}}}}"), GroupName(group))
    assert budget is not None
    hours = budget.hours if owner is None else budget.each
    assert hours is not None
    return standing_of(budget, hours, owner, charges, now)


def spent(hours: int, credited: int = 0) -> Charge:
    return Charge(Fraction(hours), Fraction(credited))


def test_what_is_credited_is_to_be_had_again() -> None:
    standing = stands("{hours: 10}", {ago(1): spent(8, 3), ago(2): spent(2)})
    assert (standing.charged, standing.credited, standing.left) == (10, 3, 3)
    assert not standing.is_over


@pytest.mark.parametrize(
    ("hours", "warns", "over"),
    [(7, False, False), (8, True, False), (9, True, False), (10, False, True), (12, False, True)],
)
def test_it_warns_from_a_part_of_the_hours_on_until_these_are_spent(
    hours: int, *, warns: bool, over: bool
) -> None:
    standing = stands("{hours: 10, warn: 80%}", {ago(1): spent(hours)})
    assert (standing.warns, standing.is_over) == (warns, over)
    assert standing.warn_at == 8


def test_no_hours_are_over_at_once_and_never_come_again() -> None:
    standing = stands("{hours: 0, per: month}", {})
    assert standing.is_over
    assert standing.renews_at is None


def test_what_is_older_than_a_rolling_period_does_not_count() -> None:
    standing = stands("{hours: 10, per: 2d}", {ago(1): spent(4), ago(2, 1): spent(20)})
    assert standing.charged == 4


def test_a_calendar_period_counts_from_its_begin_and_renews_at_its_end() -> None:
    charges = {ago(29): spent(4), ago(31): spent(20)}
    standing = stands("{hours: 4, per: month}", charges)
    assert (standing.charged, standing.is_over) == (4, True)
    assert standing.renews_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_new_period_begins_with_all_hours() -> None:
    charges = {ago(1): spent(9)}
    assert stands("{hours: 9, per: month}", charges).is_over
    later = datetime(2026, 12, 1, tzinfo=UTC)
    assert stands("{hours: 9, per: month}", charges, later).charged == 0


def test_a_rolling_period_has_hours_again_once_enough_has_left_it() -> None:
    charges = {ago(5): spent(2), ago(4): spent(3), ago(1): spent(7)}
    standing = stands("{hours: 10, per: 30d}", charges)
    assert standing.is_over
    assert standing.renews_at == ago(4) + timedelta(hours=1, days=30)


def test_a_rolling_period_that_is_not_over_renews_at_no_time() -> None:
    assert stands("{hours: 10, per: 30d}", {ago(1): spent(7)}).renews_at is None


@given(
    st.dictionaries(
        st.integers(0, 60 * 24).map(lambda hours: ago(0, hours)),
        st.integers(0, 9).map(spent),
        max_size=12,
    ),
    st.integers(1, 30),
)
def test_at_the_time_told_there_are_hours_and_a_moment_before_there_are_none(
    charges: dict[datetime, Charge], hours: int
) -> None:
    said = f"{{hours: {hours}, per: 20d}}"
    standing = stands(said, charges)
    assert standing.is_over is (standing.renews_at is not None)
    if standing.renews_at is not None:
        before = standing.renews_at - timedelta(microseconds=1)
        assert not stands(said, charges, standing.renews_at).is_over
        assert stands(said, charges, before).is_over


PATH = (GroupName("all"), GroupName("lab"))


def over(group: str, at_end: str, owner: UserName | None = None) -> BudgetStanding:
    said = f"{{hours: 1, per: day, at_end: {at_end}, each: {{hours: 1}}}}"
    return stands(said, {ago(0): spent(1)}, owner=owner, group=group)


def test_what_is_not_over_is_not_spent() -> None:
    assert Spent.of([stands("{hours: 9}", {})]) == Spent()


def test_a_persons_budget_is_spent_for_them_alone() -> None:
    gone = Spent.of([over("lab", "soft-landing", ADA)])
    assert [each.owner for each in gone.on(PATH, ADA)] == [ADA]
    assert gone.on(PATH, EVE) == ()
    assert gone.on(PATH[:1], ADA) == ()


def test_a_budget_of_a_group_above_is_spent_for_all_below() -> None:
    gone = Spent.of([over("all", "soft-landing")])
    assert [each.group for each in gone.on(PATH, EVE)] == ["all"]


def test_only_a_budget_that_says_so_refuses_what_is_new() -> None:
    soft, hard = over("lab", "soft-landing"), over("all", "no-new")
    assert Spent.of([soft]).refuses(PATH, ADA) is None
    assert Spent.of([soft, hard]).refuses(PATH, ADA) is hard


def test_of_several_that_refuse_the_one_is_told_that_has_hours_again_last() -> None:
    never = stands("{hours: 0, at_end: no-new}", {}, group="all")
    soon = over("lab", "no-new")
    assert Spent.of([never, soon]).refuses(PATH, ADA) is never


@pytest.mark.parametrize(("zone", "counts"), [("Europe/Berlin", True), ("UTC", False)])
def test_a_month_begins_by_the_clock_of_its_zone(zone: str, *, counts: bool) -> None:
    of_december = datetime(2026, 12, 2, 12, tzinfo=UTC)
    before_midnight = datetime(2026, 11, 30, 23, tzinfo=UTC)
    said = f"{{hours: 10, per: month, zone: {zone}}}"
    standing = stands(said, {before_midnight: spent(3)}, of_december)
    assert standing.spent == (3 if counts else 0)
