"""The ways out that the settings name."""

from collections.abc import Callable
from datetime import datetime

from sublet_hub.delivery.mail import MailSender
from sublet_hub.delivery.outbox import Outbox
from sublet_hub.delivery.reported_weeks import ReportedWeeks
from sublet_hub.delivery.sender import Channel, Sender
from sublet_hub.delivery.webhook import WebhookSender
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.deliveries import DeliveryStore
from sublet_hub.ledger.week_reports import ReportedWeekStore
from sublet_hub.settings import DeliverySettings


def outbox_of(
    settings: DeliverySettings, database: Database, now: Callable[[], datetime]
) -> Outbox:
    """Return the outbox, with the ways out that are set.

    ``LedgerReadError``; ``LedgerWriteError`` where weeks are to be forgotten and are not.
    """
    senders: dict[Channel, Sender] = {}
    if settings.mail is not None:
        senders[Channel.MAIL] = MailSender(settings.mail)
    if settings.webhook is not None:
        senders[Channel.WEBHOOK] = WebhookSender(settings.webhook)
    return Outbox(DeliveryStore(database), senders, now, _weeks(settings, database, now))


def _weeks(
    settings: DeliverySettings, database: Database, now: Callable[[], datetime]
) -> ReportedWeeks | None:
    store = ReportedWeekStore(database)
    if settings.reports is None:
        # Where they are set again, they begin anew.
        store.drop(*tuple(store.kept))
        return None
    return ReportedWeeks(store, settings.reports, now)
