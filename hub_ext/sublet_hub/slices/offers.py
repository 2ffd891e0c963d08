"""What people could have now, reckoned once for as long as nothing has changed.

On a full hub that takes tens of milliseconds, as for each size it is looked for what would help;
and pages ask again and again. One's answer is kept while nothing has changed that is held or that
there is, and a while at most: how much host memory is left is measured anew all the time. Nothing
is granted by it, and nobody is told another's.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KeptFor
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.offers import SliceOffers, offers_for

from sublet_hub.state.capacity import Capacity

_KEPT_S: Final = 20.0
_MOST_KEPT: Final = 2000


@dataclass(frozen=True, slots=True)
class OffersAsked:
    """Whose offers are asked for, and how."""

    owner: str
    groups: tuple[str, ...]
    group: str | None = None
    """If that one paid."""
    never_suspended: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    found: SliceOffers
    holdings: Holdings
    changes: int
    kept_cards: Mapping[GpuId, KeptFor]
    at_s: float

    def is_true(self, holdings: Holdings, now_s: float) -> bool:
        """Whether the same would be found now."""
        return (
            self.holdings is holdings
            and self.changes == holdings.changes
            and self.kept_cards == holdings.kept_cards
            and now_s - self.at_s < _KEPT_S
        )


class OffersNow:
    """The offers of those who asked lately."""

    def __init__(
        self, capacity: Capacity, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = capacity
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[OffersAsked, _Kept] = OrderedDict()

    def of(self, asked: OffersAsked) -> SliceOffers:
        """Return what a user could have now."""
        holdings, now_s = self._capacity.holdings, self._monotonic_s()
        kept = self._kept.get(asked)
        if kept is not None and kept.is_true(holdings, now_s):
            return kept.found
        found = offers_for(
            holdings,
            asked.owner,
            asked.groups,
            never_suspended=asked.never_suspended,
            group=asked.group,
        )
        # What it looked at may have been added up only now.
        changes, cards = holdings.changes, holdings.kept_cards
        self._kept[asked] = _Kept(found, holdings, changes, cards, now_s)
        self._kept.move_to_end(asked)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found
