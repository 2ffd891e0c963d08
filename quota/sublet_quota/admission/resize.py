"""Whether a slice may become larger or smaller where it is, on its GPU.

Less than before is always possible, down to what is held. More is admitted as a new slice of
that size would be, with the old one out of the way, and needs room on the very GPU.
"""

from dataclasses import dataclass

from sublet_quota.admission.slice_admission import admit
from sublet_quota.admission.slice_request import RequestedSlice, read_wish
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SizeName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal


@dataclass(frozen=True, slots=True)
class NewSize:
    """A wish for another size: by name, or amounts; what is left out stays as it is."""

    size: str | None = None
    memory_mib: int | None = None
    compute_milli: int | None = None


@dataclass(frozen=True, slots=True)
class Resized:
    """The slice as it may become."""

    amount: GpuAmount
    size: SizeName | None
    groups: tuple[GroupName, ...]
    """The groups on whose account the slice is from now on."""


def decide_resize(
    holdings: Holdings, slice_: Holding, groups: tuple[str, ...], new: NewSize, held_mib: int | None
) -> Resized | Refusal:
    """Return what the slice may become, or why it may not.

    ``held_mib`` is what its processes hold now, ``None`` where the GPU does not tell. ``holdings``
    must not hold the slice itself: its room and its part of the quotas are free.
    """
    wish = _wish(slice_, groups, new)
    facts = holdings.gpu(slice_.gpu_id)
    if facts is None or holdings.pool_of(slice_.gpu_id) != slice_.pool:
        return refuse(RoomRefusal.GPU_LEFT_POOL)
    rights = rights_of(holdings.document, slice_.owner, groups)
    wanted = read_wish(holdings.document, rights, wish)
    if isinstance(wanted, Refusal):
        return wanted
    amount = wanted.on(facts.kind)
    if held_mib is None:
        if amount.memory_mib < slice_.amount.memory_mib:
            return refuse(RoomRefusal.HELD_UNKNOWN, asked_mib=amount.memory_mib)
    elif amount.memory_mib < held_mib:
        return refuse(RoomRefusal.BELOW_HELD, asked_mib=amount.memory_mib, held_mib=held_mib)
    if amount.fits_in(slice_.amount):
        return Resized(amount, wanted.name, slice_.groups)
    admitted = admit(holdings, wish)
    if isinstance(admitted, Refusal):
        return admitted
    for option in admitted.kinds:
        if option.kind == facts.kind and _has_room(holdings, slice_, amount):
            return Resized(amount, wanted.name, option.groups)
    return _no_room(holdings, slice_, amount)


def _wish(slice_: Holding, groups: tuple[str, ...], new: NewSize) -> RequestedSlice:
    by_amounts = new.memory_mib is not None or new.compute_milli is not None
    before = slice_.amount
    if new.size is None or by_amounts:
        memory = before.memory_mib if new.memory_mib is None else new.memory_mib
        compute = before.compute_milli if new.compute_milli is None else new.compute_milli
        return RequestedSlice(
            slice_.owner, groups, new.size, slice_.pool, memory_mib=memory, compute_milli=compute
        )
    return RequestedSlice(slice_.owner, groups, new.size, slice_.pool)


def _has_room(holdings: Holdings, slice_: Holding, amount: GpuAmount) -> bool:
    room = holdings.room(slice_.gpu_id)
    facts = holdings.gpu(slice_.gpu_id)
    if room is None or facts is None or facts.closed is not None:
        return False
    largest = room.largest_mib if not slice_.unsuspendable else room.alone_mib
    return (
        amount.memory_mib <= min(room.shared_mib, largest)
        and amount.compute_milli <= room.shared_milli
    )


def _no_room(holdings: Holdings, slice_: Holding, amount: GpuAmount) -> Refusal:
    room = holdings.room(slice_.gpu_id)
    most_mib = 0 if room is None else max(0, min(room.shared_mib, room.largest_mib))
    most_milli = 0 if room is None else max(0, room.shared_milli)
    free = GpuAmount(most_mib, most_milli)
    return refuse(RoomRefusal.NO_ROOM_TO_GROW, asked=amount, free=free)
