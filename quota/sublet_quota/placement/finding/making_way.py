"""Who makes way on a card, so that a slice fits there: borrowed slices, and as few as are enough.

Whose room may be taken, and from whom first, is the question of ``shares.reclaim``, which counts in
cards. A card has memory and compute, and more may be promised of both than there is: so what is
missing is asked for in cards until both are there.
"""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, GpuRoom, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.finding.question import Question
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.reclaim import Openings, Position, Taken, take


@dataclass(frozen=True, slots=True)
class Way:
    """A card with the slices that make way there."""

    gpu_id: GpuId
    slices: tuple[SliceId, ...] = ()
    moved_mib: int = 0
    """How much memory these slices may hold."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing on a card; nothing, or less than that, where the slice fits."""

    memory_mib: int
    compute_milli: int

    @property
    def is_nothing(self) -> bool:
        """Whether the slice fits."""
        return self.memory_mib <= 0 and self.compute_milli <= 0

    def cards(self, usable_mib: int) -> Fraction:
        """Return the part of a card that is missing."""
        memory = Fraction(max(0, self.memory_mib), usable_mib)
        return max(memory, Fraction(max(0, self.compute_milli), WHOLE_GPU_MILLI))

    def without(self, freed: GpuAmount) -> "Missing":
        """Return what is missing once so much has made way."""
        return Missing(self.memory_mib - freed.memory_mib, self.compute_milli - freed.compute_milli)

    def with_more(self, amount: GpuAmount) -> "Missing":
        """Return what is missing where so much stays after all."""
        return Missing(
            self.memory_mib + amount.memory_mib, self.compute_milli + amount.compute_milli
        )


def missing_on(
    holdings: Holdings, facts: GpuFacts, room: GpuRoom, amount: GpuAmount, *, alone: bool
) -> Missing | None:
    """Return what a card lacks for a slice; ``None`` where no slice that makes way could help.

    ``alone``: so that all who have their place there fit together. Who was called back has none.
    """
    if amount.memory_mib > room.largest_mib:
        return None
    if not alone:
        return Missing(
            amount.memory_mib - room.shared_mib, amount.compute_milli - room.shared_milli
        )
    away = holdings.load(facts.gpu_id).called_back
    return Missing(
        amount.memory_mib - room.alone_mib - away.memory_mib,
        amount.compute_milli - room.alone_milli - away.compute_milli,
    )


def candidates_on(question: Question, gpu_id: GpuId) -> tuple[Piece, ...]:
    """Return the slices that have their place on a card, those to go first at the front.

    The newest goes first; of equal ones the one that has less to move.
    """
    known = question.seen.candidates
    if gpu_id not in known:
        known[gpu_id] = _candidates_on(question.holdings, gpu_id)
    return known[gpu_id]


def _candidates_on(holdings: Holdings, gpu_id: GpuId) -> tuple[Piece, ...]:
    here = [one for one in holdings.slices_on(gpu_id) if one.is_notebook and not one.called_back]
    in_turn = sorted(here, key=_last_in, reverse=True)
    pieces = (holdings.piece(one.slice_id) for one in in_turn)
    return tuple(piece for piece in pieces if piece is not None)


def _last_in(holding: Holding) -> tuple[datetime, int, int]:
    since, lot = holding.age
    return since, -holding.amount.memory_mib, lot


def make_way(
    question: Question,
    option: Option,
    position: Position,
    facts: GpuFacts,
    missing: Missing,
) -> Way | None:
    """Return who makes way so that the slice fits; ``None`` where not enough may be taken."""
    openings = Openings(position, question.request(option))
    return make_way_by(question, openings, facts, missing)


def make_way_by(
    question: Question, openings: Openings, facts: GpuFacts, missing: Missing
) -> Way | None:
    """Return who makes way, as ``make_way`` does, for a request that asks on many cards."""
    if missing.is_nothing:
        return Way(facts.gpu_id)
    candidates = candidates_on(question, facts.gpu_id)
    need = missing.cards(facts.kind.usable_mib)
    while True:
        answer = openings.take(need, candidates)
        if not isinstance(answer, Taken):
            return None
        freed = amount_of(question.holdings, answer.pieces)
        left = missing.without(freed)
        if left.is_nothing:
            return _way(facts.gpu_id, answer.pieces, freed)
        need = total(one.cards for one in answer.pieces) + left.cards(facts.kind.usable_mib)


def make_what_way_there_is(
    question: Question,
    option: Option,
    position: Position,
    facts: GpuFacts,
    missing: Missing,
) -> Way:
    """Return who makes way where the slice has its place whatever others have there.

    What no longer fits beside it is called back, as far as it may be.
    """
    way = make_way(question, option, position, facts, missing)
    if way is not None:
        return way
    candidates, request = candidates_on(question, facts.gpu_id), question.request(option)
    all_cards = total(one.cards for one in candidates) + 1
    most = take(position, request, all_cards, candidates)
    takable = NO_CARD if isinstance(most, Taken) else most.takable
    answer = take(position, request, takable, candidates)
    pieces = answer.pieces if isinstance(answer, Taken) else ()
    return _way(facts.gpu_id, pieces, amount_of(question.holdings, pieces))


def amount_of(holdings: Holdings, pieces: tuple[Piece, ...]) -> GpuAmount:
    """Return the memory and compute of slices."""
    freed = GpuAmount(0, 0)
    for piece in pieces:
        holding = holdings.slice(SliceId(piece.piece_id))
        if holding is not None:
            freed += holding.amount
    return freed


def _way(gpu_id: GpuId, pieces: tuple[Piece, ...], freed: GpuAmount) -> Way:
    slices = tuple(sorted(SliceId(piece.piece_id) for piece in pieces))
    return Way(gpu_id, slices, freed.memory_mib)
