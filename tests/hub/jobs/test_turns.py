"""Whose turn it is, by what was used before: and what is written off stays so after a restart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from math import log
from pathlib import Path

import pytest
from sublet_hub.host.clock import utc_now
from sublet_hub.ledger.records import Change
from sublet_quota.names.ids import GroupName, JobId, SliceId
from sublet_quota.shares.group_tree import NodeName

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for
from tests.support.ledger_records import a_job_record, a_slice_record

pytestmark = pytest.mark.asyncio

QUOTAS = """
groups: {a: {}, b: {}}
fair_share: {half_life: 7d, most_lag: 24h}
"""


@asynccontextmanager
async def a_world(folder: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    (folder / "quota.yaml").write_text(QUOTAS)
    settings = settings_for(folder, quota_file=folder / "quota.yaml")
    async with hub_world(folder, hub, settings) as world:
        yield world


def hold_for_four_weeks(world: HubWorld) -> None:
    """Let group a have had the card alone."""
    ledger, now = world.service.ledger, utc_now()
    (gpu,) = ledger.gpus.values()
    group, since = GroupName("a"), now - timedelta(days=28)
    record = a_slice_record("old", "ada", gpu, group=group, created_at=since, compute_milli=1000)
    ledger.apply(Change(slices=(record,)), since)
    ledger.apply(Change(released=(SliceId("old"),)), now)


def let_wait(world: HubWorld) -> None:
    now = utc_now()
    jobs = (
        a_job_record("of-a", "ada", group=GroupName("a"), submitted_at=now - timedelta(hours=1)),
        a_job_record("of-b", "bob", group=GroupName("b"), submitted_at=now),
    )
    world.service.ledger.apply(Change(jobs=jobs), now)


def places(world: HubWorld) -> dict[str, int | None]:
    world.service.queue.place_jobs()
    return {name: world.service.job_views.place(JobId(name)) for name in ("of-a", "of-b")}


async def test_who_was_alone_for_four_weeks_comes_second_and_lags_a_day_at_most(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with a_world(tmp_path, hub) as world:
        await world.agent(gpus=(a_gpu(lendable_mib=GIB),))
        hold_for_four_weeks(world)
        let_wait(world)
        await world.service.queue.look_at_past_use()
        assert places(world) == {"of-b": 1, "of-a": 2}
        (lag,) = world.service.ledger.written_off
        assert (lag.node, lag.owner) == ("a", None)
        used_h = 7 * 24 / log(2) * (1 - 2**-4)
        assert used_h - lag.amount / 3600 == pytest.approx(24, abs=0.5)
        await world.service.queue.look_at_past_use()
        (again,) = world.service.ledger.written_off
        assert again.amount == pytest.approx(lag.amount, rel=0.001)
    async with a_world(tmp_path, hub) as world:
        (kept,) = world.service.ledger.written_off
        assert kept == again
        await world.agent(gpus=(a_gpu(lendable_mib=GIB),))
        assert places(world) == {"of-b": 1, "of-a": 2}


async def test_odd_cards_go_to_who_used_least(tmp_path: Path, hub: FakeHub) -> None:
    async with a_world(tmp_path, hub) as world:
        await world.agent(gpus=(a_gpu(lendable_mib=GIB),))
        hold_for_four_weeks(world)
        let_wait(world)
        await world.service.queue.look_at_past_use()
        turns = world.service.capacity.turns
        a, b = (turns[NodeName(name)][0] for name in ("a", "b"))
        assert b < a
