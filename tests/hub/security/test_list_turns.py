"""Long lists are made a part at a time, and nobody's are made before all others'."""

import asyncio

import pytest
from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security.list_turns import ListTurns

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("lists", [1, 100])
async def test_in_each_round_of_the_loop_one_part_is_made_at_most(lists: int) -> None:
    turns, rounds, made = ListTurns(), [0], []
    done = asyncio.Event()

    async def count_rounds() -> None:
        while not done.is_set():
            await asyncio.sleep(0)
            rounds[0] += 1

    async def make(parts: int) -> None:
        for _ in range(parts):
            async with turns.part():
                made.append(rounds[0])

    counting = asyncio.create_task(count_rounds())
    await asyncio.gather(*(make(3) for _ in range(lists)))
    done.set()
    await counting
    assert len(made) == len(set(made)) == 3 * lists


async def test_who_asks_for_many_lists_has_one_made_at_a_time_and_others_do_not_wait() -> None:
    turns = ListTurns()
    making: list[int] = []
    go_on = asyncio.Event()

    async def list_of_eve(number: int) -> None:
        async with turns.of_caller("user:eve"):
            making.append(number)
            await go_on.wait()

    asked = [asyncio.create_task(list_of_eve(number)) for number in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequestsError):
        await asyncio.wait_for(list_of_eve(16), 60)
    async with turns.of_caller("user:ada"):
        assert making == [0]
    go_on.set()
    await asyncio.gather(*asked)
    assert making == list(range(16))
    await list_of_eve(16)
