from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.hub_world import FakeHub, HubWorld, fake_hub, hub_world


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with fake_hub() as fake:
        yield fake


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub) as running:
        yield running
