"""Notices by mail, to a real SMTP server: secured, to the right mailbox, and to no other."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.delivery.mail import MailSender, address_of, is_template, message_of
from sublet_hub.ledger.deliveries import Delivery
from sublet_hub.settings import MailSecurity, MailSettings
from sublet_quota.reasons.undelivered import Undelivered
from sublet_quota.week_report.written import as_html, as_text

from tests.support.kube.certificates import Keys
from tests.support.mail_server import MailServer, mail_server
from tests.support.ports import free_port
from tests.support.week_bodies import BAD_NAME, week_report

pytestmark = pytest.mark.asyncio

TO = "{username}@users.example.org"


@pytest_asyncio.fixture
async def server(certificate: Path) -> AsyncIterator[MailServer]:
    async with mail_server(certificate) as made:
        yield made


def sender(server: MailServer, keys: Keys | None, **values: Any) -> MailSender:
    settings = MailSettings(
        host="localhost",
        port=server.port,
        sender="sublet@example.org",
        to=TO,
        ca_file=None if keys is None else keys.authority,
    )
    return MailSender(replace(settings, **values), within_s=5)


async def test_a_notice_is_mailed_by_starttls(
    server: MailServer, keys: Keys, delivery: Delivery
) -> None:
    assert await sender(server, keys).send([delivery]) == {"d1": None}
    (mail,) = server.taken
    assert (mail.sender, mail.to) == ("sublet@example.org", ("ada@users.example.org",))
    assert mail.was_secured
    assert mail.message["To"] == "ada@users.example.org"
    assert mail.message["Subject"] == "Notice from Sublet"
    assert mail.message["Message-ID"] == "<d1@example.org>"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert delivery.text in mail.message.get_content()


async def test_a_week_s_report_is_mailed_as_text_and_as_a_page(
    server: MailServer, keys: Keys, delivery: Delivery
) -> None:
    report = week_report()
    with_report = replace(delivery, report=report.model_dump_json())
    assert await sender(server, keys).send([with_report]) == {"d1": None}
    message = server.taken[0].message
    assert message["Subject"] == "GPUs in week 2026-W48, by group"
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert page is not None
    assert as_text(report).strip() in text.get_content().replace("\r\n", "\n")
    assert page.get_content().replace("\r\n", "\n").strip() == as_html(report).strip()
    assert BAD_NAME not in page.get_content()
    assert len(list(message.keys())) == len(set(message.keys()))


async def test_the_service_logs_in_where_it_has_a_password_and_not_before_the_way_is_secured(
    server: MailServer, keys: Keys, delivery: Delivery
) -> None:
    server.login = ("sublet", "pass-canary")
    by_user = {"user": "sublet", "password": "pass-canary"}
    assert await sender(server, keys, **by_user).send([delivery]) == {"d1": None}
    assert server.taken[0].user == "sublet"
    server.context = None
    outcome = await sender(server, keys, **by_user).send([delivery])
    assert outcome == {"d1": Undelivered.NOT_TRUSTED}
    assert len(server.taken) == 1


async def test_a_password_that_is_refused_is_said_and_not_logged(
    server: MailServer, keys: Keys, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    server.login = ("sublet", "another")
    wrong = sender(server, keys, user="sublet", password="pass-canary")
    assert await wrong.send([delivery]) == {"d1": Undelivered.LOGIN_REFUSED}
    assert "pass-canary" not in caplog.text
    assert "pass-canary" not in repr(wrong._settings)


async def test_no_mail_goes_to_a_server_that_is_not_trusted(
    server: MailServer, delivery: Delivery
) -> None:
    outcome = await sender(server, None).send([delivery])
    assert outcome == {"d1": Undelivered.NOT_TRUSTED}
    assert server.taken == []


async def test_one_receiver_that_is_refused_keeps_nothing_from_the_others(
    server: MailServer, keys: Keys, delivery: Delivery
) -> None:
    server.refuses = {
        "ada@users.example.org": "550 no such user",
        "bob@users.example.org": "451 come again",
    }
    names = ("ada", "bob", "eve", "x y")
    some = [replace(delivery, delivery_id=name, name=name) for name in names]
    assert await sender(server, keys).send(some) == {
        "ada": Undelivered.REFUSED,
        "bob": Undelivered.TRY_LATER,
        "eve": None,
        "x y": Undelivered.NO_MAIL_ADDRESS,
    }
    assert [each.to for each in server.taken] == [("eve@users.example.org",)]
    assert server.connections == 1


async def test_a_server_that_says_nothing_holds_nobody_but_the_mails(
    keys: Keys, delivery: Delivery
) -> None:
    async with mail_server() as server:
        server.is_hung = True
        slow = sender(server, keys)
        slow._within_s = 0.5
        sending = asyncio.ensure_future(slow.send([delivery]))
        turns, began_s = 0, time.monotonic()
        while not sending.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert await sending == {"d1": Undelivered.UNREACHABLE}
        # The loop went on all the while.
        assert turns > (time.monotonic() - began_s) / 0.01 / 5


async def test_where_nobody_listens_it_is_tried_again(delivery: Delivery) -> None:
    away = MailSender(
        MailSettings("localhost", free_port(), "a@example.org", TO, MailSecurity.NONE), within_s=2
    )
    assert await away.send([delivery]) == {"d1": Undelivered.UNREACHABLE}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x y",
        "ada\r\nBcc: eve@evil.example",
        "ada\nX: y",
        "ada@evil.example",
        "ada,eve",
        "ada>",
        "ada\x00",
        ".ada",
        "ada.",
        "a..b",
        "ad\u00e4",
        "x" * 65,
        '"ada"',
        "{0}",
    ],
)
async def test_a_name_that_is_no_mailbox_makes_no_address(name: str) -> None:
    assert address_of(TO, name) is None


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ada.l@example.org", "ada.l@example.org"),
        ("ada", None),
        ("@example.org", None),
        ("ada@", None),
        ("a@b@example.org", None),
        ("ada@example.org, eve@evil.example", None),
        ("ada@example.org\nBcc: eve", None),
        ("ada@" + "a" * 254, None),
    ],
)
async def test_a_name_may_be_the_address(name: str, address: str | None) -> None:
    made = address_of("{username}", name)
    assert (made if made is None else made.addr_spec) == address


async def test_a_name_fills_the_template_and_nothing_more(delivery: Delivery) -> None:
    to = address_of("lab-{username}+gpu@example.org", "ada.l-1_x")
    assert to is not None
    assert to.addr_spec == "lab-ada.l-1_x+gpu@example.org"
    text = "x\r\nBcc: eve@evil.example {username} {0}"
    made = message_of(replace(delivery, text=text), to, "sublet@example.org")
    assert made.get_all("Bcc") is None
    assert made["To"] == to.addr_spec
    assert "{username} {0}" in made.get_content()


@pytest.mark.parametrize(
    ("template", "right"),
    [
        (TO, True),
        ("lab-{username}@example.org", True),
        ("{username}", True),
        ("@example.org", False),
        ("{username}@-", False),
        ("ada@example.org", False),
        ("{username}@{username}.org", False),
        ("{username}{username}@example.org", False),
        ("{username}@example.org\nBcc: x@y", False),
        ("{username}@", False),
        ("{username}@example.org, eve@evil.example", False),
        ("{name}@example.org", False),
    ],
)
async def test_a_template_has_the_name_once_and_one_domain(template: str, *, right: bool) -> None:
    assert is_template(template) is right
