"""From when on cards may be kept for reservations that begin later: no sure times for others there.

Which cards that will be is reckoned from the layout that will be in force then, with the slices of
now. From ``LOOK_AHEAD`` before the begin on it is not known who has what on them, and none but the
reservation's group is told of room there; nor of any, where more begins are near than are looked
at.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.lookups.reservations import coming
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName
from sublet_quota.placement.reserved_room import LOOK_AHEAD, room_for

MOST_BEGINS: Final = 3
"""So many begins are looked at: each takes as long as another document."""
_FAR: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class KeptTimes:
    """From when on cards may be kept, and for which groups."""

    of_cards: Mapping[GpuId, Sequence[tuple[datetime, GroupName]]] = field(default_factory=dict)
    known_until: datetime | None = None
    """When more begins than are looked at; ``None``: all are."""

    def bars(
        self, document: QuotaDocument, gpu_id: GpuId, group: GroupName | None, at: datetime
    ) -> bool:
        """Whether a card may be kept at a moment from what a group pays for and borrows."""
        if self.known_until is not None and at >= self.known_until:
            return True
        own = document.path_of_payer(group)
        return any(at >= since and for_ not in own for since, for_ in self.of_cards.get(gpu_id, ()))


def kept_times(holdings: Holdings, now: datetime) -> KeptTimes:
    """Return from when on cards may be kept for the reservations that begin next."""
    found = coming(holdings.document.as_written.reservations, now, _FAR)
    begins = sorted({each.begin for each in found})
    soon = [each for each in found if each.begin in begins[:MOST_BEGINS]]
    of_cards: defaultdict[GpuId, list[tuple[datetime, GroupName]]] = defaultdict(list)
    for room in room_for(holdings, soon, now):
        of_cards[room.gpu_id].append((room.begin - LOOK_AHEAD, room.group))
    later = begins[MOST_BEGINS:]
    return KeptTimes(of_cards, later[0] - LOOK_AHEAD if later else None)
