"""Who has less of a card than its share by what belongs to no slice, and how that is told.

That takes no turns: nobody may pause what is none of Sublet's. Among themselves slices may have
what is due to each, by turns or without, and still less than the share that they are shown. So it
is told by the whole card what would else be told by slices alone.

A program that uses a tenth of a card because it computes mostly elsewhere lacks nothing beside
others, whatever its share is. How much it takes is seen while the card has time to spare; beside
foreign use on a full card, whoever still has that much has lost nothing to it. Whose program has
filled the card ever since it began is not known so, nor whose takes more by now: those may want all
of their share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from sublet_quota.compute.card_use import CARD_MILLI, CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.dues import dues
from sublet_quota.compute.measured import ROUNDED, WITHIN, computes, is_full, used
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

_BY_SLICES_ALONE: Final = frozenset({ShareKept.NOT_NEEDED, ShareKept.BY_TURNS, ShareKept.CAPPED})
"""What is told of those that have what is due to them of what slices have together."""
_LEFT_ALONE: Final = frozenset({NotPausable.STANDS_STILL, NotPausable.KEPT_BY_ENGINE})
_OUTGROWN: Final = 1.25
"""Whoever has so many times as much as it took before takes more by now."""
_NOTHING: Final[Mapping[SliceId, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wants:
    """How much of a card each slice takes that nobody holds up."""

    known: Mapping[SliceId, float] = field(default_factory=dict)
    """The part of the card's time that each took in the last second that is sure."""
    _seen: Mapping[SliceId, float] = field(default_factory=dict)
    """The same of the second after it, which may be the one in which the card filled."""
    _until: datetime | None = None
    """The end of that second, or of the last one that says nothing."""

    def measured(self, use: CardUse) -> "Wants":
        """Return what is known after what was measured.

        Nothing is learned while turns are taken or memory moves: whoever is paused takes less.
        """
        had = {
            e.slice_id: used(e) for e in use if computes(e) and e.not_pausable not in _LEFT_ALONE
        }
        known = {who: took for who, took in self.known.items() if _is_as_before(had.get(who), took)}
        if use.busy is None or is_full(use) or use.turned or use.moving:
            return Wants(known, _until=use.now)
        if self._until is not None and use.measured_from < self._until:
            return Wants(known, self._seen, self._until)
        sure = {who: took for who, took in self._seen.items() if who in had}
        return Wants(known | sure, had, use.now)


def _is_as_before(has: float | None, took: float) -> bool:
    """Whether what somebody took says what it takes now; ``None``: nothing any more."""
    return has is not None and has - ROUNDED <= _OUTGROWN * took


def who_has_less_by_foreign_use(
    use: CardUse, wants: Mapping[SliceId, float] = _NOTHING
) -> frozenset[SliceId]:
    """Return who computes on a full card and lacks no more of its share than foreign use takes.

    Beyond its share a slice has what nobody else takes: foreign use takes nothing due of that.
    ``wants``: how much of the card some take at most, as far as that is known.
    """
    if use.busy is None or not is_full(use) or use.foreign <= ROUNDED:
        return frozenset()
    computing = [each for each in use if computes(each)]
    due = dues(computing)

    def lacks(each: ComputingSlice) -> float:
        share = min(float(due[each.slice_id]), each.weight / CARD_MILLI)
        wanted = min(share, wants.get(each.slice_id, share))
        return (1 - WITHIN) * wanted - used(each) - ROUNDED

    return frozenset(
        each.slice_id
        for each in computing
        if each.not_pausable not in _LEFT_ALONE and 0 < lacks(each) <= use.foreign
    )


def told_beside_foreign_use(kept: ShareKept, *, has_less: bool) -> ShareKept:
    """Return how it stands with a share, of which by slices alone ``kept`` would be told.

    ``has_less``: whether its slice has less of the card by foreign use.
    """
    return ShareKept.FOREIGN if has_less and kept in _BY_SLICES_ALONE else kept
