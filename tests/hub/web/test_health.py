"""What anybody may read of the service's health: codes and counts."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.web.views.health import KeptHealth
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.wire.agent_link import ToldUnfit
from tornado.httpclient import HTTPClientError

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import NODE_SECRET, FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub) as made:
        yield made


async def health(world: HubWorld) -> dict[str, Any]:
    return dict(json.loads((await world.raw("GET", "health")).body))


async def says(world: HubWorld, expected: dict[str, int]) -> bool:
    """An answer is kept for a moment."""
    return expected.items() <= (await health(world)).items()


async def test_health_says_how_many_agents_and_cards_there_are(world: HubWorld) -> None:
    said = await health(world)
    assert (said["ok"], said["agents"], said["silent_agents"], said["cards"]) == (True, 0, 0, 0)
    agent = await world.agent(gpus=(a_gpu("SIM-0"), a_gpu("SIM-1")))
    expected = {"agents": 1, "silent_agents": 0, "cards": 2, "agents_without_cards": 0}
    await until(lambda: says(world, expected))
    await agent.close()
    await until(lambda: says(world, {"agents": 0, "silent_agents": 1}))


async def test_an_agent_without_a_card_is_counted(world: HubWorld) -> None:
    await world.agent(gpus=())
    said = await health(world)
    assert (said["agents"], said["agents_without_cards"], said["cards"]) == (1, 1, 0)


async def test_cards_that_are_not_fit_are_counted_by_their_reasons(world: HubWorld) -> None:
    persistence, canary = (ToldUnfit(why=why) for why in ("driver-unloads", "canary-lost"))
    bad = a_gpu("SIM-0", unfit=(persistence, canary, ToldUnfit(why="canary-lost", detail="again")))
    await world.agent(gpus=(bad, a_gpu("SIM-1", unfit=(canary,)), a_gpu("SIM-2", unfit=())))
    said = await health(world)
    assert (said["cards"], said["unfit_cards"]) == (3, 2)
    assert said["unfit"] == {Unfit.DRIVER_UNLOADS: 1, Unfit.CANARY_LOST: 2}


async def test_who_is_no_agent_is_counted_by_the_reason(world: HubWorld) -> None:
    for secret in ("wrong-secret-0123456789", "short", "wrong-secret-9876543210"):
        with suppress(HTTPClientError):
            await FakeAgent(world.link_url, secret).connect()
    assert (await health(world))["refused_agents"] == {"unknown": 2, "no-token": 1}


async def test_an_agent_that_speaks_otherwise_is_counted(world: HubWorld) -> None:
    agent = FakeAgent(world.link_url, NODE_SECRET, node="node-b")
    await agent.connect()
    await agent.close()
    assert (await health(world))["refused_agents"] == {"protocol": 1}


@pytest.mark.parametrize(
    ("hub_is", "standing"),
    [
        ({}, "ok"),
        ({"service": "tests"}, "token-of-another"),
        ({"service": ""}, "refuses-token"),
        ({"service_may_list": False}, "lacks-scopes"),
        ({"service_may_stop": False}, "cannot-stop-servers"),
        ({"service_may_start": False}, "cannot-start-servers"),
        ({"groups": None}, "cannot-list-groups"),
        ({"broken": True}, "unreachable"),
    ],
    ids=[
        "fine",
        "another's token",
        "no token of theirs",
        "no scopes",
        "no stopping",
        "no starting",
        "no groups",
        "away",
    ],
)
async def test_health_says_how_the_hub_answers_and_when_it_does_again(
    world: HubWorld, hub: FakeHub, hub_is: dict[str, Any], standing: str
) -> None:
    async def told(wanted: str) -> None:
        async def is_so() -> bool:
            return bool((await health(world))["hub"] == wanted)

        await until(is_so)

    # Asked anew: no right answer is on its way any more, which would count for good.
    await told("ok")
    for name, value in hub_is.items():
        setattr(hub, name, value)
    world.service.reconciliation.hub_standing = "unasked"
    await told(standing)
    hub.service, hub.service_may_list, hub.broken = "sublet", True, False
    hub.service_may_stop = hub.service_may_start = True
    hub.groups = {"lab"}
    await told("ok")


async def test_what_is_no_hub_is_told_apart_from_one_that_does_not_answer(
    tmp_path: Path, hub: FakeHub
) -> None:
    hub.url = hub.url.replace("/hub/api", "/elsewhere/hub/api")
    async with hub_world(tmp_path, hub) as world:
        await until(lambda: world.service.reconciliation.hub_standing == "no-hub")


async def test_a_refused_quota_document_is_told_until_it_is_right(
    tmp_path: Path, hub: FakeHub
) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text("{}")
    settings = replace(settings_for(tmp_path), quota_file=file)
    async with hub_world(tmp_path, hub, settings) as world:
        assert (await health(world))["quota"] == "ok"
        for text, standing in (("pool: {}", "refused"), ("everyone: {limit: {slices: 2}}", "ok")):
            file.write_text(text)

            async def is_so(wanted: str = standing) -> bool:
                return bool((await health(world))["quota"] == wanted)

            await until(is_so)


async def test_what_todays_cards_do_not_allow_is_counted(tmp_path: Path, hub: FakeHub) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text("closed: [{node: node-a, gpus: [0, 7], until: 2099-01-01, why: fan}]")
    async with hub_world(tmp_path, hub, settings_for(tmp_path, quota_file=file)) as world:
        # Before any agent has connected nothing is known of cards.
        assert (await health(world))["quota_warnings"] == 0
        await world.agent()
        await until(lambda: says(world, {"quota_warnings": 1}))


async def test_health_names_nobody(world: HubWorld) -> None:
    world.user("ada")
    await world.agent()
    await world.slice_for("ada")
    text = (await world.raw("GET", "health")).body.decode()
    assert not any(name in text for name in ("ada", "node-a", "SIM-0"))


async def test_to_reckon_health_takes_little_of_the_time_however_often_it_is_asked_for() -> None:
    clock = [0.0]
    made = []

    def make() -> str:
        made.append(clock[0])
        clock[0] += 0.01
        return str(len(made))

    kept = KeptHealth(make, lambda: clock[0])
    while clock[0] < 10:
        assert kept.read() == str(len(made))
        clock[0] += 0.001
    assert 40 < len(made) < 50
    clock[0] += 0.2
    assert kept.read() == str(len(made))
    assert made[-1] > 10


async def test_health_that_is_slow_to_reckon_is_a_second_old_at_most() -> None:
    clock = [0.0]

    def make() -> str:
        clock[0] += 3
        return str(clock[0])

    kept = KeptHealth(make, lambda: clock[0])
    assert kept.read() == "3.0"
    clock[0] += 0.99
    assert kept.read() == "3.0"
    clock[0] += 0.01
    assert kept.read() == "7.0"
