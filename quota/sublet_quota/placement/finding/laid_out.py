"""The place of what is entitled: on a card that is laid out for its group, whatever others hold.

What does not fit beside it any more is called back, as far as it is borrowed: a group's entitled
slices wait for no other group's work. The overcommit bounds what is borrowed: where all of a card
is the group's, its entitled slices take turns there if need be. What is entitled in part only, as
it is borrowed from a sibling, has its place where the group above is laid out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.making_way import (
    Missing,
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


@dataclass(frozen=True, slots=True)
class LaidOutCard:
    """A card of the layout with room for the option, as its group has it."""

    facts: GpuFacts
    missing: Missing
    beyond_part: bool
    """Whether the group has no such room there, but all of the card: the overcommit that its
    entitled slices may have among themselves is passed.
    """
    in_turns: bool
    """Whether entitled slices would take turns there."""
    beside_jobs: bool
    """Whether they, with entitled jobs, would: a slice takes the place of its payer's jobs."""
    part: Fraction
    """How much of the card is the group's: what fits in a rest leaves whole cards whole."""
    left_mib: int
    """What the slice leaves of its group's part."""
    slices: GpuAmount
    """What is entitled there by the same guarantees, the option included."""

    @property
    def turn(self) -> tuple[bool, bool, bool, Fraction, int, int, int, str, int, GpuId]:
        """What the best card has the least of: turns, then what has to move, then what is left."""
        missing, facts = self.missing, self.facts
        return (
            self.beyond_part,
            self.in_turns,
            self.beside_jobs,
            self.part,
            max(0, missing.memory_mib),
            max(0, missing.compute_milli),
            self.left_mib,
            facts.node,
            facts.index,
            facts.gpu_id,
        )


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
    for card in sorted(cards_laid_out(question, option), key=lambda each: each.turn):
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
    """Yield the cards that are laid out for the group, as far as the slice fits there."""
    holdings, asked = question.holdings, option.asked
    layout = holdings.layout(asked.gpu_type)
    due = due_of(layout, option)
    alone = question.wish.never_suspended
    for gpu_id in layout.usable_by(option.node):
        facts = holdings.gpu(gpu_id)
        if facts is None or facts.kind != asked.kind or not question.may_lie_on(facts):
            continue
        if due.isdisjoint(part.node for part in layout.on(gpu_id)):
            continue
        room = holdings.room_for_entitled(gpu_id, option.node)
        shared = holdings.room(gpu_id)
        if shared is None:
            continue
        # Jobs make way for whatever is entitled there.
        jobs = holdings.load(gpu_id).entitled_jobs
        shared = shared.with_more(jobs)
        missing = missing_on(holdings, facts, shared, asked.amount, alone=alone)
        part = layout.part_for(gpu_id, option.node)
        beyond_part = not asked.amount.fits_in(room)
        if missing is None or (beyond_part and (alone or part < WHOLE_CARD)):
            continue
        whole = GpuAmount(facts.kind.usable_mib, WHOLE_GPU_MILLI)
        slices = asked.amount + entitled_there(holdings, layout, gpu_id, due)
        in_turns, beside_jobs = not slices.fits_in(whole), not (slices + jobs).fits_in(whole)
        left_mib = room.memory_mib - asked.amount.memory_mib
        yield LaidOutCard(
            facts, missing, beyond_part, in_turns, beside_jobs, part, left_mib, slices
        )


def due_of(layout: Layout, option: Option) -> frozenset[NodeName]:
    """Return the groups by whose guarantees an option is entitled."""
    return frozenset(layout.tree.paths[option.node][: option.steps])


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
