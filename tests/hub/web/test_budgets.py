"""Budgets over the API: each their own and their groups', all for admins, nobody else's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for

pytestmark = pytest.mark.asyncio
QUOTA = "groups: {lab: {budget: {hours: 100, per: year, each: {hours: 10}}}, free: {}}\n"


@pytest_asyncio.fixture
async def budgeted(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    file = tmp_path / "quota.yaml"
    file.write_text(QUOTA)
    async with hub_world(tmp_path, hub, settings_for(tmp_path, quota_file=file)) as world:
        yield world


async def test_somebody_sees_their_groups_budgets_and_their_own(budgeted: HubWorld) -> None:
    status, found = await budgeted.call("GET", "budgets", budgeted.user("ada", ("lab",)))
    assert status == 200
    assert [(each["owner"], each["left"]) for each in found["budgets"]] == [
        (None, 100),
        ("ada", 10),
    ]
    _, share = await budgeted.call("GET", "share", budgeted.user("ada", ("lab",)))
    assert share["quota"]["budgets"] == found["budgets"]


async def test_who_is_in_no_group_with_a_budget_sees_none(budgeted: HubWorld) -> None:
    _, found = await budgeted.call("GET", "budgets", budgeted.user("eve", ("free",)))
    assert found["budgets"] == []


async def test_admins_see_all_and_nobody_else_another_users(budgeted: HubWorld) -> None:
    status, found = await budgeted.call("GET", "budgets", budgeted.admin())
    assert (status, [each["group"] for each in found["budgets"]]) == (200, ["lab"])
    status, _ = await budgeted.call("GET", "budgets?owner=ada", budgeted.user("eve", ("free",)))
    assert status == 403
