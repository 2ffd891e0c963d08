"""Notices by HTTP, to a real receiver: signed, to the one address, and nowhere else."""

import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.delivery import webhook
from sublet_hub.delivery.webhook import WebhookSender, is_allowed_url, signature_of
from sublet_hub.ledger.deliveries import Delivery
from sublet_hub.settings import WebhookSettings
from sublet_quota.reasons.undelivered import Undelivered
from sublet_quota.wire.week import WeekReport

from tests.support.hook_receiver import HookReceiver, hook_receiver
from tests.support.kube.certificates import Keys
from tests.support.ports import free_port
from tests.support.week_bodies import week_report

pytestmark = pytest.mark.asyncio

SECRET = "-".join(["canary"] * 4)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    async with hook_receiver() as made:
        yield made


async def post(url: str, delivery: Delivery, **values: Any) -> Undelivered | None:
    within_s = values.pop("within_s", 5)
    sender = WebhookSender(WebhookSettings(url, SECRET, **values), within_s, lambda: 1000.5)
    try:
        return (await sender.send([delivery]))["d1"]
    finally:
        sender.close()


async def test_a_week_s_report_is_posted_as_it_is(
    receiver: HookReceiver, delivery: Delivery
) -> None:
    report = week_report()
    assert await post(receiver.url, replace(delivery, report=report.model_dump_json())) is None
    ((_, body),) = receiver.posted
    assert WeekReport.model_validate(json.loads(body)["report"]) == report


async def test_a_notice_is_posted_with_a_signature_that_its_receiver_can_check(
    receiver: HookReceiver, delivery: Delivery
) -> None:
    assert await post(receiver.url, delivery) is None
    ((headers, body),) = receiver.posted
    at, signed = (each.partition("=")[2] for each in headers["Sublet-Signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert (at, signed) == ("1000", expected)
    assert headers["Sublet-Delivery"] == "d1"
    assert SECRET not in str(headers) + body.decode()
    assert json.loads(body) == {
        "delivery_id": "d1",
        "notice_id": "n1",
        "to": {"audience": "owner", "name": "ada"},
        "text": delivery.text,
        "from_admin": False,
        "made_at": delivery.made_at.isoformat(),
        "until": delivery.until.isoformat(),
    }


async def test_another_body_another_time_or_another_secret_has_another_signature() -> None:
    signed = signature_of(SECRET, b"{}", 1)
    others = (
        signature_of(SECRET, b"{ }", 1),
        signature_of(SECRET, b"{}", 2),
        signature_of(SECRET + "x", b"{}", 1),
    )
    assert signed not in others


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(
    receiver: HookReceiver, delivery: Delivery, status: int
) -> None:
    receiver.status = status
    receiver.headers = {"Location": receiver.url.replace("/hook", "/elsewhere")}
    assert await post(receiver.url, delivery) is Undelivered.REDIRECTED
    assert (len(receiver.posted), receiver.elsewhere) == (1, 0)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (200, None),
        (400, Undelivered.REFUSED),
        (410, Undelivered.REFUSED),
        (429, Undelivered.TRY_LATER),
        (408, Undelivered.TRY_LATER),
        (500, Undelivered.TRY_LATER),
        (503, Undelivered.TRY_LATER),
    ],
)
async def test_what_the_receiver_says_tells_whether_it_is_tried_again(
    receiver: HookReceiver, delivery: Delivery, status: int, why: Undelivered | None
) -> None:
    receiver.status = status
    assert await post(receiver.url, delivery) is why


async def test_a_receiver_that_hangs_is_left(receiver: HookReceiver, delivery: Delivery) -> None:
    receiver.hangs = True
    assert await post(receiver.url, delivery, within_s=0.3) is Undelivered.UNREACHABLE


async def test_where_nobody_listens_it_is_tried_again(delivery: Delivery) -> None:
    url = f"http://localhost:{free_port()}/hook"
    assert await post(url, delivery) is Undelivered.UNREACHABLE


async def test_https_is_trusted_by_its_certificate_alone(keys: Keys, delivery: Delivery) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.server_certificate, keys.server_key)
    async with hook_receiver(ssl_options=context) as receiver:
        assert await post(receiver.url, delivery, ca_file=keys.authority) is None
        assert await post(receiver.url, delivery) is Undelivered.NOT_TRUSTED
        by_address = receiver.url.replace("localhost", "127.0.0.2")
        outcome = await post(by_address, delivery, ca_file=keys.authority, private=True)
        assert outcome is not None
        assert len(receiver.posted) == 1


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "100.64.0.1", "::1", "fd00::1",
     "::ffff:10.0.0.1", "0.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1%eth0"],
)  # fmt: skip
async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    address: str, receiver: HookReceiver, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        assert host == "hooks.example.org"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    url = receiver.url.replace("localhost", "hooks.example.org")
    assert await post(url, delivery) is Undelivered.ADDRESS_NOT_ALLOWED
    assert receiver.posted == []


async def test_a_private_address_is_connected_to_where_the_admin_says_so(
    receiver: HookReceiver, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was found: a name that leads elsewhere the next time is not asked again."""
    answers = iter(["127.0.0.1"])

    def found(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    url = receiver.url.replace("localhost", "hooks.example.org")
    assert await post(url, delivery, private=True) is None


async def test_one_public_address_beside_a_private_one_is_not_enough(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        both = ("93.184.216.34", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in both]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    outcome = await post("https://hooks.example.org/x", delivery)
    assert outcome is Undelivered.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://hooks.example.org/x?y=1", True),
        ("https://hooks.example.org:8443", True),
        ("http://localhost:8080/x", True),
        ("http://127.0.0.1/x", True),
        ("http://hooks.example.org/x", False),
        ("http://localhost.example.org/x", False),
        ("http://localhost@evil.example/x", False),
        ("https://user:pass@hooks.example.org/x", False),
        ("ftp://hooks.example.org/x", False),
        ("file:///etc/passwd", False),
        ("https:///x", False),
        ("https://hooks.example.org:99999/x", False),
        ("hooks.example.org", False),
    ],
)
async def test_an_address_is_https_or_on_this_machine(url: str, *, right: bool) -> None:
    assert is_allowed_url(url) is right


async def test_what_is_long_is_not_read(receiver: HookReceiver, delivery: Delivery) -> None:
    receiver.status = 200
    receiver.headers = {"X-Long": "x" * (webhook._MOST_ANSWERED + 1)}
    assert await post(receiver.url, delivery) is not None


async def test_several_are_posted_at_once(receiver: HookReceiver, delivery: Delivery) -> None:
    sender = WebhookSender(WebhookSettings(receiver.url, SECRET))
    some = [replace(delivery, delivery_id=f"d{i}") for i in range(20)]
    assert await sender.send(some) == {each.delivery_id: None for each in some}
    assert len(receiver.posted) == 20
    sender.close()
