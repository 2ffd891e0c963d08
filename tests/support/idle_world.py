"""A service whose document ends idle servers, and one that is idle."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sublet_hub.host.clock import utc_now
from sublet_hub.slices.idle_servers import IdleServers
from sublet_quota.life_cycles.slice_states import SliceState

from tests.support.fake_agent import FakeAgent, a_report
from tests.support.hub_world import HubWorld, settings_for
from tests.support.hub_world_runner import write_interpreter

QUOTA = """
everyone: {max_idle: 8h}
groups:
  lab: {each: {max_idle: unlimited}}
"""
HOUR = timedelta(hours=1)


class IdleWorld:
    """A service, a node, and Ada's server there, which is idle unless a test says otherwise."""

    def __init__(self, world: HubWorld, agent: FakeAgent, slice_id: str) -> None:
        self.world = world
        self.agent = agent
        self.slice_id = slice_id
        self.began = utc_now()

    @property
    def idle_servers(self) -> IdleServers:
        found: IdleServers = self.world.service.idle_servers
        return found

    async def says(self, **values: Any) -> None:
        """Have the agent say this of the slice, else that it is idle since the beginning."""
        usual: dict[str, Any] = {
            "active": False,
            "since": self.began,
            "quiet_since": self.began,
            "state": SliceState.SUSPENDED,
        }
        self.agent.says[self.slice_id] = a_report(self.slice_id, **{**usual, **values})
        await self.report()

    async def at(self, hours: float) -> None:
        """Let it be so many hours after the beginning, and have the service look."""
        then = self.began + hours * HOUR
        self.idle_servers._now = lambda: then
        await self.report()
        await self.idle_servers.look()

    async def report(self) -> None:
        """Have the agent say again what it says: it does so each second."""
        if self.world.service.fleet.is_connected("node-a"):
            await self.agent.report()

    async def share(self) -> dict[str, Any]:
        await self.report()
        _, share = await self.world.call("GET", "share", self.world.user("ada"))
        return dict(share)

    async def mine(self) -> dict[str, Any]:
        """Return what Ada is told of the server's slice."""
        slices = (await self.share())["slices"]
        return next(each for each in slices if each["lease"]["slice_id"] == self.slice_id)

    async def end(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (await self.mine())["idle_end"]
        return found

    async def spared(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (await self.mine())["idle_spared"]
        return found

    async def told(self) -> list[str]:
        told = (await self.share())["announcements"]
        assert not any(each["from_admin"] for each in told)
        return [each["text"] for each in told]

    async def extend(self, token: str | None = None) -> tuple[int, Any]:
        token = token or self.world.user("ada")
        return await self.world.call("POST", f"slices/{self.slice_id}/extend", token, {})

    async def kinds(self) -> list[str]:
        _, events = await self.world.call("GET", "events", self.world.user("ada"))
        return [each["kind"] for each in events if each["kind"].startswith("server-")]


def settings(folder: Path, quota: str = QUOTA) -> Any:
    path = folder / "quota.yaml"
    path.write_text(quota)
    # Beyond the service's own patience with servers that never started.
    return settings_for(folder, quota_file=path, start_within=timedelta(days=9))


async def with_an_idle_server(world: HubWorld, **wish: Any) -> IdleWorld:
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for("ada", **wish)
    await agent.until(lambda: agent.serves(lambda _: True))
    made = IdleWorld(world, agent, lease["slice_id"])
    made.began = datetime.fromisoformat(lease["created_at"])
    await made.says()
    return made
