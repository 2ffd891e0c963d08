"""The quota file: wrong at start, wrong on reload, and changed while the service runs."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.errors import QuotaFileError
from sublet_hub.state import quota_file
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio

GOOD = "sizes:\n  - {name: half, memory: 1/2, compute: 0.5}\n"
OTHER = (
    "sizes:\n  - {name: third, memory: 1/3, compute: 0.3}\n"
    "pools:\n  - {name: interactive, idle_after: 90s, max_compute: 1/4}\n"
)
BAD = "sizes:\n  - {name: half, memory: 1/2, compute: 9.5}\npolls: {}\n"


async def _sizes(world: HubWorld) -> list[str]:
    _, offers = await world.hub_call("GET", "offers?owner=ada")
    return [offer["size"] for offer in offers["offers"]]


async def test_a_wrong_file_at_start_stops_the_service_with_every_error(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(BAD)
    settings = replace(settings_for(tmp_path), quota_file=path)
    with pytest.raises(QuotaFileError) as error:
        async with hub_world(tmp_path, hub, settings):
            pass
    assert len(error.value.problems) == 2
    assert "line 2" in str(error.value)
    assert "line 3" in str(error.value)


async def test_a_wrong_reload_leaves_the_old_one_in_force_and_says_why(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    settings = replace(settings_for(tmp_path), quota_file=path)
    async with hub_world(tmp_path, hub, settings) as world:
        agent, admin = await world.agent(), world.admin()
        assert await _sizes(world) == ["half"]
        path.write_text(BAD)

        async def told() -> bool:
            _, quota = await world.call("GET", "quota", admin)
            return len(quota["errors"]) == 2

        await until(told)
        assert await _sizes(world) == ["half"]
        status, problem = await world.call("POST", "quota/reload", admin)
        assert (status, problem["reason"], "line 3" in problem["message"]) == (
            409,
            "bad-quota-file",
            True,
        )
        path.write_text(OTHER)
        status, quota = await world.call("POST", "quota/reload", admin)
        assert (status, quota["errors"]) == (200, [])
        assert await _sizes(world) == ["third"]
        await agent.until(lambda: agent.assignments.gpus[0].idle_after_s == 90)
        assert agent.assignments.gpus[0].max_compute_milli == 250


async def test_a_changed_file_is_taken_up_by_itself_and_keeps_the_slices(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    settings = replace(settings_for(tmp_path), quota_file=path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="half")
        path.write_text(OTHER)

        async def taken_up() -> bool:
            return await _sizes(world) == ["third"]

        await until(taken_up)
        assert len(world.service.ledger.slices) == 1
        assert world.service.capacity.holdings.held_by("ada").slices == 1


async def test_a_file_that_is_being_written_is_not_taken_up_until_it_stays_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    kept = quota_file.QuotaFile(path, lambda: datetime.now(UTC))
    for written in ("", OTHER[:60], OTHER):
        path.write_text(written)
        assert not kept.changed()
    assert kept.changed()
    assert await kept.reload()
    assert kept.text == OTHER
    assert not kept.changed()


async def test_a_file_that_is_written_as_it_was_is_none_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    kept = quota_file.QuotaFile(path, lambda: datetime.now(UTC))
    for written in ("", GOOD, GOOD):
        path.write_text(written)
        assert not kept.changed()


async def test_a_file_that_cannot_be_read_for_a_moment_is_right_again_with_the_same_text(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    settings = replace(settings_for(tmp_path), quota_file=path)
    async with hub_world(tmp_path, hub, settings) as world:
        admin = world.admin()

        async def errors() -> Any:
            return (await world.call("GET", "quota", admin))[1]["errors"]

        async def told() -> bool:
            return bool(await errors())

        async def is_right() -> bool:
            return not await errors()

        path.rename(tmp_path / "away")
        await until(told)
        assert "cannot be read" in (await errors())[0]
        (tmp_path / "away").rename(path)
        await until(is_right)
        _, events = await world.call("GET", "events", admin)
        (refused,) = [event for event in events if event["kind"] == "quota-refused"]
        assert f"the quota file {path} has 1 error: it cannot be read" in refused["detail"]


async def test_the_document_in_force_is_told_as_it_was_written_with_what_the_cards_do_not_allow(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text("groups:\n  lab: {guaranteed: {Simulated H100 80GB: 2}}\n")
    settings = replace(settings_for(tmp_path), quota_file=path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        status, quota = await world.call("GET", "quota", world.admin())
        assert (status, quota["text"], quota["path"]) == (200, path.read_text(), str(path))
        assert "2 cards of Simulated H100 80GB are guaranteed" in quota["warnings"][0]
        text = world.service.metrics.text().decode()
        assert "sublet_quota_valid 1.0" in text
        assert f"sublet_quota_warnings {len(quota['warnings'])}.0" in text
        path.write_text("# of before\n" + path.read_text().replace(": 2}", ": 1}"))
        _, quota = await world.call("POST", "quota/reload", world.admin())
        assert quota["warnings"] == []
        path.write_text(BAD)
        await world.call("POST", "quota/reload", world.admin())
        assert "sublet_quota_valid 0.0" in world.service.metrics.text().decode()


async def test_the_same_on_other_lines_is_told_by_its_new_lines(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text("everyone: {limit: {cards: 2}}\n")
    settings = replace(settings_for(tmp_path), quota_file=path)
    async with hub_world(tmp_path, hub, settings) as world:

        async def line() -> int:
            _, found = await world.call("GET", "quota/rights", world.user("ada"))
            (told,) = (each for each in found["rights"] if each["right"] == "limit of cards")
            assert (told["value"], told["source"]) == ("2 cards", "everyone.limit.cards")
            return int(told["line"])

        assert await line() == 1
        path.write_text("# whole cards\n" + path.read_text())
        await world.call("POST", "quota/reload", world.admin())
        assert await line() == 2


async def test_a_file_is_read_beside_the_loop_and_two_at_once_one_after_the_other(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    settings = replace(settings_for(tmp_path), quota_file=path)
    may_end, reading = threading.Event(), threading.Event()
    most_at_once, at_once = 0, 0

    def read_slowly(text: bytes) -> QuotaDocument:
        nonlocal most_at_once, at_once
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        reading.set()
        assert may_end.wait(20)
        at_once -= 1
        return read_quota_document(text)

    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        monkeypatch.setattr(quota_file, "read_quota_document", read_slowly)
        path.write_text(OTHER)
        asked = [
            asyncio.create_task(world.call("POST", "quota/reload", world.admin())) for _ in range(2)
        ]

        async def is_being_read() -> bool:
            return reading.is_set()

        await until(is_being_read)
        # Whoever asks meanwhile has an answer.
        assert await _sizes(world) == ["half"]
        may_end.set()
        assert [status for status, _ in await asyncio.gather(*asked)] == [200, 200]
        assert await _sizes(world) == ["third"]
    assert most_at_once == 1
