"""What happened is exported by the command line, for admins alone, and simulated again."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import Result
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for
from tests.support.lab_bodies import sublet

pytestmark = pytest.mark.asyncio
CANARIES = ("ada-canary", "server-canary", "token-canary", "homes")


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(sublet, *arguments)


async def somebody_works(world: HubWorld) -> tuple[str, float]:
    """A notebook is granted, another refused; a cell waits, and runs.

    Return its slice, and for how many seconds the cell waited.
    """
    agent = await world.agent()
    world.service.recorder.look_at_cards()
    lease = await world.slice_for("ada-canary", "server-canary", groups=["lab"], size="small")
    slice_id = lease["slice_id"]
    await agent.until(lambda: agent.assignments is not None and agent.assignments.slices)
    # What it waits has to lie within its slice's time: of more nothing is told.
    asked = datetime.now(UTC)
    agent.says[slice_id] = a_report(slice_id, running_cell=True, memory_mib=GIB)
    await agent.report()
    await asyncio.sleep(0.01)
    opens = datetime.now(UTC)
    waited_s = (opens - asked).total_seconds()
    opened = AgentEvent(
        event_id="1",
        kind=EventKind.GATE_OPENED,
        gpu_id="SIM-0",
        slice_id=slice_id,
        at=opens,
        took_s=waited_s,
    )
    await agent.tell(opened)
    await world.hub_call("DELETE", f"slices/{slice_id}")
    body = {"owner": "ben-canary", "account": world.account("ben-canary"), "size": "none-such"}
    status, _ = await world.hub_call("POST", "slices", body)
    assert status == 400
    world.service.recorder.store_at_end()
    return str(slice_id), waited_s


@pytest.fixture
def as_admin(world: HubWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBLET_SERVICE_URL", world.base)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", world.admin())


async def test_what_happened_is_exported_and_simulated_again(
    world: HubWorld, as_admin: None, tmp_path: Path
) -> None:
    del as_admin
    slice_id, waited_s = await somebody_works(world)
    file, quota = tmp_path / "past.csv", tmp_path / "quota.yaml"
    before = [*names_in(tmp_path), "past.csv"]
    done = await run("history", "export", str(file))
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(names_in(tmp_path)) == set(before)
    text = file.read_text()
    assert not [canary for canary in (*CANARIES, slice_id) if canary in text]
    assert "lab" in text
    quota.write_text("sizes: [{name: small, memory: 1/2, compute: 1/2, default: true}]\n")
    said = ("--quota", str(quota), "--history", str(file), "--beside", "none", "--json")
    shown = await run("simulate", *said)
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    lines = {(each["what"], each["unit"]): each for each in told["truth"]["lines"]}
    assert lines["cells, half", "s"]["real"] == pytest.approx(waited_s, abs=0.002)
    assert lines["servers, half", "s"]["error"] == 0
    assert lines["servers never had", ""]["real"] == 1


async def test_past_days_are_previewed_under_another_document(
    world: HubWorld, as_admin: None, tmp_path: Path
) -> None:
    del as_admin
    await somebody_works(world)
    file = tmp_path / "other.yaml"
    file.write_text("sizes: [{name: small, memory: 1/4, compute: 1/4, default: true}]\n")
    said = ("quota", "preview", str(file), "--history", "2d")
    shown = await run(*said)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80
    parts = ("How true this is", "Who gains and who loses, from in force to other.yaml", "1 % of")
    assert [part for part in parts if part not in shown.stdout] == []
    told = json.loads((await run(*said, "--json")).stdout)
    assert [each["name"] for each in told["outcomes"]] == ["in force", "other.yaml"]
    assert [each["of_each"] for each in told["limits"]] == [False, True]
    assert told["days"] == 2
    file.write_text("sizes: 3\n")
    wrong = await run(*said)
    assert (wrong.exit_code, "other.yaml: " in wrong.output) == (1, True)


async def test_with_names_persons_are_named_and_groups_may_be_hidden(
    world: HubWorld, as_admin: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del as_admin
    await somebody_works(world)
    named, hidden = tmp_path / "named.csv", tmp_path / "hidden.csv"
    with caplog.at_level("INFO", "sublet_hub.web.routes.history"):
        await run("history", "export", str(named), "--names")
    told = [line for line in caplog.messages if "exports what happened" in line]
    assert [f"of day {day} with names" in told[day] for day in range(2)] == [True, True]
    assert "ada-canary" in named.read_text()
    assert "server-canary" not in named.read_text()
    await run("history", "export", str(hidden), "--hide-groups")
    assert "lab" not in hidden.read_text().replace("label", "")


async def test_who_is_no_admin_exports_nothing(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUBLET_SERVICE_URL", world.base)
    for token in (world.user("ada"), world.server("ada")):
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
        refused = await run("history", "export", str(tmp_path / "past.csv"))
        assert (refused.exit_code, "this is for admins" in refused.output) == (1, True)
    assert not (tmp_path / "past.csv").exists()


async def test_days_to_come_are_not_exported(
    world: HubWorld, as_admin: None, tmp_path: Path
) -> None:
    del as_admin
    await somebody_works(world)
    file = tmp_path / "past.csv"
    done = await run("history", "export", str(file), "--until", "2999-01-01")
    assert done.exit_code == 0, done.output
    assert ",604800,,history," in file.read_text().splitlines()[1]


async def test_a_file_that_cannot_be_written_is_told(
    world: HubWorld, as_admin: None, tmp_path: Path
) -> None:
    del as_admin
    await world.agent()
    refused = await run("history", "export", str(tmp_path / "nowhere" / "past.csv"))
    assert (refused.exit_code, "cannot be written" in refused.output) == (1, True)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("day=7", "these are 7 days, from 0"),
        ("since=2026-11-24T00:00:00Z&until=2026-11-24T00:00:00Z", "is no time"),
        ("since=2020-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "more than 400 days"),
        ("until=0001-01-02T00:00:00Z", "too long ago"),
        ("names=2", "from 0 to 1"),
    ],
)
async def test_what_cannot_be_asked_for_is_told(world: HubWorld, query: str, says: str) -> None:
    status, problem = await world.call("GET", f"history/export?{query}", world.admin())
    assert (status, says in problem["message"]) == (400, True), problem


async def test_where_nothing_is_recorded_that_is_told(tmp_path: Path, hub: FakeHub) -> None:
    settings = replace(settings_for(tmp_path), recorded_for=timedelta())
    async with hub_world(tmp_path, hub, settings) as world:
        status, problem = await world.call("GET", "history/export", world.admin())
        assert (status, "history_days is 0" in problem["message"]) == (400, True)


async def test_days_are_asked_for_one_by_one(world: HubWorld) -> None:
    await somebody_works(world)
    now = datetime.now(UTC)
    span = f"since={quote((now - timedelta(days=3)).isoformat())}&until={quote(now.isoformat())}"
    lines = []
    for day in range(3):
        path = f"history/export?{span}&day={day}"
        status, told = await world.call("GET", path, world.admin())
        assert (status, told["days"]) == (200, 3)
        lines.append(told["lines"])
    assert lines[0][0].startswith("arrival,owner")
    assert [sum(",notebook," in line for line in each) for each in lines] == [0, 0, 2]
