"""Who waits for whom, and who has whose room: what of it is told, and to whom."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change
from sublet_hub.web.views.waits import report
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import MoveReport, WaitReport
from sublet_quota.wire.waits import WaitsReport

from tests.support.fake_agent import GIB, FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.line_world import QUOTA as LINE
from tests.support.line_world import ask, full

pytestmark = pytest.mark.asyncio
BORROWING = """\
gpu_types: {H100: {match: "*H100*"}}
groups: {research: {guaranteed: {H100: 1}}, teaching: {}}
"""


@pytest_asyncio.fixture
async def borrowing(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    """A card that is guaranteed to one group, and two groups."""
    async with a_world(tmp_path, hub, BORROWING) as made:
        yield made


@pytest_asyncio.fixture
async def line(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    """A card, and a document that lets notebooks wait in line."""
    async with a_world(tmp_path, hub, LINE) as made:
        yield made


def a_world(folder: Path, hub: FakeHub, text: str) -> Any:
    (folder / "quota.yaml").write_text(text)
    return hub_world(folder, hub, settings_for(folder, quota_file=folder / "quota.yaml"))


async def waits(world: HubWorld, token: str, query: str = "") -> dict[str, Any]:
    status, found = await world.call("GET", f"waits{query}", token)
    assert status == 200, found
    return dict(found)


async def say(world: HubWorld, agent: FakeAgent, slice_id: str, **values: Any) -> None:
    """Let the agent say so of a slice, and the service have heard it."""
    agent.says[slice_id] = a_report(slice_id, **values)
    await agent.report()
    fleet = world.service.fleet
    await until(lambda: fleet.report(slice_id) == agent.says[slice_id])


async def submit(world: HubWorld, owner: str, groups: tuple[str, ...] = ()) -> str:
    """Let somebody submit a job that waits for a file of theirs."""
    home = world.folder / "homes" / owner
    world.account(owner)
    world.interpreter = write_interpreter(world.folder / "python")
    write_script(home / "train.ipynb", ["wait", str(home / "flag")])
    body = {"notebook": "train.ipynb", "memory_mib": 8 * GIB}
    status, job = await world.call("POST", "jobs", world.user(owner, groups), body)
    assert status == 201, job
    return str(job["job_id"])


async def known(world: HubWorld, owner: str, groups: tuple[str, ...]) -> str:
    """Let somebody have a small slice, by which the service knows their account."""
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for(owner, "b", memory_mib=GIB, compute_milli=1, groups=list(groups))
    return str(lease["slice_id"])


async def test_where_nothing_waits_nothing_is_told(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    for token, query in ((world.user("ada"), ""), (world.admin(), "?all=1")):
        found = await waits(world, token, query)
        assert (found["waiting"], found["loans"], found["sums"]) == ([], [], [])
        assert (found["total_waiting"], found["total_loans"]) == (0, 0)
        assert datetime.fromisoformat(found["as_of"]) <= datetime.now(UTC)


async def test_a_cell_that_waits_tells_for_whom_its_place_and_when_it_goes_on(
    borrowing: HubWorld,
) -> None:
    world, agent = borrowing, await borrowing.agent()
    ada = (await world.slice_for("ada", size="small", groups=["research"]))["slice_id"]
    bob = (await world.slice_for("bob", size="small", groups=["research"]))["slice_id"]
    eve = (await world.slice_for("eve", size="small", groups=["teaching"]))["slice_id"]
    ends = datetime.now(UTC) + timedelta(minutes=3)
    wait = WaitReport(
        reason=WaitReason.TURN, place=2, waits_for=(bob, eve), turn_ends=ends, need_mib=GIB
    )
    await say(world, agent, ada, gate_open=False, wait=wait)
    found = await waits(world, world.user("ada", ("research",)))
    (cell,) = found["waiting"]
    assert (cell["kind"], cell["owner"], cell["slice_id"]) == ("cell", "ada", ada)
    assert (cell["code"], cell["reason"]) == ("turn", "others have their turn")
    assert (cell["place"], cell["waits_for"]) == (2, ["bob", "another owner"])
    assert datetime.fromisoformat(cell["expected_at"]) == ends
    assert (cell["gpu_type"], cell["node"], cell["gpu_index"]) == ("H100", "node-a", 0)
    assert cell["rank"]["code"] == "entitled"
    found = await waits(world, world.admin(), "?all=1")
    assert [each["waits_for"] for each in found["waiting"]] == [["bob", "eve"]]
    assert found["sums"] == [{"kind": "cell", "code": "turn", "count": 1}]


async def test_a_slice_on_its_way_back_is_told_until_when(world: HubWorld) -> None:
    agent = await world.agent()
    ada = (await world.slice_for("ada", size="small"))["slice_id"]
    now = datetime.now(UTC)
    move = MoveReport(kind="resuming", began=now, bytes_mib=GIB, expected_s=100.0, elapsed_s=40.0)
    wait = WaitReport(reason=WaitReason.COMING_BACK, place=1)
    await say(world, agent, ada, state=SliceState.SUSPENDED, wait=wait, move=move)
    (cell,) = (await waits(world, world.user("ada")))["waiting"]
    left = datetime.fromisoformat(cell["expected_at"]) - world.service.fleet.seen_at("node-a")
    assert left == timedelta(seconds=60)


async def test_what_a_silent_node_said_before_is_told_no_more(world: HubWorld) -> None:
    agent = await world.agent()
    ada = (await world.slice_for("ada", size="small"))["slice_id"]
    await say(world, agent, ada, wait=WaitReport(reason=WaitReason.TURN, place=1))
    assert (await waits(world, world.user("ada")))["waiting"]
    await agent.close()
    await until(lambda: world.service.fleet.is_silent("node-a"))

    async def is_told() -> bool:
        return not (await waits(world, world.user("ada")))["waiting"]

    await until(is_told)


async def test_a_borrowed_slice_that_was_called_back_tells_for_whom(borrowing: HubWorld) -> None:
    world = borrowing
    await world.agent()
    for owner in ("bob", "ben"):
        await world.slice_for(owner, size="whole", groups=["teaching"])
    await world.slice_for("ada", size="whole", groups=["research"])
    ben = world.user("ben", ("teaching",))
    (mine,) = (await waits(world, ben))["waiting"]
    assert (mine["kind"], mine["code"], mine["waits_for"]) == ("slice", "called-back", ["research"])
    assert "its room is due to research" in mine["reason"]
    (record,) = world.service.ledger.slices_of_owner("ben")
    assert datetime.fromisoformat(mine["since"]) == record.called_back_since


async def test_a_job_in_the_queue_tells_its_reason_its_place_and_what_helps(
    tmp_path: Path, hub: FakeHub
) -> None:
    text = "everyone: {jobs: {limit: {cards: 1}, most: 9}}\n"
    async with a_world(tmp_path, hub, text) as world:
        await world.agent(gpus=(a_gpu(lendable_mib=4 * GIB),))
        await known(world, "ada", ())
        job_id = await submit(world, "ada")
        token = world.user("ada")

        async def is_told() -> bool:
            found = (await waits(world, token))["waiting"]
            return bool(found) and found[0]["place"] == 1

        await until(is_told)
        (job,) = (await waits(world, token))["waiting"]
        assert (job["kind"], job["job_id"], job["code"]) == ("job", job_id, "too-little-idle")
        _, seen = await world.call("GET", f"jobs/{job_id}", token)
        assert (seen["reason"], seen["place"]) == (job["reason"], job["place"])
        assert [each["kind"] for each in job["helps"]] == ["less"]
        assert job["helps"][0]["memory_mib"] == 4 * GIB
        await world.call("PUT", "lending", world.admin(), {"lending": False})

        async def is_off() -> bool:
            (found,) = (await waits(world, token))["waiting"]
            helps = [each["kind"] for each in found["helps"]]
            return (found["code"], helps) == ("lending-off", ["admin"])

        await until(is_off)


async def test_a_notebook_in_line_tells_its_place_whom_it_waits_for_and_what_helps(
    line: HubWorld,
) -> None:
    await full(line)
    for owner in ("ada", "bob"):
        assert (await ask(line, owner))[0] == 202
    (mine,) = (await waits(line, line.user("bob")))["waiting"]
    _, (queued,) = await line.call("GET", "queue", line.user("bob"))
    assert (mine["kind"], mine["code"]) == ("notebook", "no-room")
    same = {"owner", "server", "since", "place", "waits_for", "expected_at", "expected_why"}
    assert {name: mine[name] for name in same} == {name: queued[name] for name in same}
    assert mine["reason"] in queued["message"]
    assert mine["helps"]
    found = await waits(line, line.admin(), "?all=1")
    assert [(each["owner"], each["place"]) for each in found["waiting"]] == [("ada", 1), ("bob", 2)]
    assert found["total_waiting"] == 2


async def test_who_waits_for_what_of_ones_own_is_told_without_names_that_are_not_ones_to_see(
    borrowing: HubWorld,
) -> None:
    world, agent = borrowing, await borrowing.agent()
    ada = (await world.slice_for("ada", size="small", groups=["research"]))["slice_id"]
    bob = (await world.slice_for("bob", size="small", groups=["research"]))["slice_id"]
    eve = (await world.slice_for("eve", size="small", groups=["teaching"]))["slice_id"]
    wait = WaitReport(reason=WaitReason.TURN, place=1, waits_for=(bob, eve), need_mib=GIB)
    await say(world, agent, ada, gate_open=False, wait=wait)
    for owner, group, its, who in (
        ("bob", "research", bob, "ada"),
        ("eve", "teaching", eve, "another owner"),
    ):
        found = await waits(world, world.user(owner, (group,)))
        (one,) = found["for_owner"]
        assert (one["kind"], one["who"], one["slice_id"]) == ("cell", who, its)
        assert (one["node"], one["gpu_index"], one["job_id"]) == ("node-a", 0, None)
        assert found["waiting"] == []
        assert ada not in str(found)
    assert (await waits(world, world.user("ada", ("research",))))["for_owner"] == []
    assert (await waits(world, world.admin(), "?all=1"))["for_owner"] == []


async def test_an_idle_slice_and_the_job_that_has_its_room_are_a_pair_that_each_is_told(
    borrowing: HubWorld,
) -> None:
    world, agent = borrowing, await borrowing.agent()
    idle = await known(world, "ada", ("research",))
    await known(world, "ben", ("teaching",))
    job_id = await submit(world, "ben", ("teaching",))
    jobs = world.service.ledger.live_jobs
    await until(lambda: jobs[job_id].slice_id is not None)
    its = jobs[job_id].slice_id
    await say(world, agent, idle, active=False, state=SliceState.RESIDENT, lent_to=(its,))
    slices = world.service.ledger.slices
    await until(lambda: slices[idle].lent_since is not None)

    async def loan(token: str, query: str = "") -> dict[str, Any]:
        async def is_told() -> bool:
            return any(each["kind"] == "idle-slice" for each in await loans(token, query))

        await until(is_told)
        (found,) = [each for each in await loans(token, query) if each["kind"] == "idle-slice"]
        return dict(found)

    async def loans(token: str, query: str) -> list[dict[str, Any]]:
        return list((await waits(world, token, query))["loans"])

    of_lender = await loan(world.user("ada", ("research",)))
    assert of_lender["borrower"] == {
        "words": "a job",
        **dict.fromkeys(("owner", "group", "slice_id", "job_id")),
    }
    assert (of_lender["lender"]["owner"], of_lender["lender"]["slice_id"]) == ("ada", idle)
    of_borrower = await loan(world.user("ben", ("teaching",)))
    assert (of_borrower["borrower"]["job_id"], of_borrower["lender"]["owner"]) == (job_id, None)
    assert of_borrower["lender"]["words"] == "another owner"
    of_all = await loan(world.admin(), "?all=1")
    assert (of_all["borrower"]["owner"], of_all["lender"]["owner"]) == ("ben", "ada")
    assert of_all["memory_mib"] == GIB
    assert datetime.fromisoformat(of_all["since"]) == slices[idle].lent_since
    assert not await loans(world.user("zoe"), "")
    await world.call("POST", f"jobs/{job_id}/cancel", world.user("ben"))
    await until(lambda: job_id not in jobs)


async def test_who_borrows_a_guarantee_is_told_whose_as_far_as_they_may_know(
    borrowing: HubWorld,
) -> None:
    world = borrowing
    await world.agent()
    await world.slice_for("ben", size="whole", groups=["teaching"])
    (mine,) = (await waits(world, world.user("ben", ("teaching",))))["loans"]
    assert (mine["kind"], mine["cards"], mine["since"]) == ("guarantee", 1.0, None)
    assert (mine["lender"]["words"], mine["lender"]["group"]) == ("another group", None)
    both = ("teaching", "research")
    await world.slice_for("bob", size="whole", groups=list(both), group="teaching")
    (his,) = (await waits(world, world.user("bob", both)))["loans"]
    assert (his["lender"]["words"], his["lender"]["group"]) == ("research", "research")
    seen = (await waits(world, world.admin(), "?all=1"))["loans"]
    pairs = {(each["borrower"]["owner"], each["lender"]["group"]) for each in seen}
    assert pairs == {("ben", "research"), ("bob", "research")}


async def test_admins_of_a_group_see_its_side_and_the_other_without_a_name(
    borrowing: HubWorld,
) -> None:
    world, agent = borrowing, await borrowing.agent()
    ben = (await world.slice_for("ben-canary", size="whole", groups=["teaching"]))["slice_id"]
    ada = (await world.slice_for("ada", size="small", groups=["research"]))["slice_id"]
    wait = WaitReport(reason=WaitReason.TURN, place=1, waits_for=(ben,))
    await say(world, agent, ada, gate_open=False, wait=wait)
    research = world.group_admin("rose", "research")
    found = await waits(world, research, "?group=research")
    assert [(e["owner"], e["waits_for"]) for e in found["waiting"]] == [("ada", ["another owner"])]
    (loan,) = found["loans"]
    borrower = {key: loan["borrower"][key] for key in ("words", "owner", "group", "slice_id")}
    nobody = {"owner": None, "group": None, "slice_id": None}
    assert borrower == {"words": "another owner", **nobody}
    assert (loan["lender"]["words"], loan["lender"]["group"]) == ("research", "research")
    for path in ("waits", "slices"):
        told = await world.raw("GET", f"api/{path}?group=research", research)
        assert b"ada" in told.body
        assert b"canary" not in told.body
        assert ben.encode() not in told.body
    found = await waits(world, world.group_admin("tess", "teaching"), "?group=teaching")
    (loan,) = found["loans"]
    assert (loan["borrower"]["owner"], loan["lender"]["words"]) == ("ben-canary", "another group")
    assert (found["waiting"], loan["lender"]["group"]) == ([], None)


async def test_each_sees_their_own_and_admins_all_or_somebodys(line: HubWorld) -> None:
    await full(line)
    for owner in ("ada", "bob"):
        await ask(line, owner)
    for token, query, owners in (
        (line.user("ada"), "", ["ada"]),
        (line.server("bob"), "", ["bob"]),
        (line.user("zoe"), "", []),
        (line.admin(), "?all=1", ["ada", "bob"]),
        (line.admin(), "?owner=bob", ["bob"]),
    ):
        found = (await waits(line, token, query))["waiting"]
        assert [each["owner"] for each in found] == owners
    assert (await line.call("GET", "waits?all=1", line.user("ada")))[0] == 403
    assert (await line.call("GET", "waits?owner=bob", line.user("ada")))[0] == 403
    assert (await line.call("GET", "waits?owner=nobody", line.admin()))[0] == 404
    assert (await line.call("GET", "waits"))[0] == 401


async def test_all_who_ask_are_told_of_one_look_for_a_while(
    borrowing: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, agent = borrowing, await borrowing.agent()
    ada = (await world.slice_for("ada", size="small", groups=["research"]))["slice_id"]
    monkeypatch.setattr(report, "_KEPT_S", 1e6)
    monkeypatch.setattr(report, "_RESTS", 0)
    before = await waits(world, world.user("ada"))
    await say(world, agent, ada, wait=WaitReport(reason=WaitReason.TURN, place=1))
    settled = (await waits(world, world.admin(), "?all=1"))["as_of"]
    for token, query in ((world.user("ada"), ""), (world.admin(), "?all=1")):
        found = await waits(world, token, query)
        assert found["as_of"] == settled
    # What becomes of slices and jobs is told at once, where a look takes little.
    ledger: Ledger = world.service.ledger
    ledger.apply(Change(slices=(ledger.slices[ada],)), datetime.now(UTC))
    found = await waits(world, world.user("ada"))
    assert (found["as_of"] > before["as_of"], len(found["waiting"])) == (True, 1)
    # Where it takes long, it is not looked at for each change.
    monkeypatch.setattr(report, "_RESTS", 1e9)
    ledger.apply(Change(slices=(ledger.slices[ada],)), datetime.now(UTC))
    assert (await waits(world, world.user("ada")))["as_of"] == found["as_of"]


async def test_it_is_looked_at_anew_for_pages_only_while_somebody_asks(
    borrowing: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, agent = borrowing, await borrowing.agent()
    ada = (await world.slice_for("ada", size="small", groups=["research"]))["slice_id"]
    monkeypatch.setattr(report, "_KEPT_S", 0)
    monkeypatch.setattr(report, "_RESTS", 0)
    seen = world.service.waits

    def marks() -> list[int]:
        return [seen.mark(owner) for owner in (None, UserName("ada"), UserName("zoe"))]

    never = marks()
    await say(world, agent, ada, wait=WaitReport(reason=WaitReason.TURN, place=1))
    await seen.follow()
    assert marks() == never
    await waits(world, world.user("zoe"))
    before = marks()
    await seen.follow()
    assert marks() == before
    await say(world, agent, ada, wait=WaitReport(reason=WaitReason.TURN, place=2))
    await seen.follow()
    after = marks()
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]
    monkeypatch.setattr(report, "_FOLLOWED_S", 0)
    await say(world, agent, ada)
    await seen.follow()
    assert marks() == after


async def test_what_admins_are_told_is_the_body_that_the_api_document_describes(
    line: HubWorld,
) -> None:
    await full(line)
    await ask(line, "ada")
    response = await line.raw("GET", "api/waits?all=1", line.admin())
    found = WaitsReport.model_validate_json(response.body)
    assert json.loads(found.model_dump_json()) == json.loads(response.body)
