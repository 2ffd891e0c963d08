"""Servers and jobs that an admin ends: told first, stopped after their grace, and remembered."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.slices import server_stops
from sublet_hub.slices.evictions import Evictions
from sublet_quota.names import scopes

from tests.support.hub_world import (
    ACCESS,
    ADMIN_SCOPES,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
)
from tests.support.job_owner import make_ada

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that did not stop a server is asked again at once."""
    monkeypatch.setattr(server_stops, "ASKED_AGAIN_S", 0.0)


async def evict(world: HubWorld, what: str, **more: Any) -> dict[str, Any]:
    body = {"what": what, "reason": "the fan fails", **more}
    status, made = await world.call("POST", "evictions", world.admin(), body)
    assert status == 201, made
    return dict(made)


async def refused(world: HubWorld, what: str, **more: Any) -> tuple[int, str]:
    body = {"what": what, "reason": "the fan fails", **more}
    status, problem = await world.call("POST", "evictions", world.admin(), body)
    return status, problem["message"]


async def told(world: HubWorld, name: str) -> list[str]:
    _, share = await world.call("GET", "share", world.user(name))
    return [each["text"] for each in share["announcements"]]


def pass_time(world: HubWorld, length: timedelta) -> None:
    """Let the service's evictions find it later by so much."""
    evictions: Evictions = world.service.evictions
    now = evictions._now
    evictions._now = lambda: now() + length


