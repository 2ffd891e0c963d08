"""Past days under another document: told as events, one at a time, and given up with the page."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import pytest
from sublet_hub.usage.past_preview import previews
from sublet_hub.usage.past_preview.process import Bounds
from sublet_hub.usage.past_preview.protocol import MODULE
from sublet_quota.wire.past_preview import PastPlace, PastPreviewInfo, PastProblem, PastProgress

from tests.support.fake_agent import GIB, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio

OTHER: Final = "sizes: [{name: small, memory: 1/4, compute: 1/4, default: true}]\n"
MODELS: Final = {
    "place": PastPlace,
    "progress": PastProgress,
    "problem": PastProblem,
    "report": PastPreviewInfo,
}


@dataclass
class Heard:
    """What a page heard of one preview."""

    status: int = 0
    text: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def events(self) -> list[tuple[str, Any]]:
        told = []
        for part in self.text.split("\n\n")[:-1]:
            name, data = (line.partition(": ")[2] for line in part.split("\n"))
            told.append((name, MODELS[name].model_validate_json(data)))
        return told

    def last(self) -> tuple[str, Any]:
        return self.events[-1]


@asynccontextmanager
async def asking(
    world: HubWorld, token: str, text: str = OTHER, days: int = 7
) -> AsyncIterator[Heard]:
    """Ask for a preview as long as the block lasts; then the connection is closed."""
    heard = Heard()
    place = urlsplit(f"{world.base}api/quota/preview/history")
    body = json.dumps({"text": text, "days": days}).encode()
    head = (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: token {token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    async def follow() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            heard.status = int(answer.split()[1])
            while b" 200 " in answer and (size := int(await reader.readline(), 16)):
                heard.text += (await reader.readexactly(size)).decode()
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


async def previewed(world: HubWorld, **asked: Any) -> Heard:
    async with asking(world, world.admin(), **asked) as heard:
        await asyncio.wait_for(heard.over.wait(), 120)
    return heard


def processes() -> list[psutil.Process]:
    """Return the processes of this test's that simulate."""
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            if MODULE in each.cmdline():
                found.append(each)
        except psutil.Error:
            continue
    return found


async def somebody_works(world: HubWorld) -> None:
    """A notebook is granted, and computes; another is refused."""
    agent = await world.agent()
    world.service.recorder.look_at_cards()
    lease = await world.slice_for("ada", "server", groups=["lab"], size="small")
    slice_id = lease["slice_id"]
    await agent.until(lambda: agent.assignments is not None and agent.assignments.slices)
    agent.says[slice_id] = a_report(slice_id, running_cell=True, memory_mib=GIB)
    await agent.report()
    await world.hub_call("DELETE", f"slices/{slice_id}")
    body = {"owner": "ben", "account": world.account("ben"), "size": "none-such"}
    status, _ = await world.hub_call("POST", "slices", body)
    assert status == 400
    world.service.recorder.store_at_end()


