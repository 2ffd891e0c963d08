"""The stream by which an open console learns what is another now."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sublet_hub.errors import TooManyRequestsError
from sublet_hub.web.console import changes
from sublet_hub.web.console.card_feed import CardFeed
from sublet_hub.web.console.changes import StreamPlaces
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport
from sublet_quota.wire.console import CardsChanged, TopicsChanged
from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import ACCESS, HubWorld, until
from tests.support.logged_in import as_sent, log_in

pytestmark = pytest.mark.asyncio


@dataclass
class Heard:
    """What a page heard so far."""

    text: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, chunk: bytes) -> None:
        self.text += chunk.decode()

    def events(self, kind: str) -> list[Any]:
        parts = [each.split("\n") for each in self.text.split("\n\n")[:-1]]
        return [
            json.loads(part[1].removeprefix("data: "))
            for part in parts
            if part[0] == f"event: {kind}"
        ]

    @property
    def cards(self) -> dict[str, Any]:
        """The cards as the page knows them."""
        known: dict[str, Any] = {}
        for each in self.events("cards"):
            CardsChanged.model_validate(each)
            known.update({card["report"]["gpu_id"]: card for card in each["cards"]})
            for gone in each.get("gone", ()):
                known.pop(gone, None)
        return known

    @property
    def topics(self) -> list[str]:
        told = [TopicsChanged.model_validate(each) for each in self.events("changed")]
        return [topic for each in told for topic in each.topics]


@asynccontextmanager
async def listening(
    world: HubWorld, token: str | None, headers: dict[str, str] | None = None
) -> AsyncIterator[Heard]:
    """Follow the stream as long as the block lasts."""
    heard = Heard()
    client = SimpleAsyncHTTPClient(force_instance=True)
    sent = {**(headers or {}), **({} if token is None else {"Authorization": f"token {token}"})}
    request = HTTPRequest(
        f"{world.base}api/changes", headers=sent, streaming_callback=heard.take, request_timeout=300
    )

    async def follow() -> None:
        await client.fetch(request, raise_error=False)
        heard.over.set()

    task = asyncio.create_task(follow())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        client.close()


async def test_an_admin_is_told_every_card_and_then_what_changes(world: HubWorld) -> None:
    agent = await world.agent(gpus=(a_gpu(), a_gpu("SIM-1", index=1)))
    lease = await world.slice_for("ada", size="small")
    async with listening(world, world.admin()) as heard:
        await until(lambda: set(heard.cards) == {"SIM-0", "SIM-1"})
        assert heard.events("cards")[-1]["complete"]
        agent.says[lease["slice_id"]] = a_report(lease["slice_id"], memory_mib=3 * GIB)
        await agent.report()
        card = lease["gpu_id"]
        await until(
            lambda: (
                [
                    each["report"]["memory_mib"]
                    for each in heard.cards[card]["slices"]
                    if each["report"] is not None
                ]
                == [3 * GIB]
            )
        )
        last = heard.events("cards")[-1]
        assert [each["report"]["gpu_id"] for each in last["cards"]] == [card]
        assert {"share", "jobs", "lending", "evictions"} <= set(heard.topics)


async def test_a_user_is_told_that_their_share_changed_and_nothing_of_cards(
    world: HubWorld,
) -> None:
    await world.agent()
    async with listening(world, world.user("ada")) as heard:
        await until(lambda: "share" in heard.topics)
        before = len(heard.topics)
        await world.slice_for("ada", size="small")
        await until(lambda: "share" in heard.topics[before:])
        assert "event: cards" not in heard.text
        assert "evictions" not in heard.topics
        # Topics alone: not even an own slice's id.
        assert set(heard.text.replace("event: changed", "").split()) & {"ada"} == set()


async def test_who_asked_who_waits_is_told_when_that_changes(world: HubWorld) -> None:
    agent = await world.agent()
    ada = (await world.slice_for("ada", size="small"))["slice_id"]
    admin = world.admin()
    await world.call("GET", "waits?all=1", admin)
    async with listening(world, admin) as heard:
        await until(lambda: "waits" in heard.topics)
        before = len(heard.topics)
        wait = WaitReport(reason=WaitReason.TURN, place=1)
        agent.says[ada] = a_report(ada, wait=wait)
        await agent.report()
        await until(lambda: "waits" in heard.topics[before:])


async def test_a_switch_of_lending_is_told_to_all(world: HubWorld) -> None:
    async with listening(world, world.user("ada")) as heard:
        await until(lambda: "lending" in heard.topics)
        before = len(heard.topics)
        await world.call("PUT", "lending", world.admin(), {"lending": False})
        await until(lambda: "lending" in heard.topics[before:])


async def test_a_cookie_needs_its_xsrf_and_a_token_the_scope_to_read(world: HubWorld) -> None:
    jar = await log_in(world, world.user("ada"))
    of_a_script = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (
        await world.raw("GET", "api/changes", headers={**as_sent(jar), **of_a_script})
    ).code == 403
    world.hub.add("guest-canary", "guest", {ACCESS})
    assert (await world.raw("GET", "api/changes", "guest-canary")).code == 403
    assert (await world.raw("GET", "api/changes")).code == 401
    told = {**as_sent(jar), **of_a_script, "X-XSRFToken": jar["_xsrf"].value}
    async with listening(world, None, told) as heard:
        await until(lambda: "share" in heard.topics)


async def test_the_stream_ends_when_the_token_is_no_good_any_more(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "KEPT_S", 0)
    token = world.admin()
    async with listening(world, token) as heard:
        await until(lambda: heard.topics)
        del world.hub.tokens[token]
        world.auth.forget_token(token)
        await asyncio.wait_for(heard.over.wait(), 60)


async def test_one_caller_has_few_streams_and_all_together_a_part_of_the_connections() -> None:
    places = StreamPlaces(most_connections=32)
    held = [places.taken("ada") for _ in range(4)]
    for each in held:
        each.__enter__()
    with pytest.raises(TooManyRequestsError), places.taken("ada"):
        pass
    others = [places.taken(name) for name in ("bea", "cleo", "dora", "eva")]
    for each in others:
        each.__enter__()
    with pytest.raises(TooManyRequestsError), places.taken("finn"):
        pass
    held[0].__exit__(None, None, None)
    with places.taken("finn"):
        pass


async def test_a_card_is_told_again_only_for_what_is_seen_of_it(world: HubWorld) -> None:
    agent = await world.agent(gpus=(a_gpu(energy_mj=500),))
    now_s = 0.0
    feed = CardFeed(world.service.ledger, world.service.views, lambda: now_s)
    await feed.look()
    first = feed.news(0)
    assert len(first.cards) == 1

    agent.gpus = (a_gpu(energy_mj=1_000),)
    await agent.report()
    now_s = 10.0
    await feed.look()
    assert feed.news(first.version).cards == ()
    now_s = 20.0
    await feed.look()
    assert len(feed.news(first.version).cards) == 1

    agent.gpus = (a_gpu(energy_mj=1_000, utilisation_percent=50),)
    await agent.report()
    now_s, seen = 22.0, feed.news(0).version
    await feed.look()
    assert len(feed.news(seen).cards) == 1