async def test_a_server_is_told_first_and_stopped_when_its_grace_is_over(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    made = await evict(world, "ada/")
    asked, due = (datetime.fromisoformat(made[name]) for name in ("asked_at", "due_at"))
    assert timedelta(seconds=119) < due - asked <= timedelta(seconds=121)
    (said,) = await told(world, "ada")
    assert said.startswith("Your server will be stopped at ")
    assert "by root: the fan fails. Save your work before then." in said
    assert await told(world, "bob") == []
    pass_time(world, timedelta(seconds=110))
    await world.service.evictions.stop_due()
    assert (world.hub.stopped, len(world.service.ledger.slices)) == ([], 1)
    pass_time(world, timedelta(seconds=15))
    await until(lambda: world.hub.stopped == [("ada", "")])
    await until(lambda: not world.service.ledger.slices)
    (said,) = await told(world, "ada")
    assert said.startswith("Your server was stopped at ")
    _, events = await world.call("GET", "events", world.user("ada"))
    (ended,) = (each for each in events if each["kind"] == "ended-by-admin")
    assert ended["detail"].endswith("by root: the fan fails")
    world.service.evictions.forget_old()
    assert len(await told(world, "ada")) == 1
    pass_time(world, timedelta(days=1))
    world.service.evictions.forget_old()
    assert await told(world, "ada") == []


async def test_a_named_server_is_stopped_and_the_others_stay(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    await world.slice_for("ada", "big one", size="small")
    await evict(world, "ada/big one", grace_s=30)
    pass_time(world, timedelta(seconds=31))
    await until(lambda: world.hub.stopped == [("ada", "big one")])
    assert world.hub.servers["ada"] == {""}


async def test_an_eviction_outlives_the_service(tmp_path: Path, hub: FakeHub) -> None:
    # Beyond the service's own patience with servers that never started.
    settings = settings_for(tmp_path, start_within=timedelta(days=1))
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="small")
        await evict(world, "ada/")
    async with hub_world(tmp_path, hub, settings) as world:
        assert len(await told(world, "ada")) == 1
        pass_time(world, timedelta(minutes=3))
        await until(lambda: hub.stopped == [("ada", "")])


async def test_a_server_that_its_owner_stops_before_is_forgotten(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    await evict(world, "ada/")
    world.hub.servers["ada"].clear()
    await until(lambda: not world.service.ledger.slices)
    assert await told(world, "ada") == []
    world.service.evictions.forget_old()
    # The owner's next server is none of it.
    await world.slice_for("ada", size="small")
    pass_time(world, timedelta(minutes=3))
    await world.service.evictions.stop_due()
    assert world.hub.stopped == []


async def test_asked_again_the_grace_begins_anew(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    await evict(world, "ada/", grace_s=3600)
    await evict(world, "ada/", grace_s=60, reason="now the pump")
    (said,) = await told(world, "ada")
    assert "now the pump" in said


async def test_a_hub_that_is_away_is_asked_until_it_stops_the_server(
    world: HubWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    await evict(world, "ada/", grace_s=30)
    world.hub.broken = True
    with caplog.at_level(logging.WARNING, "sublet_hub.slices.server_stops"):
        pass_time(world, timedelta(seconds=31))
        for _ in range(3):
            await world.service.evictions.stop_due()
    (said,) = await told(world, "ada")
    assert said.startswith("Your server is being stopped, since ")
    assert sum("not stopped yet" in line for line in caplog.messages) == 1
    world.hub.broken = False
    await until(lambda: world.hub.stopped == [("ada", "")])


async def test_a_role_that_may_not_stop_servers_is_told_with_the_scope_it_lacks(
    world: HubWorld,
) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    world.hub.service_may_stop = False
    status, message = await refused(world, "ada/")
    assert (status, "`sublet-service` lacks the scope delete:servers" in message) == (409, True)
    assert await told(world, "ada") == []


async def test_a_job_goes_back_to_the_queue_and_its_owner_reads_why(world: HubWorld) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["wait", str(ada.home / "flag")])
    await ada.until(job_id, "running")
    made = await evict(world, job_id)
    assert (made["job_id"], made["owner"], made["cancels"]) == (job_id, "ada", False)

    async def went_back() -> bool:
        _, events = await world.call("GET", "events", ada.token)
        details = [each["detail"] for each in events if each["kind"] == "job-went-back"]
        return any("an admin has sent it back: the fan fails" in each for each in details)

    await until(went_back)
    (said,) = await told(world, "ada")
    assert f"Your job {job_id} was sent back to the queue" in said
    assert "by root: the fan fails." in said
    (ada.home / "flag").touch()
    assert (await ada.until(job_id, "done", "failed"))["state"] == "done"


async def test_a_cancelled_job_is_over_with_the_reason(world: HubWorld) -> None:
    ada = await make_ada(world)
    job_id = await ada.submit(["wait", str(ada.home / "flag")])
    await ada.until(job_id, "running")
    assert (await evict(world, job_id, cancel=True))["cancels"]
    job = await ada.until_ended(job_id)
    assert (job["state"], job["reason"]) == ("cancelled", "by an admin: the fan fails")
    assert (await told(world, "ada"))[0].startswith(f"Your job {job_id} was cancelled at ")


async def test_a_waiting_job_can_only_be_cancelled(world: HubWorld) -> None:
    ada = await make_ada(world)
    ada.agent.gpus = (ada.agent.gpus[0].model_copy(update={"lendable_mib": 0}),)
    await ada.agent.report()
    job_id = await ada.submit(["print", "x"])
    status, message = await refused(world, job_id)
    assert (status, "only `cancel` ends it" in message) == (409, True)
    await evict(world, job_id, cancel=True)
    job = await ada.see(job_id)
    assert (job["state"], job["reason"]) == ("cancelled", "by an admin: the fan fails")
    assert (await refused(world, job_id, cancel=True))[0] == 404


@pytest.mark.parametrize(
    ("what", "more", "status"),
    [
        ("bob/", {}, 404),
        ("ada/other", {}, 404),
        ("no-such", {}, 404),
        ("ada/", {"cancel": True}, 400),
        ("ada/", {"reason": ""}, 400),
        ("ada/", {"reason": "a\nb"}, 400),
        ("ada/", {"grace_s": 0}, 400),
        ("ada/", {"grace_s": 29}, 400),
        ("", {}, 400),
    ],
)
async def test_what_is_not_there_or_makes_no_sense_is_refused(
    world: HubWorld, what: str, more: dict[str, Any], status: int
) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    assert (await refused(world, what, **more))[0] == status
    assert await told(world, "ada") == []


async def test_a_user_named_like_an_id_is_told_apart(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada", size="small")
    slice_id = lease["slice_id"]
    assert (await evict(world, slice_id))["owner"] == "ada"
    await world.slice_for(slice_id, size="small")
    status, message = await refused(world, slice_id)
    assert (status, f"as {slice_id}/" in message) == (409, True)
    assert (await evict(world, f"{slice_id}/"))["owner"] == slice_id


async def test_admins_alone_evict_and_list_evictions(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    nearly = ADMIN_SCOPES - {scopes.ADMIN}
    for token in (
        world.user("ada"),
        world.user("bob"),
        world.server("ada"),
        reader := world.hub.add("reader-canary", "reader", nearly | {ACCESS}),
    ):
        body = {"what": "ada/", "reason": "mine"}
        assert (await world.call("POST", "evictions", token, body))[0] == 403
        listed = 200 if token == reader else 403
        assert (await world.call("GET", "evictions", token))[0] == listed
    assert not world.service.evictions.all()
    await evict(world, "ada/")
    _, listed = await world.call("GET", "evictions", world.admin())
    assert [(each["owner"], each["evicted_by"]) for each in listed] == [("ada", "root")]
