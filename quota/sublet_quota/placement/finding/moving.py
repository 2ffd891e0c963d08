"""Room that is there in sum, but in pieces: borrowed slices move to other cards of their node.

Nobody loses room by it: each finds as much on another card as they have now. The fewest bytes move.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.names.ids import GpuId, NodeId, PoolName, SliceId
from sublet_quota.placement.finding.making_way import Missing, missing_on
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank

Moves = tuple[tuple[SliceId, GpuId], ...]
"""Slices, with the card of the same node that each finds room on."""


@dataclass(frozen=True, slots=True)
class MovedPlace:
    """A card that fits once slices on it have moved."""

    option: Option
    gpu_id: GpuId
    moves: Moves
    moved_mib: int


def find_by_moving(question: Question, options: tuple[Option, ...]) -> MovedPlace | None:
    """Return the card on which the fewest bytes have to move for an option, or ``None``."""
    if question.wish.never_suspended:
        return None
    for option in options:
        found = list(_by_moving(question, option))
        if found:
            return min(found, key=lambda place: (place.moved_mib, len(place.moves), place.gpu_id))
    return None


def _by_moving(question: Question, option: Option) -> Iterator[MovedPlace]:
    holdings, amount = question.holdings, option.asked.amount
    for pool in question.pools(option):
        index = holdings.kinds_in(pool).get(option.asked.kind)
        on_node = {} if index is None else _free_on_nodes(question, pool, option.asked.kind, index)
        enough = {node for node, free in on_node.items() if _is_enough(free, amount)}
        for gpu_id, room in () if index is None or not enough else index.rooms.items():
            facts = holdings.gpu(gpu_id)
            if facts is None or facts.node not in enough or not question.may_have(facts, option):
                continue
            missing = missing_on(holdings, facts, room, amount, alone=False)
            if missing is None or facts.pause_only:
                continue
            beside = {name: one for name, one in on_node[facts.node].items() if name != gpu_id}
            moves = _moves_from(holdings, facts, missing, beside)
            if moves is not None:
                moved = sum(one.amount.memory_mib for one, _ in moves)
                listed = tuple((one.slice_id, to) for one, to in moves)
                yield MovedPlace(option, gpu_id, listed, moved)


def _free_on_nodes(
    question: Question, pool: PoolName, kind: GpuKind, index: RoomIndex
) -> Mapping[NodeId, Mapping[GpuId, GpuAmount]]:
    """Return the cards with free room, by node."""
    known = question.seen.free_on
    if (pool, kind) not in known:
        found: defaultdict[NodeId, dict[GpuId, GpuAmount]] = defaultdict(dict)
        for gpu_id in index.by_room():
            room, facts = index.rooms[gpu_id], question.holdings.gpu(gpu_id)
            if room.shared_mib <= 0:
                break
            is_kept = gpu_id in question.kept or gpu_id in question.holdings.kept_cards
            if facts is not None and not facts.pause_only and not is_kept:
                found[facts.node][gpu_id] = room.free(shared=True)
        known[pool, kind] = found
    return known[pool, kind]


def _is_enough(free: Mapping[GpuId, GpuAmount], amount: GpuAmount) -> bool:
    """Whether the room on a node is enough in sum."""
    memory_mib = sum(room.memory_mib for room in free.values())
    compute_milli = sum(room.compute_milli for room in free.values())
    return amount.fits_in(GpuAmount(memory_mib, compute_milli))


def _moves_from(
    holdings: Holdings, facts: GpuFacts, missing: Missing, rooms: dict[GpuId, GpuAmount]
) -> list[tuple[Holding, GpuId]] | None:
    """Return which slices go where so that nothing is missing, or ``None``."""
    movable = [one for one in holdings.slices_on(facts.gpu_id) if _may_move(holdings, one)]
    moves: list[tuple[Holding, GpuId]] = []
    while not missing.is_nothing:
        step = _next_move(holdings, movable, rooms, missing)
        if step is None:
            return None
        holding, gpu_id = step
        movable.remove(holding)
        rooms[gpu_id] -= holding.amount
        missing = missing.without(holding.amount)
        moves.append(step)
    return moves


def _may_move(holdings: Holdings, holding: Holding) -> bool:
    piece = holdings.piece(holding.slice_id)
    return (
        piece is not None
        and piece.suspendable
        and not holding.called_back
        and holdings.rank(holding.slice_id) is Rank.BORROWED
    )


def _next_move(
    holdings: Holdings,
    movable: list[Holding],
    rooms: dict[GpuId, GpuAmount],
    missing: Missing,
) -> tuple[Holding, GpuId] | None:
    """Return one that is enough with the fewest bytes, else the largest; each to the best fit.

    The best fit is a card that is laid out for no others, if there is one.
    """
    possible = [
        (one, min(fitting)[2])
        for one in movable
        if (
            fitting := [
                (is_of_others(holdings, one, gpu_id), room.memory_mib, gpu_id)
                for gpu_id, room in rooms.items()
                if one.amount.fits_in(room)
            ]
        )
    ]
    enough = [each for each in possible if missing.without(each[0].amount).is_nothing]
    if enough:
        return min(enough, key=lambda each: (each[0].amount.memory_mib, each[0].slice_id))
    return max(
        possible, key=lambda each: (each[0].amount.memory_mib, each[0].slice_id), default=None
    )


def is_of_others(holdings: Holdings, holding: Holding, gpu_id: GpuId) -> bool:
    """Whether a card is laid out for groups that do not pay for a slice."""
    layout = holdings.layout(holdings.type_of(gpu_id) or "")
    leaf = holdings.leaf_for(holding.group, holding.owner)
    return not layout.is_free(gpu_id) and not layout.part_for(gpu_id, leaf)
