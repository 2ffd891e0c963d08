"""Which type a card counts as, and which pool has it, as the document says."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from sublet_quota.document.lookups.gpu_match import Ambiguous
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import PoolName
from sublet_quota.reasons.closed_gpus import IN_NO_POOL, several_match


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """A card with the type and the pool that it has under a document."""

    facts: GpuFacts
    """Closed, with that reason, where the document does not tell type or pool of it."""
    gpu_type: str
    """The model's own name where several types match."""
    pool: PoolName | None
    """``None``: no pool has it, or several."""
    told: GpuFacts
    """The facts as they were told, whatever the document says."""

    @property
    def is_open(self) -> bool:
        """Whether the card counts among those that there are of its type."""
        return self.pool is not None and self.facts.closed is None

    @property
    def kept_out(self) -> str | None:
        """Why the document lets nothing onto the card, a clause; ``None``: one pool has it."""
        if self.pool is not None:
            return None
        return IN_NO_POOL if self.facts is self.told else self.facts.closed

    @property
    def holds_guarantees(self) -> bool:
        """Whether guarantees can be kept there: others can make way alive."""
        return self.is_open and not self.facts.pause_only


def counted_type(document: QuotaDocument, model: str) -> str:
    """Return the type that cards of a model count as; of unclear ones the model's own name."""
    found = document.type_of(model)
    return model if isinstance(found, Ambiguous) else found


def type_turn(
    document: QuotaDocument, gpu_type: str, lot: Callable[[str], int]
) -> tuple[Fraction, int]:
    """Return what goes first of types that are alike has the least of: its rate, then its lot.

    ``lot``: by what is drawn once for an installation, so that no choice of a name wins.
    """
    return rate_of(document, gpu_type), lot(gpu_type)


def rate_of(document: QuotaDocument, gpu_type: str) -> Fraction:
    """Return what a card of a type counts beside others."""
    known = document.gpu_types.get(gpu_type)
    return _RATE_WHERE_NOBODY_SAYS if known is None else _fraction(known.rate)


_RATE_WHERE_NOBODY_SAYS: Final = Fraction(1)


@lru_cache(maxsize=1024)
def _fraction(rate: Decimal) -> Fraction:
    """Return a rate as fractions are reckoned with: of few rates it is asked for each use."""
    return Fraction(rate)


def policy_of(document: QuotaDocument, facts: GpuFacts) -> CardPolicy:
    """Return a card's type and pool; one that several match alike is closed."""
    found = document.type_of(facts.kind.type)
    gpu_type = facts.kind.type if isinstance(found, Ambiguous) else found
    pool = document.pool_for(gpu_type, facts.node, facts.gpu_id)
    if isinstance(found, Ambiguous):
        return CardPolicy(_closed(facts, "types", found), gpu_type, None, facts)
    if isinstance(pool, Ambiguous):
        return CardPolicy(_closed(facts, "pools", pool), gpu_type, None, facts)
    return CardPolicy(facts, gpu_type, pool, facts)


def _closed(facts: GpuFacts, sections: str, found: Ambiguous) -> GpuFacts:
    if facts.closed is not None:
        return facts
    why = several_match(sections, found.names)
    return replace(facts, closed=why, closed_by_hand=True)
