"""A service with two cards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.moving_world import settings


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as made:
        yield made
