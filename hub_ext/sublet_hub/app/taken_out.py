"""What is told by mail and webhook of cards that are closed, and of less that is guaranteed.

Where people look at their share, the list of what will be taken says the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.moments import moment_words
from sublet_quota.wire.ahead import AheadInfo
from sublet_quota.wire.announcements import ShownAnnouncement

from sublet_hub.ledger.records import Change, Closing, SliceRecord
from sublet_hub.web.routes.ahead import closed_place, closings_of, less_guaranteed
from sublet_hub.web.routes.context import ServiceParts

_TOLD_FOR: Final = timedelta(days=7)
_LEFT_TOLD_FOR: Final = timedelta(hours=1)
"""A job on a drained card may have left before anybody looks; so long its owner is told."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one owner is told, once, and when that happens of which it tells, if that is known."""

    told: ShownAnnouncement
    at: datetime | None


class TakenOut:
    """Says what each owner is told, and remembers the jobs that leave at once."""

    def __init__(self, service: ServiceParts) -> None:
        self._service = service
        self._left: dict[SliceId, tuple[SliceRecord, Closing, AheadInfo]] = {}
        service.ledger.listen(self._note_jobs)

    def owners(self) -> set[UserName]:
        """Return the owners of jobs that left lately; others have something that is here."""
        self._forget()
        return {record.owner for record, _, _ in self._left.values()}

    def told_to(self, owner: UserName) -> Iterator[Taken]:
        """Go through what one owner is told: of each slice whatever holds for it now."""
        service, now = self._service, self._service.now()
        self._forget()
        records = service.ledger.slices_of_owner(owner)
        for record in records:
            for closing in closings_of(service, record):
                place = closed_place(service, record, closing, now)
                if place is not None:
                    yield from _of_closing(record, closing, place, now)
        here = {record.slice_id for record in records}
        for record, closing, told in self._left.values():
            if record.owner == owner and record.slice_id not in here:
                yield from _of_closing(record, closing, told, now)
        for told in less_guaranteed(service, records, now):
            if told.at is not None:
                yield _taken(told, f"{told.notice_id}\0{told.at.isoformat()}", now, told.at)

    def _note_jobs(self, change: Change) -> None:
        service, now = self._service, self._service.now()
        for closing in (each for each in change.closings if each.begins_at is None):
            for record in service.ledger.slices_behind(closing):
                told = closed_place(service, record, closing, now) if record.is_job else None
                if told is not None:
                    self._left[record.slice_id] = record, closing, told

    def _forget(self) -> None:
        """Forget jobs that left long ago, and those of cards that were opened again."""
        closings, now = self._service.ledger.closings, self._service.now()
        self._left = {
            slice_id: (record, closing, told)
            for slice_id, (record, closing, told) in self._left.items()
            if closings.get(closing.place) == closing and now < closing.closed_at + _LEFT_TOLD_FOR
        }


def _of_closing(
    record: SliceRecord, closing: Closing, told: AheadInfo, now: datetime
) -> Iterator[Taken]:
    """Yield what is told of one closing; of an admin's nothing more after some days."""
    # What the document closes is read anew at each start, and is still the same. And what was told
    # with its time is the same when that has come.
    made_at = now if closing.by_document else closing.closed_at
    begun = closing.begun
    since = now if closing.by_document else begun.closed_at
    until = min(filter(None, (closing.until, since + _TOLD_FOR)))
    about = "" if closing.by_document else since.astimezone(UTC).isoformat()
    if until > now:
        which = f"{record.slice_id}\0{begun.words(record.gpu)}\0{about}"
        yield _taken(told, which, made_at, until)


def _taken(told: AheadInfo, of_which: str, made_at: datetime, until: datetime) -> Taken:
    """``of_which``: all by which it is told apart from others."""
    number = sha256(of_which.encode()).hexdigest()[:16]
    when = "" if told.at is None else f"That is so from {moment_words(told.at)} on."
    sentences = (told.what, when, told.why, told.advice, told.why_no_deed)
    shown = ShownAnnouncement(
        announcement_id=f"taken-{number}",
        text=" ".join(filter(None, sentences)),
        made_at=made_at,
        until=until,
        from_admin=False,
    )
    return Taken(shown, told.at)
