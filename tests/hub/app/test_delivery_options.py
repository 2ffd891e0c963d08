"""The options of mail and webhook: what is refused before the service starts, in which words."""

from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sublet_hub.app.delivery_options import DeliveryOptions
from sublet_hub.errors import ConfigurationError
from sublet_hub.settings import DeliverySettings, MailSecurity, WeekReportSettings

MAIL: dict[str, Any] = {
    "notices_mail_server": "mail.example.org",
    "notices_mail_from": "sublet@example.org",
    "notices_mail_to": "{username}@example.org",
}
MONDAYS = {"week_report_at": "monday 08:00"}
WEBHOOK: dict[str, Any] = {"notices_webhook_url": "https://hooks.example.org/x"}


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text("canary-" * 5)
    path.chmod(0o600)
    return str(path)


def test_by_default_notices_go_nowhere() -> None:
    assert DeliveryOptions().delivery_settings(set()) == DeliverySettings(None, None)


def test_both_ways_are_set(secret: str) -> None:
    known: set[str] = set()
    options = DeliveryOptions(
        **MAIL,
        **WEBHOOK,
        notices_mail_user="sublet",
        notices_mail_password_file=secret,
        notices_webhook_secret_file=secret,
    )
    found = options.delivery_settings(known)
    assert found.mail is not None
    assert found.webhook is not None
    assert (found.mail.host, found.mail.port) == ("mail.example.org", 587)
    assert found.mail.security is MailSecurity.STARTTLS
    assert known == {"canary-" * 5}
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("security", "server", "at"),
    [
        ("starttls", "mail.example.org", ("mail.example.org", 587)),
        ("tls", "mail.example.org", ("mail.example.org", 465)),
        ("none", "localhost", ("localhost", 25)),
        ("starttls", "mail.example.org:2525", ("mail.example.org", 2525)),
    ],
)
def test_a_port_that_is_not_said_is_the_usual_one(
    security: str, server: str, at: tuple[str, int]
) -> None:
    values = {**MAIL, "notices_mail_server": server, "notices_mail_security": security}
    mail = DeliveryOptions(**values).delivery_settings(set()).mail
    assert mail is not None
    assert (mail.host, mail.port) == at


def test_reports_go_by_all_ways_that_are_set_when_and_to_whom_is_said() -> None:
    options = DeliveryOptions(
        **MAIL,
        week_report_at=" Friday 16:30",
        week_report_zone="Europe/Berlin",
        week_report_to={"lab": ["ada"], "art": []},
    )
    assert options.delivery_settings(set()).reports == WeekReportSettings(
        4,
        time(16, 30),
        ZoneInfo("Europe/Berlin"),
        frozenset({"mail"}),
        {"lab": ("ada",), "art": ()},
    )
    assert DeliveryOptions(**MAIL).delivery_settings(set()).reports is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**MAIL, "notices_mail_server": "mail.example.org:x"}, "write HOST or HOST:PORT"),
        ({**MAIL, "notices_mail_server": "mail.example.org:0"}, "write HOST or HOST:PORT"),
        ({**MAIL, "notices_mail_server": "a b"}, "write HOST or HOST:PORT"),
        ({**MAIL, "notices_mail_from": ""}, "notices_mail_from is"),
        ({**MAIL, "notices_mail_from": "a@b.org\nBcc: x@y.org"}, "notices_mail_from is"),
        ({**MAIL, "notices_mail_to": "ada@example.org"}, "with {username} once"),
        ({**MAIL, "notices_mail_security": "none"}, "on this machine alone"),
        ({**MAIL, "notices_mail_user": "x"}, "notices_mail_password_file"),
        ({**MAIL, "notices_ca_file": "/nowhere/ca.pem"}, "is no file"),
        ({"week_report_at": "monday 08:00"}, "set notices_mail_server or notices_webhook_url"),
        ({**MAIL, "week_report_at": "8 o'clock"}, "write a day and a time"),
        ({**MAIL, "week_report_at": "monday"}, "write a day and a time"),
        ({**MAIL, "week_report_at": "monday 25:00"}, "write a day and a time"),
        ({**MAIL, **MONDAYS, "week_report_zone": "Mars/Base"}, "no zone that is known here"),
        ({**MAIL, **MONDAYS, "week_report_by": ["webhook"]}, "webhook is not set"),
        ({**MAIL, **MONDAYS, "week_report_by": ["pigeon"]}, "there are mail, webhook"),
        ({**MAIL, **MONDAYS, "week_report_to": {"*": []}}, "name users, or leave it out"),
        (WEBHOOK, "notices_webhook_secret_file"),
        ({"notices_webhook_url": "http://hooks.example.org/x"}, "must be https://"),
        ({"notices_webhook_url": "https://user:word-canary@hooks.example.org"}, "must be https://"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DeliveryOptions(**values).delivery_settings(set())
    assert words in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_secret_that_is_short_or_open_to_others_is_refused(tmp_path: Path, secret: str) -> None:
    short = tmp_path / "short"
    short.write_text("abc")
    short.chmod(0o600)
    options = DeliveryOptions(**WEBHOOK, notices_webhook_secret_file=str(short))
    with pytest.raises(ConfigurationError, match="too short"):
        options.delivery_settings(set())
    Path(secret).chmod(0o644)
    options = DeliveryOptions(**WEBHOOK, notices_webhook_secret_file=secret)
    with pytest.raises(ConfigurationError, match="open to others"):
        options.delivery_settings(set())
