"""The stream by which an open console learns what is another now."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import tornado
from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security import authentication
from sublet_hub.web.console import card_feed, changes
from sublet_hub.web.console.card_feed import CardFeed
from sublet_hub.web.console.changes import StreamPlaces
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import WaitReport
from sublet_quota.wire.console import CardsChanged, TopicsChanged

from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import ACCESS, FakeHub, HubWorld, hub_world, settings_for, until
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
    world: HubWorld, token: str | None, headers: dict[str, str] | None = None, query: str = ""
) -> AsyncIterator[Heard]:
    """Follow the stream as long as the block lasts; then the connection is closed, as a page does.

    (Tornado's own client keeps it open.)
    """
    heard = Heard()
    place = urlsplit(f"{world.base}api/changes")
    sent = {**(headers or {}), **({} if token is None else {"Authorization": f"token {token}"})}
    lines = [f"GET {place.path}{query} HTTP/1.1", f"Host: {place.netloc}"]
    # JupyterHub's _xsrf is of one browser, which logged in by Tornado's client.
    lines += [f"User-Agent: Tornado/{tornado.version}"]
    lines += [f"{name}: {value}" for name, value in sent.items()]

    async def follow() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            while b" 200 " in head and (size := int(await reader.readline(), 16)):
                heard.take(await reader.readexactly(size))
                await reader.readexactly(2)
            heard.over.set()
        finally:
            writer.close()

    task = asyncio.create_task(follow())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_admin_is_told_every_card_and_then_what_changes(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_feed, "_TOLD_ANYWAY_AFTER_S", 3600)
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
        assert {"share", "jobs", "lending", "evictions", "notices", "quota"} <= set(heard.topics)


async def test_an_admin_is_told_that_there_are_no_cards(world: HubWorld) -> None:
    async with listening(world, world.admin()) as heard:
        await until(lambda: heard.events("cards"))
        assert heard.events("cards")[-1] == {"cards": [], "gone": [], "complete": True}


async def test_who_wants_no_cards_is_told_of_all_else_and_never_of_cards(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="small")
    admin = world.admin()
    async with (
        listening(world, admin, query="?cards=0") as without,
        listening(world, admin, query="?cards=1") as heard,
    ):
        await until(lambda: heard.cards and "share" in without.topics)
        before = len(without.topics)
        agent.says[lease["slice_id"]] = a_report(lease["slice_id"], memory_mib=3 * GIB)
        await agent.report()
        told = len(heard.events("cards"))
        await until(lambda: len(heard.events("cards")) > told)
        status, _ = await world.call("PUT", "lending", admin, {"lending": False})
        assert status == 200
        await until(lambda: "lending" in without.topics[before:])
        assert {each.split("\n")[0] for each in without.text.split("\n\n")[:-1]} == {
            "event: changed"
        }


async def test_whether_cards_are_told_is_said_by_0_or_1(world: HubWorld) -> None:
    for wrong in ("2", "no", ""):
        status, problem = await world.call("GET", f"changes?cards={wrong}", world.admin())
        assert (status, problem["reason"]) == (400, "bad-request"), wrong


async def test_a_user_is_told_that_their_share_changed_and_nothing_of_cards(
    world: HubWorld,
) -> None:
    await world.agent()
    async with listening(world, world.user("ada")) as heard:
        await until(lambda: "share" in heard.topics)
        before = len(heard.topics)
        await world.slice_for("ada", size="small")
        await until(lambda: "share" in heard.topics[before:])
        kinds = {each.split("\n")[0] for each in heard.text.split("\n\n")[:-1]}
        assert kinds - {":"} == {"event: changed"}
        assert {"evictions", "notices", "quota"}.isdisjoint(heard.topics)
        # Topics alone: not even an own slice's id.
        assert {*chain.from_iterable(heard.events("changed"))} == {"topics"}
        assert "ada" not in heard.text


async def test_a_user_is_told_nothing_when_others_things_change(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_ANYWAY_EVERY_S", 3600)
    agent = await world.agent()
    await world.slice_for("ada", size="small")
    eve, ada = world.user("eve"), world.user("ada")
    async with listening(world, eve) as eves, listening(world, ada) as adas:
        await until(lambda: eves.topics and adas.topics)
        before = len(adas.topics)
        other = await world.slice_for("bea", size="small")
        agent.says[other["slice_id"]] = a_report(other["slice_id"], memory_mib=GIB)
        await agent.report()
        await world.slice_for("ada", "second", size="small")
        await until(lambda: "share" in adas.topics[before:])
        await world.call("PUT", "lending", world.admin(), {"lending": False})
        await until(lambda: eves.topics.count("lending") == 2)
        assert eves.events("changed")[1:] == [{"topics": ["share", "lending"]}]


async def test_where_nothing_changes_a_page_still_hears_that_the_service_is_there(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_ANYWAY_EVERY_S", 3600)
    monkeypatch.setattr(changes, "_ALIVE_EVERY_S", 0)
    async with listening(world, world.user("ada")) as heard:
        await until(lambda: heard.text.endswith("\n\n:\n\n:\n\n"))
        assert len(heard.events("changed")) == 1


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


async def test_another_quota_document_is_told_to_admins(tmp_path: Path, hub: FakeHub) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text("everyone: {limit: {cards: 1}}\n")
    settings = settings_for(tmp_path, quota_file=file)
    async with (
        hub_world(tmp_path, hub, settings) as world,
        listening(world, world.admin()) as heard,
    ):
        await until(lambda: "quota" in heard.topics)
        before = heard.topics.count("quota")
        file.write_text("everyone: {limit: {cards: 2}}\n")
        await world.call("POST", "quota/reload", world.admin())
        await until(lambda: heard.topics.count("quota") > before)


async def test_an_admin_of_a_group_is_told_of_changes_of_it_and_of_none_elsewhere(
    tmp_path: Path, hub: FakeHub
) -> None:
    file = tmp_path / "quota.yaml"

    def text(nlp: int, other: int) -> str:
        groups = f"nlp: {{limit: {{cards: {nlp}}}}}, law: {{limit: {{cards: {other}}}}}"
        return f"groups: {{{groups}}}\n"

    file.write_text(text(1, 1))
    settings = settings_for(tmp_path, quota_file=file)
    async with hub_world(tmp_path, hub, settings) as world:
        lead, other = world.group_admin("lead", "nlp"), world.group_admin("lea", "law")
        async with (
            listening(world, lead) as heard,
            listening(world, other) as others,
            listening(world, world.user("ada")) as users,
        ):
            await until(lambda: all("quota" in each.topics for each in (heard, others)))
            file.write_text(text(1, 2))
            await world.call("POST", "quota/reload", world.admin())
            await until(lambda: others.topics.count("quota") == 2)
            file.write_text(text(2, 2))
            await world.call("POST", "quota/reload", world.admin())
            await until(lambda: heard.topics.count("quota") == 2)
            # Whoever administers nothing any more learns that, too.
            file.write_text("groups: {law: {limit: {cards: 2}}}\n")
            await world.call("POST", "quota/reload", world.admin())
            await until(lambda: heard.topics.count("quota") == 3)
            assert others.topics.count("quota") == 2
            assert "quota" not in users.topics


async def test_a_cookie_needs_its_xsrf_and_a_token_the_scope_to_read(world: HubWorld) -> None:
    jar = await log_in(world, world.user("ada"))
    of_a_script = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (
        await world.raw("GET", "api/changes", headers={**as_sent(jar), **of_a_script})
    ).code == 403
    world.hub.add("guest-canary", "guest", {ACCESS})
    assert (await world.raw("GET", "api/changes", "guest-canary")).code == 403
    assert (await world.raw("GET", "api/changes")).code == 401
    of_a_window = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    of_a_picture = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}
    for of_another in (of_a_window, of_a_picture):
        answer = await world.raw("GET", "api/changes", headers={**as_sent(jar), **of_another})
        assert answer.code == 403
    told = {**as_sent(jar), **of_a_script, "X-XSRFToken": jar["_xsrf"].value}
    async with listening(world, None, told) as heard:
        await until(lambda: "share" in heard.topics)


async def test_the_stream_ends_when_the_token_is_no_good_any_more(world: HubWorld) -> None:
    token = world.admin()
    async with listening(world, token) as heard:
        await until(lambda: heard.topics)
        del world.hub.tokens[token]
        world.auth.forget_token(token)
        await asyncio.wait_for(heard.over.wait(), 60)


async def test_the_stream_ends_quietly_when_the_hub_does_not_say_who_that_is(
    world: HubWorld, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = world.admin()
    async with listening(world, token) as heard:
        await until(lambda: heard.topics)
        # Only now: on a busy machine a hub that answers may take longer.
        monkeypatch.setattr(authentication, "_ANSWER_S", 0.05)
        world.hub.stalled = asyncio.Event()
        world.auth.forget_token(token)
        await asyncio.wait_for(heard.over.wait(), 60)
        world.hub.stalled.set()
    assert "Cannot send error response" not in caplog.text


async def test_a_page_that_goes_gives_its_place_to_another(world: HubWorld) -> None:
    token = world.user("ada")
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(listening(world, token)) for _ in range(3)]
        async with listening(world, token) as last:
            await until(lambda: all(each.topics for each in (*pages, last)))
            answer = await world.raw("GET", "api/changes", token)
            assert answer.code == 429
            assert int(answer.headers["Retry-After"]) > 0
            assert (await world.call("GET", "share", token))[0] == 200

        async def is_let_in() -> bool:
            async with listening(world, token) as next_one:
                await until(lambda: next_one.topics or next_one.over.is_set())
                return bool(next_one.topics)

        await until(is_let_in)


async def test_a_stream_counts_as_long_as_it_took_to_begin(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[float] = []
    monkeypatch.setattr(
        world.service.metrics,
        "request",
        lambda _, route, __, took_s: counted.append(took_s) if route == "changes" else None,
    )
    asked = time.perf_counter()
    async with listening(world, world.user("ada")) as heard:
        await until(lambda: "lending" in heard.topics)
        began_within_s, before = time.perf_counter() - asked, len(heard.topics)
        await world.call("PUT", "lending", world.admin(), {"lending": False})
        await until(lambda: "lending" in heard.topics[before:])
    await until(lambda: counted)
    assert counted[0] <= began_within_s


async def test_one_caller_has_few_streams_and_all_together_a_part_of_the_connections() -> None:
    places = StreamPlaces(most_connections=64)
    with ExitStack() as stack:
        first = places.taken("ada")
        first.__enter__()
        for name in ["ada"] * 3 + ["bea"] * 4 + ["cleo"] * 4 + ["dora"] * 4:
            stack.enter_context(places.taken(name))
        with pytest.raises(TooManyRequestsError), places.taken("eva"):
            pass
        first.__exit__(None, None, None)
        with pytest.raises(TooManyRequestsError), places.taken("bea"):
            pass
        with places.taken("eva"):
            pass


async def test_where_there_are_few_connections_streams_leave_room_for_questions() -> None:
    places = StreamPlaces(most_connections=32)
    # Of 32 connections one caller may have four.
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(places.taken("ada"))
        with pytest.raises(TooManyRequestsError), places.taken("ada"):
            pass


async def test_a_card_is_told_again_only_for_what_is_seen_of_it(world: HubWorld) -> None:
    agent = await world.agent(gpus=(a_gpu(energy_mj=500, temperature_c=50),))
    now_s = 0.0
    feed = CardFeed(world.service.ledger, world.service.views, lambda: now_s)
    await feed.look()
    first = feed.news(0)
    assert len(first.cards) == 1

    agent.gpus = (a_gpu(energy_mj=1_000, temperature_c=51),)
    await agent.report()
    now_s = 10.0
    await feed.look()
    assert feed.news(first.version).cards == ()
    now_s = 20.0
    await feed.look()
    assert len(feed.news(first.version).cards) == 1

    agent.gpus = (a_gpu(energy_mj=1_000, temperature_c=51, utilisation_percent=50),)
    await agent.report()
    now_s, seen = 22.0, feed.news(0).version
    await feed.look()
    assert len(feed.news(seen).cards) == 1
