"""Notebooks of a whole Sublet that hold memory on a card, and tell whether they lost any of it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person

PATIENCE_S = 300
"""Longer than an agent lets a cell wait that was suspended in its middle, for being idle."""
LOOK = "gpu.compute(seconds=0.01); print(data.sha256() == before, variable)"
"""Prints whether all is as it was, and the seed."""
_HOLD = """
import sublet_agent.simulated.client as gpu
data = gpu.allocate(gib={gib})
data.fill({seed})
before, variable = data.sha256(), {seed}
"""


def hold(gib: int, seed: int) -> str:
    """Return a cell that holds so much, in a pattern of its own."""
    return _HOLD.format(gib=gib, seed=seed)


async def a_notebook(person: Person, size: str, gib: int, seed: int) -> Kernel:
    """Start somebody's server, and hold so much in a kernel of it."""
    await person.log_in()
    await person.start_server({"size": size})
    kernel = await person.open_kernel()
    await kernel.run(hold(gib, seed), PATIENCE_S)
    return kernel


async def until(ask: Callable[[], Any], holds: Callable[[Any], Any] = bool) -> Any:
    """Ask until the answer is as it should be, and return it."""
    ends = time.monotonic() + PATIENCE_S
    while not holds(answer := await ask()):
        assert time.monotonic() < ends, answer
        await asyncio.sleep(0.2)
    return answer
