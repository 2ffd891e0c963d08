"""Host memory as one would reckon it first: each node added up anew whenever it is asked for."""

from math import ceil

from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.host_memory import HostRoom
from sublet_quota.names.ids import NodeId


def plain_host_room(held: Holdings, node: NodeId) -> HostRoom | None:
    """Return what there is on a node: not told, or nothing guaranteed there, nothing follows."""
    told_mib, cards = held.host_memory.told.get(node), tuple(held.gpus_on(node))
    types = {held.type_of(card.gpu_id) or "" for card in cards}
    if told_mib is None or not any(held.tree(each).root.guaranteed for each in types):
        return None
    of_guarantees = sum(max(_laid_out(held, card), _entitled(held, card)) for card in cards)
    others = [
        (card, one)
        for card in cards
        for one in held.slices_on(card.gpu_id)
        if not _is_entitled(held, one)
    ]
    borrowed = sum(one.amount.memory_mib for _, one in others if one.is_notebook)
    lent = sum(
        one.amount.memory_mib
        for card, one in others
        if not (one.is_notebook or one.unsuspendable or card.pause_only)
    )
    return HostRoom(told_mib, of_guarantees, borrowed, lent)


def _laid_out(held: Holdings, card: GpuFacts) -> int:
    parts = held.layout(held.type_of(card.gpu_id) or "").on(card.gpu_id)
    return ceil(sum(part.cards for part in parts) * card.kind.usable_mib)


def _entitled(held: Holdings, card: GpuFacts) -> int:
    here = held.slices_on(card.gpu_id)
    return sum(one.amount.memory_mib for one in here if _is_entitled(held, one))


def _is_entitled(held: Holdings, one: Holding) -> bool:
    return held.is_entitled(one.slice_id) if one.is_notebook else one.entitled_job
