"""Cards whose room is kept for a reservation that begins soon, or has just begun."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GpuId, GroupName

KEPT_FOR: Final = timedelta(minutes=5)
"""How long after a begin room that nobody has taken yet is kept from being lent again."""


@dataclass(frozen=True, slots=True)
class KeptFor:
    """For whose reservation a card is kept."""

    group: GroupName
    begin: datetime
    end: datetime
    """When the reservation ends: room that nobody takes of it is lent again long before."""

    @property
    def until(self) -> datetime:
        """Until when the card is kept from being lent again, at most to the reservation's end."""
        return min(self.begin + KEPT_FOR, self.end)


NO_CARDS_KEPT: Final[Mapping[GpuId, KeptFor]] = MappingProxyType({})


class KeptCards:
    """Which cards are kept, and for whom: nobody else borrows there."""

    document: QuotaDocument
    kept_cards: Mapping[GpuId, KeptFor] = NO_CARDS_KEPT
    """Cards with the reservation for which each is kept."""

    def is_kept_from(self, gpu_id: GpuId, group: GroupName | None) -> bool:
        """Whether a group borrows nothing on a card: it is kept for another, and for those in it.

        ``group`` is who pays; ``None``: no group.
        """
        kept = self.kept_cards.get(gpu_id)
        return kept is not None and kept.group not in self.document.path_of_payer(group)
