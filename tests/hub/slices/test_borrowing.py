"""A group's guarantee against what others borrow: granted, called back, told, and given back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.records import Change
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB, FakeAgent, a_gpu
from tests.support.hub_world import (
    OTHER_SECRET,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
    user_scopes,
)

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
    # Who is in force is kept for agents that come back in time; without any time, for none.
    patient = {"agents_return_within": timedelta(minutes=1)}
    return settings_for(folder, quota_file=folder / "quota.yaml", **patient)


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
    assert "its room is due to research" in share["slices"][0]["rank"]["meaning"]
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


async def test_nobody_follows_a_server_that_restarts(world: HubWorld) -> None:
    agent = await world.agent()
    for owner in ("ada", "abe"):
        await world.slice_for(owner, size="whole", groups=["research"])
    await world.slice_for("ada", size="whole", groups=["research"])
    holdings = world.service.capacity.holdings
    expected = {"ada": Rank.ENTITLED, "abe": Rank.BORROWED}
    await agent.until(lambda: ranks(agent) == expected)
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


async def test_what_became_less_while_the_service_was_down_counts_as_before(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="whole", groups=["research"])
        await until(lambda: {each.entitled for each in world.service.ledger.slices.values()} == {1})
    less = settings_with(tmp_path, QUOTA.replace("H100: 1}}", "H100: 1/2}}"))
    async with hub_world(tmp_path, hub, less) as world:
        agent = await world.agent()
        (record,) = world.service.ledger.slices_of_owner("ada")
        assert record.before_steps == 1
        assert record.before_until is not None
        await agent.until(lambda: ranks(agent) == {"ada": Rank.ENTITLED})
        assert [who for who, _ in await told(world, EventKind.SLICE_AS_BEFORE)] == ["ada"]
    # At the next start nothing has become less.
    async with hub_world(tmp_path, hub, less) as world:
        await world.agent()
        assert world.service.ledger.slices_of_owner("ada") == (record,)
        assert len(await told(world, EventKind.SLICE_AS_BEFORE)) == 1


async def test_a_limit_lowered_while_the_service_was_down_refuses_no_restart(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = "groups: {lab: {limit: {slices: 2}}}\n"
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        await world.agent()
        for owner in ("ada", "abe"):
            await world.slice_for(owner, size="small", groups=["lab"])
    less = settings_with(tmp_path, text.replace("2", "1"))
    async with hub_world(tmp_path, hub, less) as world:
        await world.agent()
        await world.slice_for("ada", size="small", groups=["lab"])
        body = {"owner": "amy", "account": world.account("amy"), "size": "small"}
        status, problem = await world.hub_call("POST", "slices", {**body, "groups": ["lab"]})
        assert (status, problem["reason"]) == (403, "group-limit")


async def test_a_server_stopped_and_started_within_the_grace_counts_as_before(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        first = await world.slice_for("ada", size="whole", groups=["research"])
        (tmp_path / "quota.yaml").write_text(QUOTA.replace("H100: 1}}", "H100: 1/2}}"))
        await world.call("POST", "quota/reload", world.admin())
        (before,) = world.service.ledger.slices_of_owner("ada")
        assert (await world.hub_call("DELETE", f"slices/{first['slice_id']}"))[0] == 204
        assert not world.service.ledger.slices
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", server="other", size="whole", groups=["research"])
        assert ranks_now(world) == {"ada": Rank.BORROWED}, "another server is a new one"
        await world.slice_for("ada", size="whole", groups=["research"])
        (after,) = (each for each in world.service.ledger.slices.values() if not each.server)
        assert (after.before_until, after.before_steps) == (before.before_until, 1)
        assert world.service.capacity.holdings.rank(after.slice_id) is Rank.ENTITLED


async def test_what_grows_within_the_grace_counts_as_before_no_more(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        await world.agent()
        lease = await world.slice_for("ada", size="small", groups=["research"])
        (tmp_path / "quota.yaml").write_text(QUOTA.replace("guaranteed: {H100: 1}", "weight: 1"))
        await world.call("POST", "quota/reload", world.admin())
        for memory_mib, rank in ((4096, Rank.ENTITLED), (40960, Rank.BORROWED)):
            asked = {"memory_mib": memory_mib}
            path = f"slices/{lease['slice_id']}/resize"
            status, body = await world.call("POST", path, world.user("ada", ["research"]), asked)
            assert status == 200, body
            (record,) = world.service.ledger.slices_of_owner("ada")
            assert (record.before_until is None) is (rank is Rank.BORROWED)
            assert ranks_now(world) == {"ada": rank}


async def test_who_starts_another_server_within_the_grace_has_not_the_stopped_one_too(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = f"everyone: {{limit: {{slices: 1}}}}\n{QUOTA}"
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        await world.agent()
        first = await world.slice_for("ada", size="whole", groups=["research"])
        (tmp_path / "quota.yaml").write_text(text.replace("H100: 1}}", "H100: 1/2}}"))
        await world.call("POST", "quota/reload", world.admin())
        await world.hub_call("DELETE", f"slices/{first['slice_id']}")
        other = await world.slice_for("ada", server="other", size="small", groups=["research"])
        body = {"owner": "ada", "account": world.account("ada"), "groups": ["research"]}
        status, problem = await world.hub_call("POST", "slices", {**body, "size": "whole"})
        assert (status, problem["reason"]) == (403, "too-many-slices")
        await world.hub_call("DELETE", f"slices/{other['slice_id']}")
        await world.slice_for("ada", size="whole", groups=["research"])
        assert ranks_now(world) == {"ada": Rank.ENTITLED}


async def test_while_agents_come_back_after_a_start_ranks_are_those_of_before(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Else the cards of who is not back yet would be missing, and guarantees would be cut."""
    settings = settings_with(tmp_path, QUOTA.replace("H100: 1}}", "H100: 2}}"))
    newest = {"node": "node-b", "boot_id": "b", "secret": OTHER_SECRET, "gpus": (a_gpu("SIM-1"),)}
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        first = await world.slice_for("ada", size="whole", groups=["research"])
        await world.agent(**newest)
        second = await world.slice_for("abe", size="whole", groups=["research"])
        assert (first["gpu_id"], second["gpu_id"]) == ("SIM-0", "SIM-1")
        await until(lambda: {each.entitled for each in world.service.ledger.slices.values()} == {1})
    returning = replace(settings, agents_return_within=timedelta(hours=1))
    async with hub_world(tmp_path, hub, returning) as world:
        agent = await world.agent(**newest)
        await agent.until(lambda: ranks(agent) == {"abe": Rank.ENTITLED})
        assert ranks_now(world)["abe"] is Rank.BORROWED
        await world.agent()
        await until(lambda: ranks_now(world) == {"ada": Rank.ENTITLED, "abe": Rank.ENTITLED})


