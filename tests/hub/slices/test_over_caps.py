"""Who stays over their cap is ended where an admin chose that, after notice, and told why."""

import json
from datetime import timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from sublet_hub.app import upkeep
from sublet_hub.host.clock import utc_now
from sublet_hub.slices import server_stops
from sublet_quota.life_cycles.slice_states import SliceState

from tests.support.fake_agent import FakeAgent, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter
from tests.support.job_owner import make_ada

pytestmark = pytest.mark.asyncio

ENDS = "pools: {interactive: {max_over_cap: 15m}}\n"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def looks_when_a_test_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's own loop, which would look in between, looks as it begins and no more."""
    monkeypatch.setattr(upkeep, "_ROUND_S", 3600.0)


class OverWorld:
    """A service, a node, and Ada's server there, which is over its cap unless a test says so."""

    def __init__(self, world: HubWorld, agent: FakeAgent, lease: dict[str, Any]) -> None:
        self.world = world
        self.agent = agent
        self.slice_id: str = lease["slice_id"]
        self.cap_mib: int = lease["memory_mib"]
        self.began = utc_now()

    async def says(self, beyond_mib: int = 2048, **values: Any) -> None:
        """Have the agent say that the slice has so much more than its cap."""
        is_over = beyond_mib > 0
        usual: dict[str, Any] = {
            "active": True,
            "since": self.began,
            "state": SliceState.RESIDENT,
            "memory_mib": self.cap_mib + beyond_mib,
            "over_cap": is_over,
            "over_cap_since": self.began if is_over else None,
        }
        self.agent.says[self.slice_id] = a_report(self.slice_id, **{**usual, **values})
        await self.agent.report()

    async def at(self, minutes: float) -> None:
        """Let it be so many minutes after the beginning, and have the service look."""
        await self.agent.report()
        await self.is_looked_at(minutes)

    async def is_looked_at(self, minutes: float) -> None:
        """Let it be so many minutes after the beginning, whatever the agent said last."""
        then = self.began + minutes * MINUTE
        self.world.service.over_caps._now = lambda: then
        await self.world.service.over_caps.look()

    async def falls_silent(self) -> None:
        """Have the agent end, and the service know it."""
        await self.agent.close()
        await until(lambda: self.world.service.fleet.is_silent("node-a"), 60)

    async def told(self, owner: str = "ada") -> list[str]:
        _, share = await self.world.call("GET", "share", self.world.user(owner))
        assert not any(each["from_admin"] for each in share["announcements"])
        return [each["text"] for each in share["announcements"]]

    async def kinds(self) -> list[str]:
        _, events = await self.world.call("GET", "events", self.world.user("ada"))
        return [each["kind"] for each in events if "over-cap" in each["kind"]]


async def over_world(world: HubWorld) -> OverWorld:
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for("ada")
    await agent.until(lambda: agent.serves(lambda _: True))
    made = OverWorld(world, agent, lease)
    await made.says()
    return made


def _settings(folder: Path, quota: str = ENDS) -> Any:
    path = folder / "quota.yaml"
    path.write_text(quota)
    return settings_for(folder, quota_file=path, start_within=timedelta(days=9))


async def test_nobody_is_ended_where_the_admin_did_not_choose_that(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path, "pools: {interactive: {}}\n")) as world:
        over = await over_world(world)
        for minutes in (0, 20, 100_000):
            await over.at(minutes)
        assert (world.hub.stopped, await over.told(), await over.kinds()) == ([], [], [])


