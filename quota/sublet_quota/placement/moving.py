"""Room that is there in sum, but in pieces: borrowed slices move to other cards of their node.

Nobody loses room by it: each finds as much on another card as they have now. The fewest bytes move.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, PoolName, SliceId
from sublet_quota.placement.making_way import Missing, missing_on
from sublet_quota.placement.question import Question
from sublet_quota.residency.snapshot import Rank

Moves = tuple[tuple[SliceId, GpuId], ...]
"""Slices, with the card of the same node that each finds room on."""
_Place = tuple[NodeId, PoolName | None]


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
    cards = [each for each in question.cards(option) if not each[0].pause_only]
    on_node: defaultdict[_Place, dict[GpuId, GpuAmount]] = defaultdict(dict)
    for facts, room in cards:
        beside = on_node[facts.node, holdings.pool_of(facts.gpu_id)]
        beside[facts.gpu_id] = room.free(shared=True)
    free = {
        place: sum(one.memory_mib for one in rooms.values()) for place, rooms in on_node.items()
    }
    for facts, room in cards:
        place = facts.node, holdings.pool_of(facts.gpu_id)
        missing = missing_on(holdings, facts, room, amount, alone=False)
        if missing is None or missing.memory_mib > free[place]:
            continue
        rooms = {name: one for name, one in on_node[place].items() if name != facts.gpu_id}
        moves = _moves_from(holdings, facts, missing, rooms)
        if moves is not None:
            moved = sum(one.amount.memory_mib for one, _ in moves)
            listed = tuple((one.slice_id, gpu_id) for one, gpu_id in moves)
            yield MovedPlace(option, facts.gpu_id, listed, moved)


def _moves_from(
    holdings: Holdings, facts: GpuFacts, missing: Missing, rooms: dict[GpuId, GpuAmount]
) -> list[tuple[Holding, GpuId]] | None:
    """Return which slices go where so that nothing is missing, or ``None``."""
    movable = [one for one in holdings.slices_on(facts.gpu_id) if _may_move(holdings, one)]
    moves: list[tuple[Holding, GpuId]] = []
    while not missing.is_nothing:
        step = _next_move(movable, rooms, missing)
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
    movable: list[Holding], rooms: dict[GpuId, GpuAmount], missing: Missing
) -> tuple[Holding, GpuId] | None:
    """Return one that is enough with the fewest bytes, else the largest; each to the best fit."""
    possible = [
        (one, min(fitting)[1])
        for one in movable
        if (
            fitting := [
                (room.memory_mib, gpu_id)
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
