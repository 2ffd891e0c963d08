"""The service's loops leave most of the time to others."""

import asyncio
import contextlib
import time

import pytest
from sublet_hub.app.loops import Loop, Wakeup, repeat

from tests.support.hub_world import HubWorld, until

pytestmark = pytest.mark.asyncio
_TOOK_S = 0.3


@pytest.mark.parametrize("most_rest_s", [1.0, 60.0])
async def test_a_loop_rests_four_times_as_long_as_its_step_took_up_to_a_bound_of_its_own(
    world: HubWorld, most_rest_s: float
) -> None:
    began: list[float] = []

    def step() -> None:
        began.append(time.perf_counter())
        time.sleep(_TOOK_S)

    loop = Loop("test", 0.0, step, most_rest_s)
    repeating = asyncio.create_task(repeat(loop, Wakeup(), world.service.metrics))
    await until(lambda: len(began) > 1)
    repeating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await repeating
    assert began[1] - began[0] > _TOOK_S + min(most_rest_s, 4 * _TOOK_S) - 0.01
