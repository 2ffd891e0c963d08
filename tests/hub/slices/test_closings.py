"""Cards and nodes that an admin closes, drains and opens."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.records import Change
from sublet_quota.names.ids import GpuId, NodeId

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import (
    OTHER_SECRET,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
)
from tests.support.job_owner import make_ada

pytestmark = pytest.mark.asyncio
TWO_CARDS = (a_gpu("SIM-0"), a_gpu("SIM-1", index=1))


@pytest_asyncio.fixture
async def two_nodes(world: HubWorld) -> AsyncIterator[HubWorld]:
    await world.agent(gpus=TWO_CARDS)
    await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-2"),))
    yield world


async def close(world: HubWorld, where: str, **more: Any) -> dict[str, Any]:
    body = {"where": where, "reason": "fan", **more}
    status, made = await world.call("POST", "closings", world.admin(), body)
    assert status == 200, made
    return dict(made)


async def open_again(world: HubWorld, where: str) -> tuple[int, Any]:
    return await world.call("POST", "closings/open", world.admin(), {"where": where})


async def closed(world: HubWorld) -> dict[str, str | None]:
    _, gpus = await world.call("GET", "gpus", world.admin())
    return {gpu["report"]["gpu_id"]: gpu["report"]["closed"] for gpu in gpus}


async def test_a_closed_card_takes_nothing_new_and_what_is_there_stays(two_nodes: HubWorld) -> None:
    world = two_nodes
    kept = await world.slice_for("ada", memory_mib=70 * GIB, compute_milli=100)
    assert kept["gpu_id"] == "SIM-0"
    made = await close(world, "node-a:0")
    assert (made["gpu_id"], made["gpu_index"], made["notebooks"]) == ("SIM-0", 0, 1)
    await close(world, "SIM-1", until=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert (await world.slice_for("bob", memory_mib=GIB, compute_milli=1))["gpu_id"] == "SIM-2"
    await close(world, "node-b")
    body = {"owner": "eve", "account": world.account("eve"), "size": "small"}
    status, refusal = await world.hub_call("POST", "slices", body)
    assert (status, refusal["reason"]) == (409, "gpu-closed")
    assert "an admin has closed GPU 0 of node-a: fan" in refusal["message"]
    assert "an admin has closed node node-b: fan" in refusal["message"]
    assert "root" not in refusal["message"]
    assert "Try again after 20" in refusal["message"]
    assert kept["slice_id"] in world.service.ledger.slices
    _, gpus = await world.call("GET", "gpus", world.admin())
    assert [gpu["closing"]["closed_by"] for gpu in gpus] == ["root"] * 3
    assert {gpu["report"]["lendable_mib"] for gpu in gpus} == {0}


async def test_an_opened_card_takes_slices_and_jobs_again(two_nodes: HubWorld) -> None:
    world = two_nodes
    for where in ("node-a", "SIM-0", "node-b"):
        await close(world, where)
    status, problem = await open_again(world, "SIM-1")
    assert (status, "open node-a" in problem["message"]) == (409, True)
    status, undone = await open_again(world, "node-a")
    assert (status, sorted(str(each["gpu_id"]) for each in undone)) == (200, ["None", "SIM-0"])
    assert (await closed(world))["SIM-0"] is None
    assert (await world.slice_for("ada"))["node"] == "node-a"
    status, problem = await open_again(world, "node-a:0")
    assert (status, "not closed by an admin" in problem["message"]) == (409, True)


async def test_a_closing_outlives_the_service_and_ends_by_itself(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        end = datetime.now(UTC) + timedelta(hours=1)
        await close(world, "node-a", until=end.isoformat())
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        _, found = await world.call("GET", "closings", world.admin())
        assert [each["node"] for each in found] == ["node-a"]
        assert "an admin has closed node node-a until" in str((await closed(world))["SIM-0"])
        clock = [end - timedelta(seconds=1)]
        closings = world.service.closings
        closings._now = lambda: clock[0]
        closings.end_due()
        assert world.service.ledger.closings
        clock[0] = end
        await until(lambda: not world.service.ledger.closings)
        assert (await closed(world))["SIM-0"] is None
        await world.slice_for("ada")


async def test_a_card_that_has_failed_is_never_said_to_open_by_itself(world: HubWorld) -> None:
    broken = a_gpu("SIM-0", closed="xid: 79", closed_for_good=True)
    await world.agent(gpus=(broken,))
    await close(world, "SIM-0", until=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    body = {"owner": "eve", "account": world.account("eve"), "size": "small"}
    _, refusal = await world.hub_call("POST", "slices", body)
    assert "xid: 79. An administrator has to open a GPU." in refusal["message"]
    assert [each["kind"] for each in refusal["helps"]] == ["admin-opens"]


async def test_who_closed_what_why_and_who_opened_it_is_in_the_events(world: HubWorld) -> None:
    await world.agent()
    await close(world, "SIM-0", drain=True)
    await open_again(world, "SIM-0")
    _, events = await world.call("GET", "events", world.admin())
    told = [(e["kind"], e["gpu_id"], e["detail"]) for e in events if e["kind"].startswith("cards-")]
    assert told == [
        ("cards-closed", "SIM-0", "drained by root: fan"),
        ("cards-opened", "SIM-0", "by root"),
    ]


async def test_a_drained_cards_jobs_go_back_and_owners_slices_stay(world: HubWorld) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["wait", str(ada.home / "flag")])
    await ada.until(job_id, "running")
    made = await close(world, "node-a", drain=True)
    assert (made["notebooks"], made["jobs"]) == (1, 1)
    job = await ada.until(job_id, "waiting")
    await until(lambda: not ada.agent.assignments.gpus[0].lend)
    assert (
        len(world.service.ledger.slices_of_owner(ada.world.service.ledger.jobs[job_id].owner)) == 1
    )
    _, events = await world.call("GET", "events", ada.token)
    (back,) = (e["detail"] for e in events if e["kind"] == "job-went-back")
    assert "an admin drains node node-a: fan" in back
    assert job["ended_at"] is None
    (ada.home / "flag").touch()
    await open_again(world, "node-a")
    await until(lambda: ada.agent.assignments.gpus[0].lend)
    assert (await ada.until(job_id, "done", "failed"))["state"] == "done"


async def test_jobs_on_a_card_that_is_merely_closed_go_on_and_keep_what_they_were_lent(
    world: HubWorld,
) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["wait", str(ada.home / "flag")])
    await ada.until(job_id, "running")
    await close(world, "SIM-0")
    other = await ada.submit(["print", "x"])
    await until(lambda: world.service.job_views.place(other) == 1)
    assert ada.agent.assignments.gpus[0].lend
    (ada.home / "flag").touch()
    assert (await ada.until(job_id, "done", "failed"))["state"] == "done"
    # With its last job the room is lent no more.
    await until(lambda: not ada.agent.assignments.gpus[0].lend)
    job = await ada.see(other)
    assert (job["state"], job["reason"]) == ("waiting", "no GPU is open to jobs now")


async def test_an_end_that_is_over_is_refused_as_it_was_written(world: HubWorld) -> None:
    await world.agent()
    body = {"where": "node-a", "reason": "fan", "until": "2020-01-01T00:00:00+01:00"}
    _, problem = await world.call("POST", "closings", world.admin(), body)
    told = "until=2020-01-01T00:00:00+01:00 (2019-12-31 23:00 UTC) is over, as it is "
    assert told in problem["message"]


@pytest.mark.parametrize(
    ("where", "more", "status"),
    [
        ("node-z", {}, 404),
        ("node-a:7", {}, 404),
        ("node-a", {"reason": ""}, 400),
        ("node-a", {"until": "2020-01-01T00:00:00Z"}, 400),
        ("", {}, 400),
    ],
)
async def test_what_is_not_there_or_over_is_refused(
    world: HubWorld, where: str, more: dict[str, Any], status: int
) -> None:
    await world.agent()
    body = {"where": where, "reason": "fan", **more}
    assert (await world.call("POST", "closings", world.admin(), body))[0] == status
    assert not world.service.ledger.closings


async def test_a_closings_end_is_told_in_utc_whatever_its_zone_was(world: HubWorld) -> None:
    await world.agent()
    made = await close(world, "node-a", until="2100-01-01T05:00:00+14:00")
    assert made["until"] == "2099-12-31T15:00:00Z"
    assert "until 2099-12-31 15:00 UTC" in str((await closed(world))["SIM-0"])


async def test_a_closed_card_that_is_gone_or_in_another_node_is_opened_by_its_id(
    two_nodes: HubWorld,
) -> None:
    world = two_nodes
    ledger = world.service.ledger
    for gpu_id in ("SIM-1", "SIM-2"):
        await close(world, gpu_id)
    await world.agents[1].close()
    await until(lambda: world.service.fleet.is_silent(NodeId("node-b")))
    ledger.apply(Change(gone=(GpuId("SIM-2"),)), datetime.now(UTC))
    moved = replace(ledger.gpus[GpuId("SIM-1")], node=NodeId("node-c"))
    ledger.apply(Change(gpus=(moved,)), datetime.now(UTC))
    _, found = await world.call("GET", "closings", world.admin())
    assert [(each["gpu_id"], each["node"]) for each in found] == [
        ("SIM-2", "node-b"),
        ("SIM-1", "node-c"),
    ]
    await close(world, "SIM-2", reason="sold")
    for gpu_id in ("SIM-1", "SIM-2"):
        assert (await open_again(world, gpu_id))[0] == 200
    assert not ledger.closings


async def test_closings_are_listed_by_node_each_as_a_whole_before_its_cards(
    world: HubWorld,
) -> None:
    await world.agent(gpus=(a_gpu("Z"), a_gpu("A", index=1), a_gpu("M", index=10)))
    for where in ("node-a:10", "node-a:1", "node-a", "node-a:0"):
        await close(world, where)
    _, found = await world.call("GET", "closings", world.admin())
    assert [each["gpu_index"] for each in found] == [None, 0, 1, 10]


async def test_an_agent_names_no_card_so_that_another_node_stays_open(world: HubWorld) -> None:
    await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-2"),))
    await world.agent(gpus=(a_gpu("node-b"), a_gpu("node-b:0", index=1), a_gpu("x", index=1)))
    assert (await close(world, "node-b:0"))["gpu_id"] == "SIM-2"
    assert (await close(world, "node-b"))["gpu_id"] is None
    status, problem = await world.call(
        "POST", "closings", world.admin(), {"where": "node-a:1", "reason": "fan"}
    )
    assert (status, "node-b:0, x" in problem["message"]) == (400, True)


async def test_admins_alone_close_and_open(world: HubWorld) -> None:
    await world.agent()
    ada = world.user("ada")
    for method, path in (("GET", "closings"), ("POST", "closings"), ("POST", "closings/open")):
        body = {"where": "node-a", "reason": "mine"} if method == "POST" else None
        assert (await world.call(method, path, ada, body))[0] == 403
    assert world.service.fleet.gpu_report(GpuId("SIM-0")).closed is None
    assert not world.service.fleet.is_silent(NodeId("node-a"))


CLOSES = """\
closed:
  - {node: node-a, gpus: [1], why: fan}
  - {node: node-b, drain: true, why: moves}