async def test_who_named_no_group_is_charged_to_another_of_theirs_to_let_somebody_in(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = "groups:\n  one: {limit: {slices: 1}}\n  other: {limit: {slices: 1}}\n"
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        await world.agent()
        await world.slice_for("ada", size="small", groups=["one", "other"])
        (record,) = world.service.ledger.slices_of_owner("ada")
        before = record.group
        (after,) = {"one", "other"} - {before}
        assert (record.member_of, record.named) == (("one", "other"), False)
        await world.slice_for("bob", size="small", groups=[str(before)])
        (record,) = world.service.ledger.slices_of_owner("ada")
        assert record.group == after
        ((who, words),) = await told(world, EventKind.SLICE_RECHARGED)
        assert who == "ada"
        assert words == (
            f"charged to {after} instead of {before}, which lets a slice of {before} in"
        )
        body = {"owner": "cleo", "account": world.account("cleo"), "size": "small"}
        status, problem = await world.hub_call("POST", "slices", {**body, "groups": ["one"]})
        assert (status, problem["reason"]) == (403, "group-limit")
        wrong = {**body, "groups": ["one"], "group": "other"}
        status, problem = await world.hub_call("POST", "slices", wrong)
        assert (status, problem["reason"]) == (400, "unknown-group")


async def test_who_named_their_group_stays_charged_to_it(tmp_path: Path, hub: FakeHub) -> None:
    text = "groups:\n  one: {limit: {slices: 1}}\n  other: {limit: {slices: 1}}\n"
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        await world.agent()
        await world.slice_for("ada", size="small", groups=["one", "other"], group="one")
        body = {"owner": "bob", "account": world.account("bob"), "size": "small"}
        status, problem = await world.hub_call("POST", "slices", {**body, "groups": ["one"]})
        assert (status, problem["reason"]) == (403, "group-limit")
        assert problem["message"].count("groups.one.limit.slices, line 2") == 1
        assert problem["why"] == {
            "rule": "limit",
            "group": "one",
            "lines": [{"path": "groups.one.limit.slices", "line": 2, "in_message": True}],
            "group_in_message": True,
            "words": "",
        }
        assert [(each["kind"], each["names"]) for each in problem["helps"]] == [
            ("members-stop", ["one"])
        ]
        (record,) = world.service.ledger.slices_of_owner("ada")
        assert (record.group, record.named) == ("one", True)


async def test_offers_tell_who_would_pay_how_it_would_stand_and_whose_place_it_takes(
    world: HubWorld,
) -> None:
    await world.agent()
    await borrowed(world)
    _, offers = await world.hub_call("GET", "offers?owner=ada&groups=research&groups=teaching")
    assert offers["groups"] == ["research", "teaching"]
    whole = next(each for each in offers["offers"] if each["size"] == "whole")
    assert (whole["allowed"], whole["group"], whole["gpu_type"]) == (True, "research", "H100")
    assert (whole["rank"]["code"], whole["calls_back"]) == ("entitled", 1)
    _, offers = await world.hub_call(
        "GET", "offers?owner=ada&groups=research&groups=teaching&group=teaching"
    )
    assert not any(each["allowed"] for each in offers["offers"])


async def test_what_grows_within_its_guarantee_calls_a_borrower_back(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="large", groups=["research"])
    for owner, size in (("bob", "whole"), ("ben", "large")):
        await world.slice_for(owner, size=size, groups=["teaching"])
    await agent.until(lambda: len(ranks(agent)) == 3)
    path, token = f"slices/{lease['slice_id']}/resize", world.user("ada", ("research",))
    status, info = await world.call("POST", path, token, {"size": "whole"})
    assert (status, info["rank"]["code"]) == (200, "entitled")
    expected = {"ada": Rank.ENTITLED, "bob": Rank.BORROWED, "ben": Rank.CALLED_BACK}
    await agent.until(lambda: ranks(agent) == expected)


async def test_who_left_the_group_cannot_grow_within_its_guarantee(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="small", groups=["research"])
    await agent.until(lambda: bool(ranks(agent)))
    path, body = f"slices/{lease['slice_id']}/resize", {"size": "whole"}
    left = world.hub.add("left-canary", "ada", user_scopes("ada"), ())
    status, problem = await world.call("POST", path, left, body)
    assert (status, "research" in problem["message"]) == (400, True), problem
    status, shown = await world.call("POST", path, world.user("ada", ("research",)), body)
    assert (status, shown["lease"]["size"]) == (200, "whole")
