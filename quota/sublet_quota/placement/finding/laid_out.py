"""The place of what is entitled: on a card that is laid out for its group, whatever others hold.

What does not fit beside it any more is called back, as far as it is borrowed: a group's entitled
slices wait for no other group's work. The overcommit bounds what is borrowed: where all of a card
is the group's, its entitled slices take turns there if need be. What is entitled in part only, as
it is borrowed from a sibling, has its place where the group above is laid out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.laid_out_cards import Fits, LaidOutCard, LaidOutCards
from sublet_quota.placement.finding.making_way import (
    Way,
    make_way,
    make_what_way_there_is,
    missing_on,
)
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import WHOLE_CARD
from sublet_quota.shares.group_tree import NodeName


@dataclass(frozen=True, slots=True)
class LaidOutPlace:
    """A card that is laid out for an option's group, and who makes way there."""

    option: Option
    way: Way
    in_turns: bool
    """Whether entitled slices take turns there."""


def find_laid_out(question: Question, options: tuple[Option, ...]) -> LaidOutPlace | None:
    """Return the place of the first option that is entitled and finds one, or ``None``."""
    for option in options:
        if option.rank is Rank.BORROWED:
            continue
        if question.wish.never_suspended and option.rank is not Rank.ENTITLED:
            continue
        place = _place(question, option)
        if place is not None:
            return place
    return None


def _place(question: Question, option: Option) -> LaidOutPlace | None:
    alone = question.wish.never_suspended
    for card in cards_laid_out(question, option):
        if card.missing.is_nothing:
            return LaidOutPlace(option, Way(card.facts.gpu_id), card.in_turns)
        position = question.position(option)
        if not alone:
            way = make_what_way_there_is(question, option, position, card.facts, card.missing)
            return LaidOutPlace(option, way, card.in_turns)
        way_alone = make_way(question, option, position, card.facts, card.missing)
        if way_alone is not None:
            return LaidOutPlace(option, way_alone, card.in_turns)
    return None


def cards_laid_out(question: Question, option: Option) -> Iterator[LaidOutCard]:
    """Yield the cards that are laid out for the group, as far as the slice fits there.

    The best comes first (``LaidOutCard.turn``). Nothing may change before the last is had.
    """
    holdings = question.holdings
    fits = Fits(
        option.node,
        option.steps,
        option.asked.gpu_type,
        option.asked.kind,
        option.asked.amount,
        question.wish.never_suspended,
    )
    found = LaidOutCards.of(holdings).best_first(
        holdings, fits, lambda gpu_id: laid_out_card(holdings, fits, gpu_id)
    )
    amount = option.asked.amount
    return (card for card in found if question.may_lie_on(card.facts, amount))


def laid_out_card(holdings: Holdings, fits: Fits, gpu_id: GpuId) -> LaidOutCard | None:
    """Return a card as one where a group's guarantee lies; ``None``: the slice has no place there.

    That hangs on the card alone, with what lies there and is laid out there.
    """
    facts, layout = holdings.gpu(gpu_id), holdings.layout(fits.gpu_type)
    if facts is None or facts.kind != fits.kind or facts.closed is not None:
        return None
    due = due_of(layout, fits.leaf, fits.steps)
    if due.isdisjoint(layout.packing.parts.get(gpu_id, ())):
        return None
    shared = holdings.room(gpu_id)
    if shared is None:
        return None
    room = holdings.room_for_entitled(gpu_id, fits.leaf)
    # Jobs make way for whatever is entitled there.
    jobs = holdings.load(gpu_id).entitled_jobs
    shared = shared.with_more(jobs)
    missing = missing_on(holdings, facts, shared, fits.amount, alone=fits.alone)
    part = layout.part_for(gpu_id, fits.leaf)
    beyond_part = not fits.amount.fits_in(room)
    if missing is None or (beyond_part and (fits.alone or part < WHOLE_CARD)):
        return None
    whole = GpuAmount(facts.kind.usable_mib, WHOLE_GPU_MILLI)
    slices = fits.amount + entitled_there(holdings, layout, gpu_id, due)
    in_turns, beside_jobs = not slices.fits_in(whole), not (slices + jobs).fits_in(whole)
    left_mib = room.memory_mib - fits.amount.memory_mib
    return LaidOutCard(facts, missing, beyond_part, in_turns, beside_jobs, part, left_mib, slices)


def due_of(layout: Layout, leaf: NodeName, steps: int) -> frozenset[NodeName]:
    """Return the groups by whose guarantees a leaf's slice is entitled: so many from the top."""
    return frozenset(layout.tree.paths[leaf][:steps])


def entitled_there(
    holdings: Holdings, layout: Layout, gpu_id: GpuId, due: frozenset[NodeName]
) -> GpuAmount:
    """Return what is entitled on a card by the same guarantees."""
    found, paths = NOTHING, layout.tree.paths
    for holding in holdings.slices_on(gpu_id):
        piece = holdings.piece(holding.slice_id)
        if piece is not None and not due.isdisjoint(paths[piece.node][: piece.entitled]):
            found += holding.amount
    return found
