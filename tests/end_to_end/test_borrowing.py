"""Borrowing alive, on a whole Sublet: a real hub, a real agent, real kernels, a simulated card.

``lab`` is guaranteed the one card and uses nothing of it; members of ``course`` have borrowed it.
Who computes is not idle by a mere pause of the machine.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from sublet_quota.wire.event_kinds import EventKind
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.holding_notebooks import LOOK, PATIENCE_S, a_notebook, hold, until
from tests.support.job_notebooks import write_notebook

pytestmark = [pytest.mark.end_to_end, pytest.mark.asyncio]
QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - {name: interactive, memory_overcommit: 1, compute_overcommit: 2, idle_after: 5s, turn: 2s}
sizes:
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {cards: 1}}
groups:
  course: {}
  lab: {guaranteed: {H100: 1}}
"""
GROUPS = {"course": ("ada", "bea"), "lab": ("lena",)}
WORK = """
import os
open({path!r} + "-begun", "w").close()
while not os.path.exists({path!r}):
    gpu.compute(seconds=0.05)
"""


@pytest.fixture
def machine() -> Iterator[BrowserMachine]:
    with browser_machine(QUOTA, GROUPS, speed=40) as running:
        yield running


async def slice_of(person: Person) -> dict[str, Any]:
    share = await person.service("GET", "share")
    (mine,) = share["slices"]
    return dict(mine)


def is_away_for_who_comes_first(mine: dict[str, Any]) -> bool:
    report = mine["report"]
    wait = report["wait"] or {}
    return report["state"] == "suspended" and wait.get("reason") == "called-back"


@asynccontextmanager
async def at_work(machine: BrowserMachine, name: str, kernel: Kernel) -> AsyncIterator[None]:
    """Be at work on the card while the block lasts, and before it; the cell has ended after it."""
    enough = machine.home(name) / f"enough-{time.monotonic_ns()}"
    working = asyncio.create_task(kernel.run(WORK.format(path=str(enough)), 2 * PATIENCE_S))

    async def has_begun() -> bool:
        return working.done() or enough.with_name(f"{enough.name}-begun").exists()

    try:
        await until(has_begun, bool)
        yield
    finally:
        enough.touch()
        await working


async def test_who_is_guaranteed_is_let_in_and_who_borrowed_loses_nothing_and_comes_back(
    machine: BrowserMachine,
) -> None:
    ada, bea, lena = (
        Person(machine.places.hub_url, name, machine.settings.password)
        for name in ("ada", "bea", "lena")
    )
    adas = await a_notebook(ada, "half", 30, 1)
    beas = await a_notebook(bea, "half", 30, 2)
    for borrower in (ada, bea):
        assert (await slice_of(borrower))["rank"]["code"] == "borrowed"

    async with at_work(machine, "ada", adas):
        # Nobody else is let in: the card is full. Who is guaranteed it is, whatever they do.
        lenas = await a_notebook(lena, "whole", 60, 3)
        assert (await slice_of(lena))["rank"]["code"] == "entitled"
        async with at_work(machine, "lena", lenas):
            # Before she was at work, Ada's slice may have been on its way back.
            waits = await until(lambda: slice_of(ada), is_away_for_who_comes_first)
            assert waits["rank"]["code"] == "called-back"
            assert "its room is due to lab" in waits["rank"]["meaning"]
            look = asyncio.create_task(beas.run(LOOK, PATIENCE_S))
            await until(lambda: _said(beas), lambda said: "called back" in said)
            assert not look.done()
        assert (await look).text == "True 2\n"
    # The cell that was interrupted has gone on, and ended.
    assert (await adas.run(LOOK, PATIENCE_S)).text == "True 1\n"
    assert (await lenas.run(LOOK, PATIENCE_S)).text == "True 3\n"

    lenas.close()
    await lena.stop_server()
    for borrower, kernel, seed in ((ada, adas, 1), (bea, beas, 2)):
        await until(lambda who=borrower: slice_of(who), lambda s: s["rank"]["code"] == "borrowed")
        kinds = [event["kind"] for event in await borrower.service("GET", "events")]
        assert EventKind.SLICE_CALLED_BACK in kinds
        assert EventKind.SLICE_BROUGHT_BACK in kinds
        assert (await kernel.run(LOOK, PATIENCE_S)).text == f"True {seed}\n"
        kernel.close()
    with pytest.raises(HTTPClientError, match="unknown-group"):
        await ada.service("POST", "jobs", {"notebook": "train-digits.ipynb", "group": "lab"})
    AsyncHTTPClient().close()


async def test_a_job_within_the_guarantee_takes_turns_with_who_borrowed_and_both_lose_nothing(
    machine: BrowserMachine,
) -> None:
    ada, lena = (
        Person(machine.places.hub_url, name, machine.settings.password) for name in ("ada", "lena")
    )
    adas = await a_notebook(ada, "half", 30, 1)
    await lena.log_in()
    await lena.start_server({"size": "half"})
    await lena.stop_server()
    enough = machine.home("lena") / "enough"
    still_there = "assert data.sha256() == before"
    training = (hold(60, 7), WORK.format(path=str(enough)), still_there)
    write_notebook(machine.home("lena") / "train.ipynb", *training)

    async with at_work(machine, "ada", adas):
        # She computes all the time: a job that only had what is idle would never begin.
        job_id = (await lena.service("POST", "jobs", {"notebook": "train.ipynb"}))["job_id"]
        begun = enough.with_name(f"{enough.name}-begun")
        await until(lambda: asyncio.to_thread(begun.exists), bool)
        waits = await until(lambda: slice_of(ada), _waits_for_its_turn)
        assert waits["rank"]["code"] == "called-back"
        assert "its room is due to lab" in waits["rank"]["meaning"]
        # And after the job's turn comes hers, as both are at work.
        await until(lambda: slice_of(ada), lambda mine: mine["report"]["state"] == "resident")
        await until(lambda: slice_of(ada), _waits_for_its_turn)
        enough.touch()
        done = await until(
            lambda: lena.service("GET", f"jobs/{job_id}"), lambda job: job["ended_at"] is not None
        )
        assert done["state"] == "done", done
    assert (await adas.run(LOOK, PATIENCE_S)).text == "True 1\n"
    await until(lambda: slice_of(ada), lambda mine: mine["rank"]["code"] == "borrowed")
    adas.close()
    AsyncHTTPClient().close()


def _waits_for_its_turn(mine: dict[str, Any]) -> bool:
    return (mine["report"]["wait"] or {}).get("reason") == "turn"


async def _said(kernel: Kernel) -> str:
    return "\n".join(kernel.waits)
