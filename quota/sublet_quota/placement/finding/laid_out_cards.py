"""The cards where a guarantee lies, in the order in which they suit a slice, kept with holdings.

Of what is asked for again and again only the cards are looked at that are other than before. What a
card is to a slice hangs on nothing but that card: what it is, what lies there, and what is laid out
there; the holdings tell of each where one of these changed (``watch_cards``).
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.making_way import Missing
from sublet_quota.shares.group_tree import NodeName

_MOST_A_CARD: Final = 4
"""As many entries are kept for each card of the cluster, on average; those asked for last stay."""
_MOST_OF_FEW: Final = 1024
"""So many are kept in any case."""
_KEY: Final = "laid out cards"

Turn = tuple[bool, bool, bool, Fraction, int, int, int, str, int, GpuId]


@dataclass(frozen=True, slots=True)
class Fits:
    """A slice that is entitled, as far as its card hangs on it."""

    leaf: NodeName
    steps: int
    """How many groups from the top guarantee it."""
    gpu_type: str
    kind: GpuKind
    amount: GpuAmount
    alone: bool
    """Whether it must fit beside all that have their place, as it is never suspended."""


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
    def turn(self) -> Turn:
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


LookAt = Callable[[GpuId], LaidOutCard | None]
"""Tells what a card is to a slice; ``None``: the slice has no place there."""


@dataclass(slots=True)
class _InTurn:
    """The cards for one slice, the best first."""

    laid_out: tuple[object, ...]
    """The layout by which they were found."""
    cards: dict[GpuId, tuple[Turn, LaidOutCard]] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    stale: set[GpuId] = field(default_factory=set)
    """Cards that are other than when they were looked at last."""

    def look_again(self, look_at: LookAt) -> None:
        """Look at the cards that are other than before."""
        for gpu_id in self.stale:
            before, now = self.cards.pop(gpu_id, None), look_at(gpu_id)
            if before is not None:
                del self.turns[bisect_left(self.turns, before[0])]
            if now is not None:
                turn = now.turn
                self.cards[gpu_id] = turn, now
                insort(self.turns, turn)
        self.stale.clear()


class LaidOutCards:
    """All such cards, by what fits there."""

    def __init__(self, holdings: Holdings) -> None:
        self._changed = holdings.watch_cards()
        self._known: dict[Fits, _InTurn] = {}
        """What was asked for last is at the end."""

    @classmethod
    def of(cls, holdings: Holdings) -> "LaidOutCards":
        """Return those that are kept with holdings."""
        found: LaidOutCards | None = holdings.scores.get(_KEY)
        if found is None:
            found = holdings.scores[_KEY] = cls(holdings)
        return found

    def best_first(self, holdings: Holdings, fits: Fits, look_at: LookAt) -> Iterator[LaidOutCard]:
        """Yield the cards for a slice, the best first; nothing may change before the last."""
        layout = holdings.layout(fits.gpu_type)
        for known in self._known.values():
            known.stale |= self._changed
        self._changed.clear()
        laid_out = layout, layout.tree, layout.packing.demand.units
        found = self._known.pop(fits, None)
        if found is None or found.laid_out != laid_out:
            found = _InTurn(laid_out)
            for name in layout.tree.paths[fits.leaf][: fits.steps]:
                found.stale.update(layout.packing.where.get(name, ()))
        self._known[fits] = found
        found.look_again(look_at)
        self._forget(holdings)
        return (found.cards[turn[-1]][1] for turn in found.turns)

    @property
    def kept(self) -> int:
        """How many entries are kept: one for each card, and for each slice one more."""
        return sum(len(each.cards) + 1 for each in self._known.values())

    def _forget(self, holdings: Holdings) -> None:
        most, kept = max(_MOST_OF_FEW, _MOST_A_CARD * holdings.number_of_cards), self.kept
        while kept > most and len(self._known) > 1:
            first = next(iter(self._known))
            kept -= len(self._known.pop(first).cards) + 1
