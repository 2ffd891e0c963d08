"""A place without turns for what is entitled: idle slices of its own group move out of its way.

Where a group's entitled slices would take turns on one of its cards, while another of these has
room on the same node, those whose owners are idle move there, by the fewest bytes. Each is entitled
there just the same, and takes turns with nobody; where that is not so, all stay, and share a card.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.laid_out import cards_laid_out, due_of
from sublet_quota.placement.finding.laid_out_cards import LaidOutCard
from sublet_quota.placement.finding.making_way import Missing, Way, make_what_way_there_is
from sublet_quota.placement.finding.moving import (
    Move,
    Moves,
    entitled_on,
    free_on_nodes,
    movable_on,
    until_enough,
)
from sublet_quota.placement.finding.question import Question


@dataclass(frozen=True, slots=True)
class OwnPlace:
    """A card on which nobody takes turns once slices of the same group have moved."""

    way: Way
    """The card, with the borrowed slices that make way there."""
    moves: Moves
    moved_mib: int

    @property
    def least_moved(self) -> tuple[int, int, int, GpuId]:
        """What the best place has the least of."""
        return self.moved_mib, len(self.moves), self.way.moved_mib, self.way.gpu_id


def find_without_turns(question: Question, option: Option) -> OwnPlace | None:
    """Return where an option takes no turns once the fewest bytes have moved, or ``None``."""
    if question.wish.never_suspended or not question.holdings.idle:
        return None
    places = (_place(question, option, card) for card in cards_laid_out(question, option))
    found = (place for place in places if place is not None)
    return min(found, key=lambda each: each.least_moved, default=None)


def _place(question: Question, option: Option, card: LaidOutCard) -> OwnPlace | None:
    moves = _moves(question, option, card)
    if not moves:
        return None
    moved = sum((one.amount for one, _ in moves), NOTHING)
    position = question.position(option)
    missing = card.missing.without(moved)
    way = make_what_way_there_is(question, option, position, card.facts, missing)
    return OwnPlace(way, tuple((one.slice_id, to) for one, to in moves), moved_mib=moved.memory_mib)


def _moves(question: Question, option: Option, card: LaidOutCard) -> list[Move] | None:
    """Return which idle slices of the group go where, so that nobody takes turns on a card."""
    holdings, gpu_id = question.holdings, card.facts.gpu_id
    layout = holdings.layout(option.asked.gpu_type)
    due = due_of(layout, option.node, option.steps)
    idle = [
        one
        for one in movable_on(holdings, gpu_id)[1]
        if (piece := holdings.piece(one.slice_id)) is not None
        and not due.isdisjoint(layout.tree.paths[piece.node][: piece.entitled])
    ]
    if not idle:
        return None
    whole = GpuAmount(card.facts.kind.usable_mib, WHOLE_GPU_MILLI)
    missing = Missing(
        card.slices.memory_mib - whole.memory_mib, card.slices.compute_milli - whole.compute_milli
    )
    rooms = _rooms_without_turns(question, option, card, whole)
    return until_enough(holdings, idle, missing, rooms, gpu_id)


def _rooms_without_turns(
    question: Question,
    option: Option,
    card: LaidOutCard,
    whole: GpuAmount,
) -> Mapping[GpuId, GpuAmount]:
    """Return what is free on the group's cards of a node without turns."""
    holdings, kind = question.holdings, option.asked.kind
    rooms: dict[GpuId, GpuAmount] = {}
    for pool in question.pools(option):
        index = holdings.kinds_in(pool).get(kind)
        on_node = {} if index is None else free_on_nodes(question, pool, kind, index)
        for gpu_id, free in on_node.get(card.facts.node, {}).items():
            rooms[gpu_id] = free.lesser(whole.left_by(entitled_on(holdings, gpu_id)))
    return rooms
