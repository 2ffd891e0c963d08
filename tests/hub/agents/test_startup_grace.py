"""How long servers wait for the agents of before, and what that costs afterwards."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sublet_hub.agents.startup_grace import StartupGrace


class SilentFleet:
    """Nodes that have not come back."""

    def __init__(self, *silent: str) -> None:
        self.silent = list(silent)
        self.known = set(silent)
        self.asked = 0

    def is_known(self, node: str) -> bool:
        return node in self.known

    def is_silent(self, node: str) -> bool:
        return node in self.silent or node not in self.known

    def silent_nodes(self) -> tuple[str, ...]:
        self.asked += 1
        return tuple(self.silent)


@pytest.mark.parametrize(("within_s", "asks"), [(3600, 1), (0, 0)])
def test_reports_do_not_have_all_nodes_looked_at_again_and_again(within_s: int, asks: int) -> None:
    fleet: Any = SilentFleet("gone")
    startup_grace = StartupGrace(fleet, timedelta(seconds=within_s))
    for _ in range(5):
        startup_grace.look()
    assert fleet.asked == asks


@pytest.mark.asyncio
@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a")])
async def test_who_asks_waits_for_the_last_node_in_whatever_order_they_come(
    order: tuple[str, ...],
) -> None:
    fleet: Any = SilentFleet("a", "b", "c")
    startup_grace = StartupGrace(fleet, timedelta(hours=1))
    waiting = asyncio.create_task(startup_grace.wait())
    for node in order:
        assert not waiting.done()
        fleet.silent.remove(node)
        startup_grace.look()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.wait_for(waiting, 60)


def test_a_node_that_has_left_the_cluster_is_not_waited_for() -> None:
    fleet: Any = SilentFleet("a", "z")
    startup_grace = StartupGrace(fleet, timedelta(hours=1))
    for node in ("z", "a"):
        fleet.silent.remove(node)
        fleet.known.discard(node)
    startup_grace.look()
    asyncio.run(asyncio.wait_for(startup_grace.wait(), 60))
