"""Weeks' reports of a whole service go out by mail and webhook: to whom they are, once a week."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sublet_hub.app import notices_out, reports_out
from sublet_hub.ledger.week_reports import ReportedWeekStore
from sublet_hub.settings import (
    DeliverySettings,
    MailSecurity,
    MailSettings,
    ServiceSettings,
    WebhookSettings,
    WeekReportSettings,
)

from tests.support.hook_receiver import HookReceiver, hook_receiver
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.mail_server import MailServer, mail_server
from tests.support.migrated_ledger import migrated_ledger
from tests.support.past_use import Habit, store_past

pytestmark = pytest.mark.asyncio

QUOTA = """
groups:
  science:
    members: []
    admins: {groups: [science-leads]}
    groups: {nlp: {admins: {users: [ada]}}}
  physics: {}
"""
PEOPLE: dict[str, str | None] = {"ada": "nlp", "phil": "physics", "zoe": None}
SECRET = "-".join(["canary"] * 4)
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices_out, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(notices_out, "_SEND_EVERY_S", 0.05)
    monkeypatch.setattr(reports_out, "_LOOK_EVERY_S", 0.05)


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """A folder with a quota document and a ledger of three weeks."""
    (tmp_path / "quota.yaml").write_text(QUOTA)
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    store_past(database, PEOPLE, 22, datetime.now(UTC), Habit(days=1))
    database.close()
    return tmp_path


def settings(
    folder: Path, mail: MailServer | None, hook: HookReceiver | None = None, **reports: Any
) -> ServiceSettings:
    """Reports are due at the minute that is now, of each week."""
    now = datetime.now(UTC)
    values = {"weekday": now.weekday(), "time": time(now.hour, now.minute), "zone": ZoneInfo("UTC")}
    ways = {name for name, way in (("mail", mail), ("webhook", hook)) if way is not None}
    delivery = DeliverySettings(
        None
        if mail is None
        else MailSettings(
            "localhost",
            mail.port,
            "sublet@example.org",
            "{username}@example.org",
            MailSecurity.NONE,
        ),
        None if hook is None else WebhookSettings(hook.url, SECRET),
        WeekReportSettings(**{**values, "by": frozenset(ways), **reports}),
    )
    return settings_for(folder, quota_file=folder / "quota.yaml", delivery=delivery)


async def deliveries(world: HubWorld) -> dict[str, Any]:
    status, told = await world.call("GET", "deliveries", world.admin())
    assert status == 200
    found: dict[str, Any] = told
    return found


def nothing_waits(world: HubWorld) -> bool:
    return not any(each.waits for each in world.service.outbox._store.kept.values())


def reports_in(server: MailServer) -> dict[str, str]:
    """By address: what the report says as text. Each has but one."""
    found: dict[str, str] = {}
    for mail in server.taken:
        (to,) = mail.to
        assert to not in found
        found[to] = text_of(mail.message)
    return found


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def has_begun(folder: Path, hub: FakeHub, given: ServiceSettings) -> None:
    """Run the service once: from then on reports are due."""
    async with hub_world(folder, hub, given) as world:

        async def is_told() -> bool:
            return (await deliveries(world))["reports"]["next_at"] is not None

        await until(is_told)
        assert (await deliveries(world))["reports"]["week"] is None


def forget_last_week(folder: Path) -> None:
    """Let the service have been down for a week: the last it knows of is that of before."""
    database = migrated_ledger(folder / "ledger.sqlite")
    store = ReportedWeekStore(database)
    (begun,) = store.kept.values()
    monday = datetime.fromisocalendar(int(begun.week[:4]), int(begun.week[6:]), 1)
    year, week, _ = (monday - WEEK).isocalendar()
    store.add(replace(begun, week=f"{year}-W{week:02}"), instead_of=(begun.week,))
    database.close()


async def test_each_admin_of_groups_is_mailed_their_groups_once_also_after_restarts(
    past: Path, hub: FakeHub
) -> None:
    hub.people = {"lise": ("science-leads",), "phil": ("physics",), "zoe": ()}
    async with mail_server() as mail:
        given = settings(past, mail, to={"physics": ("head",)})
        await has_begun(past, hub, given)
        assert mail.taken == []
        forget_last_week(past)
        for _ in range(2):
            async with hub_world(past, hub, given) as world:
                await until(lambda: len(mail.taken) >= 3)
                await until(lambda: world.service.outbox.weeks.told.receivers == 3)
                await until(lambda: nothing_waits(world))
                told = await deliveries(world)
                (way,) = told["channels"]
                assert told["reports"]["without"] == []
                assert told["reports"]["week"] is not None
                assert way["failed"] == 0
        found = reports_in(mail)
    assert found.keys() == {"ada@example.org", "lise@example.org", "head@example.org"}
    for address, groups in (("ada", "nlp"), ("lise", "nlp"), ("head", "physics")):
        text = found[f"{address}@example.org"]
        assert [each for each in ("nlp", "physics") if f"Group {each}" in text] == [groups]
        assert "No group" not in text
        assert "zoe" not in text


async def test_what_was_due_while_the_service_was_down_is_sent_late_each_week_once(
    past: Path, hub: FakeHub
) -> None:
    async with mail_server() as mail:
        given = settings(past, mail, to={"*": ("head",), "science": (), "nlp": ()})
        await has_begun(past, hub, given)
        for _ in range(2):
            forget_last_week(past)
        async with hub_world(past, hub, given):
            await until(lambda: len(mail.taken) >= 2)
        async with hub_world(past, hub, given) as world:
            await until(lambda: world.service.outbox.weeks.told.next_at is not None)
            subjects = {str(each.message["Subject"]) for each in mail.taken}
            assert len(subjects) == len(mail.taken) == 2
            assert all("No group" in text_of(each.message) for each in mail.taken)


async def test_by_webhook_each_group_is_posted_once_with_its_numbers(
    past: Path, hub: FakeHub
) -> None:
    async with hook_receiver() as hook:
        given = settings(past, None, hook)
        await has_begun(past, hub, given)
        forget_last_week(past)
        async with hub_world(past, hub, given) as world:
            await until(lambda: len(hook.posted) >= 3)
            await until(lambda: nothing_waits(world))
    bodies = [json.loads(body) for _, body in hook.posted]
    told = {each["to"]["name"]: [g["group"] for g in each["report"]["groups"]] for each in bodies}
    assert told == {"nlp": ["nlp"], "physics": ["physics"], "": [""]}
    assert len(bodies) == 3


async def test_who_is_no_admin_any_more_is_not_sent_what_waits(past: Path, hub: FakeHub) -> None:
    async with mail_server() as mail:
        mail.refuses = {"ada@example.org": "451 later"}
        given = settings(past, mail)
        await has_begun(past, hub, given)
        forget_last_week(past)
        async with hub_world(past, hub, given) as world:
            kept = world.service.outbox._store.kept
            await until(lambda: any(each.attempts for each in kept.values()))
            (past / "quota.yaml").write_text(QUOTA.replace("[ada]", "[bob]"))
            await until(lambda: {each.name for each in kept.values()} == {"bob"})
            await until(lambda: len(mail.taken) == 1)
            assert mail.taken[0].to == ("bob@example.org",)


async def test_what_could_not_be_delivered_is_told_to_admins_and_counted(
    past: Path, hub: FakeHub
) -> None:
    async with mail_server() as mail:
        mail.refuses = {"ada@example.org": "550 no such user"}
        given = settings(past, mail)
        await has_begun(past, hub, given)
        forget_last_week(past)
        async with hub_world(past, hub, given) as world:
            await until(lambda: world.service.outbox.given_up == 1)
            (way,) = (await deliveries(world))["channels"]
            assert (way["failed"], way["problem"]) == (1, "the receiver refuses it")
            counted = 'sublet_notices_given_up{channel="mail",problem="refused"} 1.0'
            assert counted in world.service.metrics.text().decode()


async def test_a_hub_that_does_not_say_who_is_in_a_group_is_told_and_asked_again(
    past: Path, hub: FakeHub
) -> None:
    hub.people = {"lise": ("science-leads",)}
    async with mail_server() as mail:
        given = settings(past, mail)
        await has_begun(past, hub, given)
        forget_last_week(past)
        hub.service_may_list = False
        async with hub_world(past, hub, given) as world:

            async def is_told() -> bool:
                problem = (await deliveries(world))["reports"]["problem"]
                return "who is in the groups of admins" in (problem or "")

            await until(is_told)
            await until(lambda: [each.to for each in mail.taken] == [("ada@example.org",)])
            hub.service_may_list = True
            await until(lambda: len(mail.taken) == 2)
            assert mail.taken[1].to == ("lise@example.org",)


async def test_an_admin_has_a_report_sent_to_themselves_and_hears_what_came_of_it(
    past: Path, hub: FakeHub
) -> None:
    async with mail_server() as mail, hub_world(past, hub, settings(past, mail)) as world:
        path = "use/report/trial"
        status, sent = await world.call("POST", path, world.admin(), {"group": "science"})
        assert (status, sent["was_sent"], sent["problem"]) == (200, True, None)
        (taken,) = mail.taken
        assert taken.to == ("root@example.org",)
        assert "Group nlp" in text_of(taken.message)
        assert "Group physics" not in text_of(taken.message)
        mail.refuses = {"root@example.org": "550 no"}
        _, sent = await world.call("POST", path, world.admin(), {})
        assert (sent["was_sent"], sent["problem"]) == (False, "the receiver refuses it")
        assert world.service.outbox.given_up == 0
        for body, expected in (
            ({"channel": "webhook"}, 400),
            ({"group": "nowhere"}, 404),
            ({"week": "soon"}, 400),
        ):
            assert (await world.call("POST", path, world.admin(), body))[0] == expected
        for token in (world.reader(), world.group_admin("lead", "nlp"), world.user("ada")):
            assert (await world.call("POST", path, token, {}))[0] == 403
        assert len(mail.taken) == 1


async def test_where_no_reports_are_set_nothing_is_said_of_them(world: HubWorld) -> None:
    assert (await deliveries(world))["reports"] is None
    status, problem = await world.call("POST", "use/report/trial", world.admin(), {})
    assert (status, "set are none" in problem["message"]) == (400, True)
