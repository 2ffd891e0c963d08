"""The nodes as holdings know them, in the order in which they suit a slice.

They are kept from one decision to the next, with the holdings; what has changed since is looked at
when somebody asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sublet_quota.admission.slice_admission import Option
from sublet_quota.admission.slice_request import amount_of
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NodeAmount
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import GpuRoom
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.node_rooms import AskedBeside
from sublet_quota.holdings.room_index import Entry
from sublet_quota.names.ids import GpuId, NodeId, PoolName
from sublet_quota.placement.packing.asked_mix import AskedMix, Want
from sublet_quota.placement.packing.node_worth import NodeWorth, Room
from sublet_quota.placement.packing.scored_nodes import ScoredNodes


@dataclass(slots=True)
class _Kept:
    """The nodes of one pool with cards of one kind."""

    document: QuotaDocument
    asked_sizes: Mapping[str, int]
    asked_beside: Mapping[AskedBeside, int]
    """By which the nodes are scored: of others they are scored anew."""
    scored: ScoredNodes | None
    """``None``: nobody is known to ask for anything on such cards."""
    seen: int = -1
    """The changes of nodes up to which they were looked at."""

    def is_scored_by(self, holdings: Holdings) -> bool:
        """Whether people still ask for the same; the same object is as a rule."""
        sizes, beside = holdings.asked_sizes, holdings.asked_beside
        return (
            self.document is holdings.document
            and (self.asked_sizes is sizes or self.asked_sizes == sizes)
            and (self.asked_beside is beside or self.asked_beside == beside)
        )


def cards_best_first(
    holdings: Holdings, option: Option, pool: PoolName, takes: NodeAmount, *, shared: bool
) -> Iterator[tuple[int, Entry]] | None:
    """Return the cards with room for an option, as others lose least, with what more they lose.

    In millionths of a card. ``None``: nothing is told of any node, or of what people ask for; or
    somebody asks for an amount of their own.
    """
    # Amounts of people's own are thousands: for each all nodes would be scored anew.
    if not holdings.nodes_told.told or option.wanted.name is None:
        return None
    kind, gpu_type = option.asked.kind, option.asked.gpu_type
    kept = _kept(holdings, pool, kind, gpu_type, shared=shared)
    if kept.scored is None:
        return None
    _look_again(holdings, pool, kind, kept, shared=shared)
    want = Want(option.asked.amount, 1, takes)
    return _cards(holdings, pool, kind, kept.scored, want, shared=shared)


def _cards(  # noqa: PLR0913 - what its caller knows
    holdings: Holdings,
    pool: PoolName,
    kind: GpuKind,
    scored: ScoredNodes,
    want: Want,
    *,
    shared: bool,
) -> Iterator[tuple[int, Entry]]:
    rooms = holdings.kinds_in(pool)[kind].rooms
    for more, node, choice in scored.best_first(want):
        memory_mib, compute_milli = taken = choice.taken[0]
        alike = (
            (memory_mib, compute_milli, node, facts.index, facts.gpu_id)
            for facts in holdings.gpus_on(node)
            if facts.gpu_id in rooms and _free(rooms[facts.gpu_id], shared=shared) == taken
        )
        for entry in sorted(alike):
            yield more, entry


def _kept(
    holdings: Holdings, pool: PoolName, kind: GpuKind, gpu_type: str, *, shared: bool
) -> _Kept:
    key = pool, kind, gpu_type, shared
    kept: _Kept | None = holdings.scores.get(key)
    if kept is None or not kept.is_scored_by(holdings):
        mix = AskedMix.on(kind, _asked(holdings, kind, gpu_type))
        scored = None if mix is None else ScoredNodes(NodeWorth(mix))
        kept = holdings.scores[key] = _Kept(
            holdings.document, holdings.asked_sizes, holdings.asked_beside, scored
        )
    return kept


def _asked(holdings: Holdings, kind: GpuKind, gpu_type: str) -> Iterator[tuple[Want, int]]:
    """Yield what people ask for, as it would be on a kind of card."""
    sizes = holdings.document.sizes
    asked: Mapping[AskedBeside, int] = holdings.asked_beside or {
        AskedBeside(name): often for name, often in holdings.asked_sizes.items()
    }
    for one, often in asked.items():
        size = sizes.get(one.size)
        if size is not None:
            amount = amount_of(size, kind) if size.may_lie_on(gpu_type) else None
            cap_mib = 0 if amount is None else amount.memory_mib * one.gpus
            yield Want(amount, one.gpus, one.takes.with_cap(cap_mib)), often


def _look_again(
    holdings: Holdings, pool: PoolName, kind: GpuKind, kept: _Kept, *, shared: bool
) -> None:
    scored, told = kept.scored, holdings.nodes_told
    index = holdings.kinds_in(pool).get(kind)
    if scored is None:
        return
    for node in told.touched_since(kept.seen):
        rooms = () if index is None else _rooms_on(holdings, node, index.rooms, shared=shared)
        if rooms:
            scored.put(node, rooms, holdings.node_room(node))
        else:
            scored.take_out(node)
    kept.seen = told.touches


def _rooms_on(
    holdings: Holdings, node: NodeId, rooms: Mapping[GpuId, GpuRoom], *, shared: bool
) -> tuple[Room, ...]:
    """Return what is free on the open cards of a node."""
    here = (rooms.get(facts.gpu_id) for facts in holdings.gpus_on(node))
    return tuple(_free(room, shared=shared) for room in here if room is not None)


def _free(room: GpuRoom, *, shared: bool) -> Room:
    if shared:
        return max(0, min(room.shared_mib, room.largest_mib)), max(0, room.shared_milli)
    return max(0, room.alone_mib), max(0, room.alone_milli)
