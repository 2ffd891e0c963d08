"""An owner who submits jobs over the API, and sees what becomes of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fake_agent import FakeAgent
from tests.support.hub_world import HubWorld, until
from tests.support.hub_world_runner import write_interpreter, write_script

_PATIENCE_S = 60


@dataclass
class Ada:
    """Somebody who submits jobs."""

    world: HubWorld
    agent: FakeAgent
    home: Path
    token: str

    def script(self, *steps: Any, **facts: Any) -> None:
        write_script(self.home / "train.ipynb", *map(self._at_home, steps), **facts)

    def _at_home(self, step: list[Any]) -> list[Any]:
        """Steps name files in the home, wherever their process runs."""
        if step[0] not in {"write", "wait", "kernel", "leave"}:
            return step
        return [step[0], str(self.home / step[1]), *step[2:]]

    async def post(self, **request: Any) -> tuple[int, Any]:
        body = {"notebook": "train.ipynb", **request}
        return await self.world.call("POST", "jobs", self.token, body)

    async def submit(self, *steps: Any, **request: Any) -> str:
        if steps:
            self.script(*steps)
        status, job = await self.post(**request)
        assert status == 201, job
        return str(job["job_id"])

    async def see(self, job_id: str) -> dict[str, Any]:
        status, job = await self.world.call("GET", f"jobs/{job_id}", self.token)
        assert status == 200, job
        return dict(job)

    async def until(self, job_id: str, *states: str) -> dict[str, Any]:
        async def reached() -> bool:
            return (await self.see(job_id))["state"] in states

        await until(reached)
        return await self.see(job_id)

    async def until_ended(self, job_id: str) -> dict[str, Any]:
        async def reached() -> bool:
            return (await self.see(job_id))["ended_at"] is not None

        await until(reached, _PATIENCE_S)
        return await self.see(job_id)

    async def until_file(self, name: str) -> str:
        await until(lambda: (self.home / name).exists() and (self.home / name).read_text())
        return (self.home / name).read_text()


async def make_ada(world: HubWorld, **agent: Any) -> Ada:
    told = await world.agent(**agent)
    world.interpreter = write_interpreter(world.folder / "python")
    await world.slice_for("ada", size="small")
    return Ada(world, told, world.folder / "homes" / "ada", world.user("ada"))
