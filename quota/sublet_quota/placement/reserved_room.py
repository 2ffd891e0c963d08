"""Room for reservations that begin soon: which borrowed slices make way, where, and from when on.

Until moving must begin, and no longer than that, the room is lent; a minute before the reservation
at the latest it is called back, on the cards that will be laid out for it. What another's
reservation has on a card stays theirs till that ends. Who was called back is not brought back until
a while after the begin: those who come at the hour would else call them back again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.lookups.reservations import Coming, coming, next_time_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KEPT_FOR, KeptFor
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.placement.claims import Claim, claims_of
from sublet_quota.residency.snapshot import Rank

LOOK_AHEAD: Final = timedelta(minutes=10)
"""So early reservations are looked at: nothing takes longer to move."""
LEAST_LEAD: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ReservedRoom:
    """A card that will be laid out for a reservation that begins soon."""

    group: GroupName
    gpu_id: GpuId
    slices: tuple[SliceId, ...]
    """The borrowed slices that make way there."""
    begin: datetime
    end: datetime
    not_before: datetime | None = None
    """When what another reservation has on the card ends; ``None``: nothing is reserved there."""

    @property
    def kept_for(self) -> KeptFor:
        """For whom the card is kept once its time has come."""
        return KeptFor(self.group, self.begin, self.end)

    def due_at(self, moving: timedelta) -> datetime:
        """Return when the slices are called back; ``moving`` is how long their memory takes."""
        due = self.begin - min(LOOK_AHEAD, max(LEAST_LEAD, moving))
        return due if self.not_before is None else max(due, self.not_before)


def reserved_room(holdings: Holdings, now: datetime) -> tuple[ReservedRoom, ...]:
    """Return the cards for the reservations that begin within ``LOOK_AHEAD``, with who makes way.

    By the layout that will be in force then, with the slices of now.
    """
    written = holdings.document.as_written
    soon = coming(written.reservations, now, LOOK_AHEAD)
    if not soon:
        return ()
    for gpu_type in holdings.types():
        # What lies where now is what lies there then.
        holdings.layout(gpu_type)
    return tuple(
        room
        for begin in sorted({each.begin for each in soon})
        for room in _at(holdings, [each for each in soon if each.begin == begin], now)
    )


def kept_for(document: QuotaDocument, group: str | None, now: datetime) -> Coming | None:
    """Return the reservation of a group for which room is kept now: it begins soon, or has begun.

    ``document``: the one in force.
    """
    begun = coming(document.as_written.reservations, now - KEPT_FOR, KEPT_FOR + LOOK_AHEAD)
    return next((each for each in begun if each.reservation.for_ == group), None)


def _at(holdings: Holdings, soon: list[Coming], now: datetime) -> Iterator[ReservedRoom]:
    begin = soon[0].begin
    groups = {each.reservation.for_ for each in soon}
    written = holdings.document.as_written
    after = holdings.under(written.at(begin), begin, timedelta())
    for claim in claims_of(holdings, after, groups):
        slices = tuple(each for each in claim.calls_back if _is_borrowed(holdings, each))
        ends = _ends_there(holdings, claim, now, begin)
        end = max(each.end for each in soon if each.reservation.for_ == claim.group)
        yield ReservedRoom(claim.group, claim.gpu_id, slices, begin, end, ends)


def _is_borrowed(holdings: Holdings, slice_id: SliceId) -> bool:
    """Whether a slice is borrowed as things are: what is entitled makes way for nobody sooner."""
    return holdings.rank(slice_id) is Rank.BORROWED


def _ends_there(
    holdings: Holdings, claim: Claim, now: datetime, begin: datetime
) -> datetime | None:
    """Return when the last of others' reservations on a card ends that do so by the begin."""
    here = {part.node for part in holdings.layout(claim.gpu_type).on(claim.gpu_id)}
    ends = [
        time[1]
        for each in holdings.document.as_written.reservations
        if each.for_ in here
        and each.for_ != claim.group
        and claim.gpu_type in each.guaranteed
        and (time := next_time_of(each, now)) is not None
        and time[0] <= now < time[1] <= begin
    ]
    return max(ends, default=None)
