"""Notices of a whole service go out by mail and webhook: to whom they are told, and once."""

import asyncio
import json
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.app import notices_out
from sublet_hub.host.clock import utc_now
from sublet_hub.settings import DeliverySettings, MailSecurity, MailSettings, WebhookSettings
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.moments import moment_words

from tests.hub.slices.test_memberships import of_ada, settings_with, starts
from tests.support.fake_agent import a_report
from tests.support.hook_receiver import HookReceiver, hook_receiver
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.job_owner import make_ada
from tests.support.mail_server import MailServer, mail_server

pytestmark = pytest.mark.asyncio

SECRET = "-".join(["canary"] * 4)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices_out, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(notices_out, "_SEND_EVERY_S", 0.05)


def settings(folder: Path, mail: MailServer | None, hook: HookReceiver | None) -> Any:
    by_mail = by_hook = None
    if mail is not None:
        by_mail = MailSettings(
            "localhost",
            mail.port,
            "sublet@example.org",
            "{username}@example.org",
            MailSecurity.NONE,
        )
    if hook is not None:
        by_hook = WebhookSettings(hook.url, SECRET)
    return settings_for(folder, delivery=DeliverySettings(by_mail, by_hook))


async def announce(world: HubWorld, text: str, audience: str = "all", **more: Any) -> None:
    body = {"text": text, "audience": audience, **more}
    status, made = await world.call("POST", "announcements", world.admin(), body)
    assert status == 201, made


async def deliveries(world: HubWorld) -> dict[str, dict[str, Any]]:
    status, told = await world.call("GET", "deliveries", world.admin())
    assert status == 200
    return {each["channel"]: each for each in told["channels"]}


def mails(server: MailServer) -> list[tuple[str, str]]:
    return sorted(
        (mail.to[0], str(mail.message.get_content()).splitlines()[0]) for mail in server.taken
    )


