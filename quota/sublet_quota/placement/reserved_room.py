"""Room for reservations that begin soon: which borrowed slices make way, where, and from when on.

Until moving must begin, and no longer than that, the room is lent; a minute before the reservation
at the latest it is called back, on the cards that will be laid out for it. What another's
reservation has on a card stays theirs till that ends. Who was called back is not brought back until
a while after the begin: those who come at the hour would else call them back again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.lookups.reservations import Coming, coming, next_time_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KEPT_FOR, KeptFor
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.placement.claims import Claim, claims_of
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.entitlement import is_entitled_against

LOOK_AHEAD: Final = timedelta(minutes=10)
"""So early reservations are looked at: nothing takes longer to move."""
LOOKED_AT_EVERY: Final = timedelta(seconds=20)
"""How often it is reckoned who makes way, while something begins soon."""
LEAST_LEAD: Final = timedelta(minutes=1)
HeldMib = Callable[[SliceId], int]
"""How much a slice holds on its card."""


@dataclass(frozen=True, slots=True)
class ReservedRoom:
    """A card that will be laid out for a reservation that begins soon."""

    group: GroupName
    gpu_id: GpuId
    slices: tuple[SliceId, ...]
    """The borrowed slices that make way there."""
    begin: datetime
    end: datetime
    memory_mib: int = 0
    """How much of the card's memory the group's part is, with what the group has there."""
    not_before: datetime | None = None
    """When what another reservation has on the card ends; ``None``: nothing is reserved there."""

    @property
    def kept_until(self) -> datetime:
        """Until when it is kept from being lent again."""
        return self.kept_for.until

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
    return room_for(
        holdings, coming(holdings.document.as_written.reservations, now, LOOK_AHEAD), now
    )


def room_for(holdings: Holdings, soon: Sequence[Coming], now: datetime) -> tuple[ReservedRoom, ...]:
    """Return the cards that will be laid out for reservations, as things are now."""
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


def is_of(document: QuotaDocument, room: ReservedRoom, group: GroupName | None) -> bool:
    """Whether what a group pays for is of the reservation."""
    return room.group in document.path_of_payer(group)


def lies_elsewhere(holdings: Holdings, holding: Holding) -> bool:
    """Whether a slice, or a job, is on no card that is laid out for its group."""
    gpu_type = holdings.type_of(holding.gpu_id)
    leaf = holdings.leaf_for(holding.group, holding.owner)
    return gpu_type is None or holding.gpu_id not in holdings.layout(gpu_type).usable_by(leaf)


def to_move_mib(holdings: Holdings, room: ReservedRoom, held_mib: HeldMib) -> int:
    """Return how much leaves a card, at most, before what is reserved there is free.

    That is who makes way, and where more is missing, what jobs hold there, and others who borrow.
    """
    here = {each.slice_id: each for each in holdings.slices_on(room.gpu_id)}
    held = {slice_id: held_mib(slice_id) for slice_id in {*here, *room.slices}}
    facts, own = holdings.gpu(room.gpu_id), 0
    ahead = set(room.slices)
    for slice_id, each in here.items():
        if each.is_notebook and is_of(holdings.document, room, each.group):
            own += held[slice_id]
        elif holdings.rank(slice_id) >= Rank.BORROWED:
            ahead.add(slice_id)
    free_mib = 0 if facts is None else facts.kind.usable_mib - sum(held.values())
    leaving = ahead if free_mib < room.memory_mib - own else room.slices
    return sum(held[slice_id] for slice_id in leaving)


@dataclass(frozen=True, slots=True)
class Due:
    """What follows now from the cards of reservations that begin soon."""

    kept: Mapping[GpuId, ReservedRoom]
    """The cards that are kept from now on: for those it is time, or they were and are still."""
    begun: tuple[ReservedRoom, ...]
    """Those whose slices are called back now."""
    again_at: datetime
    """When it is to be looked at anew, at the latest."""


def due_now(
    holdings: Holdings,
    rooms: Iterable[ReservedRoom],
    kept: Mapping[GpuId, ReservedRoom],
    moving: Callable[[ReservedRoom], timedelta],
    now: datetime,
) -> Due:
    """Return for which cards it is time by now, with the slices that are there and borrowed still.

    ``rooms``: as ``reserved_room`` found them; ``kept``: what was kept until now; ``moving``: how
    long those take to leave a card who are in the way there (``to_move_mib``).
    """
    dues, begun = [now + LOOKED_AT_EVERY], list[ReservedRoom]()
    after = {gpu_id: each for gpu_id, each in kept.items() if is_kept(holdings, each, now)}
    for found in rooms:
        there = tuple(one for one in found.slices if _may_make_way(holdings, one, found))
        room = replace(found, slices=there)
        due = room.due_at(moving(room))
        if due > now:
            dues.append(due)
            continue
        after[room.gpu_id] = room
        if there:
            begun.append(room)
    return Due(after, tuple(begun), min(dues))


def is_kept(holdings: Holdings, room: ReservedRoom, now: datetime) -> bool:
    """Whether room that was kept is so still; not where its reservation was taken away."""
    return now < room.kept_until and kept_for(holdings.document, room.group, now) is not None


def _may_make_way(holdings: Holdings, slice_id: SliceId, room: ReservedRoom) -> bool:
    """Whether a slice is there by now, and still borrowed."""
    holding = holdings.slice(slice_id)
    is_there = holding is not None and holding.gpu_id == room.gpu_id
    return is_there and _is_borrowed(holdings, slice_id, room.group)


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
        borrowed = (each for each in claim.calls_back if _is_borrowed(holdings, each, claim.group))
        slices = tuple(borrowed)
        ends = _ends_there(holdings, claim, now, begin)
        end = max(each.end for each in soon if each.reservation.for_ == claim.group)
        yield ReservedRoom(
            claim.group, claim.gpu_id, slices, begin, end, claim.memory_mib, not_before=ends
        )


def _is_borrowed(holdings: Holdings, slice_id: SliceId, group: GroupName) -> bool:
    """Whether a slice is borrowed, as a group sees it now: from siblings within what is above both.

    What is entitled against the group makes way for it no sooner than it comes.
    """
    rank, held = holdings.rank(slice_id), holdings.slice(slice_id)
    piece = holdings.piece(slice_id)
    gpu_type = None if held is None else holdings.type_of(held.gpu_id)
    if piece is None or gpu_type is None or rank is not Rank.ENTITLED_IN_PART:
        return rank is Rank.BORROWED
    return not is_entitled_against(holdings.tree(gpu_type), piece, holdings.leaf(group))


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
