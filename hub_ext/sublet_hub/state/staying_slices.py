"""Slices that could not change cards when they were asked to, and when they are asked again.

What kept them is, as a rule, in their programs: one that sees a single card, memory that is shared,
a driver that refused. So a slice is asked again for a card when none of the programs is left that
it had then, or after a while, which doubles each time that it stays again: who comes for its room
would have to take turns there, over and over. Nor do other programs count at once where it stayed
before: an owner may begin new ones every second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId

_FIRST: Final = timedelta(hours=1)
_LONGEST: Final = timedelta(days=1)
_OTHERS_COUNT_AFTER: Final = 1 / 30
"""After this part of a while other programs count, where the slice stayed before."""


@dataclass(frozen=True, slots=True)
class _Stay:
    pids: frozenset[int]
    until: datetime
    lasts: timedelta
    others_count_from: datetime

    def is_over(self, pids: frozenset[int], now: datetime) -> bool:
        has_others = bool(self.pids) and self.pids.isdisjoint(pids)
        return now >= (self.others_count_from if has_others else self.until)


class StayingSlices:
    """What is known of slices that stayed; it is forgotten with the service."""

    def __init__(self) -> None:
        self._stays: dict[SliceId, dict[GpuId, _Stay]] = {}
        self._over: dict[SliceId, dict[GpuId, timedelta]] = {}
        """How long stays lasted that are over."""

    def note(self, slice_id: SliceId, card: GpuId, pids: frozenset[int], now: datetime) -> None:
        """Note that a slice with these programs did not come to a card."""
        before = self._over.get(slice_id, {}).get(card)
        lasts = _FIRST if before is None else min(2 * before, _LONGEST)
        others_count_from = now if before is None else now + _OTHERS_COUNT_AFTER * lasts
        stay = _Stay(pids, now + lasts, lasts, others_count_from)
        self._stays.setdefault(slice_id, {})[card] = stay

    def keeps(self, slice_id: SliceId) -> bool:
        """Whether a slice is not to be asked now to make room by changing cards."""
        return slice_id in self._stays

    def keeps_from(self, slice_id: SliceId, card: GpuId) -> bool:
        """Whether a slice is not to be asked now to come to a card."""
        return card in self._stays.get(slice_id, {})

    def end(
        self, pids_of: Callable[[SliceId], frozenset[int]], now: datetime
    ) -> tuple[SliceId, ...]:
        """Let slices be asked again whose time it is; return them."""
        ended: list[SliceId] = []
        for slice_id, cards in tuple(self._stays.items()):
            pids = pids_of(slice_id)
            over = {card: stay for card, stay in cards.items() if stay.is_over(pids, now)}
            if not over:
                continue
            lasted = self._over.setdefault(slice_id, {})
            lasted.update((card, stay.lasts) for card, stay in over.items())
            for card in over:
                del cards[card]
            if not cards:
                del self._stays[slice_id]
            ended.append(slice_id)
        return tuple(ended)

    def forget(self, slice_id: SliceId) -> None:
        """Forget a slice that is no more."""
        self._stays.pop(slice_id, None)
        self._over.pop(slice_id, None)