async def test_each_is_sent_what_they_are_told_and_nothing_of_others(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with (
        mail_server() as mail,
        hook_receiver() as hook,
        hub_world(tmp_path, hub, settings(tmp_path, mail, hook)) as world,
    ):
        await world.agent()
        await world.slice_for("ada", size="small", groups=["lab"])
        await world.slice_for("bob", size="small")
        await announce(world, "to all")
        await announce(world, "to ada", "owner", name="ada")
        await announce(world, "to the lab", "group", name="lab")
        await announce(world, "to eve", "owner", name="eve")
        expected = [
            ("ada@example.org", "to ada"),
            ("ada@example.org", "to all"),
            ("ada@example.org", "to the lab"),
            ("bob@example.org", "to all"),
            ("eve@example.org", "to all"),
            ("eve@example.org", "to eve"),
        ]
        await until(lambda: len(mail.taken) >= len(expected) and len(hook.posted) >= 4)
        bodies = [json.loads(body) for _, body in hook.posted]
        told = {(each["text"], each["to"]["audience"], each["to"]["name"]) for each in bodies}
        assert told == {
            ("to all", "all", None),
            ("to ada", "owner", "ada"),
            ("to the lab", "group", "lab"),
            ("to eve", "owner", "eve"),
        }
        # Told on and on, it went out once.
        await announce(world, "last", "owner", name="bob")
        await until(lambda: ("bob@example.org", "last") in mails(mail))
        assert mails(mail) == sorted([*expected, ("bob@example.org", "last")])
        counts = await deliveries(world)
        assert (counts["mail"]["sent"], counts["mail"]["failed"]) == (7, 0)


async def test_before_a_server_is_stopped_its_owner_has_a_mail(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with (
        mail_server() as mail,
        hub_world(tmp_path, hub, settings(tmp_path, mail, None)) as world,
    ):
        await world.agent()
        await world.slice_for("ada", size="small")
        body = {"what": "ada/", "reason": "the fan fails", "grace_s": 600}
        await world.call("POST", "evictions", world.admin(), body)
        await until(lambda: bool(mail.taken))
        ((to, text),) = mails(mail)
        assert to == "ada@example.org"
        assert text.startswith("Your server will be stopped at")


async def test_what_was_told_before_a_restart_is_not_sent_again_and_what_waited_is(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with mail_server() as mail:
        mail.refuses = {"bob@example.org": "451 later"}
        async with hub_world(tmp_path, hub, settings(tmp_path, mail, None)) as world:
            await announce(world, "to ada", "owner", name="ada")
            await announce(world, "to bob", "owner", name="bob")

            async def is_tried() -> bool:
                told = await deliveries(world)
                return told["mail"]["sent"] == 1 and told["mail"]["problem"] is not None

            await until(is_tried)
            assert (await deliveries(world))["mail"]["waiting"] == 1
        mail.refuses = {}
        async with hub_world(tmp_path, hub, settings(tmp_path, mail, None)) as world:
            later = world.service.now() + timedelta(minutes=5)
            world.service.outbox._now = lambda: later
            await until(lambda: len(mail.taken) == 2)
            assert mails(mail) == [("ada@example.org", "to ada"), ("bob@example.org", "to bob")]


async def test_who_is_over_their_cap_again_is_sent_that_before_it_ends_their_server(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text("pools: {interactive: {max_over_cap: 5m}}\n")
    quota = {"quota_file": tmp_path / "quota.yaml", "start_within": timedelta(days=9)}
    async with mail_server() as mail:
        set_so = replace(settings(tmp_path, mail, None), **quota)
        async with hub_world(tmp_path, hub, set_so) as world:
            agent = await world.agent()
            lease = await world.slice_for("ada")
            await agent.until(lambda: agent.serves(lambda _: True))
            began = utc_now()

            async def is_at(minutes: float, since: float | None, beyond_mib: int) -> None:
                """Let it be so late; since when the slice has so much more than its cap."""
                then = began + timedelta(minutes=minutes)
                agent.says[lease["slice_id"]] = a_report(
                    lease["slice_id"],
                    active=True,
                    since=began,
                    state=SliceState.RESIDENT,
                    memory_mib=lease["memory_mib"] + beyond_mib,
                    over_cap=since is not None,
                    over_cap_since=None if since is None else began + timedelta(minutes=since),
                )
                await agent.report()
                world.service.outbox._now = world.service.over_caps._now = lambda: then
                await world.service.over_caps.look()

            await is_at(0, 0, 2048)
            await until(lambda: len(mail.taken) == 1)
            await is_at(1, None, 0)
            await is_at(3, 3, 2048)
            (notice,) = world.service.over_caps.told_to("ada")
            assert notice.made_at == began + timedelta(minutes=3)
            await is_at(6, 3, 2048)
            await until(lambda: len(mail.taken) == 2)


async def test_a_receiver_that_hangs_holds_nothing_else(tmp_path: Path, hub: FakeHub) -> None:
    async with mail_server() as mail, hook_receiver() as hook:
        mail.is_hung = hook.hangs = True
        async with hub_world(tmp_path, hub, settings(tmp_path, mail, hook)) as world:
            await announce(world, "to ada", "owner", name="ada")
            await until(lambda: bool(mail.connections) and bool(hook.posted))
            for _ in range(5):
                async with asyncio.timeout(2):
                    assert (await world.call("GET", "share", world.user("ada")))[0] == 200


async def test_what_could_not_be_delivered_is_told_to_admins_and_its_secrets_to_nobody(
    tmp_path: Path, hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with hook_receiver() as hook:
        hook.status = 410
        async with hub_world(tmp_path, hub, settings(tmp_path, None, hook)) as world:
            await announce(world, "text-canary", "owner", name="ada")

            async def is_given_up() -> bool:
                return bool((await deliveries(world))["webhook"]["failed"])

            await until(is_given_up)
            told = (await deliveries(world))["webhook"]
            assert (told["waiting"], told["problem"]) == (0, "the receiver refuses it")
            assert world.service.outbox.given_up == 1
            assert SECRET not in str(told) + caplog.text
            assert "text-canary" not in caplog.text
            assert (await world.call("GET", "deliveries", world.user("ada")))[0] == 403


async def test_without_a_way_out_nothing_is_kept_to_be_sent(world: HubWorld) -> None:
    await announce(world, "to ada", "owner", name="ada")
    assert await deliveries(world) == {}
    assert notices_out.NoticesOut(world.service).loops() == ()


async def close(world: HubWorld, **how: Any) -> None:
    body = {"where": "node-a", "reason": "new fans", **how}
    status, made = await world.call("POST", "closings", world.admin(), body)
    assert status == 200, made


async def test_a_drained_card_is_told_once_and_the_document_s_closings_after_restarts_too(
    tmp_path: Path, hub: FakeHub
) -> None:
    file = tmp_path / "quota.yaml"
    file.write_text("closed: [{node: node-a, why: moves}]\n")
    async with mail_server() as mail, hook_receiver() as hook:
        set_so = replace(settings(tmp_path, mail, hook), start_within=timedelta(days=9))
        async with hub_world(tmp_path, hub, set_so) as world:
            await world.agent()
            await world.slice_for("ada", size="small")
            await close(world, drain=True)
            await until(lambda: len(mail.taken) == 1 and len(hook.posted) == 1)
            ((to, text),) = mails(mail)
            assert to == "ada@example.org"
            assert text.startswith("Your server stays where it is for as long as it runs")
            assert "An admin drains node node-a: new fans." in text
            assert "root" not in text
            await announce(world, "later", "owner", name="ada")
            await until(lambda: len(mail.taken) == 2 and len(hook.posted) == 2)
        for count in (3, 4):
            async with hub_world(tmp_path, hub, replace(set_so, quota_file=file)) as world:
                if count == 3:
                    status, _ = await world.call(
                        "POST", "closings/open", world.admin(), {"where": "node-a"}
                    )
                    assert status == 200
                await announce(world, "again", "owner", name="ada")
                await until(lambda n=count: len(mail.taken) == n + 1)
        closed = [text for _, text in mails(mail) if "has closed node node-a: moves" in text]
        assert len(closed) == 1


async def test_who_had_a_job_on_a_drained_card_is_told_though_it_has_left(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with (
        mail_server() as mail,
        hub_world(tmp_path, hub, settings(tmp_path, mail, None)) as world,
    ):
        ada = await make_ada(world)
        await ada.until(await ada.submit(["stay"]), "running")
        await close(world, drain=True)
        leaves = "Your job train leaves its GPU, and goes back to the queue."
        await until(lambda: any(text.startswith(leaves) for _, text in mails(mail)))


async def test_a_drain_that_is_taken_back_before_it_went_out_is_told_to_nobody(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with (
        mail_server() as mail,
        hub_world(tmp_path, hub, settings(tmp_path, mail, None)) as world,
    ):
        mail.refuses = {"ada@example.org": "451 later"}
        await world.agent()
        await world.slice_for("ada", size="small")
        await close(world, drain=True)
        await until(lambda: len(world.service.outbox._store.kept) == 1)
        await world.call("POST", "closings/open", world.admin(), {"where": "node-a"})
        await until(lambda: not world.service.outbox._store.kept)
        assert mail.taken == []


async def test_less_that_is_guaranteed_is_told_with_from_when_on(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with mail_server() as mail:
        delivery = settings(tmp_path, mail, None).delivery
        set_so = replace(settings_with(tmp_path), delivery=delivery)
        async with hub_world(tmp_path, hub, set_so) as world:
            await world.agent()
            await starts(world, hub, "research")
            hub.people["ada"] = ()
            await until(lambda: bool(mail.taken))
            ((_, text),) = mails(mail)
            at = of_ada(world).before_until
            assert at is not None
            assert "no longer counts as guaranteed" in text
            assert f"That is so from {moment_words(at)} on." in text
            assert "it is suspended and takes turns, and loses nothing" in text
            await announce(world, "later", "owner", name="ada")
            await until(lambda: len(mail.taken) == 2)
            assert len([t for _, t in mails(mail) if "guaranteed" in t]) == 1


async def test_a_drain_with_a_time_is_told_at_once_with_it_and_not_again_when_it_begins(
    tmp_path: Path, hub: FakeHub
) -> None:
    begins_at = utc_now() + timedelta(hours=2)
    async with (
        mail_server() as mail,
        hub_world(tmp_path, hub, settings(tmp_path, mail, None)) as world,
    ):
        await world.agent()
        await world.slice_for("ada", size="small")
        await close(world, drain=True, begins_at=begins_at.isoformat())
        await until(lambda: len(mail.taken) == 1)
        ((_, text),) = mails(mail)
        assert f"That is so from {moment_words(begins_at)} on." in text
        assert "An admin drains node node-a from" in text
        world.service.closings._now = lambda: begins_at
        await until(lambda: "node:node-a" in world.service.ledger.closings)
        await announce(world, "later", "owner", name="ada")
        await until(lambda: len(mail.taken) == 2)
        assert len([t for _, t in mails(mail) if "drains" in t]) == 1
