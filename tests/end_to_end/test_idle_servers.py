"""Idle servers, on a whole Sublet: a real hub, a real agent, real kernels, a simulated card.

Ada computes on the CPU for longer than a server may be idle; Bea, whose server was there before her
cell began, does nothing. So whoever sees Bea's server ended knows that Ada's could have been.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sublet_hub.one_machine.demo.jupyter_client import Person
from tornado.httpclient import AsyncHTTPClient

from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.holding_notebooks import PATIENCE_S, until
from tests.support.job_notebooks import write_notebook

pytestmark = [pytest.mark.end_to_end, pytest.mark.asyncio]
QUOTA = """\
pools:
  - {name: interactive, idle_after: 2s}
sizes:
  - {name: small, memory: 1/8, compute: 1/8}
everyone: {max_idle: 45s}
groups: {lab: {}}
"""
ON_THE_CPU = """
import os
open({path!r} + "-begun", "w").close()
while not os.path.exists({path!r}):
    sum(range(10_000))
"""


@pytest.fixture
def machine() -> Iterator[BrowserMachine]:
    with browser_machine(QUOTA, {"lab": ("ada", "bea")}, speed=40) as running:
        yield running


class Watched:
    """A person with a server, as the admin sees them: also when the server is gone."""

    def __init__(self, machine: BrowserMachine, name: str) -> None:
        self.machine = machine
        self.name = name
        self.person = Person(machine.places.hub_url, name, machine.settings.password)

    async def start(self) -> None:
        await self.person.log_in()
        await self.person.start_server({"size": "small"})

    async def share(self) -> dict[str, Any]:
        path = f"/services/sublet/api/share?owner={self.name}"
        answer = await asyncio.to_thread(self.machine.call, "GET", path)
        return dict(answer.json())

    async def own_slice(self) -> dict[str, Any]:
        slices = (await self.share())["slices"]
        (own,) = (each for each in slices if each["lease"]["holder"] == "notebook")
        return dict(own)

    async def idle_end(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (await self.own_slice())["idle_end"]
        return found

    async def idle_spared(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (await self.own_slice())["idle_spared"]
        return found

    async def promote(self, notebook: str) -> str:
        """Submit a notebook as its server's page does; return the job."""
        path = f"/user/{self.name}/sublet/api/jobs"
        body = {"notebook": notebook, "memory_mib": 1024, "compute_milli": 100}
        return str(json.loads((await self.person.call("POST", path, body)).body)["job_id"])

    async def told(self) -> list[str]:
        return [each["text"] for each in (await self.share())["announcements"]]

    async def events(self) -> list[str]:
        path = f"/services/sublet/api/events?owner={self.name}"
        answer = await asyncio.to_thread(self.machine.call, "GET", path)
        return [each["kind"] for each in answer.json() if each["kind"].startswith("server-")]

    async def runs(self) -> bool:
        answer = await asyncio.to_thread(self.machine.call, "GET", f"/hub/api/users/{self.name}")
        return bool(answer.json()["servers"])


async def test_who_does_nothing_is_warned_and_ended_and_who_computes_or_extends_is_not(
    machine: BrowserMachine,
) -> None:
    ada, bea = Watched(machine, "ada"), Watched(machine, "bea")
    await ada.start()
    kernel = await ada.person.open_kernel()
    enough = machine.home("ada") / "enough"
    cell = ON_THE_CPU.format(path=str(enough))
    working = asyncio.create_task(kernel.run(cell, 2 * PATIENCE_S))

    async def has_begun() -> bool:
        return working.done() or enough.with_name("enough-begun").exists()

    try:
        await until(has_begun)
        # Until then she may have been idle, on a slow machine for long enough to be warned.
        before = await ada.events()
        await bea.start()
        (said,) = await until(bea.told)
        assert said.startswith("Your server has been idle since ")
        (said,) = await until(bea.told, lambda told: told and "was ended at" in told[0])
        assert await bea.events() == ["server-idle-warned", "server-ended-idle"]
        await until(lambda: _not(bea.runs))
        # No use of the GPU since before Bea came, and yet at work.
        assert (await ada.events(), await ada.told(), await ada.idle_end()) == (before, [], None)
        # A job from her server's page, which the hub knows by the server's own token.
        train = ON_THE_CPU.format(path=str(machine.home("ada") / "trained"))
        write_notebook(machine.home("ada") / "train.ipynb", train)
        job_id = await ada.promote("train.ipynb")
    finally:
        enough.touch()
        await working

    # While that goes on she is idle, and there is no end to wait for.
    spared = await until(ada.idle_spared)
    assert (spared["job_id"], await ada.idle_end()) == (job_id, None)
    (machine.home("ada") / "trained").touch()
    end = await until(ada.idle_end)
    (mine,) = await ada.person.service("GET", "slices")
    path = f"slices/{mine['lease']['slice_id']}/extend"
    shown = await ada.person.service("POST", path, {})
    assert shown["idle_end"]["extended_until"] == shown["idle_end"]["ends_at"] > end["ends_at"]
    assert (await kernel.run("print(1)", PATIENCE_S)).text == "1\n"
    anew = await until(ada.idle_end, lambda found: found and found["extended_until"] is None)
    assert anew["idle_since"] > end["idle_since"]
    assert await ada.runs()
    kernel.close()
    AsyncHTTPClient().close()


async def _not(ask: Callable[[], Any]) -> bool:
    return not await ask()
