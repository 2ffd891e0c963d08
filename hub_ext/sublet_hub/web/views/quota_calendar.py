"""The reservations and exceptions of a quota document, by when they begin and end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sublet_quota.document.administered.changes import is_of_groups
from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.document.administered.parts import part_of, part_text
from sublet_quota.document.differences import written_keys
from sublet_quota.document.lookups.reservations import times_between
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import QuotaException, Reservation
from sublet_quota.document.text.tree import read_tree
from sublet_quota.document.told_reservations import reserved_cards
from sublet_quota.document.value_kinds.reserved_time import Span
from sublet_quota.names.ids import GroupName
from sublet_quota.preview.within_groups import places_in_part
from sublet_quota.wire.quota_calendar import (
    MOST_ENTRIES,
    ExceptionInfo,
    QuotaCalendar,
    ReservationInfo,
    ReservedSpan,
)


def quota_calendar(document: QuotaDocument, span: Span, now: datetime) -> QuotaCalendar:
    """Return what a document, as it was written, says of the days between two moments."""
    return _calendar(_Shown(document), span, now)


def calendar_of_groups(
    document: QuotaDocument, text: str, groups: tuple[GroupName, ...], span: Span, now: datetime
) -> QuotaCalendar:
    """Return the same of what is for these groups and those below them alone.

    ``text``: of which the document was read. Lines are those of the part that their admins are
    sent; what is for the groups themselves is not in there, and has none.
    """
    theirs = with_all_below(document, groups)
    part = read_tree(part_text(part_of(document, text, groups)))
    in_part = places_in_part(document, groups)

    def line_of(path: KeyPath) -> int | None:
        place = in_part(path)
        return part.line_of(place) if place else None

    return _calendar(
        _Shown(
            document,
            lambda each: each.for_ in theirs,
            lambda each: is_of_groups(each, theirs),
            line_of,
        ),
        span,
        now,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A document, what of it is shown, and on which lines that is."""

    document: QuotaDocument
    has_reservation: Callable[[Reservation], bool] = lambda each: True  # noqa: ARG005
    has_exception: Callable[[QuotaException], bool] = lambda each: True  # noqa: ARG005
    line_in_part: Callable[[KeyPath], int | None] | None = None

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of an entry."""
        if self.line_in_part is None:
            return self.document.line_of(path)
        return self.line_in_part(path)


def _calendar(shown: _Shown, span: Span, now: datetime) -> QuotaCalendar:
    document = shown.document
    begin, end = span
    reserved = sorted(
        (times, place)
        for place, each in enumerate(document.reservations)
        if shown.has_reservation(each) and (times := times_between(each, begin, end))
    )
    excepted = sorted(
        (
            (each.until is None, each.until or begin, place)
            for place, each in enumerate(document.exceptions)
            if shown.has_exception(each) and (each.until is None or each.until > begin)
        )
    )
    return QuotaCalendar(
        begins_at=begin,
        ends_at=end,
        reservations=tuple(
            _reservation(shown, place, times) for times, place in islice(reserved, MOST_ENTRIES)
        ),
        exceptions=tuple(
            _exception(shown, place, now) for _, _, place in islice(excepted, MOST_ENTRIES)
        ),
        left_out=sum(max(0, len(found) - MOST_ENTRIES) for found in (reserved, excepted)),
    )


def _reservation(shown: _Shown, place: int, times: tuple[Span, ...]) -> ReservationInfo:
    reservation = shown.document.reservations[place]
    return ReservationInfo(
        name=reservation.name,
        group=reservation.for_,
        cards=reserved_cards(reservation.guaranteed),
        at=str(reservation.at),
        zone=str(reservation.zone),
        until=None if reservation.until is None else reservation.until.isoformat(),
        times=tuple(ReservedSpan(begins_at=one, ends_at=other) for one, other in times),
        line=shown.line_of(("reservations", place)),
    )


def _exception(shown: _Shown, place: int, now: datetime) -> ExceptionInfo:
    exception = shown.document.exceptions[place]
    return ExceptionInfo(
        who=exception.who,
        groups=exception.groups,
        sets=tuple(f"{key}: {value}" for key, value in written_keys(exception.set_)),
        until=exception.until,
        is_over=exception.until is not None and exception.until <= now,
        why=exception.why,
        line=shown.line_of(("exceptions", place)),
    )
