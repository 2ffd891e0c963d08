"""The reservations and exceptions of a quota document, by when they begin and end."""

from datetime import datetime
from itertools import islice

from sublet_quota.document.differences import written_keys
from sublet_quota.document.lookups.reservations import times_between
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import QuotaException, Reservation
from sublet_quota.document.told_reservations import reserved_cards
from sublet_quota.document.value_kinds.reserved_time import Span
from sublet_quota.wire.quota_calendar import (
    MOST_ENTRIES,
    ExceptionInfo,
    QuotaCalendar,
    ReservationInfo,
    ReservedSpan,
)


def quota_calendar(document: QuotaDocument, span: Span, now: datetime) -> QuotaCalendar:
    """Return what a document, as it was written, says of the days between two moments."""
    begin, end = span
    reserved = sorted(
        (times, place)
        for place, each in enumerate(document.reservations)
        if (times := times_between(each, begin, end))
    )
    excepted = sorted(
        (
            (each.until is None, each.until or begin, place)
            for place, each in enumerate(document.exceptions)
            if each.until is None or each.until > begin
        )
    )
    return QuotaCalendar(
        begins_at=begin,
        ends_at=end,
        reservations=tuple(
            _reservation(document, place, document.reservations[place], times)
            for times, place in islice(reserved, MOST_ENTRIES)
        ),
        exceptions=tuple(
            _exception(document, place, document.exceptions[place], now)
            for _, _, place in islice(excepted, MOST_ENTRIES)
        ),
        left_out=sum(max(0, len(found) - MOST_ENTRIES) for found in (reserved, excepted)),
    )


def _reservation(
    document: QuotaDocument, place: int, reservation: Reservation, times: tuple[Span, ...]
) -> ReservationInfo:
    return ReservationInfo(
        name=reservation.name,
        group=reservation.for_,
        cards=reserved_cards(reservation.guaranteed),
        at=str(reservation.at),
        zone=str(reservation.zone),
        until=None if reservation.until is None else reservation.until.isoformat(),
        times=tuple(ReservedSpan(begins_at=one, ends_at=other) for one, other in times),
        line=document.line_of(("reservations", place)),
    )


def _exception(
    document: QuotaDocument, place: int, exception: QuotaException, now: datetime
) -> ExceptionInfo:
    return ExceptionInfo(
        who=exception.who,
        groups=exception.groups,
        sets=tuple(f"{key}: {value}" for key, value in written_keys(exception.set_)),
        until=exception.until,
        is_over=exception.until is not None and exception.until <= now,
        why=exception.why,
        line=document.line_of(("exceptions", place)),
    )
