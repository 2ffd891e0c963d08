"""Who has less of a card than its share by what belongs to no slice, and how that is told.

That takes no turns: nobody may pause what is none of Sublet's. Among themselves slices may have
what is due to each, by turns or without, and still less than the share that they are shown. So it
is told by the whole card what would else be told by slices alone.
"""

from typing import Final

from sublet_quota.compute.card_use import CARD_MILLI, CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.dues import dues
from sublet_quota.compute.measured import ROUNDED, WITHIN, computes, is_full, used
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

_BY_SLICES_ALONE: Final = frozenset({ShareKept.NOT_NEEDED, ShareKept.BY_TURNS, ShareKept.CAPPED})
"""What is told of those that have what is due to them of what slices have together."""
_LEFT_ALONE: Final = frozenset({NotPausable.STANDS_STILL, NotPausable.KEPT_BY_ENGINE})


def who_has_less_by_foreign_use(use: CardUse) -> frozenset[SliceId]:
    """Return who computes on a full card and lacks no more of its share than foreign use takes.

    Beyond its share a slice has what nobody else takes: foreign use takes nothing due of that.
    """
    if use.busy is None or not is_full(use) or use.foreign <= ROUNDED:
        return frozenset()
    computing = [each for each in use if computes(each)]
    due = dues(computing)

    def lacks(each: ComputingSlice) -> float:
        share = min(float(due[each.slice_id]), each.weight / CARD_MILLI)
        return (1 - WITHIN) * share - used(each) - ROUNDED

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
