"""A world in which notebooks wait in line, and a hub that is asked again at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_hub.slices import server_starts

from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.line_world import settings_with


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that did not start a server is asked again at once."""
    monkeypatch.setattr(server_starts, "ASKED_AGAIN_S", 0.0)


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as made:
        yield made
