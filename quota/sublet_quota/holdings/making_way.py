"""Which borrowed slices of a card lose their place when an entitled one comes there."""

from collections.abc import Iterable
from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuRoom, Holding
from sublet_quota.names.ids import SliceId
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.reclaim import Position, Request, in_order


@dataclass(frozen=True, slots=True)
class MakingWay:
    """What an entitled slice means for the others on its card."""

    called_back: tuple[SliceId, ...]
    """The borrowed slices that no longer fit under the overcommit: the furthest above their share
    first, of a group's the newest first.
    """
    in_the_way: tuple[SliceId, ...]
    """What cannot be suspended, where that leaves too little of the card; the newest first."""


@dataclass(frozen=True, slots=True)
class OnCard:
    """A notebook's slice on a card."""

    holding: Holding
    piece: Piece


def making_way(
    room: GpuRoom,
    amount: GpuAmount,
    here: Iterable[OnCard],
    position: Position,
    request: Request,
) -> MakingWay:
    """Return who makes way on a card for ``amount``, which is the ``request``'s.

    ``room`` is what the card has without it; ``position`` knows that it is asked for.
    """
    newest_first = sorted(here, key=lambda one: one.holding.age, reverse=True)
    fixed = tuple(one.holding.slice_id for one in newest_first if not one.piece.suspendable)
    lacks_mib = amount.memory_mib - room.shared_mib
    lacks_milli = amount.compute_milli - room.shared_milli
    by_id = {one.piece.piece_id: one.holding for one in newest_first}
    candidates = [one.piece for one in newest_first if not one.holding.called_back]
    chosen: list[Holding] = []
    for piece in in_order(position, request, candidates):
        if lacks_mib <= 0 and lacks_milli <= 0:
            break
        holding = by_id[piece.piece_id]
        lacks_mib -= holding.amount.memory_mib
        lacks_milli -= holding.amount.compute_milli
        chosen.append(holding)
    for holding in tuple(chosen):
        spare_mib, spare_milli = -lacks_mib, -lacks_milli
        if holding.amount.fits_in(GpuAmount(max(0, spare_mib), max(0, spare_milli))):
            chosen.remove(holding)
            lacks_mib += holding.amount.memory_mib
            lacks_milli += holding.amount.compute_milli
    return MakingWay(
        tuple(holding.slice_id for holding in chosen),
        fixed if amount.memory_mib > room.largest_mib else (),
    )
