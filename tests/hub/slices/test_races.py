"""Requests that come at once for the same room: it is handed out once, whoever is first."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sublet_quota.document.quota_document import QuotaDocument

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for

pytestmark = pytest.mark.asyncio

ALONE = """\
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
everyone: {limit: {slices: unlimited}}
"""
ONE_CARD = """\
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
gpu_types: {H100: {match: "*H100*"}}
groups: {lab: {limit: {slices: 1}}}
"""
USERS = tuple(f"user-{number}" for number in range(8))


def settings_with(folder: Path, text: str) -> Any:
    (folder / "quota.yaml").write_text(text)
    return settings_for(folder, quota_file=folder / "quota.yaml")


async def ask(world: HubWorld, owner: str, **wish: Any) -> int:
    # Who has a slice and no server is soon without it: others would get in.
    world.hub.servers.setdefault(owner, set()).add("")
    body = {"owner": owner, "account": world.account(owner), **wish}
    status, _ = await world.hub_call("POST", "slices", body)
    return status


def promised(world: HubWorld) -> int:
    return sum(record.memory_mib for record in world.service.ledger.slices.values())


@pytest.mark.parametrize(("memory_mib", "granted"), [(79 * GIB, 1), (30 * GIB, 2), (10 * GIB, 7)])
async def test_of_many_who_ask_at_once_as_many_are_let_in_as_fit(
    tmp_path: Path, hub: FakeHub, memory_mib: int, granted: int
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, ALONE)) as world:
        await world.agent()
        wish = {"memory_mib": memory_mib, "compute_milli": 100}
        statuses = await asyncio.gather(*(ask(world, user, **wish) for user in USERS))
        assert sorted(statuses) == [201] * granted + [409] * (len(USERS) - granted)
        assert promised(world) == granted * memory_mib


async def test_a_groups_last_place_is_given_to_one_of_its_members(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, ONE_CARD)) as world:
        await world.agent(gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
        wish = {"size": "small", "groups": ["lab"]}
        statuses = await asyncio.gather(*(ask(world, user, **wish) for user in USERS))
        assert sorted(statuses) == [201] + [403] * (len(USERS) - 1)


async def test_a_server_that_is_asked_for_several_times_at_once_has_one_slice(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, ALONE)) as world:
        await world.agent()
        wish = {"memory_mib": 60 * GIB, "compute_milli": 100}
        statuses = await asyncio.gather(*(ask(world, "ada", **wish) for _ in range(5)))
        assert statuses == [201] * 5
        (record,) = world.service.ledger.slices.values()
        assert [each.slice_id for each in world.service.capacity.holdings.slices()] == [
            record.slice_id
        ]


async def test_who_grows_and_who_comes_do_not_get_the_same_room(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, ALONE)) as world:
        await world.agent()
        wish = {"memory_mib": 40 * GIB, "compute_milli": 100}
        lease = await world.slice_for("ada", **wish)
        path, larger = f"slices/{lease['slice_id']}/resize", {"memory_mib": 79 * GIB}
        (grown, _), came = await asyncio.gather(
            world.call("POST", path, world.user("ada"), larger),
            ask(world, "bob", memory_mib=39 * GIB, compute_milli=100),
        )
        assert {grown, came} <= {200, 201, 409}
        assert (grown == 200) != (came == 201)
        assert promised(world) == 79 * GIB


async def test_a_document_is_known_to_have_been_in_force_once_all_that_it_makes_less_has_its_grace(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is killed in between gives the graces at its next start."""
    path, kept = tmp_path / "quota.yaml", tmp_path / "state" / "quota-in-force.yaml"
    path.write_text("groups: {lab: {guaranteed: {H100: 2}}}\n")
    async with hub_world(tmp_path, hub, settings_for(tmp_path, quota_file=path)) as world:
        in_force_before: list[str] = []
        take = world.service.places.take

        def noted(document: QuotaDocument) -> None:
            take(document)
            in_force_before.append(kept.read_text())

        monkeypatch.setattr(world.service.places, "take", noted)
        path.write_text("groups: {lab: {guaranteed: {H100: 1}}}\n")
        assert await world.service.quota.reload()
        assert in_force_before == ["groups: {lab: {guaranteed: {H100: 2}}}\n"]
        assert kept.read_text() == path.read_text()
