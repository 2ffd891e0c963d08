"""Another card of its node for a slice that is there: its home, or one in place of a failed card.

Nobody loses room by it: the slice finds as much there as it has now, beside all that others hold.
"""

from collections.abc import Iterator

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.finding.moving import entitled_on, is_of_others
from sublet_quota.residency.snapshot import Rank


def card_in_place_of(holdings: Holdings, slice_id: SliceId) -> GpuId | None:
    """Return the card of a slice's node and type with the least room that it fits in, or ``None``.

    One that is laid out for nobody comes first, then one for its own group.
    """
    holding = holdings.slice(slice_id)
    if holding is None:
        return None
    fitting = (
        (is_of_others(holdings, holding, gpu_id), room_mib, gpu_id)
        for gpu_id, room_mib in _with_room(holdings, holding)
    )
    best = min(fitting, default=None)
    return None if best is None else best[2]


def home_of(holdings: Holdings, slice_id: SliceId) -> GpuId | None:
    """Return the card of its node that is laid out for an entitled slice, if it is to go there.

    That is one that lies elsewhere, or takes turns with others of its group on its card, where it
    would take none on another of theirs. ``None`` for one that is in its place, is not entitled, or
    finds no room there.
    """
    holding, piece = holdings.slice(slice_id), holdings.piece(slice_id)
    if holding is None or piece is None or not piece.entitled or not piece.suspendable:
        return None
    leaf = holdings.leaf(holding.group)
    layout = holdings.layout(holdings.type_of(holding.gpu_id) or "")
    in_its_place = bool(layout.part_for(holding.gpu_id, leaf))
    if in_its_place and not _take_turns(holdings, entitled_on(holdings, holding.gpu_id), holding):
        return None
    homes = (
        (room_mib, gpu_id)
        for gpu_id, room_mib in _with_room(holdings, holding)
        if layout.part_for(gpu_id, leaf)
        and holding.amount.fits_in(holdings.room_for_entitled(gpu_id, leaf))
        and holdings.has_place(gpu_id, leaf, holding.amount)
        and not (
            in_its_place
            and _take_turns(holdings, entitled_on(holdings, gpu_id) + holding.amount, holding)
        )
    )
    best = min(homes, default=None)
    return None if best is None else best[1]


def _take_turns(holdings: Holdings, amount: GpuAmount, like: Holding) -> bool:
    """Whether so much is more than a card as that of a slice has."""
    card = holdings.gpu(like.gpu_id)
    usable_mib = 0 if card is None else card.kind.usable_mib
    return not amount.fits_in(GpuAmount(usable_mib, WHOLE_GPU_MILLI))


def _with_room(holdings: Holdings, holding: Holding) -> Iterator[tuple[GpuId, int]]:
    """Yield the open cards of a slice's node and kind that it fits on, with their room in MiB.

    What is kept for a reservation of others is no room for what is borrowed.
    """
    here = holdings.gpu(holding.gpu_id)
    if here is None:
        return
    borrows = holdings.rank(holding.slice_id) in (Rank.BORROWED, Rank.CALLED_BACK)
    for card in holdings.gpus_on(here.node):
        is_like = card.kind == here.kind and card != here
        is_kept = borrows and holdings.is_kept_from(card.gpu_id, holding.group)
        may_lie = is_like and _takes_slices(card) and not is_kept
        room = holdings.room(card.gpu_id) if may_lie else None
        if room is not None and holding.amount.fits_in(room.free(shared=True)):
            yield card.gpu_id, room.shared_mib


def _takes_slices(card: GpuFacts) -> bool:
    return card.closed is None and not card.closed_by_hand and not card.pause_only
