"""Room that is taken card by card: for who is within their guarantee, or stays within their share.

Every card in reach is looked at on which enough could be taken at all, those first where least is
missing; of the first that do, the one where the fewest bytes have to move. Nothing is taken unless
the slice then fits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sublet_quota.admission.slice_admission import Option
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.givers import Givers, givers
from sublet_quota.placement.finding.making_way import (
    Missing,
    Way,
    candidates_on,
    make_way,
    missing_on,
)
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.reclaim import Openings, Position

_LOOKED_AT_FURTHER: Final = 16
"""How many more cards are looked at for one with less to move, once room is found."""

_FEW: Final = 512
"""So many slices of those who could give are looked up, before all cards in reach are looked at."""


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
    who = givers(position, question.request(option))
    if not who.most and not question.wish.never_suspended:
        return None
    openings = Openings(position, question.request(option))
    best: Way | None = None
    further = 0
    for missing, facts in _by_what_is_missing(question, option, _where_few_are(question, who)):
        if best is not None and (
            further == _LOOKED_AT_FURTHER or missing.memory_mib >= best.moved_mib
        ):
            break
        if missing.is_nothing:
            return Way(facts.gpu_id)
        if not who.most:
            break
        candidates = candidates_on(question, facts.gpu_id)
        need = missing.cards(facts.kind.usable_mib)
        if not (openings.are_in(candidates) and who.could_give(candidates, need)):
            continue
        further += best is not None
        way = make_way(question, option, position, facts, missing)
        if way is not None and (best is None or way.moved_mib < best.moved_mib):
            best = way
    return best


def _where_few_are(question: Question, who: Givers) -> frozenset[GpuId] | None:
    """Return the cards with slices of the givers, where that is quicker than to look at all.

    On any other card nothing may be taken, and there is no free room either: it was looked for.
    ``None``: the givers have many slices, or what is asked for must fit beside what it finds.
    """
    if question.wish.never_suspended:
        return None
    holdings, found = question.holdings, set[GpuId]()
    count = 0
    for leaf in who.leaves():
        for holding in holdings.slices_at(leaf):
            found.add(holding.gpu_id)
            count += 1
            if count > _FEW:
                return None
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
