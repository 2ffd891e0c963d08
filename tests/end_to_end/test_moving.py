"""Room in pieces, on a whole Sublet: an idle notebook moves, and whoever asks gets a whole card.

A real hub, service and agent, real kernels, two simulated cards. Nobody loses a variable, and a
kernel that is opened after the move uses the other card as well.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_quota.wire.event_kinds import EventKind

from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.holding_notebooks import LOOK, PATIENCE_S, a_notebook, until

pytestmark = [pytest.mark.end_to_end, pytest.mark.asyncio]
QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - {name: interactive, memory_overcommit: 1, compute_overcommit: 1, idle_after: 2s, turn: 2s}
sizes:
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
"""
GROUPS = {"course": ("ada", "bea", "cleo", "lena")}
WHERE = "import sublet_agent.simulated.client as gpu; print(gpu.memory_info().gpu_id)"


@pytest.fixture
def machine() -> Iterator[BrowserMachine]:
    with browser_machine(QUOTA, GROUPS, speed=40, gpus=2) as running:
        yield running


async def slices_of(person: Person) -> list[dict[str, Any]]:
    share = await person.service("GET", "share")
    return list(share["slices"])


async def card_of(person: Person) -> str:
    (mine,) = await slices_of(person)
    return str(mine["lease"]["gpu_id"])


async def kinds_of(person: Person) -> set[str]:
    return {event["kind"] for event in await person.service("GET", "events")}


async def test_two_halves_become_a_whole_card(machine: BrowserMachine) -> None:
    people = {
        name: Person(machine.places.hub_url, name, machine.settings.password)
        for name in GROUPS["course"]
    }
    halves = ("ada", "bea", "cleo")
    kernels = {
        name: await a_notebook(people[name], "half", 25, seed)
        for seed, name in enumerate(halves, start=1)
    }
    cards = {name: await card_of(people[name]) for name in halves}
    alone = next(name for name in halves if list(cards.values()).count(cards[name]) == 1)
    gone, left = (name for name in halves if name != alone)
    kernels[gone].close()
    await people[gone].stop_server()
    await until(lambda: slices_of(people[gone]), lambda found: not found)

    lenas = await a_notebook(people["lena"], "whole", 60, 9)
    hers = await card_of(people["lena"])
    (moved,) = (name for name in (alone, left) if cards[name] == hers)
    other = next(card for card in cards.values() if card != hers)
    assert await until(lambda: card_of(people[moved]), lambda card: card == other)
    for name in (alone, left):
        said = (await kernels[name].run(LOOK, PATIENCE_S)).text
        assert said == f"True {halves.index(name) + 1}\n"
    assert (await lenas.run(LOOK, PATIENCE_S)).text == "True 9\n"
    # The agent's own event comes by another message than its report.
    both = {EventKind.CARD_CHANGED.value, EventKind.SLICE_BROUGHT_BACK.value}
    await until(lambda: kinds_of(people[moved]), both.issubset)

    later = await people[moved].open_kernel()
    assert (await later.run(WHERE, PATIENCE_S)).text == f"{other}\n"
    gpus = machine.call("GET", "/services/sublet/api/gpus").json()
    assert [gpu["report"]["foreign_processes"] for gpu in gpus] == [None, None]
    for kernel in (kernels[alone], kernels[left], lenas, later):
        kernel.close()
