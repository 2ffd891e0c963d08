"""The options by which notices go out by mail and webhook."""

import re
from pathlib import Path
from typing import Final

from traitlets import Bool, Enum, Unicode

from sublet_hub.app.report_options import ReportOptions
from sublet_hub.delivery.mail import is_template
from sublet_hub.delivery.sender import Channel
from sublet_hub.delivery.webhook import LOCAL, is_allowed_url
from sublet_hub.errors import ConfigurationError
from sublet_hub.host.private_files import read_secret
from sublet_hub.settings import DeliverySettings, MailSecurity, MailSettings, WebhookSettings

_SENDER: Final = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_LEAST_SECRET: Final = 16
_MOST_PORT: Final = 65535
_PORTS: Final = {MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465, MailSecurity.NONE: 25}


class DeliveryOptions(ReportOptions):
    """Where notices go beside JupyterLab, the hub's pages and the console: nowhere by default."""

    notices_mail_server = Unicode(
        "",
        help="The mail server by which users are sent their notices, as HOST or HOST:PORT. Empty: "
        "none are sent by mail.",
    ).tag(config=True)
    notices_mail_security = Enum(
        [each.value for each in MailSecurity],
        MailSecurity.STARTTLS.value,
        help="How the way to the mail server is secured: starttls, tls (from the first byte), or "
        "none, to a server on this machine alone.",
    ).tag(config=True)
    notices_mail_from = Unicode("", help="The address that mails come from.").tag(config=True)
    notices_mail_to = Unicode(
        "",
        help="Users' mail addresses, such as '{username}@example.org', or '{username}' where names "
        "are addresses. Who has a name that makes no address is sent no mail.",
    ).tag(config=True)
    notices_mail_user = Unicode(
        "", help="As whom the service logs in at the mail server. Empty: it does not."
    ).tag(config=True)
    notices_mail_password_file = Unicode(
        "", help="A file (mode 0600) with the password for that."
    ).tag(config=True)
    notices_webhook_url = Unicode(
        "",
        help="The address to which all notices are posted as JSON: https, or http on this machine. "
        "No redirect is followed. Empty: none are posted.",
    ).tag(config=True)
    notices_webhook_secret_file = Unicode(
        "",
        help="A file (mode 0600) with the secret by which they are signed: HMAC-SHA256 over time "
        "and body, in the header Sublet-Signature.",
    ).tag(config=True)
    notices_webhook_private = Bool(
        False,
        help="Whether the webhook's name may lead to an address of a private network.",
    ).tag(config=True)
    notices_ca_file = Unicode(
        "",
        help="A file with the certificates that are trusted for mail and webhook. Empty: those of "
        "the machine.",
    ).tag(config=True)

    def delivery_settings(self, secrets: set[str]) -> DeliverySettings:
        """Return the ways out, and put their secrets to those that are kept out of the log.

        ``ConfigurationError``.
        """
        mail = self._mail(secrets) if self.notices_mail_server else None
        webhook = self._webhook(secrets) if self.notices_webhook_url else None
        named = ((Channel.MAIL, mail), (Channel.WEBHOOK, webhook))
        ways = frozenset(name.value for name, way in named if way is not None)
        return DeliverySettings(mail, webhook, self.report_settings(ways))

    def _mail(self, secrets: set[str]) -> MailSettings:
        security = MailSecurity(self.notices_mail_security)
        host, port = _host_and_port(self.notices_mail_server, _PORTS[security])
        if security is MailSecurity.NONE and (host not in LOCAL or self.notices_mail_user):
            message = (
                f"notices_mail_security is none, and notices_mail_server is {host}: without TLS "
                "mails go to a server on this machine alone, and without a password"
            )
            raise ConfigurationError(message)
        if _SENDER.fullmatch(self.notices_mail_from) is None:
            message = (
                f"notices_mail_from is {self.notices_mail_from!r}: write the address that mails "
                "come from, such as sublet@example.org"
            )
            raise ConfigurationError(message)
        if not is_template(self.notices_mail_to):
            message = (
                f"notices_mail_to is {self.notices_mail_to!r}: write users' addresses with "
                "{username} once before the @, such as {username}@example.org, or {username} alone "
                "where names are addresses"
            )
            raise ConfigurationError(message)
        password = ""
        if self.notices_mail_user:
            if not self.notices_mail_password_file:
                message = "notices_mail_user is set: name a notices_mail_password_file"
                raise ConfigurationError(message)
            password = read_secret(Path(self.notices_mail_password_file))
            secrets.add(password)
        return MailSettings(
            host=host,
            port=port,
            sender=self.notices_mail_from,
            to=self.notices_mail_to,
            security=security,
            user=self.notices_mail_user,
            password=password,
            ca_file=self._ca_file(),
        )

    def _webhook(self, secrets: set[str]) -> WebhookSettings:
        if not is_allowed_url(self.notices_webhook_url):
            # Not repeated: it may have a secret in it.
            message = (
                "notices_webhook_url must be https://HOST/..., or http:// on this machine "
                "(localhost), without a user or password in it"
            )
            raise ConfigurationError(message)
        if not self.notices_webhook_secret_file:
            message = "notices_webhook_url is set: name a notices_webhook_secret_file"
            raise ConfigurationError(message)
        secret = read_secret(Path(self.notices_webhook_secret_file))
        if len(secret) < _LEAST_SECRET:
            message = (
                f"the secret in {self.notices_webhook_secret_file} is too short: take "
                f"{_LEAST_SECRET} characters or more, such as of `openssl rand -hex 32`"
            )
            raise ConfigurationError(message)
        secrets.add(secret)
        return WebhookSettings(
            url=self.notices_webhook_url,
            secret=secret,
            private=self.notices_webhook_private,
            ca_file=self._ca_file(),
        )

    def _ca_file(self) -> Path | None:
        if not self.notices_ca_file:
            return None
        path = Path(self.notices_ca_file)
        if not path.is_file():
            message = f"notices_ca_file is {path}, which is no file"
            raise ConfigurationError(message)
        return path


def _host_and_port(text: str, usual: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(usual)
    is_right = re.fullmatch(r"[A-Za-z0-9.-]+", host) and port.isascii() and port.isdigit()
    if not is_right or not 0 < int(port) <= _MOST_PORT:
        message = f"notices_mail_server is {text!r}: write HOST or HOST:PORT"
        raise ConfigurationError(message)
    return host, int(port)
