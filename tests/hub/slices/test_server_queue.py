"""Notebooks in line: they join it, have their turn, are started by the hub, and leave it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.slices import line_rounds, line_standings, server_queue, server_starts
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
sizes:
  - {name: whole, memory: 1, compute: 1}
  - {name: half, memory: 1/2, compute: 1/2}
everyone: {limit: {slices: 9}}
groups:
  research: {guaranteed: {H100: 1}}
  teaching: {}
notebooks: {when_full: queue, wait_most: 2h}
"""
OPTIONS = {"size": "half", "deep": [1, {"x": None}]}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that did not start a server is asked again at once."""
    monkeypatch.setattr(server_starts, "ASKED_AGAIN_S", 0.0)


def settings_with(folder: Path, text: str = QUOTA, **more: Any) -> Any:
    (folder / "quota.yaml").write_text(text)
    return settings_for(folder, quota_file=folder / "quota.yaml", **more)


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as made:
        yield made


async def ask(world: HubWorld, owner: str, **wish: Any) -> tuple[int, dict[str, Any]]:
    body = {
        "owner": owner,
        "account": world.account(owner),
        "size": "half",
        "groups": ["teaching"],
        "start_options": OPTIONS,
        **wish,
    }
    status, answer = await world.hub_call("POST", "slices", body)
    return status, dict(answer)


async def full(world: HubWorld) -> str:
    """One card, which eve has whole; return her slice."""
    await world.agent()
    lease = await world.slice_for("eve", size="whole", groups=["teaching"])
    return str(lease["slice_id"])


async def give_back(world: HubWorld, slice_id: str) -> None:
    status, _ = await world.hub_call("DELETE", f"slices/{slice_id}")
    assert status == 204


async def events(world: HubWorld, kind: EventKind) -> list[tuple[str, str]]:
    _, told = await world.call("GET", "events", world.admin())
    return [(each["owner"], each["detail"]) for each in told if each["kind"] == kind]


def pass_time(world: HubWorld, length: timedelta) -> None:
    """Let the line find it later by so much."""
    stores = world.service.line._stores
    now = stores.now
    object.__setattr__(stores, "now", lambda: now() + length)
    world.assembly.line.starts._now = stores.now
    world.service.reconciliation._now = stores.now


async def test_a_notebook_without_room_waits_and_is_told_its_place(world: HubWorld) -> None:
    await full(world)
    status, wait = await ask(world, "ada")
    assert status == 202
    assert (wait["owner"], wait["place"], wait["before"], wait["size"]) == ("ada", 1, 0, "half")
    assert (wait["group"], wait["pool"]) == ("teaching", "interactive")
    assert wait["expected_at"] is None
    assert "not known" in wait["expected_why"]
    assert wait["message"].startswith("Your notebook is in line, at place 1;")
    since, leaves = (datetime.fromisoformat(wait[name]) for name in ("since", "until"))
    assert leaves - since == timedelta(hours=2)
    _, second = await ask(world, "bob")
    assert (second["place"], second["before"]) == (2, 1)


async def test_where_the_document_does_not_say_so_it_is_refused(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = QUOTA.replace("when_full: queue, ", "")
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        await full(world)
        status, problem = await ask(world, "ada")
        assert (status, problem["reason"]) == (409, "no-room")


async def test_what_no_waiting_helps_is_refused_at_once(world: HubWorld) -> None:
    await full(world)
    status, problem = await ask(world, "ada", size="nothing-like-it")
    assert (status, problem["reason"]) == (400, "unknown-size")
    assert not world.service.line.entries


async def test_when_its_turn_comes_the_hub_starts_it_and_it_gets_that_very_slice(
    world: HubWorld,
) -> None:
    eves = await full(world)
    await ask(world, "ada", server="big one")
    await give_back(world, eves)
    await until(lambda: world.hub.started[:1] == [("ada", "big one", OPTIONS)])
    (record,) = world.service.ledger.slices.values()
    status, lease = await ask(world, "ada", server="big one")
    assert (status, lease["slice_id"]) == (201, record.slice_id)
    assert not world.service.line.entries
    assert [owner for owner, _ in await events(world, EventKind.QUEUED)] == ["ada"]
    assert [owner for owner, _ in await events(world, EventKind.QUEUE_TURN)] == ["ada"]


async def test_another_wish_at_its_turn_is_decided_anew(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: bool(world.hub.started))
    status, lease = await ask(world, "ada", size="whole")
    assert (status, lease["size"]) == (201, "whole")
    assert len(world.service.ledger.slices) == 1
    assert not world.service.line.entries


async def test_asked_again_with_another_wish_it_keeps_its_age(world: HubWorld) -> None:
    await full(world)
    _, first = await ask(world, "ada")
    await ask(world, "bob")
    status, again = await ask(world, "ada", size="whole")
    assert (status, again["place"], again["size"]) == (202, 1, "whole")
    assert again["since"] == first["since"]
    assert len(world.service.line.entries) == 2


async def test_a_new_request_does_not_overtake_who_waits(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("eve", size="half", groups=["teaching"])
    status, _ = await ask(world, "ada", size="whole")
    assert status == 202
    status, late = await ask(world, "bob")
    assert (status, late["place"]) == (202, 2), "the card is kept for who came before"
    assert "kept for who comes before" in late["message"]


async def test_who_is_within_a_guarantee_has_their_place_at_once(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    status, lease = await ask(world, "rita", groups=["research"], size="whole")
    assert (status, lease["size"]) == (201, "whole")
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


async def test_the_line_outlives_the_service(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_with(tmp_path, start_within=timedelta(days=1))
    async with hub_world(tmp_path, hub, settings) as world:
        eves = await full(world)
        _, first = await ask(world, "ada")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        (wait,) = (await world.call("GET", "queue", world.user("ada")))[1]
        assert wait["since"] == first["since"]
        await give_back(world, eves)
        await until(lambda: bool(hub.started))
    async with hub_world(tmp_path, hub, settings) as world:
        hub.started.clear()
        await until(lambda: bool(hub.started))
        status, _ = await ask(world, "ada")
        assert status == 201


async def test_a_hub_that_does_not_answer_is_asked_again(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: any(each.slice_id for each in world.service.line.entries.values()))
    assert not world.hub.started
    world.hub.start_status = 201
    await until(lambda: bool(world.hub.started))


async def test_what_the_hub_does_not_start_any_more_loses_its_place_and_is_told(
    world: HubWorld,
) -> None:
    eves = await full(world)
    world.hub.start_status = 404
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((owner, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert owner == "ada"
    assert "JupyterHub does not start it" in words


async def test_what_is_not_started_in_time_loses_its_place_and_is_told(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    await give_back(world, eves)
    await until(lambda: bool(world.hub.started))
    pass_time(world, timedelta(hours=1))
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "was not started in time" in words


async def test_who_has_waited_the_longest_that_is_allowed_leaves_and_is_told(
    world: HubWorld,
) -> None:
    await full(world)
    await ask(world, "ada")
    pass_time(world, timedelta(hours=2))
    await until(lambda: not world.service.line.entries)
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "it waited 120 min" in words


async def test_its_owner_and_an_admin_take_it_out_and_nobody_else(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    await ask(world, "bob", server="big")
    status, _ = await world.call("DELETE", "queue?owner=ada", world.user("bob"))
    assert status == 404
    assert (await world.call("DELETE", "queue", world.user("ada")))[0] == 204
    assert (await world.call("DELETE", "queue", world.user("ada")))[0] == 404
    status, _ = await world.call("DELETE", "queue?owner=bob&server=big", world.admin())
    assert status == 204
    assert not world.service.line.entries
    told = dict(await events(world, EventKind.QUEUE_LEFT))
    assert "its owner left the line" in told["ada"]
    assert "root took it out of the line" in told["bob"]


async def test_each_sees_their_own_admins_all_and_the_hub_whose_it_asks(world: HubWorld) -> None:
    await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)
    for token, query, owners in (
        (world.user("ada"), "", ["ada"]),
        (world.user("zoe"), "", []),
        (world.admin(), "?all=1", ["ada", "bob"]),
        (world.admin(), "?owner=bob", ["bob"]),
    ):
        _, found = await world.call("GET", f"queue{query}", token)
        assert [each["owner"] for each in found] == owners
    assert (await world.call("GET", "queue?all=1", world.user("ada")))[0] == 403
    _, found = await world.hub_call("GET", "queue?owner=bob")
    assert [each["owner"] for each in found] == ["bob"]
    assert (await world.hub_call("DELETE", "queue?owner=bob"))[0] == 204
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


async def test_an_owner_and_all_together_have_so_many_in_line(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    monkeypatch.setattr(server_queue, "MOST_OF_AN_OWNER", 1)
    assert (await ask(world, "ada"))[0] == 202
    status, problem = await ask(world, "ada", server="more")
    assert (status, problem["reason"]) == (409, "no-room")
    assert (await ask(world, "ada"))[0] == 202
    monkeypatch.setattr(server_queue, "MOST_OF_ALL", 1)
    assert (await ask(world, "bob"))[0] == 409


async def test_no_account_is_in_the_ledger(world: HubWorld) -> None:
    await full(world)
    account = world.account("ada")
    account["environment"] = {"WORD": "canary-in-the-account"}
    await ask(world, "ada", account=account)
    (entry,) = world.service.line.entries.values()
    assert "account" not in entry.request
    assert b"canary" not in (world.folder / "ledger.sqlite").read_bytes()


async def test_while_the_hub_is_down_a_slice_that_is_to_be_started_is_kept(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    (record,) = world.service.ledger.slices.values()
    reconciliation = world.service.reconciliation
    reconciliation.look_at_processes()
    pass_time(world, timedelta(hours=1))
    reconciliation.look_at_processes()
    assert record.slice_id in world.service.ledger.slices
    status, lease = await ask(world, "ada")
    assert (status, lease["slice_id"]) == (201, record.slice_id)
    reconciliation.look_at_processes()
    assert record.slice_id in world.service.ledger.slices, "its server is starting only now"
    pass_time(world, timedelta(hours=1))
    reconciliation.look_at_processes()
    assert record.slice_id not in world.service.ledger.slices


async def test_time_counts_from_when_the_hub_could_start_it(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    pass_time(world, timedelta(hours=1))
    world.hub.start_status = 201
    await until(lambda: len(world.hub.started) >= 2)
    assert [owner for owner, _ in world.service.line.entries] == ["ada"]


async def test_a_server_that_is_being_started_keeps_its_slice_however_long(
    world: HubWorld,
) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.people["ada"] = ()
    world.hub.servers["ada"] = {""}
    world.hub.starts_or_stops.add(("ada", ""))
    world.hub.start_status = 400
    await give_back(world, eves)
    await until(lambda: world.hub.asked_about.count("ada") > 1)
    pass_time(world, timedelta(hours=1))
    asked = len(world.hub.asked_about)
    await until(lambda: len(world.hub.asked_about) > asked + 1)
    assert (await ask(world, "ada"))[0] == 201


async def test_a_server_that_runs_without_its_slice_leaves_the_line_and_is_told(
    world: HubWorld,
) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.people["ada"] = ()
    world.hub.servers["ada"] = {""}
    world.hub.start_status = 400
    await give_back(world, eves)
    await until(lambda: not world.service.line.entries)
    assert not world.service.ledger.slices
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "runs already, without the slice" in words


async def put_in_force(world: HubWorld, text: str) -> None:
    (world.folder / "quota.yaml").write_text(text)
    assert await world.service.quota.reload()


async def test_whom_no_waiting_helps_under_another_document_is_told_and_leaves(
    world: HubWorld,
) -> None:
    await full(world)
    await ask(world, "ada")
    await ask(world, "bob", size="whole")
    await put_in_force(world, QUOTA.replace("  - {name: half, memory: 1/2, compute: 1/2}\n", ""))
    await until(lambda: [owner for owner, _ in world.service.line.entries] == ["bob"])
    ((owner, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert owner == "ada"
    assert "no waiting helps any more" in words
    assert "half" in words


async def test_where_the_line_is_closed_who_waits_is_told(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    await put_in_force(world, QUOTA.replace("when_full: queue, ", ""))
    await until(lambda: not world.service.line.entries)
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "lets no notebooks wait in line any more" in words


async def test_who_is_in_another_group_by_now_waits_by_that_one(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    world.hub.people["ada"] = ("research",)
    await world.assembly.line.rights.look()
    await until(lambda: bool(world.hub.started))
    status, _ = await ask(world, "ada", groups=["research"])
    assert status == 201
    assert {each.group for each in world.service.ledger.slices.values()} == {"teaching", "research"}


async def test_whose_turn_comes_and_who_has_no_right_any_more_is_refused_and_told(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = QUOTA.replace("compute: 1/2}", "compute: 1/2, for: [teaching]}")
    async with hub_world(tmp_path, hub, settings_with(tmp_path, text)) as world:
        eves = await full(world)
        await ask(world, "ada")
        await give_back(world, eves)
        await until(lambda: bool(world.hub.started))
        status, _ = await ask(world, "ada", groups=["research"])
        assert status == 403
        assert not world.service.line.entries
        assert not world.service.ledger.slices
        ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
        assert "no waiting helps any more" in words


async def test_who_waits_counts_among_those_beside_whom_use_is_seen(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    assert set(world.service.line.asking()) == {("teaching", "ada")}
    assert set(world.service.queue._others_ask()) == {("teaching", "ada")}
    await world.call("DELETE", "queue", world.user("ada"))
    await until(lambda: not set(world.service.line.asking()))


async def test_a_line_in_which_nothing_changes_is_not_walked_again(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    await ask(world, "ada")
    rounds = world.service.line._rounds
    await rounds.look()
    walked: list[object] = []
    walk = line_rounds.walk
    monkeypatch.setattr(line_rounds, "_AT_LEAST_EVERY_S", 3600.0)
    monkeypatch.setattr(line_rounds, "walk", lambda *of: walked.append(of) or walk(*of))
    await rounds.look()
    assert not walked
    await ask(world, "bob")
    assert walked


async def test_how_the_line_stands_is_reckoned_once_until_it_changes(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    await ask(world, "ada")
    reckoned: list[object] = []
    reckon = line_standings._reckon
    monkeypatch.setattr(line_standings, "_reckon", lambda *of: reckoned.append(of) or reckon(*of))
    for _ in range(3):
        _, found = await world.call("GET", "queue", world.user("ada"))
        assert [each["place"] for each in found] == [1]
    assert len(reckoned) <= 1
    await ask(world, "bob")
    _, found = await world.call("GET", "queue?all=1", world.admin())
    assert [each["owner"] for each in found] == ["ada", "bob"]


async def test_others_are_served_while_a_long_line_is_walked(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await full(world)
    for number in range(5):
        await ask(world, f"user{number}")
    monkeypatch.setattr(line_rounds, "_PART_S", 0.0)
    between: list[int] = []

    async def others() -> None:
        while True:
            between.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await world.service.line._rounds.take()
    task.cancel()
    assert len(between) >= 5


async def test_offers_say_for_which_sizes_one_can_wait(world: HubWorld) -> None:
    await full(world)
    _, offers = await world.hub_call("GET", "offers?owner=ada&groups=teaching")
    assert {each["size"]: (each["allowed"], each["waits"]) for each in offers["offers"]} == {
        "whole": (False, True),
        "half": (False, True),
    }
    await put_in_force(world, QUOTA.replace("when_full: queue, ", ""))
    _, offers = await world.hub_call("GET", "offers?owner=ada&groups=teaching")
    assert not any(each["waits"] for each in offers["offers"])


async def test_only_whose_turn_has_come_is_ever_started(world: HubWorld) -> None:
    await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)
    for _ in range(3):
        await world.assembly.line.starts.start_due()
    assert not world.hub.started
    assert [owner for owner, _ in world.service.line.entries] == ["ada", "bob"]


async def test_nobody_elses_place_is_seen_or_left(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada", server="big")
    others = world.user("bob")
    assert (await world.call("GET", "queue?owner=ada", others))[0] == 403
    assert (await world.call("GET", "queue?all=1", others))[0] == 403
    assert (await world.call("GET", "hub/queue?owner=ada", others))[0] == 403
    assert (await world.call("DELETE", "queue?owner=ada&server=big", others))[0] == 404
    assert (await world.call("DELETE", "hub/queue?owner=ada&server=big", others))[0] == 403
    assert (await world.call("GET", "queue", others))[1] == []
    _, (own,) = await world.call("GET", "queue", world.user("ada"))
    assert (own["owner"], own["server"]) == ("ada", "big")


async def test_what_is_told_of_a_place_names_groups_and_nobody_else(world: HubWorld) -> None:
    await full(world)
    await ask(world, "ada")
    _, wait = await ask(world, "bob")
    told = json.dumps({**wait, "owner": ""})
    assert not any(re.search(rf"\b{name}\b", told) for name in ("ada", "eve"))


async def test_what_lost_its_slice_is_not_started(world: HubWorld) -> None:
    eves = await full(world)
    await ask(world, "ada")
    world.hub.start_status = 503
    await give_back(world, eves)
    await until(lambda: bool(world.service.ledger.slices))
    (slice_id,) = world.service.ledger.slices
    await give_back(world, slice_id)
    await until(lambda: not world.service.line.entries)
    ((_, words),) = await events(world, EventKind.QUEUE_GAVE_UP)
    assert "its slice went to others" in words


async def test_metrics_tell_who_waits_and_how_long_those_waited_who_had_their_turn(
    world: HubWorld,
) -> None:
    eves = await full(world)
    for owner in ("ada", "bob"):
        await ask(world, owner)

    def told(name: str) -> dict[tuple[str, ...], float]:
        lines = world.service.metrics.text().decode().splitlines()
        found = (re.match(rf"{name}{{(.*)}} (.*)", line) for line in lines)
        return {
            tuple(re.findall(r'"([^"]*)"', each[1])): float(each[2])
            for each in found
            if each is not None
        }

    assert told("sublet_notebooks_waiting") == {("teaching", ""): 2}
    await give_back(world, eves)
    await until(lambda: not any(e.slice_id is None for e in world.service.line.entries.values()))
    await until(lambda: not told("sublet_notebooks_waiting"))
    assert told("sublet_notebook_wait_seconds_count") == {("H100", "teaching", "interactive"): 2}
    assert '"ada"' not in world.service.metrics.text().decode()
