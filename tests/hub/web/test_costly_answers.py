"""What takes long to answer counts for whoever asks: others' answers do not wait for it."""

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.security.rate_limits import Rate
from sublet_hub.settings import OwnerLimits

from tests.support.hub_world import FakeHub, hub_world, settings_for

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    "asked",
    [
        ("GET", "share", None),
        ("GET", "quota/rights", None),
        ("POST", "slices/SLICE/resize", {"size": "small"}),
        ("POST", "jobs/forecast", {"notebook": "train.ipynb"}),
    ],
)
async def test_who_asks_for_what_takes_long_waits_and_nobody_else(
    tmp_path: Path,
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[str, str, Any],
) -> None:
    method, path, body = asked
    settings = settings_for(tmp_path, limits=OwnerLimits(requests=Rate(100, 0.01)))
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        lease = await world.slice_for("ada", size="small")
        ada, bob = world.user("ada"), world.user("bob")
        passing = itertools.count(step=5)
        monkeypatch.setattr(time, "thread_time", lambda: float(next(passing)))
        first, _ = await world.call(method, path.replace("SLICE", lease["slice_id"]), ada, body)
        assert first == 200
        assert (await world.call("GET", "lending", ada))[0] == 429
        assert (await world.call("GET", "lending", bob))[0] == 200
