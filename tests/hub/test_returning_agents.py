"""Who waits for returning agents goes on in the order in which they asked."""

import asyncio
from datetime import timedelta

import pytest
from sublet_hub.fleet import Fleet
from sublet_hub.returning_agents import ReturningAgents
from sublet_quota.ids import NodeId

pytestmark = pytest.mark.asyncio

MANY = range(200)


class OneNode(Fleet):
    """A fleet whose only agent is away until a test says otherwise."""

    def __init__(self) -> None:
        self.away = True

    def silent_nodes(self) -> tuple[NodeId, ...]:
        return (NodeId("node-a"),) if self.away else ()


async def _ask(returning: ReturningAgents, number: int, served: list[int]) -> None:
    await returning.wait()
    served.append(number)


async def _all_wait(returning: ReturningAgents, served: list[int]) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(_ask(returning, number, served)) for number in MANY]
    await asyncio.sleep(0)
    assert not served
    return tasks


async def test_they_go_on_in_order_when_their_time_is_over() -> None:
    served: list[int] = []
    returning = ReturningAgents(OneNode(), timedelta(seconds=0.1))
    await asyncio.gather(*await _all_wait(returning, served))
    assert served == list(MANY)


async def test_who_asks_just_when_all_are_back_comes_after_those_who_wait() -> None:
    served: list[int] = []
    fleet = OneNode()
    returning = ReturningAgents(fleet, timedelta(minutes=10))
    tasks = await _all_wait(returning, served)
    fleet.away = False
    returning.look()
    await _ask(returning, len(MANY), served)
    await asyncio.gather(*tasks)
    assert served == list(range(len(MANY) + 1))


async def test_one_that_gives_up_waiting_holds_nobody_up() -> None:
    served: list[int] = []
    fleet = OneNode()
    returning = ReturningAgents(fleet, timedelta(minutes=10))
    first, *others = await _all_wait(returning, served)
    first.cancel()
    fleet.away = False
    returning.look()
    await asyncio.gather(*others)
    assert served == list(MANY)[1:]


async def test_nobody_waits_once_all_are_back() -> None:
    served: list[int] = []
    fleet = OneNode()
    fleet.away = False
    await asyncio.wait_for(_ask(ReturningAgents(fleet, timedelta(minutes=10)), 0, served), 5)
    assert served == [0]