class Held:
    """Simulations that begin only when a test lets them, and do not end by themselves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = asyncio.Event()
        self.begun = 0
        before = previews.simulation

        @asynccontextmanager
        async def held(memory_mib: int, within_s: float) -> AsyncIterator[Any]:
            async with before(memory_mib, within_s) as process:
                self.begun += 1
                await self.go_on.wait()
                yield process

        monkeypatch.setattr(previews, "simulation", held)


async def test_what_past_days_come_to_is_told_with_progress_and_how_true_that_is(
    world: HubWorld,
) -> None:
    await somebody_works(world)
    heard = await previewed(world)
    assert heard.status == 200
    assert [name for name, _ in heard.events][-1] == "report", heard.text
    parts = [told.part for name, told in heard.events if name == "progress"]
    assert parts == sorted(parts)
    report = heard.last()[1]
    assert (report.asked_days, report.people, [e.group for e in report.groups]) == (7, 2, [None])
    assert report.ends - report.begins < timedelta(hours=1)
    assert report.in_all.before.servers.count == 1
    assert "servers, half" in {each.what for each in report.truth.lines}
    assert processes() == []


async def test_where_nothing_was_recorded_or_asked_for_that_is_told(world: HubWorld) -> None:
    assert (await previewed(world)).last() == (
        "problem",
        PastProblem(
            message="nothing was recorded yet of what happens here: ask again in some days"
        ),
    )
    await world.agent()
    world.service.recorder.look_at_cards()
    name, told = (await previewed(world)).last()
    assert (name, told.message) == ("problem", "nothing was asked for in these days")


async def test_a_wrong_document_or_too_many_days_are_refused_before_anything_begins(
    world: HubWorld,
) -> None:
    for body, says in (
        ({"text": "sizes: 3\n"}, "the quota document has"),
        ({"text": OTHER, "days": 31}, "days"),
        ({"text": OTHER, "days": 0}, "days"),
        ({}, "text"),
    ):
        status, told = await world.call("POST", "quota/preview/history", world.admin(), body)
        assert (status, says in told["message"]) == (400, True), told
    assert processes() == []


async def test_where_nothing_is_kept_that_is_told(tmp_path: Path, hub: FakeHub) -> None:
    settings = replace(settings_for(tmp_path), recorded_for=timedelta())
    async with hub_world(tmp_path, hub, settings) as world:
        body = {"text": OTHER}
        status, told = await world.call("POST", "quota/preview/history", world.admin(), body)
        assert (status, "history_days is 0" in told["message"]) == (400, True)


async def test_a_closed_page_ends_its_simulation(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await somebody_works(world)
    held = Held(monkeypatch)
    async with asking(world, world.admin()):
        await until(lambda: held.begun == 1)
        (process,) = processes()
        await until(lambda: process.nice() == 19)
    await until(lambda: not process.is_running())
    held.go_on.set()
    assert (await previewed(world)).last()[0] == "report"


async def test_one_at_a_time_and_the_others_are_told_their_place(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await somebody_works(world)
    held = Held(monkeypatch)
    first, second, third = (world.admin(name) for name in ("root", "toor", "tor"))
    async with asking(world, first):
        await until(lambda: held.begun == 1)
        async with asking(world, second) as waits:
            await until(lambda: ("place", PastPlace(ahead=1)) in waits.events)
            async with asking(world, third) as waits_longer:
                await until(lambda: ("place", PastPlace(ahead=2)) in waits_longer.events)
                assert (held.begun, len(processes())) == (1, 1)
                async with asking(world, first) as again, asking(world, first) as too_many:
                    await until(lambda: ("place", PastPlace(ahead=3)) in again.events)
                    await until(lambda: too_many.status == 429)
    await until(lambda: processes() == [])


async def test_who_is_no_admin_any_more_is_told_nothing_more(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await somebody_works(world)
    held = Held(monkeypatch)
    token = world.admin()
    async with asking(world, token) as heard:
        await until(lambda: held.begun == 1)
        del world.hub.tokens[token]
        world.auth.forget_token(token)
        held.go_on.set()
        await asyncio.wait_for(heard.over.wait(), 60)
    assert "report" not in heard.text


async def test_what_takes_too_long_or_too_much_is_ended_and_told(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await somebody_works(world)
    for bounds, says in (
        (Bounds(within_s=0.01), "took longer than"),
        (Bounds(memory_mib=24, least_mib=1), "it may take 24 MiB of memory"),
        (Bounds(memory_mib=10), "too little memory is left here now"),
    ):
        monkeypatch.setattr(previews, "Bounds", lambda bounds=bounds: bounds)
        sources = previews.PastSources(
            world.service.history_exports,
            world.service.recorder,
            lambda: world.service.quota.text,
            lambda: datetime.now(UTC),
        )
        told: list[Any] = []

        async def tell(event: Any, told: list[Any] = told) -> None:
            told.append(event)

        await previews.PastPreviews(sources).preview("root", OTHER, 7, tell)
        assert says in told[-1].message
    assert processes() == []
