"""Budgets over the API: each their own and their groups', all for admins, nobody else's."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind, HeldTime
from sublet_quota.budgets.period import hour_of
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.names.ids import GroupName, UserName

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for

pytestmark = pytest.mark.asyncio
# Of rolling periods: one of the calendar may end in the middle of a test.
QUOTA = "groups: {lab: {budget: {hours: 100, per: 365d, each: {hours: 10}}}, free: {}}\n"


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
    told = share["quota"]["budgets"]
    begins = [
        [datetime.fromisoformat(each.pop("begins_at")) for each in budgets]
        for budgets in (found["budgets"], told)
    ]
    assert told == found["budgets"]
    # They roll: asked later, none begins earlier.
    assert all(first <= later for first, later in zip(*begins, strict=True))


async def test_who_is_in_no_group_with_a_budget_sees_none(budgeted: HubWorld) -> None:
    _, found = await budgeted.call("GET", "budgets", budgeted.user("eve", ("free",)))
    assert found["budgets"] == []


async def test_admins_see_all_and_nobody_else_another_users(budgeted: HubWorld) -> None:
    status, found = await budgeted.call("GET", "budgets", budgeted.admin())
    assert (status, [each["group"] for each in found["budgets"]]) == (200, ["lab"])
    status, _ = await budgeted.call("GET", "budgets?owner=ada", budgeted.user("eve", ("free",)))
    assert status == 403


def spent(owner: str, hours: float, now: datetime, payer: str = "lab") -> ChargedHour:
    time = HeldTime(HeldKind.USED, True, 1, round(hours * US_PER_HOUR))
    return ChargedHour(hour_of(now), GroupName(payer), UserName(owner), "Simulated", time)


async def spend(world: HubWorld, *parts: ChargedHour) -> None:
    world.service.budgets.take(parts)
    await world.service.budgets.look()


async def test_nobody_sees_what_another_spent_nor_another_groups_budget(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(
        QUOTA.replace("free: {}", "other: {budget: {hours: 7, per: 365d, each: {hours: 5}}}")
    )
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        now = world.service.now()
        await spend(
            world, spent("ada", 9, now), spent("eve", 3, now), spent("zed", 6, now, "other")
        )
        for path, budgets in (("budgets", ()), ("share", ("quota",))):
            status, found = await world.call("GET", path, world.user("eve", ("lab",)))
            assert status == 200
            for key in budgets:
                found = found[key]
            told = [(each["group"], each["owner"], each["charged"]) for each in found["budgets"]]
            assert told == [("lab", None, 12), ("lab", "eve", 3)]
            assert not {"ada", "zed", "other"} & set(str(found).replace("'", " ").split())
        _, share = await world.call("GET", "share", world.user("eve", ("lab",)))
        assert share["announcements"] == []
        for asked in ("budgets?owner=ada", "share?owner=ada"):
            assert (await world.call("GET", asked, world.user("eve", ("lab",))))[0] == 403
        _, all_of_them = await world.call("GET", "budgets", world.admin())
        assert [(each["group"], each["owner"]) for each in all_of_them["budgets"]] == [
            ("lab", None),
            ("lab", "ada"),
            ("lab", "eve"),
            ("other", None),
            ("other", "zed"),
        ]


async def test_who_spends_the_hours_is_told_with_their_share_and_nobody_else(
    budgeted: HubWorld,
) -> None:
    await spend(budgeted, spent("ada", 9, budgeted.service.now()))
    _, share = await budgeted.call("GET", "share", budgeted.user("ada", ("lab",)))
    (told,) = share["announcements"]
    assert told["text"] == "The budget of ada in lab has 1 h left of 10 h."
    assert not told["from_admin"]
    for name, groups in (("eve", ("lab",)), ("zed", ("free",))):
        _, share = await budgeted.call("GET", "share", budgeted.user(name, groups))
        assert share["announcements"] == []


async def test_a_preview_says_whose_budget_would_be_over_after_what_they_spent(
    budgeted: HubWorld,
) -> None:
    now = budgeted.service.now()
    part = spent("ada", 9, now)
    budgeted.service.budgets._store.add([part], now)
    await spend(budgeted, part)
    text = QUOTA.replace("hours: 100", "hours: 5").replace("each: {hours: 10}", "each: {hours: 9}")
    status, found = await budgeted.call("POST", "quota/preview", budgeted.admin(), {"text": text})
    assert status == 200, found
    told = [(each["owner"], each["hours"], each["charged"]) for each in found["budgets"]]
    assert told == [(None, 5, 9), ("ada", 9, 9)]
    _, same = await budgeted.call("POST", "quota/preview", budgeted.admin(), {"text": QUOTA})
    assert same["budgets"] == []
