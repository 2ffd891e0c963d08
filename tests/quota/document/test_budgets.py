"""Budgets of a quota document: what is read, what is refused, and whose hours they are."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from sublet_quota.document.lookups.group_budgets import (
    Budget,
    all_budgets,
    budget_of,
    budgets_above,
    has_budgets,
    hours_of_person,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import rights_of
from sublet_quota.document.told_rights import tell_rights
from sublet_quota.document.value_kinds.budget_values import AtEnd, Calendar
from sublet_quota.names.ids import GroupName

from tests.support.quota_documents import document, problems_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TEXT = """\
groups:
  science:
    budget: {hours: 2000, per: 30d, lent_rate: 0.25, warn: 80%, each: {hours: 400}}
    groups:
      nlp: {budget: {hours: 500.5h, per: quarter, zone: Europe/Berlin, at_end: no-new}}
      bio: {}
  course: {budget: {hours: unlimited, each: {hours: 10}}}
  free: {}
exceptions:
  - {who: [ada], set: {budget: {hours: 600}}, why: thesis}
  - {who: [bob], set: {budget: {hours: unlimited}}, why: thesis}
  - {groups: [science], set: {budget: {hours: 3000, each: {hours: 500}}}, until: 2026-12-10, why: p}
"""


def said(group: str) -> Budget:
    found = budget_of(document(TEXT), GroupName(group))
    assert found is not None
    return found


def hours_of(text: QuotaDocument, group: str, owner: str) -> Fraction | None:
    budget = budget_of(text, GroupName(group))
    assert budget is not None
    found = hours_of_person(text, budget, owner)
    return None if found is None else found.value


def test_a_budget_has_the_line_of_each_of_its_hours() -> None:
    budget = said("science")
    assert budget.hours is not None
    assert budget.each is not None
    assert (budget.hours.value, str(budget.hours.source)) == (
        2000,
        "groups.science.budget.hours (line 3)",
    )
    assert (budget.each.value, str(budget.each.source)) == (
        400,
        "groups.science.budget.each.hours (line 3)",
    )


def test_a_budget_of_the_calendar_has_its_zone() -> None:
    budget = said("nlp")
    assert budget.hours is not None
    assert budget.hours.value == Fraction(1001, 2)
    assert (budget.per, budget.zone) == (Calendar.QUARTER, ZoneInfo("Europe/Berlin"))
    assert budget.at_end is AtEnd.NO_NEW
    assert budget.each is None


def test_what_a_budget_does_not_say_holds_as_when_nobody_says() -> None:
    budget = said("course")
    assert budget.hours is None
    assert (budget.per, budget.zone) == (timedelta(days=30), ZoneInfo("UTC"))
    assert (budget.lent_rate, budget.warn) == (Fraction(1, 4), Fraction(4, 5))
    assert budget.at_end is AtEnd.SOFT_LANDING


@pytest.mark.parametrize(
    ("group", "budgets"),
    [
        ("nlp", ["nlp", "science"]),
        ("bio", ["science"]),
        ("free", []),
        ("gone", []),
        (None, []),
    ],
)
def test_what_a_group_pays_counts_in_each_budget_above(
    group: str | None, budgets: list[str]
) -> None:
    assert [each.group for each in budgets_above(document(TEXT), group)] == budgets


def test_all_budgets_come_parents_first() -> None:
    assert [each.group for each in all_budgets(document(TEXT))] == ["course", "science", "nlp"]


@pytest.mark.parametrize(
    ("text", "has"),
    [("", False), ("groups: {a: {}}", False), ("groups: {a: {budget: {hours: 0}}}", True)],
)
def test_a_document_has_budgets_or_none(text: str, *, has: bool) -> None:
    assert has_budgets(document(text)) is has


@pytest.mark.parametrize(
    ("owner", "group", "hours"),
    [
        ("eve", "science", 400),
        ("ada", "science", 600),
        ("ada", "course", 600),
        ("bob", "science", None),
        ("ada", "nlp", None),
    ],
)
def test_an_exception_sets_the_hours_of_a_person_where_each_has_some(
    owner: str, group: str, hours: int | None
) -> None:
    assert hours_of(document(TEXT), group, owner) == hours


def test_an_exception_of_a_group_sets_its_hours_until_it_ends() -> None:
    for at, together, each in ((NOW, 3000, 500), (NOW + timedelta(days=30), 2000, 400)):
        found = budget_of(document(TEXT).at(at), GroupName("science"))
        assert found is not None
        assert found.hours is not None
        assert found.each is not None
        assert (found.hours.value, found.each.value) == (together, each)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "groups: {a: {budget: {per: month}}}",
            "line 1: groups.a.budget: says no hours: write `hours: 2000` for all together, or",
        ),
        (
            "groups: {a: {budget: {hours: -1}}}",
            "groups.a.budget.hours: -1 is no number of hours: write 400, 0.5 or 'unlimited'",
        ),
        ("groups: {a: {budget: {hours: yes}}}", "groups.a.budget.hours: 'yes' is no number of"),
        ("groups: {a: {budget: {hours: }}}", "groups.a.budget.hours: is empty"),
        (
            "groups: {a: {budget: {hours: 1, per: fortnight}}}",
            "groups.a.budget.per: 'fortnight' is no period: write day, week, month, quarter, year",
        ),
        (
            "groups: {a: {budget: {hours: 1, per: 2h}}}",
            "groups.a.budget.per: '2h' is shorter than a day: write '1d' or more",
        ),
        (
            "groups: {a: {budget: {hours: 1, at_end: kill}}}",
            "a.budget.at_end: 'kill' is no end of a budget: write soft-landing or no-new",
        ),
        ("groups: {a: {budget: {hours: 1, warn: 120%}}}", "budget.warn: '120%' is no part"),
        ("groups: {a: {budget: {hours: 1, zone: Mars}}}", "budget.zone: 'Mars' is no zone"),
        (
            "groups: {a: {budget: {hour: 1}}}",
            "budget.hour: is no known key (did you mean 'hours'?)",
        ),
        (
            "exceptions: [{who: [a], set: {budget: {each: {hours: 1}}}, why: w}]",
            "exceptions[0].set.budget.each: is for groups alone",
        ),
        (
            "groups: {a: {}}\nexceptions: [{groups: [a], set: {budget: {hours: 1}}, why: w}]",
            "line 2: exceptions[0].set.budget: sets hours for 'a', which has no `budget`",
        ),
    ],
)
def test_a_wrong_budget_is_told(text: str, problem: str) -> None:
    (told,) = problems_of(text)
    assert problem in told


def test_a_budget_is_told_among_the_rights_of_who_spends_from_it() -> None:
    in_force = document(TEXT).at(NOW)
    told = [
        (line.right, line.value, line.line)
        for line in tell_rights(in_force, rights_of(in_force, "ada", ("nlp",)), NOW)
        if line.right.startswith("budget")
    ]
    words = "borrowed and lent time counts 0.25"
    exception = "until 2026-12-11 00:00 UTC"
    assert told == [
        ("budget of nlp together", f"500.5 h per quarter (Europe/Berlin); {words}", 5),
        ("budget of science together", f"3000 h per 30 d; {words} ({exception}: p)", 12),
        ("budget in science", f"600 h per 30 d; {words} (thesis)", 10),
    ]
