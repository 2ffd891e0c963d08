"""What happened on a whole Sublet is exported, and simulated again: recorded beside simulated.

A real hub, real notebook servers and kernels, a real agent, and a simulated card, which is too
small for both who work on it.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from sublet_quota.closed_loop.history.happened import History, PastServer
from sublet_quota.closed_loop.history.history_table import read_history
from tornado.httpclient import AsyncHTTPClient

from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.holding_notebooks import PATIENCE_S, a_notebook
from tests.support.lab_bodies import sublet

pytestmark = [pytest.mark.end_to_end, pytest.mark.asyncio]
QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - {name: interactive, memory_overcommit: 2, compute_overcommit: 2, idle_after: 5s, turn: 10s}
sizes:
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {cards: 1}}
groups:
  course: {}
"""
GROUPS = {"course": ("ada", "bea")}
ROUNDS = 3
WORKS_S = 12
"""So long that the other's next cell is mostly no part of the stretch before it."""
CELL = f"for _ in range({WORKS_S * 20}):\n    gpu.compute(seconds=0.05)\n"
LEAST_S = 3
"""The other's memory, 60 GiB, takes longer to leave the card, however quick the machine is."""
REPORTED_S = 2
"""When work began is known from reports of each second."""


@pytest.fixture
def machine() -> Iterator[BrowserMachine]:
    with browser_machine(QUOTA, GROUPS, speed=10) as running:
        yield running


async def exported(machine: BrowserMachine, file: Path) -> str:
    token = file.with_name("token")
    token.write_text(machine.token)
    token.chmod(0o600)
    url = f"{machine.places.hub_url}/services/sublet/"
    said = ("--url", url, "--token-file", str(token), "history", "export", str(file))
    done = await asyncio.to_thread(sublet, *said)
    assert done.exit_code == 0, done.output
    return await asyncio.to_thread(file.read_text)


async def alternate(kernels: tuple[Kernel, Kernel]) -> None:
    """Run a cell of the one, then one of the other, who had to make way; and so on."""
    for _ in range(ROUNDS):
        for each in kernels:
            await each.run(CELL, PATIENCE_S)


def servers_of(history: History) -> list[PastServer]:
    return [each for each in history.past if isinstance(each, PastServer)]


async def test_what_happened_is_known_and_simulated_again(
    machine: BrowserMachine, tmp_path: Path
) -> None:
    ada, bea = (
        Person(machine.places.hub_url, name, machine.settings.password) for name in ("ada", "bea")
    )
    kernels = (await a_notebook(ada, "whole", 60, 1), await a_notebook(bea, "whole", 60, 2))
    await alternate(kernels)
    for person, kernel in zip((ada, bea), kernels, strict=True):
        kernel.close()
        await person.stop_server()
    AsyncHTTPClient().close()

    text = await exported(machine, tmp_path / "past.csv")
    # In the made-up names, which are hexadecimal, it may well be.
    assert not re.search(r"\b(ada|bea)\b", text)
    history = read_history(text.splitlines())
    assert len(servers_of(history)) == 2
    # Where a busy machine tells late that a cell has ended, the next goes on with its stretch.
    for server in servers_of(history):
        recorded = zip(server.waits, server.asked.cells, strict=True)
        lasted_s = sum((wait + cell.works).total_seconds() for wait, cell in recorded)
        assert lasted_s > ROUNDS * (WORKS_S - REPORTED_S)
    waits = [wait.total_seconds() for server in servers_of(history) for wait in server.waits]
    assert sum(waits) > (2 * ROUNDS - 1) * LEAST_S

    (tmp_path / "quota.yaml").write_text(QUOTA)
    of_then = ("--quota", str(tmp_path / "quota.yaml"), "--history", str(tmp_path / "past.csv"))
    shown = await asyncio.to_thread(sublet, "simulate", *of_then, "--beside", "none", "--json")
    lines = {line["what"]: line for line in json.loads(shown.stdout)["truth"]["lines"]}
    half, moves = lines["cells, half"], lines["moves out"]
    # How near they are hangs on how busy the machine is: both waited for the other's memory.
    assert min(half["real"], half["simulated"]) > LEAST_S
    assert moves["real"] >= 2 * ROUNDS - 1
    assert moves["simulated"] >= ROUNDS
    assert lines["servers, half"]["error"] == 0
