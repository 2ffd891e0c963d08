"""A membership that ends while a job runs, or waits: as before for the grace, then charged anew."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_quota.names.ids import JobId, SliceId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import a_gpu
from tests.support.hub_world import FakeHub, hub_world, settings_for, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
groups:
  research: {guaranteed: {H100: 1}}
  teaching: {jobs: {limit: {cards: 1}}}
"""


@asynccontextmanager
async def a_world(folder: Path, hub: FakeHub, text: str = QUOTA) -> AsyncIterator[Ada]:
    (folder / "quota.yaml").write_text(text)
    period = timedelta(seconds=0.1)
    settings = settings_for(folder, quota_file=folder / "quota.yaml")
    async with hub_world(folder, hub, replace(settings, hub_check_period=period)) as world:
        ada = await make_ada(world, gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
        hub.people["ada"] = ("research", "teaching")
        ada.token = world.user("ada", hub.people["ada"])
        yield ada


def record_of(ada: Ada, job_id: str) -> JobRecord:
    return ada.world.service.ledger.jobs[JobId(job_id)]


def slice_of(ada: Ada, job_id: str) -> SliceRecord:
    slice_id = record_of(ada, job_id).slice_id
    return ada.world.service.ledger.slices[slice_id or SliceId("")]


def rank(ada: Ada, job_id: str) -> Rank:
    return ada.world.service.queue.entitlements()[JobId(job_id)].rank


async def told(ada: Ada, kind: EventKind) -> list[str]:
    _, events = await ada.world.call("GET", "events?limit=1000", ada.world.admin())
    return [each["detail"] for each in events if each["kind"] == kind]


def end_grace(ada: Ada, job_id: str) -> None:
    record, service = slice_of(ada, job_id), ada.world.service
    over = replace(record, before_until=record.created_at)
    service.ledger.apply(Change(slices=(over,)), service.now())


@pytest.mark.parametrize(("still", "pays"), [((), None), (("teaching",), "teaching")])
async def test_a_job_goes_on_as_before_and_is_then_charged_to_another_group_or_to_none(
    tmp_path: Path, hub: FakeHub, still: tuple[str, ...], pays: str | None
) -> None:
    async with a_world(tmp_path, hub) as ada:
        job_id = await ada.submit(["wait", "go"], group="research")
        await ada.until(job_id, "running")
        assert rank(ada, job_id) is Rank.ENTITLED
        hub.people["ada"] = still
        await until(lambda: slice_of(ada, job_id).before_until is not None)
        assert (record_of(ada, job_id).group, rank(ada, job_id)) == ("research", Rank.ENTITLED)
        words = await told(ada, EventKind.SLICE_AS_BEFORE)
        assert any(
            "its owner is in research no more: it counts as before until" in w for w in words
        )
        end_grace(ada, job_id)
        await until(lambda: record_of(ada, job_id).group == pays)
        await until(lambda: slice_of(ada, job_id).entitled == 0)
        job, record = record_of(ada, job_id), slice_of(ada, job_id)
        assert (record.group, record.before_until, job.named) == (pays, None, False)
        assert rank(ada, job_id) is Rank.BORROWED
        (words,) = await told(ada, EventKind.JOB_RECHARGED)
        assert words.startswith(job_id)
        assert words.endswith("instead of research, in which its owner is no more")
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_job_of_who_comes_back_within_the_grace_stays_charged_to_the_group(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with a_world(tmp_path, hub) as ada:
        job_id = await ada.submit(["wait", "go"], group="research")
        await ada.until(job_id, "running")
        hub.people["ada"] = ()
        await until(lambda: slice_of(ada, job_id).before_until is not None)
        hub.people["ada"] = ("research",)
        await until(lambda: record_of(ada, job_id).member_of == ("research",))
        end_grace(ada, job_id)
        await until(lambda: slice_of(ada, job_id).before_until is None)
        ada.world.service.queue.charge_elsewhere()
        assert (record_of(ada, job_id).group, rank(ada, job_id)) == ("research", Rank.ENTITLED)
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_job_that_waits_is_charged_elsewhere_at_once(tmp_path: Path, hub: FakeHub) -> None:
    text = QUOTA.replace("{guaranteed: {H100: 1}}", "{jobs: {limit: {cards: 1}}}")
    async with a_world(tmp_path, hub, text) as ada:
        first = await ada.submit(["wait", "go"], group="research")
        await ada.until(first, "running")
        second = await ada.submit(["print", "x"], group="research")

        async def waits() -> bool:
            return (await ada.see(second))["reason_code"] == "limit-full"

        await until(waits)
        hub.people["ada"] = ("teaching",)
        await ada.until(second, "done")
        assert (record_of(ada, second).group, record_of(ada, first).group) == (
            "teaching",
            "research",
        )
        assert record_of(ada, second).groups == ("teaching",)
        (ada.home / "go").touch()
        await ada.until(first, "done")
