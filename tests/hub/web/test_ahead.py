"""Owners are told before anything of theirs is taken: what, when, why, and how to put it off."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.delivery.notice import is_of_group
from sublet_hub.web.routes.told import budget_notice_id

from tests.hub.slices.test_memberships import of_ada, settings_with, starts
from tests.hub.slices.test_over_caps import ENDS, OverWorld, over_world
from tests.hub.web.test_budgets import spend, spent
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.idle_world import HOUR, IdleWorld, settings, with_an_idle_server
from tests.support.job_owner import make_ada

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def idle(tmp_path: Path, hub: FakeHub) -> AsyncIterator[IdleWorld]:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        yield await with_an_idle_server(world)


async def ahead(
    world: HubWorld, owner: str = "ada", groups: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    status, share = await world.call("GET", "share", world.user(owner, groups))
    assert status == 200, share
    return list(share["ahead"])


async def test_the_end_of_an_idle_server_is_told_with_how_to_put_it_off(idle: IdleWorld) -> None:
    await idle.at(1)
    (far,) = await ahead(idle.world)
    assert (far["kind"], far["is_near"], far["deed"]) == ("server-idle", False, "extend")
    assert far["slice_id"] == idle.slice_id
    assert far["deed_s"] == timedelta(hours=8).total_seconds()
    assert datetime.fromisoformat(far["at"]) == idle.began + 8 * HOUR
    assert "is ended" in far["what"]
    assert "may be so for 8 h" in far["why"]
    await idle.at(7.6)
    await idle.at(7.7)
    (near,) = await ahead(idle.world)
    _, share = await idle.world.call("GET", "share", idle.world.user("ada"))
    assert near["is_near"]
    assert near["notice_id"] == share["announcements"][0]["announcement_id"]
    status, _ = await idle.extend()
    assert status == 200
    (later,) = await ahead(idle.world)
    assert not later["is_near"]
    assert datetime.fromisoformat(later["at"]) == idle.began + 15.7 * HOUR


async def test_nobody_is_told_what_is_taken_from_another(idle: IdleWorld) -> None:
    await idle.at(7.6)
    assert len(await ahead(idle.world)) == 1
    assert await ahead(idle.world, "bob") == []


async def test_who_works_is_told_of_no_end(idle: IdleWorld) -> None:
    await idle.says(active=True, running_cell=True)
    assert await ahead(idle.world) == []


async def test_a_keep_is_told_with_its_end_and_can_be_made_longer(idle: IdleWorld) -> None:
    await idle.says(active=True, running_cell=True)
    body = {"minutes": 30}
    path = f"slices/{idle.slice_id}/keep"
    status, _ = await idle.world.call("POST", path, idle.world.user("ada"), body)
    assert status == 200
    (kept,) = await ahead(idle.world)
    assert (kept["kind"], kept["deed"], kept["is_near"]) == ("keep-ends", "keep", False)
    assert kept["deed_s"] > 0
    assert kept["why_no_deed"] == ""


async def test_a_keep_that_cannot_be_made_longer_says_why(idle: IdleWorld) -> None:
    await idle.says(active=True, running_cell=True)
    token, path = idle.world.user("ada"), f"slices/{idle.slice_id}/keep"
    _, share = await idle.world.call("GET", "share", token)
    minutes = share["quota"]["keep_left_minutes"]
    status, refusal = await idle.world.call("POST", path, token, {"minutes": minutes})
    assert status == 200, refusal
    (kept,) = await ahead(idle.world)
    assert (kept["deed"], kept["deed_s"]) == (None, None)
    assert kept["why_no_deed"].startswith("None of the minutes are left")


async def test_a_server_that_an_admin_ends_is_told_before_and_by_whom(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada", size="small")
    body = {"what": "ada/", "reason": "the fan fails", "grace_s": 600}
    status, made = await world.call("POST", "evictions", world.admin(), body)
    assert status == 201, made
    (told,) = await ahead(world)
    assert (told["kind"], told["notice_id"]) == ("server-evicted", made["eviction_id"])
    assert (told["at"], told["is_near"], told["slice_id"]) == (
        made["due_at"],
        True,
        lease["slice_id"],
    )
    assert told["why"] == "By root: the fan fails."
    assert (told["deed"], told["why_no_deed"]) == (
        None,
        "An admin stops it: root can say when else.",
    )
    assert await ahead(world, "bob") == []


async def test_a_server_over_its_cap_is_told_when_it_is_ended(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "quota.yaml").write_text(ENDS)
    settings_ = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings_) as world:
        over: OverWorld = await over_world(world)
        await over.says()
        await over.at(1)
        (told,) = await ahead(world)
        assert (told["kind"], told["is_near"], told["deed"]) == ("server-over-cap", True, None)
        assert "may have" in told["why"]
        ends_at = world.service.over_caps.ends_at(over.slice_id)
        assert datetime.fromisoformat(told["at"]) == ends_at
        assert await ahead(world, "bob") == []
        await over.says(-1)
        await over.at(2)
        assert await ahead(world) == []


async def test_who_is_on_a_card_that_is_drained_is_told_what_leaves_and_what_stays(
    world: HubWorld,
) -> None:
    ada = await make_ada(world)
    await world.slice_for("ada", size="small")
    await ada.until(await ada.submit(["stay"]), "running")
    assert await ahead(world) == []
    body = {"where": "node-a", "reason": "new fans", "drain": True}
    status, _ = await world.call("POST", "closings", world.admin(), body)
    assert status == 200
    leaves, told = await ahead(world)
    assert (leaves["kind"], leaves["is_near"]) == ("job-drained", True)
    assert leaves["what"] == "Your job train leaves its GPU, and goes back to the queue."
    assert leaves["why"] == "An admin drains node node-a: new fans."
    assert (told["kind"], told["at"], told["is_near"]) == ("place-closed", None, False)
    assert "stays where it is for as long as it runs" in told["what"]
    assert told["why"] == "An admin drains node node-a: new fans."
    assert "root" not in str((leaves, told))
    assert await ahead(world, "bob") == []


async def test_who_counts_as_before_is_told_until_when(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        await world.agent()
        await starts(world, hub, "research")
        assert await ahead(world) == []
        hub.people["ada"] = ()
        await until(lambda: of_ada(world).before_until is not None)
        (told,) = await ahead(world)
        assert (told["kind"], told["deed"]) == ("less-guaranteed", None)
        assert datetime.fromisoformat(told["at"]) == of_ada(world).before_until
        assert "no longer counts as guaranteed" in told["what"]


@pytest_asyncio.fixture
async def budgeted(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    file = tmp_path / "quota.yaml"
    file.write_text("groups: {lab: {budget: {hours: 100, per: 365d, each: {hours: 10}}}}\n")
    async with hub_world(tmp_path, hub, settings_for(tmp_path, quota_file=file)) as world:
        yield world


async def test_the_end_of_a_budget_is_told_with_when_it_is_expected(budgeted: HubWorld) -> None:
    now = budgeted.service.now()
    await spend(budgeted, spent("ada", 9.5, now))
    (told,) = await ahead(budgeted, "ada", ("lab",))
    assert (told["kind"], told["is_near"]) == ("budget-ends", True)
    assert told["what"].startswith("Your budget in lab is spent: what it pays for")
    assert told["why"].startswith("0.5 h are left of 10 h")
    assert now < datetime.fromisoformat(told["at"]) < now + timedelta(days=30)
    assert (told["deed"], told["slice_id"]) == (None, None)
    _, share = await budgeted.call("GET", "share", budgeted.user("ada", ("lab",)))
    assert told["notice_id"] in {each["announcement_id"] for each in share["announcements"]}
    assert await ahead(budgeted, "bob", ("lab",)) == []
    await spend(budgeted, spent("ada", 1.0, now))
    assert await ahead(budgeted, "ada", ("lab",)) == []


async def test_what_is_told_of_a_groups_budget_is_known_from_what_is_of_ones_own() -> None:
    assert is_of_group(budget_notice_id(("lab", None)))
    assert not is_of_group(budget_notice_id(("lab", "ada")))


async def test_a_budget_that_lasts_is_told_of_to_nobody(budgeted: HubWorld) -> None:
    assert await ahead(budgeted, "ada", ("lab",)) == []