async def test_a_server_is_ended_after_notice_and_its_owner_told_why(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        (told,) = await over.told()
        assert told.startswith("Your server has ")
        assert "Unless it is back within before, it is ended at" in told
        assert await over.told("bob") == []
        ends_at = over.began + 16 * MINUTE
        assert world.service.over_caps.ends_at(over.slice_id) == ends_at
        await over.at(15.9)
        assert world.hub.stopped == []
        await over.at(16)
        assert world.hub.stopped == [("ada", "")]
        await over.at(16.1)
        assert await over.kinds() == ["over-cap-warned", "ended-over-cap"]
        await world.hub_call("DELETE", f"slices/{over.slice_id}")
        (told,) = await over.told()
        assert "was ended at" in told
        assert "more than its cap" in told
        assert "for longer than 15 min" in told


async def test_who_is_back_within_goes_on_and_has_the_whole_time_the_next_time(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        await over.says(-2048)
        await over.at(14)
        assert await over.told() == []
        await over.says(over_cap_since=over.began + 20 * MINUTE)
        await over.at(20)
        await over.at(34.9)
        assert world.hub.stopped == []
        await over.at(35)
        assert world.hub.stopped == [("ada", "")]


@pytest.mark.parametrize("at_the_end", ["resized", "moving", "within by a little"])
async def test_at_the_end_it_has_to_be_over_as_it_is_then(
    tmp_path: Path, hub: FakeHub, at_the_end: str
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        match at_the_end:
            case "resized":
                record = world.service.ledger.slices
                held = over.cap_mib + 2048
                path, body = f"slices/{over.slice_id}/resize", {"memory_mib": held}
                status, _ = await world.call("POST", path, world.user("ada"), body)
                assert (status, record[over.slice_id].memory_mib) == (200, held)
            case "moving":
                move = {"kind": "suspending", "began": over.began, "bytes_mib": 1, "expected_s": 1}
                await over.says(move=move, host_mib=over.cap_mib)
            case _:
                await over.says(-1, over_cap_since=over.began)
        await over.at(17)
        assert world.hub.stopped == []


async def test_who_is_within_as_the_time_is_over_has_the_whole_time_the_next_time(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        # Not clearly within: for the agent it is the same time yet.
        await over.says(-1, over_cap_since=over.began)
        await over.at(17)
        await over.says()
        await over.at(90)
        assert world.hub.stopped == []
        await over.at(105)
        assert world.hub.stopped == [("ada", "")]


async def test_a_program_that_goes_to_and_fro_across_its_cap_is_no_event_each_time(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        for minutes in (1, 2, 3, 4, 6):
            await over.says(-2048)
            await over.at(minutes)
            await over.says(over_cap_since=over.began + minutes * MINUTE)
            await over.at(minutes)
            assert world.service.over_caps.ends_at(over.slice_id) is not None
        assert await over.kinds() == ["over-cap-warned"] * 2


async def test_a_start_of_the_agent_gives_nobody_more_time(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        await over.falls_silent()
        await over.is_looked_at(3)
        assert len(await over.told()) == 1
        over = await _world_again(over, world)
        await over.says()
        await over.at(5)
        assert world.service.over_caps.ends_at(over.slice_id) == over.began + 16 * MINUTE
        await over.at(16)
        assert world.hub.stopped == [("ada", "")]


async def test_after_minutes_of_silence_an_owner_is_told_anew_with_the_whole_time(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        await over.falls_silent()
        for minutes in (2, 8):
            await over.is_looked_at(minutes)
        assert await over.told() == []
        over = await _world_again(over, world)
        await over.says()
        await over.at(9)
        assert world.service.over_caps.ends_at(over.slice_id) == over.began + 24 * MINUTE


async def _world_again(over: OverWorld, world: HubWorld) -> OverWorld:
    """Return the same after a start of the service: Ada's slice, on its node."""
    agent = await world.agent()
    again = OverWorld(world, agent, {"slice_id": over.slice_id, "memory_mib": over.cap_mib})
    again.began = over.began
    return again


@pytest.mark.parametrize("state_folder", ["kept", "gone, as a pod's without a volume"])
async def test_a_start_of_the_service_gives_nobody_more_time(
    tmp_path: Path, hub: FakeHub, state_folder: str
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        told = await over.told()
    if state_folder != "kept":
        rmtree(_settings(tmp_path).state_folder)
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await _world_again(over, world)
        ends_at = over.began + 16 * MINUTE
        # Also before the agent says how it stands.
        assert (await over.told(), world.service.over_caps.ends_at(over.slice_id)) == (
            told,
            ends_at,
        )
        await over.says()
        await over.at(2)
        assert (await over.told(), world.service.over_caps.ends_at(over.slice_id)) == (
            told,
            ends_at,
        )
        await over.at(15.9)
        assert world.hub.stopped == []
        await over.at(16)
        assert world.hub.stopped == [("ada", "")]
        assert await over.kinds() == ["over-cap-warned", "ended-over-cap"]
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        (told_after,) = await (await _world_again(over, world)).told()
        assert "more than its cap" in told_after


@pytest.mark.parametrize("since", ["another time", "another rule", "within", "reported late"])
async def test_after_a_start_who_is_not_over_as_they_were_has_the_whole_time(
    tmp_path: Path, hub: FakeHub, since: str
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
    quota = ENDS.replace("15m", "20m") if since == "another rule" else ENDS
    async with hub_world(tmp_path, hub, _settings(tmp_path, quota)) as world:
        over = await _world_again(over, world)
        match since:
            case "another time":
                await over.says(over_cap_since=over.began + 2 * MINUTE)
            case "within":
                await over.says(-2048)
                await over.at(2)
                await over.says(over_cap_since=over.began + 2 * MINUTE)
            case "reported late":
                await over.is_looked_at(6)
                await over.says()
            case _:
                await over.says()
        await over.at(3)
        assert (
            world.service.over_caps.ends_at(over.slice_id)
            == over.began + (23 if since == "another rule" else 18) * MINUTE
        )
        await over.at(16)
        assert world.hub.stopped == []


async def test_what_was_told_before_and_cannot_be_read_is_told_anew(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = _settings(tmp_path)
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    file = settings.state_folder / "over-caps.json"
    file.write_text('{"a": {"owner": 1}}')
    async with hub_world(tmp_path, hub, settings) as world:
        over = await over_world(world)
        await over.at(1)
        assert len(await over.told()) == 1
        assert not file.exists()


async def test_what_a_service_of_before_kept_in_a_file_is_taken_over_once(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = _settings(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        over = await over_world(world)
    of_before = {
        "owner": "ada",
        "server": "",
        "job": None,
        "since": over.began.isoformat(),
        "use": {"held_mib": over.cap_mib + 2048, "cap_mib": over.cap_mib},
        "max_over_cap": "PT15M",
        "told_at": (over.began + MINUTE).isoformat(),
        "ended_at": None,
    }
    file = settings.state_folder / "over-caps.json"
    file.write_text(json.dumps({over.slice_id: of_before}))
    ends_at = over.began + 16 * MINUTE
    for start in range(2):
        async with hub_world(tmp_path, hub, settings) as world:
            assert not file.exists()
            over = await _world_again(over, world)
            assert world.service.over_caps.ends_at(over.slice_id) == ends_at
            await over.says()
            await over.at(2 + start)
            assert world.service.over_caps.ends_at(over.slice_id) == ends_at
            (told,) = await over.told()
            assert told.startswith("Your server has ")


async def test_from_silence_nothing_is_concluded(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        await over.at(1)
        await over.agent.close()
        await world.service.over_caps.look()
        await over.is_looked_at(30)
        assert world.hub.stopped == []


async def test_a_hub_that_did_not_stop_it_is_asked_again_and_it_is_told_once(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        monkeypatch.setattr(server_stops, "ASKED_AGAIN_S", 0.0)
        hub.slow_to_stop = True
        await over.at(1)
        await over.at(16)
        await over.at(17)
        assert world.hub.stopped == [("ada", ""), ("ada", "")]
        assert (await over.kinds()).count("ended-over-cap") == 1


async def test_a_server_that_keeps_to_its_cap_is_not_ended_for_one_before_it(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        over = await over_world(world)
        monkeypatch.setattr(server_stops, "ASKED_AGAIN_S", 0.0)
        hub.slow_to_stop = True
        await over.at(1)
        await over.at(16)
        await over.says(-2048)
        await over.at(17)
        assert world.hub.stopped == [("ada", "")]


async def test_a_job_over_what_it_asked_for_is_ended_alike_and_that_is_its_reason(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, _settings(tmp_path)) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "pid", "pid"], ["wait", "never"])
        await ada.until_file("pid")
        lease = (await ada.see(job_id))["slice"]["lease"]
        over = OverWorld(world, ada.agent, lease)
        await over.says()
        await over.at(1)
        (told,) = await over.told()
        assert told.startswith("Your job 'train' has ")
        await over.at(16)
        job = await ada.until(job_id, "failed")
        assert (job["reason_code"], job["reason"]) == (
            "more-than-asked",
            "had 81 GiB of GPU memory, more than the 79 GiB it asked for, for longer than 15 min",
        )
        assert world.hub.stopped == []
