"""Slices that were called back, and have their place again."""

from collections.abc import Container

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Rank


def back_to_their_place(
    holdings: Holdings, pausing: Container[SliceId] = ()
) -> tuple[SliceId, ...]:
    """Return the called-back slices that fit on their card again, the oldest first.

    One that is entitled by now is due its place whatever fits; others need room under the pool's
    overcommit, as any that is borrowed, on a card that is kept for no reservation of others. Told
    all at once, they fit together. ``pausing`` do not come back yet, but where they are entitled.
    """
    rooms: dict[GpuId, GpuAmount] = {}
    back: list[SliceId] = []
    away = sorted(holdings.called_back(), key=lambda one: one.age)
    for holding in away:
        if holdings.rank(holding.slice_id) is Rank.ENTITLED:
            back.append(holding.slice_id)
            rooms[holding.gpu_id] = _room(holdings, rooms, holding).left_by(holding.amount)
    for holding in away:
        room = _room(holdings, rooms, holding)
        if holding.slice_id in pausing or holding.slice_id in back:
            continue
        if holdings.is_kept_from(holding.gpu_id, holding.group):
            continue
        if _fits(holdings, holding, room):
            back.append(holding.slice_id)
            rooms[holding.gpu_id] = room.left_by(holding.can_leave)
    return tuple(back)


def called_back_for_jobs(holdings: Holdings, gpu_id: GpuId) -> frozenset[SliceId]:
    """Return the called-back slices of a card that would be back but for entitled jobs there.

    With these they take turns: it is entitled slices that called-back ones come behind.
    """
    load, room = holdings.load(gpu_id), holdings.room(gpu_id)
    if room is None or NOTHING in (load.entitled_jobs, load.called_back):
        return frozenset()
    room = room.with_more(load.entitled_jobs)
    left = GpuAmount(max(0, room.shared_mib), max(0, room.shared_milli))
    found: list[SliceId] = []
    for holding in sorted(holdings.slices_on(gpu_id), key=lambda one: one.age):
        amount = holding.can_leave
        if holding.called_back and amount.fits_in(left):
            left = left.left_by(amount)
            found.append(holding.slice_id)
    return frozenset(found)


def _room(holdings: Holdings, rooms: dict[GpuId, GpuAmount], holding: Holding) -> GpuAmount:
    """Return what is left on a slice's card beside those that are back already."""
    if holding.gpu_id in rooms:
        return rooms[holding.gpu_id]
    room = holdings.room(holding.gpu_id)
    if room is None:
        return GpuAmount(0, 0)
    return GpuAmount(max(0, room.shared_mib), max(0, room.shared_milli))


def _fits(holdings: Holdings, holding: Holding, left: GpuAmount) -> bool:
    """Whether a slice fits in what is left under the overcommit, which is more than one may be.

    As it is back it takes what left: memory that cannot leave was counted all along.
    """
    room, amount = holdings.room(holding.gpu_id), holding.can_leave
    return room is not None and amount.memory_mib <= room.largest_mib and amount.fits_in(left)
