"""Room in pieces, on a whole Sublet: an idle notebook moves, and whoever asks gets a whole card.

A real hub, service and agent, real kernels, two simulated cards. Nobody loses a variable, and a
kernel that is opened after the move uses the other card as well.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import pytest
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
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
LAB = {"lab": ("ada", "bea", "cleo", "lena"), "guests": ("zoe",)}
IN_LAB = QUOTA + "groups: {lab: {guaranteed: {H100: 2}}, guests: {}}\n"
SEEDS = {"ada": 1, "bea": 2, "cleo": 3}
"""Who has half of a card, and the seed of what they hold."""
WHERE = "import sublet_agent.simulated.client as gpu; print(gpu.memory_info().gpu_id)"


@pytest.fixture
def machine() -> Iterator[BrowserMachine]:
    with browser_machine(QUOTA, GROUPS, speed=40, gpus=2) as running:
        yield running


@pytest.fixture
def labs_machine() -> Iterator[BrowserMachine]:
    with browser_machine(IN_LAB, LAB, speed=40, gpus=2) as running:
        yield running


async def slices_of(person: Person) -> list[dict[str, Any]]:
    share = await person.service("GET", "share")
    return list(share["slices"])


async def card_of(person: Person) -> str:
    (mine,) = await slices_of(person)
    return str(mine["lease"]["gpu_id"])


async def kinds_of(person: Person) -> set[str]:
    return {event["kind"] for event in await person.service("GET", "events")}


def people_of(machine: BrowserMachine, names: Iterable[str]) -> dict[str, Person]:
    return {name: Person(machine.places.hub_url, name, machine.settings.password) for name in names}


async def on_two_cards(people: Mapping[str, Person]) -> tuple[dict[str, Kernel], dict[str, str]]:
    """Let two have half of a card each, on two cards; return their kernels and cards.

    A third who was beside one of them is gone.
    """
    kernels = {
        name: await a_notebook(people[name], "half", 25, seed) for name, seed in SEEDS.items()
    }
    cards = {name: await card_of(people[name]) for name in SEEDS}
    gone = next(name for name in SEEDS if list(cards.values()).count(cards[name]) == 2)
    kernels.pop(gone).close()
    del cards[gone]
    await people[gone].stop_server()
    await until(lambda: slices_of(people[gone]), lambda found: not found)
    return kernels, cards


async def until_moved(person: Person, from_card: str, cards: Collection[str]) -> str:
    """Wait until somebody's slice is on the other card; return that."""
    (other,) = set(cards) - {from_card}
    await until(lambda: card_of(person), lambda card: card == other)
    return other


async def all_is_there(kernels: Mapping[str, Kernel]) -> None:
    for name, kernel in kernels.items():
        assert (await kernel.run(LOOK, PATIENCE_S)).text == f"True {SEEDS[name]}\n"


async def test_two_halves_become_a_whole_card(machine: BrowserMachine) -> None:
    people = people_of(machine, GROUPS["course"])
    kernels, cards = await on_two_cards(people)
    lenas = await a_notebook(people["lena"], "whole", 60, 9)
    hers = await card_of(people["lena"])
    (moved,) = (name for name in kernels if cards[name] == hers)
    other = await until_moved(people[moved], hers, cards.values())
    await all_is_there(kernels)
    assert (await lenas.run(LOOK, PATIENCE_S)).text == "True 9\n"
    # The agent's own event comes by another message than its report.
    both = {EventKind.CARD_CHANGED.value, EventKind.SLICE_BROUGHT_BACK.value}
    await until(lambda: kinds_of(people[moved]), both.issubset)

    later = await people[moved].open_kernel()
    assert (await later.run(WHERE, PATIENCE_S)).text == f"{other}\n"
    gpus = machine.call("GET", "/services/sublet/api/gpus").json()
    assert [gpu["report"]["foreign_processes"] for gpu in gpus] == [None, None]
    for kernel in (*kernels.values(), lenas, later):
        kernel.close()


async def is_idle(person: Person) -> bool:
    (mine,) = await slices_of(person)
    report = mine["report"]
    at_work = report is None or report["active"] or report["running_cell"] or report["wait"]
    return not at_work


@pytest.mark.parametrize("asks", ["lena", "zoe"])
async def test_an_idle_guaranteed_notebook_moves_for_its_own_group_and_for_who_borrows(
    labs_machine: BrowserMachine, asks: str
) -> None:
    people = people_of(labs_machine, chain.from_iterable(LAB.values()))
    kernels, cards = await on_two_cards(people)
    for name in kernels:
        await until(lambda person=people[name]: is_idle(person), bool)
    came = await a_notebook(people[asks], "whole", 60, 9)
    hers = await card_of(people[asks])
    (moved,) = (name for name in kernels if cards[name] == hers)
    # It comes back for its owner's cell: on the other card.
    await all_is_there(kernels)
    await until_moved(people[moved], hers, cards.values())
    assert (await came.run(LOOK, PATIENCE_S)).text == "True 9\n"
    await until(
        lambda: kinds_of(people[moved]), lambda kinds: EventKind.CARD_CHANGED.value in kinds
    )
    # It had its place on the other card from the first moment, as it is guaranteed one.
    assert EventKind.SLICE_CALLED_BACK.value not in await kinds_of(people[moved])
    for kernel in (*kernels.values(), came):
        kernel.close()
