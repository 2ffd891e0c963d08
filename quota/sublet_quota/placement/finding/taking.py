"""Room that is taken card by card: for who is within their guarantee, or stays within their share.

Every card in reach is looked at on which enough could be taken at all, those first where least is
missing; of the first that do, the one where the fewest bytes have to move. Nothing is taken unless
the slice then fits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId, GroupName
from sublet_quota.placement.finding.givers import Givers, givers
from sublet_quota.placement.finding.making_way import (
    Missing,
    Way,
    candidates_on,
    make_way_by,
    missing_on,
)
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import SPENT
from sublet_quota.shares.reclaim import Openings, Position

_LOOKED_AT_FURTHER: Final = 16
"""How many more cards are looked at for one with less to move, once room is found."""

_FEW: Final = 512
"""So many slices that may go first are looked up, before all cards in reach are looked at."""


@dataclass(frozen=True, slots=True)
class TakenPlace:
    """A card on which room is made for an option."""

    option: Option
    way: Way


def find_taken(question: Question, options: tuple[Option, ...]) -> TakenPlace | None:
    """Return where room is made for the first option for which it may be, or ``None``."""
    for option in options:
        way = take_somewhere(question, option, question.position(option))
        if way is not None:
            return TakenPlace(option, way)
    return None


def take_somewhere(question: Question, option: Option, position: Position) -> Way | None:
    """Return the card, of all in reach, on which room is made, or ``None``."""
    if question.wish.never_suspended and option.rank is not Rank.ENTITLED:
        return None
    if question.is_short_everywhere(option):
        return None
    borrowers = question.borrowers(option.asked.gpu_type)
    who = givers(position, question.request(option), borrowers)
    if not who.most and not question.wish.never_suspended:
        return None
    openings = Openings(position, question.request(option))
    may = _MayGive(question, option, openings, who)
    best: Way | None = None
    further = 0
    few = _where_few_are(question, option, openings, who)
    for missing, facts in _by_what_is_missing(question, option, few):
        if best is not None and (
            further == _LOOKED_AT_FURTHER or missing.memory_mib >= best.moved_mib
        ):
            break
        if missing.is_nothing:
            return Way(facts.gpu_id)
        if not who.most:
            break
        if not may.give(facts.gpu_id, missing):
            continue
        further += best is not None
        way = make_way_by(question, openings, facts, missing)
        if way is not None and (best is None or way.moved_mib < best.moved_mib):
            best = way
    return best


class _MayGive:
    """Whether enough could be taken on a card at all: what spares asking who makes way there.

    Asked of thousands of cards: in whole numbers first, so that pieces are looked at on few of
    them.
    """

    def __init__(self, question: Question, option: Option, openings: Openings, who: Givers) -> None:
        self._question, self._openings, self._who = question, openings, who
        self._usable_mib = usable_mib = option.asked.kind.usable_mib
        self._whole = whole = usable_mib * WHOLE_GPU_MILLI
        self._most_by = {
            name: -(-most.numerator * whole // most.denominator) for name, most in who.most.items()
        }
        """The most that each giver gives, rounded up."""
        self._most_of: dict[GroupName | None, int] = {}

    def give(self, gpu_id: GpuId, missing: Missing) -> bool:
        """Whether there is who may go first, and what could be given is as much as is missing."""
        if not self._could_be_enough(gpu_id, missing):
            return False
        pieces = candidates_on(self._question, gpu_id)
        need = missing.cards(self._usable_mib)
        return self._openings.are_in(pieces) and self._who.could_give(pieces, need)

    def _could_be_enough(self, gpu_id: GpuId, missing: Missing) -> bool:
        """Whether givers hold as much on a card as is missing, whatever they are entitled to."""
        found, whole, most_of = 0, self._whole, self._most_of
        for one in self._question.holdings.slices_on(gpu_id):
            if one.is_notebook and not one.called_back:
                part = self._part(one.amount.memory_mib, one.amount.compute_milli)
                # As a piece no slice is more than one card, whatever it has.
                part = min(part, whole)
                most = most_of[one.group] if one.group in most_of else self._most(one.group)
                found += part if part <= most else 0
        return found >= self._part(missing.memory_mib, missing.compute_milli)

    def _part(self, memory_mib: int, compute_milli: int) -> int:
        """Return which part of a card that is: its larger share, of memory or of compute."""
        return max(memory_mib * WHOLE_GPU_MILLI, compute_milli * self._usable_mib)

    def _most(self, group: GroupName | None) -> int:
        """Return the largest slice that could be taken of what a group pays for.

        Where its budget is over, what it pays for counts elsewhere, and could go from there.
        """
        path = self._who.tree.paths[self._question.holdings.leaf(group)]
        most = self._most_of[group] = max(self._most_by.get(name, 0) for name in (*path, SPENT))
        return most


def _where_few_are(
    question: Question, option: Option, openings: Openings, who: Givers
) -> frozenset[GpuId] | None:
    """Return the cards with slices that may go first, where that is quicker than to look at all.

    On any other card nothing may be taken, and there is no free room either: it was looked for.
    ``None``: there are many such slices, or what is asked for must fit beside what it finds.
    """
    if question.wish.never_suspended or question.has_few_nodes(option):
        return None
    holdings, gpu_type, found = question.holdings, option.asked.gpu_type, set[GpuId]()
    slices = (
        holdings.borrowed_at(gpu_type, name, most) for name, most in openings.givers(who.most)
    )
    for count, holding in enumerate(chain.from_iterable(slices)):
        if count == _FEW:
            return None
        found.add(holding.gpu_id)
    return frozenset(found)


def _by_what_is_missing(
    question: Question, option: Option, among: frozenset[GpuId] | None
) -> Iterator[tuple[Missing, GpuFacts]]:
    """Yield the cards where others could make way, those first where least memory is missing."""
    alone, amount = question.wish.never_suspended, option.asked.amount
    found = (
        (missing, facts)
        for facts, room in question.cards(option, among)
        if not facts.pause_only
        if (missing := missing_on(question.holdings, facts, room, amount, alone=alone)) is not None
    )
    if len(question.pools(option)) == 1 and not alone:
        return found
    return iter(sorted(found, key=lambda card: max(0, card[0].memory_mib)))
