"""An idle server, and a hub that is asked again at once to stop one."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.slices import server_stops

from tests.support.hub_world import FakeHub, hub_world
from tests.support.idle_world import settings, with_an_idle_server


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that did not stop a server is asked again at once."""
    monkeypatch.setattr(server_stops, "ASKED_AGAIN_S", 0.0)


@pytest_asyncio.fixture
async def idle(tmp_path: Path, hub: FakeHub) -> Any:
    async with hub_world(tmp_path, hub, settings(tmp_path)) as world:
        yield await with_an_idle_server(world)
