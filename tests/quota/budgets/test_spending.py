"""All budgets of a document: each hour counts for the payer's and all above, and for its owner."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour, Spending, paying_rate
from sublet_quota.budgets.standing import BudgetStanding
from sublet_quota.names.ids import GroupName, UserName

from tests.support.naive_spending import NaiveSpending
from tests.support.quota_documents import document

NOW = datetime(2026, 11, 30, 12, 20, tzinfo=UTC)
TEXT = """
gpu_types: {H100: {match: "*H100*", rate: 4}, L4: {match: "*L4*"}}
groups:
  science:
    budget: {hours: 100, lent_rate: 0.5, each: {hours: 10}}
    groups:
      nlp: {budget: {hours: 20, per: month}}
  free: {}
exceptions:
  - {who: [bob], set: {budget: {hours: 30}}, why: thesis}
"""
DOCUMENT = document(TEXT)
HOUR = US_PER_HOUR


def hour(  # noqa: PLR0913 - a builder
    payer: str | None = "science",
    *,
    owner: str = "ada",
    model: str = "NVIDIA L4",
    kind: HeldKind = HeldKind.USED,
    cards: int = 1,
    paid: int = 0,
    ago: int = 1,
    entitled: bool = True,
) -> ChargedHour:
    at = NOW.replace(minute=0) - timedelta(hours=ago)
    group = None if payer is None else GroupName(payer)
    time = HeldTime(kind, entitled, HOUR, cards * HOUR, paid * HOUR)
    return ChargedHour(at, group, UserName(owner), model, time)


def standings(*parts: ChargedHour) -> dict[str, BudgetStanding]:
    spending = Spending(DOCUMENT)
    for part in parts:
        spending.add(part)
    found = spending.standings(NOW)
    return {f"{each.group}/{each.owner or ''}": each for each in found}


def test_what_a_group_pays_counts_there_and_in_all_above() -> None:
    told = standings(hour("nlp"), hour("science", cards=2))
    assert {name: each.spent for name, each in told.items()} == {
        "science/": 3,
        "science/ada": 3,
        "nlp/": 1,
    }


def test_an_hour_counts_by_the_rate_of_its_type() -> None:
    told = standings(hour(model="NVIDIA H100 80GB HBM3"), hour(model="unknown"))
    assert told["science/"].spent == 5


def test_each_budget_has_its_own_rate_for_what_is_borrowed() -> None:
    told = standings(hour("nlp", entitled=False, cards=4))
    assert (told["science/"].spent, told["nlp/"].spent) == (2, 1)


def test_nothing_counts_that_no_budget_is_for() -> None:
    told = standings(hour("free"), hour(None), hour("gone"))
    assert {name: each.spent for name, each in told.items()} == {"science/": 0, "nlp/": 0}


def test_each_person_has_their_own_hours() -> None:
    told = standings(hour(cards=10), hour(owner="bob", cards=10))
    assert (told["science/ada"].is_over, told["science/bob"].is_over) == (True, False)
    assert told["science/bob"].hours.value == 30


def test_who_spent_nothing_has_all_their_hours() -> None:
    standing = Spending(DOCUMENT).of_person(GroupName("science"), UserName("eve"), NOW)
    assert standing is not None
    assert standing.left == 10


def test_a_guest_pays_by_the_nearest_budget_or_nothing() -> None:
    rates = [paying_rate(DOCUMENT, GroupName(name)) for name in ("nlp", "science", "free")]
    assert rates == [Fraction(1, 4), Fraction(1, 2), 0]
    assert paying_rate(DOCUMENT, None) == 0


def test_hours_that_count_in_no_period_any_more_are_forgotten() -> None:
    spending = Spending(DOCUMENT)
    spending.add(hour(ago=24 * 40))
    spending.add(hour())
    spent = {each.whose: each.spent for each in spending.standings(NOW)}
    assert spent["science", None] == 1
    assert spending.first_hour(NOW) == NOW.replace(minute=0) - timedelta(days=30)


parts = st.builds(
    hour,
    payer=st.sampled_from(["science", "nlp", "free"]),
    owner=st.sampled_from(["ada", "bob"]),
    kind=st.sampled_from(HeldKind),
    cards=st.integers(1, 4),
    paid=st.integers(0, 4),
    ago=st.integers(0, 3),
    entitled=st.booleans(),
)


@given(st.lists(parts, max_size=12), st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_sums_depend_neither_on_order_nor_on_when_they_were_asked(
    found: list[ChargedHour], first: int, random
) -> None:
    once = Spending(DOCUMENT)
    for part in found:
        once.add(part)
    shuffled = list(found)
    random.shuffle(shuffled)
    asked = Spending(DOCUMENT)
    for number, part in enumerate(shuffled):
        if number == first:
            asked.standings(NOW)
        asked.add(part)
    assert asked.standings(NOW) == once.standings(NOW)


far_parts = st.builds(
    hour,
    payer=st.sampled_from(["science", "nlp"]),
    owner=st.sampled_from(["ada", "bob"]),
    kind=st.sampled_from(HeldKind),
    cards=st.integers(1, 30),
    paid=st.integers(0, 4),
    ago=st.integers(0, 24 * 45),
    entitled=st.booleans(),
)


@given(st.lists(far_parts, max_size=12), st.sets(st.integers(0, 12)), st.integers(0, 24 * 40))
def test_what_is_reckoned_as_it_comes_is_what_adding_up_from_scratch_says(
    found: list[ChargedHour], asked: set[int], later_h: int
) -> None:
    spending, naive = Spending(DOCUMENT), NaiveSpending(DOCUMENT)
    now = NOW - timedelta(days=45)
    for number, part in enumerate(sorted(found, key=lambda part: part.hour)):
        spending.add(part)
        naive.add(part)
        now = max(now, part.hour)
        if number in asked:
            assert told(spending, now) == told(naive, now)
    assert told(spending, now) == told(naive, now)
    later = now + timedelta(hours=later_h)
    assert told(spending, later) == told(naive, later)


def told(spending: Spending | NaiveSpending, now: datetime) -> list[BudgetStanding]:
    """How all stand who spent anything in the period."""
    return [each for each in spending.standings(now) if each.owner is None or each.charged]


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("lent_rate: 0.5", "lent_rate: 0.4"),
        ("per: month", "per: day"),
        ("rate: 4", "rate: 3"),
        ("each: {hours: 10}", "each: {}"),
        ("nlp: {budget: {hours: 20, per: month}}", "nlp: {}"),
    ],
)
def test_where_time_costs_otherwise_all_is_added_up_anew(said: str, instead: str) -> None:
    assert said in TEXT
    assert not Spending(DOCUMENT).under(document(TEXT.replace(said, instead)))


def test_with_other_hours_what_was_spent_stays() -> None:
    spending = Spending(DOCUMENT)
    spending.add(hour(cards=4))
    assert spending.under(document(TEXT.replace("hours: 100", "hours: 3")))
    (science, *_) = spending.standings(NOW)
    assert (science.spent, science.is_over) == (4, True)


@pytest.mark.parametrize(("zone", "counts"), [("Europe/Berlin", True), ("UTC", False)])
def test_a_period_of_the_calendar_begins_by_the_clock_of_its_zone(
    zone: str, *, counts: bool
) -> None:
    budget = f"budget: {{hours: 10, per: month, zone: {zone}}}"
    spending = Spending(document(f"groups: {{lab: {{{budget}}}}}"))
    of_december = datetime(2026, 12, 2, 12, tzinfo=UTC)
    before_midnight = datetime(2026, 11, 30, 23, tzinfo=UTC)
    held = HeldTime(HeldKind.USED, True, HOUR, HOUR, 0)
    spending.add(ChargedHour(before_midnight, GroupName("lab"), UserName("ada"), "NVIDIA L4", held))
    (standing,) = spending.standings(of_december)
    assert standing.spent == (1 if counts else 0)
    assert (spending.first_hour(of_december) == before_midnight) is counts
