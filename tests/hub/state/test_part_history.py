"""What a group's admin asks of the history of their part costs little where it is known."""

from pathlib import Path
from typing import Any

import pytest
from sublet_hub.state.quota_documents import part_history

from tests.support.hub_world import FakeHub, hub_world
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA = "groups: {vision: {members: [hub-v], weight: 1}, speech: {}}\n"


async def test_which_groups_are_others_is_looked_for_once_for_all_revisions(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop does it: with thousands of groups, for each revision, all others would wait."""
    looked: list[Any] = []
    real = part_history.with_all_below

    def counted(*arguments: Any) -> Any:
        looked.append(arguments)
        return real(*arguments)

    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as world:
        for weight in range(2, 6):
            text = QUOTA.replace("weight: 1", f"weight: {weight}")
            body = {"text": text, "reason": "more", "expect": weight - 1}
            assert (await world.call("POST", "quota/revisions", world.admin(), body))[0] == 200
        monkeypatch.setattr(part_history, "with_all_below", counted)
        told = await world.service.part_histories.of(("vision",))
        assert (len(told), len(looked)) == (4, 1)
