"""Reservations as they are told: which are on, and which come next. What is over is not."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

from sublet_quota.amounts.gpu_amounts import format_cards
from sublet_quota.document.lookups.reservations import next_time_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.value_kinds.reserved_time import Span
from sublet_quota.reasons.moments import moment_words


def when_reserved(time: Span, now: datetime) -> str:
    """Return until when a reservation is on, or from when it is next."""
    begin, end = time
    return f"on until {moment_words(end)}" if begin <= now else f"next from {moment_words(begin)}"


def tell_reservations(document: QuotaDocument, now: datetime) -> tuple[str, ...]:
    """Return a line for each reservation that is on or to come, those that begin first in front."""
    found = [
        (time, each.name, each)
        for each in document.as_written.reservations
        if (time := next_time_of(each, now)) is not None
    ]
    return tuple(
        f"{name}: {reserved_cards(each.guaranteed)} for {each.for_}, {when_reserved(time, now)}"
        for time, name, each in sorted(found, key=lambda one: one[:2])
    )


def reserved_cards(cards: Mapping[str, Fraction]) -> str:
    """Return what is reserved: ``8 cards of L4, 1 card of T4``."""
    return ", ".join(f"{format_cards(float(cards[name]))} of {name}" for name in sorted(cards))
