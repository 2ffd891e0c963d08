"""A membership that ends while a server runs: as before for the grace, and then borrowed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_quota.names.ids import UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import (
    SERVICE_TOKEN,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
)

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  research: {guaranteed: {H100: 1}}
  teaching: {}
"""


def settings_with(folder: Path, text: str = QUOTA) -> Any:
    (folder / "quota.yaml").write_text(text)
    period = timedelta(seconds=0.1)
    return replace(settings_for(folder, quota_file=folder / "quota.yaml"), hub_check_period=period)


def of_ada(world: HubWorld) -> SliceRecord:
    (record,) = world.service.ledger.slices_of_owner(UserName("ada"))
    return record


def rank(world: HubWorld) -> Rank:
    return world.service.capacity.holdings.rank(of_ada(world).slice_id)


async def told(world: HubWorld, kind: EventKind) -> list[str]:
    _, events = await world.call("GET", "events?limit=1000", world.admin())
    return [each["detail"] for each in events if each["kind"] == kind]


async def starts(world: HubWorld, hub: FakeHub, *groups: str) -> None:
    hub.people["ada"], hub.servers["ada"] = groups, {""}
    await world.slice_for("ada", size="whole", groups=list(groups))


def end_grace(world: HubWorld) -> None:
    record = of_ada(world)
    over = replace(record, before_until=record.created_at)
    world.service.ledger.apply(Change(slices=(over,)), world.service.now())


@pytest.mark.parametrize(
    ("still", "pays"), [((), None), (("teaching",), "teaching"), (("unheard-of",), None)]
)
async def test_who_leaves_the_group_that_pays_goes_on_as_before_and_then_borrows(
    tmp_path: Path, hub: FakeHub, still: tuple[str, ...], pays: str | None
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        agent = await world.agent()
        await starts(world, hub, "research")
        hub.people["ada"] = still
        await until(lambda: of_ada(world).before_until is not None)
        assert (of_ada(world).group, rank(world)) == ("research", Rank.ENTITLED)
        (words,) = await told(world, EventKind.SLICE_AS_BEFORE)
        assert words.startswith("its owner is in research no more: it counts as before until")
        end_grace(world)
        await until(lambda: of_ada(world).group == pays)
        assert (of_ada(world).before_until, rank(world)) == (None, Rank.BORROWED)
        (words,) = await told(world, EventKind.SLICE_RECHARGED)
        assert words.endswith("instead of research, in which its owner is no more")
        await agent.until(lambda: agent.serves(lambda each: each.rank is Rank.BORROWED))


async def test_who_may_hold_less_without_a_group_that_does_not_pay_goes_on_as_before(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = """\
    sizes: [{name: half, memory: 1/2, compute: 1/2}]
    everyone: {limit: {cards: 1/4}}
    groups: {research: {each: {limit: {cards: 1}}}, teaching: {}}
    """
    async with hub_world(tmp_path, hub, settings_with(tmp_path, dedent(text))) as world:
        await world.agent()
        hub.people["ada"], hub.servers["ada"] = ("research", "teaching"), {""}
        asked = {"size": "half", "group": "teaching", "groups": ["research", "teaching"]}
        await world.slice_for("ada", **asked)
        hub.people["ada"] = ("teaching",)
        await until(lambda: of_ada(world).before_until is not None)
        assert of_ada(world).group == "teaching"
        (words,) = await told(world, EventKind.SLICE_AS_BEFORE)
        assert "or may be held, has become less" in words
        await world.slice_for("ada", **{**asked, "groups": ["teaching"]})
        end_grace(world)
        await until(lambda: of_ada(world).before_until is None)
        assert of_ada(world).group == "teaching"


async def test_who_comes_back_within_the_grace_stays_charged_to_the_group(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        await world.agent()
        await starts(world, hub, "research")
        hub.people["ada"] = ()
        await until(lambda: of_ada(world).before_until is not None)
        hub.people["ada"] = ("research",)
        await until(lambda: of_ada(world).member_of == ("research",))
        end_grace(world)
        await until(lambda: of_ada(world).before_until is None)
        assert (of_ada(world).group, rank(world)) == ("research", Rank.ENTITLED)


async def test_where_there_is_no_grace_another_pays_at_once(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_with(tmp_path, QUOTA + "shrink: {grace: 0s}\n")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await starts(world, hub, "research")
        hub.people["ada"] = ("teaching",)
        await until(lambda: of_ada(world).group == "teaching")
        assert rank(world) is Rank.BORROWED


@pytest.mark.parametrize("broken", [True, False])
async def test_of_whom_the_hub_tells_no_groups_nothing_is_concluded(
    tmp_path: Path, hub: FakeHub, *, broken: bool
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        await world.agent()
        await starts(world, hub, "research")
        before = of_ada(world)
        hub.people["ada"], hub.broken = (() if broken else None), broken
        client = HubClient(hub.url, SERVICE_TOKEN)
        await world.service.reconciliation.ask_hub(client)
        after = of_ada(world)
        assert (after.group, after.member_of, after.before_until) == (
            before.group,
            before.member_of,
            None,
        )


async def test_what_the_hub_was_asked_before_a_slice_was_asked_for_says_nothing_of_it(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Somebody who joins a group and starts a server at once has not left it again."""
    settings = settings_with(tmp_path, QUOTA + "shrink: {grace: 0s}\n")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await starts(world, hub, "research")
        record = of_ada(world)
        for later, groups in ((-1, ("research",)), (1, ())):
            asked_at = record.created_at + timedelta(microseconds=later)
            world.assembly._memberships.take({record.owner: ()}, asked_at)
            assert of_ada(world).member_of == groups
