"""Who pays for a job, over the API: what the ledger keeps of it, and what its owner is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.jobs.order.waiting_jobs import WaitingJobs
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import JobRecord
from sublet_quota.names.ids import JobId
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import GIB, a_gpu
from tests.support.hub_world import (
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
    user_scopes,
)
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio

QUOTAS = """
everyone: {jobs: {max_run: 2h}}
groups:
  lab: {jobs: {limit: {cards: 1}}}
  course: {jobs: {most: 1, types: []}}
  law: {}
"""


@asynccontextmanager
async def a_world(folder: Path, hub: FakeHub, quotas: str = QUOTAS) -> AsyncIterator[HubWorld]:
    (folder / "quota.yaml").write_text(quotas)
    settings = settings_for(folder, quota_file=folder / "quota.yaml")
    async with hub_world(folder, hub, settings) as world:
        yield world


@pytest_asyncio.fixture
async def ada(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Ada]:
    async with a_world(tmp_path, hub) as world:
        found = await make_ada(world, gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
        found.token = world.user("ada", ("lab", "course"))
        yield found


def record_of(ada: Ada, job_id: str) -> JobRecord:
    ledger: Ledger = ada.world.service.ledger
    return ledger.jobs[JobId(job_id)]


async def forecast(ada: Ada, **request: Any) -> dict[str, Any]:
    body = {"notebook": "train.ipynb", **request}
    _, answer = await ada.world.call("POST", "jobs/forecast", ada.token, body)
    return dict(answer)


async def test_the_group_that_pays_is_kept_with_the_job_and_its_slice(ada: Ada) -> None:
    job_id = await ada.submit(["wait", "go"], group="lab")
    job = record_of(ada, job_id)
    assert (job.group, job.named, job.member_of) == ("lab", True, ("course", "lab"))
    await ada.until(job_id, "running")
    (held,) = (each for each in ada.world.service.ledger.slices.values() if each.is_job)
    assert (held.group, held.named, held.lot) == ("lab", True, job.lot)
    assert (await ada.see(job_id))["group"] == "lab"
    (ada.home / "go").touch()
    await ada.until(job_id, "done")


async def test_who_names_none_is_charged_where_rights_let_the_job_run(ada: Ada) -> None:
    job = record_of(ada, await ada.submit(["print", "x"]))
    assert (job.group, job.named) == ("lab", False)


async def test_of_the_groups_that_could_pay_instead_the_lot_draws_the_first(ada: Ada) -> None:
    job, service = record_of(ada, await ada.submit(["print", "x"])), ada.world.service
    jobs = WaitingJobs(service.ledger, service.capacity, lambda _: None)
    drawn = [
        [other.group for other in jobs.of(replace(job, group=None, lot=lot), {}).instead]
        for lot in range(3)
    ]
    assert drawn == [["course", "lab"], ["lab", "course"], ["course", "lab"]]


async def test_a_group_that_is_not_theirs_cannot_pay(ada: Ada) -> None:
    ada.script(["print", "x"])
    status, problem = await ada.post(group="law")
    assert (status, problem["reason"]) == (400, "unknown-group")
    assert "Choose one of: course, lab." in problem["message"]
    assert not ada.world.service.ledger.jobs


async def test_how_long_a_job_may_run_is_said_whoever_says_it(ada: Ada) -> None:
    ada.script(["print", "x"])
    assert (await forecast(ada))["max_run_s"] == 2 * 3600
    assert (await forecast(ada))["group"] == "lab"
    too_long = await forecast(ada, max_run_s=3 * 3600)
    assert not too_long["allowed"]
    assert "2 h at most (everyone.jobs.max_run, line 2)" in too_long["message"]
    job_id = await ada.submit()
    assert record_of(ada, job_id).max_run_s == 2 * 3600


async def test_a_job_waits_for_a_limit_that_another_fills_and_is_told_so(ada: Ada) -> None:
    first = await ada.submit(["wait", "go"])
    await ada.until(first, "running")
    second = await ada.submit(["print", "x"])

    async def is_told() -> bool:
        return (await ada.see(second))["reason_code"] == "limit-full"

    await until(is_told)
    words = "group 'lab' has 1 card and may have 1 card (groups.lab.jobs.limit.cards, line 4)"
    assert words in (await ada.see(second))["reason"]
    assert (await forecast(ada))["reason_code"] == "limit-full"
    (ada.home / "go").touch()
    await ada.until(second, "done")


async def test_a_job_asked_for_again_is_paid_by_the_same_group(ada: Ada) -> None:
    job_id = await ada.submit(["print", "x"], group="lab")
    await ada.until(job_id, "done")
    _, again = await ada.world.call("POST", f"jobs/{job_id}/again", ada.token, {})
    assert record_of(ada, again["job_id"]).named


async def test_payer_and_lot_are_the_same_after_a_restart(tmp_path: Path, hub: FakeHub) -> None:
    async with a_world(tmp_path, hub) as world:
        ada = await make_ada(world, gpus=(a_gpu(lendable_mib=GIB),))
        ada.token = world.user("ada", ("lab",))
        job = record_of(ada, await ada.submit(["print", "x"]))
    async with a_world(tmp_path, hub) as world:
        again = world.service.ledger.jobs[job.job_id]
    assert (again.group, again.lot, again.member_of) == ("lab", job.lot, ("lab",))
    assert again.lot > 0


async def test_who_left_their_last_group_has_no_group_pay_any_more(ada: Ada) -> None:
    world = ada.world
    ada.script(["print", "x"])
    await world.slice_for("ada", size="small", groups=["lab"])
    body = {"notebook": "train.ipynb", "group": "lab"}
    silent = world.hub.add("silent-canary", "ada", user_scopes("ada"))
    _, answer = await world.call("POST", "jobs/forecast", silent, body)
    assert (answer["allowed"], answer["group"]) == (True, "lab")
    left = world.hub.add("left-canary", "ada", user_scopes("ada"), ())
    _, answer = await world.call("POST", "jobs/forecast", left, body)
    assert (answer["allowed"], answer["problem"]["reason"]) == (False, "unknown-group")
    _, share = await world.call("GET", "share", left)
    # It pays for the slice that they hold still, and for nothing new.
    assert [each["may_pay"] for each in share["quota"]["groups"]] == [False]


EITHER = """
groups:
  lab: {jobs: {limit: {cards: 1}}}
  law: {jobs: {limit: {cards: 1}}}
"""


async def test_a_running_job_is_charged_to_another_group_of_its_owner_s_to_let_another_in(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with a_world(tmp_path, hub, EITHER) as world:
        ada = await make_ada(world, gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
        ada.token = world.user("ada", ("lab", "law"))
        first = await ada.submit(["wait", "go"])
        await ada.until(first, "running")
        former = record_of(ada, first).group
        (other,) = {"lab", "law"} - {former}
        # A preview of another document knows of it, as the queue does.
        (known,) = world.service.queue.as_it_is().rechargeable
        assert (known.job.job_id, known.job.instead[0].group) == (first, other)
        second = await ada.submit(["print", "x"], group=former)
        await ada.until(second, "done")
        moved = record_of(ada, first)
        slice_id = moved.slice_id
        assert slice_id is not None
        assert (moved.group, world.service.ledger.slices[slice_id].group) == (other, other)
        assert record_of(ada, second).group == former
        _, events = await world.call("GET", "events", world.admin())
        (told,) = (each for each in events if each["kind"] == EventKind.SLICE_RECHARGED)
        assert told["slice_id"] == slice_id
        assert f"charged to {other} instead of {former}" in told["detail"]
        (ada.home / "go").touch()
        await ada.until(first, "done")
