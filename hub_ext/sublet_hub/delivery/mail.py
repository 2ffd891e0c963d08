"""Notices by mail, with the standard library's client, in a thread of its own.

An address is made of a user's name and the admin's template alone; where names are addresses, the
template is the name. A name that makes none is no address: nothing of a name or a notice ever
becomes a header's end, or another receiver. What a server answers is not logged: it may repeat what
it was sent.
"""

import asyncio
import re
import smtplib
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from threading import Event
from typing import Final

from sublet_quota.reasons.undelivered import Undelivered
from sublet_quota.week_report.written import written_report
from sublet_quota.wire.week import WeekReport

from sublet_hub.delivery.sender import SENT, Outcomes
from sublet_hub.ledger.deliveries import Delivery
from sublet_hub.settings import MailSecurity, MailSettings

NAME: Final = "{username}"
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@({_DOMAIN})")
_MOST_OF_MAILBOX: Final = 64
_MOST_OF_DOMAIN: Final = 253
_AROUND: Final = "[A-Za-z0-9._+-]*"
_TEMPLATE: Final = re.compile(rf"{re.escape(NAME)}|{_AROUND}{re.escape(NAME)}{_AROUND}@{_DOMAIN}")
_WITHIN_S: Final = 15.0
_FOR_EVER: Final = 500
_WORDS: Final = (
    "{text}\n\n"
    "Until: {until:%Y-%m-%d %H:%M} UTC\n\n"
    "You find this, and what you can do about it, in JupyterLab's panel of Sublet, and at\n"
    "Services > sublet on the hub.\n"
)
_WHERE_OF_REPORTS: Final = (
    "You find this at Services > sublet on the hub, in the view Use, and by `sublet use report`.\n"
)


def is_template(text: str) -> bool:
    """Whether a text says users' addresses.

    Either ``{username}`` alone, or once before the ``@`` of a domain.
    """
    return _TEMPLATE.fullmatch(text) is not None


def address_of(template: str, username: str) -> Address | None:
    """Return a user's address; ``None`` where the name makes none."""
    found = _ADDRESS.fullmatch(template.replace(NAME, username))
    if found is None:
        return None
    mailbox, domain = found.groups()
    if len(mailbox) > _MOST_OF_MAILBOX or len(domain) > _MOST_OF_DOMAIN:
        return None
    return Address(username=mailbox, domain=domain)


def message_of(delivery: Delivery, to: Address, sender: str) -> EmailMessage:
    """Return a notice as a mail."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Date"] = format_datetime(delivery.made_at)
    # The same where it is sent again: receivers know it.
    message["Message-ID"] = f"<{delivery.delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if delivery.report:
        written = written_report(WeekReport.model_validate_json(delivery.report))
        message["Subject"] = written.subject
        message.set_content(f"{written.text}\n{_WHERE_OF_REPORTS}")
        message.add_alternative(written.html, subtype="html")
        return message
    message["Subject"] = "Notice from an admin" if delivery.from_admin else "Notice from Sublet"
    message.set_content(_WORDS.format(text=delivery.text, until=delivery.until))
    return message


class MailSender:
    """Sends mails over one connection for each batch."""

    def __init__(self, settings: MailSettings, within_s: float = _WITHIN_S) -> None:
        """``within_s``: how long the server may take for each step."""
        self._settings = settings
        self._within_s = within_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")
        self._ends = Event()

    async def send(self, deliveries: Sequence[Delivery]) -> Outcomes:
        """Try to send each once; the loop goes on meanwhile."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._send, tuple(deliveries))

    def close(self) -> None:
        """Begin no further mail."""
        self._ends.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _send(self, deliveries: Sequence[Delivery]) -> Outcomes:
        outcomes: dict[str, Undelivered | None] = {}
        addressed: list[tuple[Delivery, Address]] = []
        for each in deliveries:
            to = address_of(self._settings.to, each.name or "")
            if to is None:
                outcomes[each.delivery_id] = Undelivered.NO_MAIL_ADDRESS
            else:
                addressed.append((each, to))
        if not addressed:
            return outcomes
        left = {each.delivery_id for each, _ in addressed}
        try:
            with self._connected() as server:
                for each, to in addressed:
                    if self._ends.is_set():
                        return outcomes
                    outcomes[each.delivery_id] = self._send_one(server, each, to)
                    left.discard(each.delivery_id)
        except (OSError, smtplib.SMTPException) as error:
            why = _why(error)
            # The connection is the others' trouble, too, and none of them is refused for good.
            why = Undelivered.TRY_LATER if why is Undelivered.REFUSED else why
            outcomes |= dict.fromkeys(left, why)
        return outcomes

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        trusted = ssl.create_default_context(cafile=settings.ca_file)
        if settings.security is MailSecurity.TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=self._within_s, context=trusted
            )
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=self._within_s)
        try:
            if settings.security is MailSecurity.STARTTLS:
                server.starttls(context=trusted)
            if settings.user:
                server.login(settings.user, settings.password)
        except BaseException:
            server.close()
            raise
        return server

    def _send_one(
        self, server: smtplib.SMTP, delivery: Delivery, to: Address
    ) -> Undelivered | None:
        """Send one; of a refused one the connection goes on. ``OSError``, ``SMTPException``."""
        message = message_of(delivery, to, self._settings.sender)
        try:
            server.send_message(message, self._settings.sender, [to.addr_spec])
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
            return _why(error)
        return SENT


def _why(error: Exception) -> Undelivered:
    """Return the code of what went wrong."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Undelivered.LOGIN_REFUSED
    if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError):
        return Undelivered.NOT_TRUSTED
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        is_final = all(code >= _FOR_EVER for code in codes)
        return Undelivered.REFUSED if is_final else Undelivered.TRY_LATER
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPServerDisconnected):
        return Undelivered.UNREACHABLE
    if isinstance(error, smtplib.SMTPResponseException):
        is_final = error.smtp_code >= _FOR_EVER
        return Undelivered.REFUSED if is_final else Undelivered.TRY_LATER
    return Undelivered.UNREACHABLE
