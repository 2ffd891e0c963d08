"""``sublet budget``."""

import json
from typing import Any

from sublet_quota.wire.budget import BudgetInfo, BudgetList

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet


def a_budget(**values: Any) -> BudgetInfo:
    facts: dict[str, Any] = {
        "group": "lab",
        "owner": None,
        "hours": 100,
        "charged": 90,
        "credited": 5,
        "left": 15,
        "warn": 80,
        "is_over": False,
        "at_end": "soft-landing",
        "begins_at": NOW,
        "renews_at": None,
        "source": "groups.lab.budget.hours",
        "line": 3,
    }
    return BudgetInfo(**{**facts, **values})


OVER = a_budget(group="course", owner="ada", left=0, charged=100, credited=0, is_over=True)


def test_what_is_spent_and_left_is_told_by_group_and_person(service: FakeHubService) -> None:
    service.answer("GET budgets", BudgetList(budgets=(a_budget(), OVER)))
    _, first, second = (line.split() for line in sublet("budget").output.splitlines())
    assert first == ["lab", "all", "together", "100.0", "85.0", "5.0", "15.0", "ends", "-"]
    assert second == ["course", "ada", "100.0", "100.0", "0.0", "0.0", "spent", "-"]


def test_one_group_alone_is_told(service: FakeHubService) -> None:
    service.answer("GET budgets", BudgetList(budgets=(a_budget(), OVER)))
    told = json.loads(sublet("budget", "--group", "course", "--json").output)
    assert [each["group"] for each in told["budgets"]] == ["course"]


def test_without_budgets_it_says_so(service: FakeHubService) -> None:
    service.answer("GET budgets", BudgetList())
    assert sublet("budget").output == "There is no budget.\n"