"""


async def test_what_the_quota_document_closes_is_closed_alike_and_told_by_its_line(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(CLOSES)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        agent = await world.agent(gpus=TWO_CARDS)
        await world.agent(
            node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-2"),)
        )
        told = await closed(world)
        assert told["SIM-0"] is None
        assert told["SIM-1"] == "the quota document (line 2) has closed GPU 1 of node-a: fan"
        assert told["SIM-2"] == "the quota document (line 3) drains node node-b: moves"
        assert (await world.slice_for("ada"))["gpu_id"] == "SIM-0"
        _, found = await world.call("GET", "closings", world.admin())
        assert [(each["gpu_id"], each["closed_by"], each["drains"]) for each in found] == [
            ("SIM-1", "the quota document (line 2)", False),
            (None, "the quota document (line 3)", True),
        ]
        await agent.until(lambda: [gpu.lend for gpu in agent.assignments.gpus] == [True, False])
        status, problem = await open_again(world, "node-b")
        assert (status, "line 3" in problem["message"]) == (409, True)
        (tmp_path / "quota.yaml").write_text("{}\n")
        await world.call("POST", "quota/reload", world.admin())
        assert set((await closed(world)).values()) == {None}
        await agent.until(lambda: all(gpu.lend for gpu in agent.assignments.gpus))


async def test_what_the_quota_document_closes_opens_by_itself(tmp_path: Path, hub: FakeHub) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    (tmp_path / "quota.yaml").write_text(
        f"closed:\n  - {{node: node-a, until: '{end.isoformat()}', why: fan}}\n"
    )
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        agent = await world.agent()
        assert "until" in str((await closed(world))["SIM-0"])
        await agent.until(lambda: not agent.assignments.gpus[0].lend)
        capacity, clock = world.service.capacity, [end - timedelta(seconds=1)]
        capacity._now = lambda: clock[0]
        assert not world.service.places.look()
        clock[0] = end
        await agent.until(lambda: agent.assignments.gpus[0].lend)
        assert (await closed(world))["SIM-0"] is None
        await world.slice_for("ada")


async def test_a_job_on_a_card_that_the_quota_document_drains_goes_back(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text("{}\n")
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["wait", str(ada.home / "flag")])
        await ada.until(job_id, "running")
        (tmp_path / "quota.yaml").write_text(CLOSES.replace("node-b", "node-a"))
        await world.call("POST", "quota/reload", world.admin())
        await ada.until(job_id, "waiting")
        _, events = await world.call("GET", "events", ada.token)
        (back,) = (e["detail"] for e in events if e["kind"] == "job-went-back")
        assert "the quota document (line 3) drains node node-a: moves" in back
        (ada.home / "flag").touch()


async def test_a_drain_with_a_time_begins_then_also_after_a_restart(
    tmp_path: Path, hub: FakeHub
) -> None:
    begin = datetime.now(UTC) + timedelta(hours=2)
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        made = await close(world, "node-a", drain=True, begins_at=begin.isoformat())
        assert datetime.fromisoformat(made["begins_at"]) == begin
        assert (await closed(world))["SIM-0"] is None
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        await world.slice_for("ada", size="small")
        job_id = await ada.submit(["wait", str(ada.home / "flag")])
        await ada.until(job_id, "running")
        _, gpus = await world.call("GET", "gpus", world.admin())
        assert gpus[0]["closing"] is None
        assert gpus[0]["planned_closing"]["notebooks"] >= 1
        closings = world.service.closings
        closings._now = lambda: begin - timedelta(seconds=1)
        closings.look()
        assert (await closed(world))["SIM-0"] is None
        closings._now = lambda: begin
        await until(lambda: not any(e.begins_at for e in world.service.ledger.closings.values()))
        await ada.until(job_id, "waiting")
        (found,) = world.service.ledger.closings.values()
        assert (found.place, found.closed_at, found.drains) == ("node:node-a", begin, True)
        assert "an admin drains node node-a: fan" in str((await closed(world))["SIM-0"])


async def test_a_drain_with_a_time_is_changed_and_taken_back(two_nodes: HubWorld) -> None:
    world = two_nodes
    first, second = (datetime.now(UTC) + timedelta(hours=n) for n in (1, 2))
    await close(world, "node-a:0", drain=True, begins_at=first.isoformat())
    await close(world, "node-a:0", drain=True, begins_at=second.isoformat())
    await close(world, "SIM-0", reason="no newcomers until then")
    _, found = await world.call("GET", "closings", world.admin())
    times = {each["begins_at"] for each in found} - {None}
    assert (len(found), *map(datetime.fromisoformat, times)) == (2, second)
    status, undone = await open_again(world, "node-a:0")
    assert (status, len(undone)) == (200, 2)
    assert not world.service.ledger.closings
    await close(world, "node-a", drain=True, begins_at=first.isoformat())
    status, problem = await open_again(world, "SIM-0")
    assert (status, problem["message"]) == (
        409,
        "node node-a will be closed as a whole: open node-a",
    )
    await close(world, "node-a", drain=True)
    assert set(world.service.ledger.closings) == {"node:node-a"}


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"begins_at": -1}, "is over, as it is"),
        ({"begins_at": 2, "until": 1}, "it would end before it begins"),
    ],
)
async def test_a_time_that_makes_no_sense_is_refused(
    world: HubWorld, times: dict[str, int], why: str
) -> None:
    await world.agent()
    now = datetime.now(UTC)
    said = {name: (now + timedelta(hours=each)).isoformat() for name, each in times.items()}
    body = {"where": "node-a", "reason": "fan", "drain": True, **said}
    status, problem = await world.call("POST", "closings", world.admin(), body)
    assert (status, why in problem["message"]) == (400, True)
