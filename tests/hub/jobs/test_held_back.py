"""A slice takes the place of its payer's job below a limit: told, kept, over as there is room."""

from pathlib import Path
from typing import Any

import pytest
from sublet_hub.ledger.records import SliceRecord
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId, SliceId
from sublet_quota.placement.return_pauses import FIRST_PAUSE
from sublet_quota.reasons.waiting import WaitReason, wait_clause
from sublet_quota.wire.agent_link import WaitReport
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import Ada, make_ada

pytestmark = pytest.mark.asyncio

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
everyone: {limit: {slices: unlimited}}
groups:
  research: {limit: {cards: 1}}
"""


GUARANTEED = """\
gpu_types: {H100: {match: "*H100*"}}
everyone: {limit: {slices: unlimited}}
groups:
  research:
    guaranteed: {H100: 1}
    limit: {cards: 1}
    groups:
      nlp: {guaranteed: {H100: 1}}
      vision: {}
"""


def settings_with(folder: Path, quota: str = QUOTA) -> Any:
    (folder / "quota.yaml").write_text(quota)
    return settings_for(folder, quota_file=folder / "quota.yaml")


async def ada_of(world: HubWorld, *groups: str) -> Ada:
    """Who is in these groups, on a machine with two cards."""
    ada = await make_ada(world, gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
    ada.token = world.user("ada", groups)
    return ada


async def runs(world: HubWorld) -> tuple[Ada, str]:
    """A job that has all that the group may have."""
    ada = await ada_of(world, "research")
    job_id = await ada.submit(["wait", "go"], group="research")
    await ada.until(job_id, "running")
    return ada, job_id


async def both_end(world: HubWorld, ada: Ada, within: str, borrowed: str) -> None:
    """Let the job end for which the borrowed one stands still, and then that one, which goes on."""
    (ada.home / "end").touch()
    await ada.until(within, "done")
    await until(lambda: slice_of(world, borrowed).held_back_since is None)
    (ada.home / "go").touch()
    await ada.until(borrowed, "done")


def slice_of(world: HubWorld, job_id: str) -> SliceRecord:
    ledger = world.service.ledger
    return ledger.slices[ledger.jobs[JobId(job_id)].slice_id or SliceId("")]


async def told(world: HubWorld, kind: EventKind) -> list[dict[str, Any]]:
    _, events = await world.call("GET", "events?limit=1000", world.admin())
    return [each for each in events if each["kind"] == kind]


async def test_a_job_stands_still_for_a_slice_and_goes_on_when_that_has_ended(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        ada, job_id = await runs(world)
        lease = await world.slice_for("bob", size="small", groups=["research"])
        record = slice_of(world, job_id)
        assert record.held_back_since is not None
        held = [record.slice_id]

        def told_to(agent: Any) -> list[str]:
            return [each.slice_id for each in agent.assignments.slices if each.held_back]

        await ada.agent.until(lambda: told_to(ada.agent) == held)
        (event,) = await told(world, EventKind.JOB_HELD_BACK)
        assert (event["owner"], event["slice_id"]) == ("ada", record.slice_id)
        assert event["for_slice_id"] == lease["slice_id"]
        assert event["detail"].startswith("a slice of research has taken its place below a limit")
        wait = WaitReport(reason=WaitReason.HELD_BACK, place=1)
        await ada.agent.report(slices=(a_report(record.slice_id, wait=wait),))

        async def is_shown() -> bool:
            shown = await ada.see(job_id)
            why = "held-back", wait_clause(WaitReason.HELD_BACK)
            return (shown["reason_code"], shown["reason"]) == why

        await until(is_shown)
        # Another round changes nothing while the slice is there.
        world.service.queue.let_go_on()
        assert slice_of(world, job_id) == record
        await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
        await until(lambda: slice_of(world, job_id).held_back_since is None)
        await ada.agent.until(lambda: not told_to(ada.agent))
        (event,) = await told(world, EventKind.JOB_GOES_ON)
        assert event["owner"] == "ada"
        (ada.home / "go").touch()
        await ada.until(job_id, "done")


async def test_a_borrowed_job_stands_still_for_one_within_a_guarantee_and_goes_on_after_it(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, GUARANTEED)) as world:
        ada = await ada_of(world, "vision", "nlp")
        borrowed = await ada.submit(["wait", "go"], group="vision")
        await ada.until(borrowed, "running")
        within = await ada.submit(["wait", "end"], group="nlp")
        await ada.until(within, "running")
        assert slice_of(world, borrowed).held_back_since is not None
        (event,) = await told(world, EventKind.JOB_HELD_BACK)
        assert event["slice_id"] == slice_of(world, borrowed).slice_id
        assert event["for_slice_id"] == slice_of(world, within).slice_id
        assert event["detail"].startswith("a guaranteed job of nlp has taken its place below")
        await both_end(world, ada, within, borrowed)


async def test_a_job_goes_on_within_its_guarantee_and_a_borrowed_one_stands_still_for_it(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, GUARANTEED)) as world:
        ada = await ada_of(world, "vision", "nlp")
        size = {"memory_mib": 1024, "compute_milli": 250}
        borrowed = await ada.submit(["wait", "go"], group="vision", **size)
        await ada.until(borrowed, "running")
        within = await ada.submit(["wait", "end"], group="nlp")
        await ada.until(within, "running")
        lease = await world.slice_for("bob", size="small", groups=["nlp"])
        assert slice_of(world, within).held_back_since is not None
        # Beside the slice the job is borrowed, and the older one has room again.
        await until(lambda: slice_of(world, borrowed).held_back_since is None)
        await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
        await until(lambda: slice_of(world, within).held_back_since is None)
        assert slice_of(world, borrowed).held_back_since is not None
        event = (await told(world, EventKind.JOB_HELD_BACK))[-1]
        assert event["for_slice_id"] == slice_of(world, within).slice_id
        assert event["detail"].startswith("a guaranteed job of nlp")
        await both_end(world, ada, within, borrowed)


async def test_who_stands_still_does_not_go_on_between_two_for_whom_it_does(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path, GUARANTEED)) as world:
        ada = await ada_of(world, "vision", "nlp")
        borrowed = await ada.submit(["wait", "go"], group="vision")
        await ada.until(borrowed, "running")
        within = [await ada.submit(["wait", f"end{n}"], group="nlp") for n in range(2)]
        await ada.until(within[0], "running")
        (ada.home / "end0").touch()
        await ada.until(within[1], "running")
        assert slice_of(world, borrowed).held_back_since is not None
        assert len(await told(world, EventKind.JOB_HELD_BACK)) == 1
        assert await told(world, EventKind.JOB_GOES_ON) == []
        (ada.home / "end1").touch()
        await until(lambda: slice_of(world, borrowed).held_back_since is None)
        (ada.home / "go").touch()
        await ada.until(borrowed, "done")


async def test_who_stands_still_does_so_after_a_restart_of_the_service(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_with(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        ada, job_id = await runs(world)
        lease = await world.slice_for("bob", size="small", groups=["research"])
        slice_id = slice_of(world, job_id).slice_id
    async with hub_world(tmp_path, hub, settings) as world:
        holdings = world.service.capacity.holdings
        assert [each.slice_id for each in holdings.held_back()] == [slice_id]
        agent = await world.agent(gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
        await agent.until(lambda: any(each.held_back for each in agent.assignments.slices))
        job = world.service.ledger.jobs[JobId(job_id)]
        assert job.state is JobState.RUNNING
        await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
        await until(lambda: not world.service.capacity.holdings.held_back())
        (ada.home / "go").touch()
        await until(lambda: world.service.ledger.jobs[JobId(job_id)].state is JobState.DONE)


async def test_who_is_held_back_again_and_again_pauses_before_the_job_goes_on(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Who starts and stops a server has nobody's memory go back and forth each time."""
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        ada, job_id = await runs(world)
        pauses, now = world.service.capacity.return_pauses, world.service.now
        for _ in range(2):
            lease = await world.slice_for("bob", size="small", groups=["research"])
            held_at = slice_of(world, job_id).held_back_since
            assert held_at is not None
            await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
            world.service.queue.let_go_on()
        assert slice_of(world, job_id).held_back_since == held_at
        until_when = pauses.back_at(slice_of(world, job_id).slice_id)
        assert until_when == held_at + FIRST_PAUSE
        pauses._now = lambda: now() + FIRST_PAUSE
        world.service.queue.let_go_on()
        assert slice_of(world, job_id).held_back_since is None
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        pauses = world.service.capacity.return_pauses
        pauses._now = lambda: held_at
        assert pauses.back_at(slice_of(world, job_id).slice_id) == until_when
        (ada.home / "go").touch()
        await until(lambda: world.service.ledger.jobs[JobId(job_id)].state is JobState.DONE)


async def test_a_slice_that_grows_takes_a_job_s_place(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub, settings_with(tmp_path)) as world:
        ada = await ada_of(world, "research")
        lease = await world.slice_for("bob", size="small", groups=["research"])
        job_id = await ada.submit(
            ["wait", "go"], group="research", memory_mib=1024, compute_milli=800
        )
        await ada.until(job_id, "running")
        assert slice_of(world, job_id).held_back_since is None
        owner = world.user("bob", ("research",))
        path = f"slices/{lease['slice_id']}/resize"
        status, answer = await world.call("POST", path, owner, {"size": "large"})
        assert status == 200, answer
        assert slice_of(world, job_id).held_back_since is not None
        (ada.home / "go").touch()
        await ada.until(job_id, "done")
