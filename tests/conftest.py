"""What holds for all tests: which run side by side, and an event loop ends with what it had open.

Several processes run the tests (``--dist=loadgroup``): those of a file go to one process in their
order, and so do those of files that share something expensive, by ``pytest.mark.xdist_group``.
What takes longest begins first.

Each loop has HTTP clients of its own, and JupyterHub's are never closed: where each asked for names
by a thread and an inotify instance of its own, the hundreds of tests' loops would use up all that
the machine has, and containerd would find none.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp.connector
import aiohttp.resolver
import pytest
import pytest_asyncio

aiohttp.connector.DefaultResolver = aiohttp.resolver.ThreadedResolver  # type: ignore[misc]
_PATIENCE_S = 1.0
_LONGEST_FIRST = ("kube", "browser", "end_to_end", "spawner", "hub", "lab", "agent")
_TESTS = Path(__file__).parent


@pytest_asyncio.fixture
async def loop_at_rest() -> AsyncIterator[None]:
    """Give closed connections the moment they need: else another test is blamed for them."""
    yield
    # Of the loop itself it holds the one socket by which other threads wake it.
    watched = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    ends = time.monotonic() + _PATIENCE_S
    while len(watched.get_map()) > 1 and time.monotonic() < ends:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.005)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn_of)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            group = str(item.path.relative_to(_TESTS).with_suffix(""))
            item.add_marker(pytest.mark.xdist_group(group))
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            # The first to be set up is the last to be torn down.
            item.fixturenames.insert(0, loop_at_rest.__name__)  # type: ignore[attr-defined]


def _turn_of(item: pytest.Item) -> int:
    area = item.path.relative_to(_TESTS).parts[0]
    return _LONGEST_FIRST.index(area) if area in _LONGEST_FIRST else len(_LONGEST_FIRST)
