"""A group's guarantee against what others borrow: granted, called back, told, and given back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.records import Change
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB, FakeAgent
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  research: {guaranteed: {H100: 1}}
  teaching: {}
"""
BORROWERS = ("bob", "ben")


def settings_with(folder: Path, text: str = QUOTA) -> Any:
    (folder / "quota.yaml").write_text(text)
    return settings_for(folder, quota_file=folder / "quota.yaml")


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as made:
        yield made


async def borrowed(world: HubWorld) -> dict[str, str]:
    """Let two of the group without a guarantee have all that may be promised; by owner."""
    leases = {
        owner: await world.slice_for(owner, size="whole", groups=["teaching"])
        for owner in BORROWERS
    }
    return {owner: lease["slice_id"] for owner, lease in leases.items()}


def ranks(agent: FakeAgent) -> dict[str, Rank]:
    assert agent.assignments is not None
    return {each.owner: each.rank for each in agent.assignments.slices}


async def told(world: HubWorld, kind: EventKind) -> list[tuple[str, str]]:
    _, events = await world.call("GET", "events", world.admin())
    return [(each["owner"], each["detail"]) for each in events if each["kind"] == kind]


async def test_who_is_within_the_guarantee_is_granted_and_a_borrower_is_called_back_and_comes_back(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    await borrowed(world)
    everything_borrowed = dict.fromkeys(BORROWERS, Rank.BORROWED)
    await agent.until(lambda: ranks(agent) == everything_borrowed)
    body = {"owner": "bea", "account": world.account("bea"), "size": "small"}
    status, problem = await world.hub_call("POST", "slices", {**body, "groups": ["teaching"]})
    assert (status, problem["reason"]) == (409, "no-room")

    lease = await world.slice_for("ada", size="whole", groups=["research"])
    await agent.until(lambda: len(ranks(agent)) == 3)
    # Whoever borrowed last goes first.
    expected = {"ada": Rank.ENTITLED, "bob": Rank.BORROWED, "ben": Rank.CALLED_BACK}
    assert ranks(agent) == expected
    _, share = await world.call("GET", "share", world.user("ben", ("teaching",)))
    assert share["slices"][0]["rank"]["code"] == "called-back"
    assert share["slices"][0]["group"] == "teaching"
    ((who, words),) = await told(world, EventKind.SLICE_CALLED_BACK)
    assert (who, "due to research" in words) == ("ben", True)

    await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
    await agent.until(lambda: ranks(agent) == everything_borrowed)
    assert [who for who, _ in await told(world, EventKind.SLICE_BROUGHT_BACK)] == ["ben"]
    (record,) = world.service.ledger.slices_of_owner("ben")
    assert (record.called_back_since, record.called_back_for) == (None, None)


async def test_who_was_called_back_and_for_whom_is_known_after_a_restart(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await borrowed(world)
        await world.slice_for("ada", size="whole", groups=["research"])
    async with hub_world(tmp_path, hub, settings) as world:
        agent = await world.agent()
        (record,) = world.service.ledger.slices_of_owner("ben")
        assert (record.called_back_since is not None, record.called_back_for) == (True, "research")
        await agent.until(lambda: ranks(agent)["ada"] is Rank.ENTITLED)
        assert ranks(agent)["ben"] is Rank.CALLED_BACK


async def test_a_refused_restart_takes_no_entitlement_away(world: HubWorld) -> None:
    """While a decision is made as if a server's slice were gone, another one follows it."""
    agent = await world.agent()
    await world.slice_for("ada", size="whole", groups=["research"])
    await world.slice_for("abe", size="whole", groups=["research"])
    expected = {"ada": Rank.ENTITLED, "abe": Rank.BORROWED}
    await agent.until(lambda: ranks(agent) == expected)
    body = {"owner": "ada", "account": world.account("ada"), "size": "huge"}
    status, _ = await world.hub_call("POST", "slices", {**body, "groups": ["research"]})
    assert status == 400
    holdings = world.service.capacity.holdings
    assert {each.owner: holdings.rank(each.slice_id) for each in holdings.slices()} == expected


async def test_what_is_entitled_stays_so_when_the_service_starts_anew(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        first = await world.slice_for("ada", size="whole", groups=["research"])
        await world.slice_for("abe", size="large", groups=["research"])
        await world.slice_for("amy", size="medium", groups=["research"])
        path, token = f"slices/{first['slice_id']}/resize", world.user("ada", ("research",))
        # What this leaves is enough for the newest alone, and after that not for the older one.
        most = {"memory_mib": 79 * GIB * 3 // 4, "compute_milli": 750}
        for size in (most, {"size": "large"}):
            assert (await world.call("POST", path, token, size))[0] == 200
        expected = {"ada": Rank.ENTITLED, "abe": Rank.BORROWED, "amy": Rank.ENTITLED}
        assert ranks_now(world) == expected
        await until(
            lambda: (
                {each.owner: each.entitled for each in world.service.ledger.slices.values()}
                == {"ada": 1, "abe": 0, "amy": 1}
            )
        )
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        assert ranks_now(world) == expected


def ranks_now(world: HubWorld) -> dict[str, Rank]:
    holdings = world.service.capacity.holdings
    return {each.owner: holdings.rank(each.slice_id) for each in holdings.slices()}


async def test_a_guarantee_that_becomes_less_counts_as_before_for_its_grace(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        agent = await world.agent()
        await world.slice_for("ada", size="whole", groups=["research"])
        await agent.until(lambda: ranks(agent) == {"ada": Rank.ENTITLED})
        (tmp_path / "quota.yaml").write_text(QUOTA.replace("H100: 1}}", "H100: 1/2}}"))
        await world.call("POST", "quota/reload", world.admin())
        (record,) = world.service.ledger.slices_of_owner("ada")
        assert record.before_until is not None
        assert ranks_now(world) == {"ada": Rank.ENTITLED}
        ((who, words),) = await told(world, EventKind.SLICE_AS_BEFORE)
        assert (who, "as before until" in words) == ("ada", True)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        assert ranks_now(world) == {"ada": Rank.ENTITLED}
        # Its time is over.
        (record,) = world.service.ledger.slices_of_owner("ada")
        over = replace(record, before_until=record.created_at)
        world.service.ledger.apply(Change(slices=(over,)), world.service.now())
        await until(lambda: ranks_now(world) == {"ada": Rank.BORROWED})
        assert [who for who, _ in await told(world, EventKind.SLICE_AS_BEFORE_NO_MORE)] == ["ada"]
