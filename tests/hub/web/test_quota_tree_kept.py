"""What is kept of the tree of quotas is as true as what is reckoned anew, and nothing old is."""

import asyncio
import json
from pathlib import Path

import pytest
from sublet_hub.web.views import quota_tree

from tests.support.hub_world import FakeHub, hub_world
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  first: {limit: {H100: 2}}
  last: {guaranteed: {H100: 1}}
"""


def guaranteed(tree: bytes) -> dict[str, float]:
    groups = json.loads(tree)["groups"]
    return {g["share"]["group"]: g["share"]["types"][0]["guaranteed"] for g in groups}


async def test_a_card_that_is_gone_for_the_moment_in_which_a_tree_is_reckoned_is_there_again_after(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_tree, "_AT_A_STRETCH_S", -1.0)
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as world:
        await world.agent()
        trees = world.service.quota_views.trees
        holdings = world.service.capacity.holdings
        cards = tuple(holdings.gpus_as_told())
        reckoned = asyncio.ensure_future(trees.whole(1))
        async with asyncio.timeout(20):
            while "first" not in trees._groups:  # noqa: ASYNC110 - in its turns, and no later
                await asyncio.sleep(0)
        for each in cards:
            holdings.remove_gpu(each.gpu_id)
        meanwhile = guaranteed(await reckoned)
        for each in cards:
            holdings.put_gpu(each)
        after = guaranteed(await trees.whole(1))
        assert (meanwhile["last"], after["last"]) == (0, 1)


async def test_of_groups_as_another_document_had_them_nothing_is_kept(
    tmp_path: Path, hub: FakeHub
) -> None:
    """A group's admin asks for theirs alone: the others' would hold a document each."""
    async with hub_world(tmp_path, hub, settings_with(tmp_path, QUOTA)) as world:
        trees, lead = world.service.quota_views.trees, world.group_admin("lead", "first")
        assert (await world.call("GET", "quota/tree", world.admin()))[0] == 200
        body = {"text": QUOTA.replace("H100: 2", "H100: 3"), "reason": "more", "expect": 1}
        assert (await world.call("POST", "quota/revisions", world.admin(), body))[0] == 200
        assert (await world.call("GET", "quota/tree", lead))[0] == 200
        assert list(trees._groups) == ["first"]
